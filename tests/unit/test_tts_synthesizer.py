"""The synthesizer of a process: remembered prompts, shared work, stand-in voices, recordings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from telephony.leg import Pcm
from voicebot import config
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.tts import phrase_job as job_module
from voicebot.tts import synthesizer as module
from voicebot.tts.recorded_prompts import RecordedPrompts
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voice import Voice
from voicebot.tts.voice_engine import Emit
from voicebot.tts.voices import choose_voices, faults

TONE = (6000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)).astype(np.int16)


class ToneEngine:
    """Three half-second blocks of a tone for any text; `gate` lets a test hold it in the middle."""

    rate_hz = 16000
    clausewise = False
    quick = False
    presence = 0.0

    def __init__(self, name: str = "tone", broken: bool = False) -> None:
        self.name = name
        self.broken = broken
        self.spoken: list[str] = []
        self.stopped = 0
        self.gate = threading.Event()
        self.gate.set()

    def close(self) -> None:
        """It holds nothing."""

    def synthesize(self, text: str, emit: Emit) -> None:
        if self.broken:
            raise EngineFailed(f"{self.name} is broken")
        self.spoken.append(text)
        for number in range(3):
            if number:
                assert self.gate.wait(10)
            if not emit(TONE):
                self.stopped += 1
                return


@pytest.fixture
def engine() -> ToneEngine:
    return ToneEngine()


@pytest.fixture
async def synthesizer(engine: ToneEngine) -> AsyncIterator[Synthesizer]:
    made = Synthesizer([Voice(engine, 1.0)], RecordedPrompts(None), 10_000_000)
    made.start()
    yield made
    engine.gate.set()
    made.stop()


async def whole(synthesizer: Synthesizer, text: str, rate_hz: int = 8000, name: str = "", secret: bool = False) -> Pcm:
    return np.concatenate([block async for block in synthesizer.speak(text, rate_hz, name, secret)])


async def test_what_was_spoken_once_is_not_synthesised_again(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    first = await whole(synthesizer, "Hello.")
    assert len(first) / 8000 == pytest.approx(1.5, abs=0.02)
    assert np.array_equal(await whole(synthesizer, "Hello."), first)
    assert engine.spoken == ["Hello."]


async def test_the_same_words_written_otherwise_are_the_same_audio(
    synthesizer: Synthesizer, engine: ToneEngine
) -> None:
    await whole(synthesizer, "It costs $5.")
    await whole(synthesizer, "It costs five dollars.")
    assert engine.spoken == ["It costs five dollars."]


async def test_a_sentence_is_remembered_inside_another_prompt(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    await whole(synthesizer, "Order 12 is late. Anything else?")
    both = await whole(synthesizer, "Order 13 is late. Anything else?")
    assert engine.spoken == ["Order one two is late.", "Anything else?", "Order one three is late."]
    assert len(both) / 8000 == pytest.approx(1.5 + 0.32 + 1.5, abs=0.03), "two sentences and the pause between them"


async def test_each_rate_is_its_own_audio(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    assert len(await whole(synthesizer, "Hello.", 16000)) == pytest.approx(
        2 * len(await whole(synthesizer, "Hello.", 8000)), abs=50
    )
    assert len(engine.spoken) == 2


async def test_secrets_are_not_remembered(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    await whole(synthesizer, "Your PIN is 4711.", secret=True)
    await whole(synthesizer, "Your PIN is 4711.", secret=True)
    assert engine.spoken == ["Your PIN is", "four seven one one."] * 2
    assert len(synthesizer._cache) == 0


async def test_the_first_audio_comes_while_the_sentence_is_being_made(
    synthesizer: Synthesizer, engine: ToneEngine
) -> None:
    engine.gate.clear()
    stream = synthesizer.speak("Hello.", 8000)
    first = await anext(stream)
    assert len(first)
    engine.gate.set()
    rest = [block async for block in stream]
    assert len(np.concatenate([first, *rest])) / 8000 == pytest.approx(1.5, abs=0.02)


async def test_calls_that_want_the_same_sentence_share_the_work(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    engine.gate.clear()
    streams = [synthesizer.speak("Hello.", 8000) for _ in range(5)]
    firsts = [await anext(stream) for stream in streams]
    engine.gate.set()
    wholes = [np.concatenate([first, *[b async for b in s]]) for first, s in zip(firsts, streams, strict=True)]
    assert all(np.array_equal(w, wholes[0]) for w in wholes)
    assert engine.spoken == ["Hello."]


async def test_hanging_up_stops_the_engine_and_half_a_sentence_is_not_remembered(
    synthesizer: Synthesizer, engine: ToneEngine
) -> None:
    engine.gate.clear()
    stream = synthesizer.speak("Hello.", 8000)
    await anext(stream)
    await stream.aclose()
    engine.gate.set()
    again = await whole(synthesizer, "Hello.")
    assert len(again) / 8000 == pytest.approx(1.5, abs=0.02)
    assert len(engine.spoken) == 2
    synthesizer.stop()  # waits for both of its threads
    assert engine.stopped == 1


async def test_one_listener_leaving_does_not_disturb_the_other(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    engine.gate.clear()
    leaving, staying = synthesizer.speak("Hello.", 8000), synthesizer.speak("Hello.", 8000)
    await anext(leaving)
    first = await anext(staying)
    await leaving.aclose()
    engine.gate.set()
    rest = [block async for block in staying]
    assert len(np.concatenate([first, *rest])) / 8000 == pytest.approx(1.5, abs=0.02)


async def test_a_stand_in_speaks_when_the_voice_is_broken_and_is_forgotten_when_it_is_well() -> None:
    good, bad = ToneEngine("good"), ToneEngine("bad", broken=True)
    synthesizer = Synthesizer([Voice(bad, 1.0), Voice(good, 1.0)], RecordedPrompts(None), 10_000_000)
    synthesizer.start()
    assert synthesizer.voice_name == "bad"
    assert len(await whole(synthesizer, "Hello."))
    bad.broken = False
    await whole(synthesizer, "Hello.")
    synthesizer.stop()
    assert (good.spoken, bad.spoken) == (["Hello."], ["Hello."])


async def test_without_any_voice_there_is_one_documented_error() -> None:
    synthesizer = Synthesizer([Voice(ToneEngine(broken=True), 1.0)], RecordedPrompts(None), 10_000_000)
    synthesizer.start()
    with pytest.raises(EngineFailed):
        await whole(synthesizer, "Hello.")
    assert await synthesizer.warm([("a", "Hello.")], 8000) == 0, "and warming goes on without it"
    synthesizer.stop()
    with pytest.raises(EngineFailed):
        await whole(synthesizer, "Hello.")


async def test_a_flood_is_refused(
    synthesizer: Synthesizer, engine: ToneEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_JOBS", 3)
    engine.gate.clear()
    streams = [synthesizer.speak(f"Sentence {i}.", 8000) for i in range(4)]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
    assert isinstance(waiting[3].exception(), EngineFailed)
    assert waiting[3] in done
    engine.gate.set()
    await asyncio.gather(*waiting[:3])
    for stream in streams:
        await stream.aclose()


async def test_stopping_in_the_middle_tells_who_still_listens(engine: ToneEngine) -> None:
    synthesizer = Synthesizer([Voice(engine, 1.0)], RecordedPrompts(None), 10_000_000)
    synthesizer.start()
    engine.gate.clear()
    streams = [synthesizer.speak(f"Sentence {i}.", 8000) for i in range(3)]
    waiting = [asyncio.ensure_future(whole_of(stream)) for stream in streams]
    await asyncio.sleep(0)
    engine.gate.set()
    synthesizer.stop()
    done, pending = await asyncio.wait(waiting, timeout=10)
    assert not pending
    assert all(t.exception() is None or isinstance(t.exception(), EngineFailed) for t in done)


async def whole_of(stream: AsyncIterator[Pcm]) -> int:
    return sum([len(block) async for block in stream])


async def test_warming_fills_the_cache(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    assert await synthesizer.warm([("a", "One."), ("b", "Two. One.")], 8000) == 2
    await whole(synthesizer, "Two.")
    assert engine.spoken == ["One.", "Two."]


@pytest.fixture
def recorded(tmp_path: Path, engine: ToneEngine) -> Synthesizer:
    stereo = np.stack([np.pad(np.tile(TONE, 4), (8000, 8000))] * 2, axis=1)
    soundfile.write(tmp_path / "greet.wav", stereo, 44100)
    (tmp_path / "broken.wav").write_bytes(b"RIFF not at all")
    soundfile.write(tmp_path / "empty.wav", stereo[:0], 8000)
    return Synthesizer([Voice(engine, 1.0)], RecordedPrompts(tmp_path), 10_000_000)


async def test_a_recorded_prompt_wins_and_sounds_as_loud_as_the_voice(
    recorded: Synthesizer, engine: ToneEngine
) -> None:
    recorded.start()
    audio = await whole(recorded, "Welcome.", name="greet")
    again = await whole(recorded, "Welcome.", name="greet")
    recorded.stop()
    assert engine.spoken == []
    assert len(audio) / 8000 == pytest.approx(32000 / 44100, abs=0.1), "resampled, silence around it cut"
    assert 20 * np.log10(np.sqrt(np.mean((audio / 32768.0) ** 2))) == pytest.approx(-20, abs=1.5)
    assert np.array_equal(audio, again)


@pytest.mark.parametrize("name", ["broken", "empty", "missing", "../greet", "/etc/passwd", ""])
async def test_without_a_usable_recording_the_voice_speaks(
    recorded: Synthesizer, engine: ToneEngine, name: str
) -> None:
    recorded.start()
    assert len(await whole(recorded, "Welcome.", name=name))
    recorded.stop()
    assert engine.spoken == ["Welcome."]


async def test_a_recording_that_vanished_is_replaced_by_the_voice(
    recorded: Synthesizer, engine: ToneEngine, tmp_path: Path
) -> None:
    (tmp_path / "greet.wav").unlink()
    recorded.start()
    assert len(await whole(recorded, "Welcome.", name="greet"))
    recorded.stop()
    assert engine.spoken == ["Welcome."]


def test_espeak_speaks_where_no_natural_voice_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(tmp_path))
    monkeypatch.setattr("voicebot.tts.voices.hibari.of_language", lambda _: None)
    synthesizer = Synthesizer.load(config.TtsSettings())
    assert synthesizer.voice_name.startswith("espeak-ng")
    assert "voicebot models pull" in synthesizer.advice
    assert Synthesizer.load(config.TtsSettings(voice="espeak")).advice == "", "who asked for it needs no advice"


def test_a_piper_voice_asked_for_by_name_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBOT_MODELS", str(tmp_path))
    for name in ("en_US-ljspeech-medium", "../secret", "a/b"):
        with pytest.raises(ModelMissing, match="voicebot models pull"):
            Synthesizer.load(config.TtsSettings(voice=name))


async def test_a_slow_passage_is_longer_and_remembered_apart(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    usual = await whole(synthesizer, "Hello.")
    slow = await whole(synthesizer, "[slow]Hello.[/slow]")
    assert len(slow) == pytest.approx(len(usual) / 0.75, rel=0.03)
    assert np.array_equal(await whole(synthesizer, "[slow]Hello.[/slow]"), slow)
    assert np.array_equal(await whole(synthesizer, "Hello."), usual)
    assert engine.spoken == ["Hello.", "Hello."]


async def test_a_pause_is_silence_of_its_length_and_is_not_spoken(synthesizer: Synthesizer, engine: ToneEngine) -> None:
    parts = len(await whole(synthesizer, "one")), len(await whole(synthesizer, "two"))
    audio = await whole(synthesizer, "[pause 500ms]one[pause 1s]two")
    assert len(audio) == 8000 * 3 // 2 + sum(parts)
    assert not audio[:4000].any()
    assert engine.spoken == ["one", "two"]


async def test_a_slow_voice_that_gives_all_at_once_gets_few_words_first(
    synthesizer: Synthesizer, engine: ToneEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "I can help you with an order, with an appointment, or with a password of yours."
    monkeypatch.setattr(engine, "clausewise", True)
    clock = iter(range(1000))
    monkeypatch.setattr(job_module, "monotonic", lambda: next(clock) * 0.2)
    for word in ("one", "two", "three", "four"):
        await whole(synthesizer, word)
    await whole(synthesizer, text)
    assert len(engine.spoken[4]) <= 20
    monkeypatch.setattr(job_module, "monotonic", lambda: next(clock) * 1e-6)
    for number in range(40):
        await whole(synthesizer, f"word{number}")
    await whole(synthesizer, text + " Really.")
    assert engine.spoken[-2] == text


async def test_a_prompt_is_found_again_whatever_was_learnt_of_the_voices_pace_since(
    synthesizer: Synthesizer, engine: ToneEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "I can help you with an order, with an appointment, or with a password of yours."
    monkeypatch.setattr(engine, "clausewise", True)
    await whole(synthesizer, text)
    before = list(engine.spoken)
    clock = iter(range(1000))
    monkeypatch.setattr(job_module, "monotonic", lambda: next(clock) * 0.2)
    for word in ("one", "two", "three", "four"):
        await whole(synthesizer, word)
    await whole(synthesizer, text)
    assert engine.spoken == [*before, "one", "two", "three", "four"]


async def test_a_passage_in_another_language_has_its_own_voice() -> None:
    here, there = ToneEngine("here"), ToneEngine("there")
    synthesizer = Synthesizer(
        [Voice(here, 1.0)], RecordedPrompts(None), 10_000_000, languages={"es": [Voice(there, 1.0)]}
    )
    synthesizer.start()
    await whole(synthesizer, "You have 2. [lang es]Tiene 2.[/lang] [lang fr]Bonjour.[/lang]")
    await whole(synthesizer, "[lang es]Tiene 2.[/lang]")
    synthesizer.stop()
    assert here.spoken == ["You have two.", "Bonjour."]
    assert there.spoken == ["Tiene 2."], "no English words in it, and it is remembered"


def test_espeak_speaks_the_languages_of_the_configuration() -> None:
    settings = config.TtsSettings(voice="espeak", languages={"es": "espeak", "de-DE": "auto"})
    names = [choose_voices(settings, Path("nowhere"), language)[0][0].engine.name for language in settings.languages]
    assert [name.split()[1].partition("+")[0] for name in names] == ["es", "de"]
    assert not faults(settings, Path("nowhere"))
    unknown = config.TtsSettings(languages={"qq": "espeak"})
    assert ["'qq+adam'" in str(fault) for fault in faults(unknown, Path("nowhere"))] == [True]
