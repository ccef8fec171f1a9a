"""Synthesis and player on a real line: media engine, RTP on the loopback and µ-law, to whoever listens there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest
import soxr
from rapidfuzz.distance import Levenshtein

from telephony.leg import AudioHandler, DtmfHandler, Leg, Pcm
from telephony.media.engine import MediaEngine
from telephony.media.session import MediaSession
from telephony.media.stats import MediaStats
from telephony.sdp.local_description import Agreed
from telephony.sip_trace import TraceEntry
from tests.real.programs import until
from voicebot import config
from voicebot.messages import Expect, Say
from voicebot.paths import models_dir
from voicebot.tts.playback import FADE_MS
from voicebot.tts.player import Player
from voicebot.tts.synthesizer import Synthesizer

FIRST_PORT, LAST_PORT = 28900, 28999
GREETING = "Welcome to Northwind. I can help you with an order, book an appointment, or reset your password."


class Line:
    """A leg on one media session, and what arrives at the session of the other end."""

    def __init__(self, near: MediaSession, far: MediaSession) -> None:
        self.id = self.peer = "line"
        self.rate_hz = near.rate_hz
        self.on_audio: AudioHandler | None = None
        self.on_dtmf: DtmfHandler | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._near = near
        self.arrived: list[tuple[float, Pcm]] = []
        near.connect(Agreed(("127.0.0.1", far.port), "PCMU", 0, 101, "sendrecv", 20))
        far.connect(Agreed(("127.0.0.1", near.port), "PCMU", 0, 101, "sendrecv", 20))
        far.on_audio = lambda pcm: self.arrived.append((time.monotonic(), pcm))

    @property
    def played_samples(self) -> int:
        return self._near.played_samples

    @played_samples.setter
    def played_samples(self, value: int) -> None:
        raise AttributeError

    @property
    def queued_samples(self) -> int:
        return self._near.queued_samples

    def play(self, pcm: Pcm) -> None:
        self._near.play(pcm)

    def flush(self) -> int:
        return self._near.flush()

    def send_dtmf(self, keys: str) -> None:
        self._near.send_dtmf(keys)

    async def hang_up(self, reason: str = "local") -> None:
        self.closed.set_result(reason)

    async def connect_to(self, other: Leg) -> bool:
        return False

    def stats(self) -> MediaStats:
        return self._near.stats()

    def captured(self) -> list[TraceEntry] | None:
        return None

    @property
    def heard(self) -> Pcm:
        return np.concatenate([pcm for _, pcm in self.arrived])

    @property
    def last_sound(self) -> float:
        return max((at for at, pcm in self.arrived if np.abs(pcm).max() > 300), default=float("inf"))

    async def quiet(self, seconds: float = 0.15) -> None:
        """Wait until so much silence has arrived at the other end after the last sound."""
        await until(lambda: any(at - self.last_sound >= seconds for at, _ in self.arrived[-1:]))


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    engine = MediaEngine("127.0.0.1", FIRST_PORT, LAST_PORT)
    engine.start()
    yield Line(engine.open(), engine.open())
    engine.stop()


@pytest.fixture
async def synthesizer() -> AsyncIterator[Synthesizer]:
    made = Synthesizer.load(config.TtsSettings(voice="espeak"))
    made.start()
    yield made
    made.stop()


async def test_a_prompt_arrives_whole_and_without_gaps(line: Line, synthesizer: Synthesizer) -> None:
    wanted = np.concatenate([block async for block in synthesizer.speak(GREETING, 8000)])
    spoken = await Player(line, synthesizer).say(Say(GREETING))
    await line.quiet()
    assert spoken.complete
    assert spoken.first_audio_ms < 50
    heard = line.heard
    begin = int(np.flatnonzero(np.abs(heard) > 300)[0]) - int(np.flatnonzero(np.abs(wanted) > 300)[0])
    best = max(
        float(np.corrcoef(heard[b : b + len(wanted)], wanted)[0, 1]) for b in range(max(0, begin - 40), begin + 40)
    )
    assert best > 0.99, "the same wave from beginning to end: nothing lost, repeated or shifted"


async def test_barge_in_is_heard_at_once_at_the_other_end(line: Line, synthesizer: Synthesizer) -> None:
    player = Player(line, synthesizer)
    saying = asyncio.create_task(player.say(Say(GREETING)))
    await until(lambda: line.played_samples > 2 * 8000)
    stopped = time.monotonic()
    player.stop()
    spoken = await saying
    await line.quiet(0.5)
    assert line.last_sound - stopped < 0.08, "a packet under way and the listener's jitter buffer, no more"
    assert not spoken.complete
    assert GREETING.startswith(spoken.heard)
    assert 2 < len(spoken.heard.split()) < 10


async def test_a_prompt_that_is_stopped_fades_on_the_wire(line: Line, synthesizer: Synthesizer) -> None:
    wanted = np.concatenate([block async for block in synthesizer.speak(GREETING, 8000)])
    player = Player(line, synthesizer)
    saying = asyncio.create_task(player.say(Say(GREETING)))
    await until(lambda: line.played_samples > 8000 and np.abs(wanted[line.played_samples :][:80]).mean() > 1500)
    player.stop()
    await saying
    await line.quiet()
    begun = int(np.argmax(np.correlate(line.heard.astype(float), wanted[2000:6000].astype(float)))) - 2000
    heard = line.heard[begun:]
    samples = 8000 * FADE_MS // 1000
    begin = next(
        n for n in range(0, len(heard), 160) if np.abs(heard[n + samples : n + 800]).max() < 80
    )  # comfort noise
    fade = slice(begin, begin + samples)
    shares = np.abs(heard[fade]).astype(float).reshape(4, -1).sum(1) / np.abs(wanted[fade]).reshape(4, -1).sum(1)
    assert shares[0] > 0.8 and shares[-1] < 0.2 and (np.diff(shares) < 0).all(), "the prompt's own wave, dying away"
    assert np.allclose(heard[fade.start - 800 : fade.start], wanted[fade.start - 800 : fade.start], atol=700)


async def test_a_false_alarm_loses_no_word(line: Line, synthesizer: Synthesizer) -> None:
    player = Player(line, synthesizer)
    saying = asyncio.create_task(player.say(Say(GREETING)))
    await until(lambda: line.played_samples > 1.5 * 8000)
    player.pause()
    await asyncio.sleep(0.4)
    player.resume()
    assert (await saying).complete
    await line.quiet()
    wanted = np.concatenate([block async for block in synthesizer.speak(GREETING, 8000)])
    repeated = loud(line.heard) - loud(wanted)
    assert -100 < repeated < 0.8 * 8000, "everything, and at most the last words twice"


@pytest.mark.models
async def test_the_voice_is_understood_through_the_telephone(line: Line, synthesizer: Synthesizer) -> None:
    """A recogniser that knows only human voices gets most words; with the engine's default voice it loses a third."""
    from voicebot.asr.moonshine import Moonshine

    recogniser = Moonshine(models_dir() / "moonshine-tiny-en")
    wrong = total = 0
    for text in (
        "Thank you for calling Northwind. How can I help you today?",
        "Your appointment is booked for Thursday at half past ten in the morning.",
        "Please tell me your order number, one digit at a time.",
        "Would you like me to repeat that?",
        "One moment please, I am connecting you to a colleague.",
    ):
        line.arrived.clear()
        await Player(line, synthesizer).say(Say(text))
        await line.quiet()
        audio = soxr.resample(line.heard.astype(np.float32) / 32768, 8000, 16000)
        transcript = await asyncio.to_thread(recogniser.recognise, audio, Expect(), lambda: False)
        assert transcript is not None
        said, heard = plain(text), plain(transcript.text)
        wrong += Levenshtein.distance(said, heard)
        total += len(said)
    print(f"words wrong: {wrong} of {total}")
    assert wrong / total < 0.25


def loud(audio: Pcm) -> int:
    return int(np.count_nonzero(np.abs(audio) > 300))


def plain(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").split()
