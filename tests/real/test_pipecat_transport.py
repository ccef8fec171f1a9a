"""What the SIP transport promises to a pipeline, with real calls: each test has a pipeline of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionWorkerFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from telephony.agent import AgentConfig, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.call.inbound.incoming import IncomingCall
from telephony.call_policy import Terms
from telephony.leg import LegError
from telephony.pipecat import SipTransferFrame, SipTransport, calls_to, sip_params
from telephony.server import serving

from .baresip import flite
from .botrun import Ear, Wave, phone, pitch_hz
from .programs import PATIENCE_S, until
from .sippscript import Script, sdp
from .siprun import sipp

BOT_RTP, PHONE_RTP = 26300, 26400


def tone(seconds: float, hz: int = 440, rate_hz: int = 8000) -> bytes:
    """16-bit samples."""
    return (8000 * np.sin(2 * np.pi * hz / rate_hz * np.arange(int(rate_hz * seconds)))).astype(np.int16).tobytes()


def hears(wave: Wave, hz: int, rate_hz: int = 8000) -> bool:
    """Whether the loud part of it is mostly that tone."""
    return loud_s(wave, rate_hz) > 0.15 and abs(pitch_hz(wave) * rate_hz / 8000 - hz) < 5


def loud_s(wave: Wave, rate_hz: int = 8000) -> float:
    """Seconds of `tone` in it: three in four of its samples are this loud."""
    return np.count_nonzero(np.abs(wave.astype(int)) > 3000) / 0.75 / rate_hz


def quiet_s(ear: Ear) -> float:
    """How long nothing loud has come any more; 0 where nothing has come yet."""
    last_s = ear.last_loud(sent=False)
    return 0.0 if last_s is None else time.monotonic() - last_s


def joined(waves: list[Wave]) -> Wave:
    return np.concatenate(waves) if waves else np.zeros(0, np.int16)


class Seen(FrameProcessor):
    """Keeps what comes from the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Frame]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    @property
    def audio(self) -> Wave:
        return joined([np.frombuffer(f.audio, np.int16) for f in self.frames if isinstance(f, InputAudioRawFrame)])


@dataclass
class Session:
    """One pipeline with its call, as a test looks at it."""

    transport: SipTransport
    worker: PipelineWorker
    seen: Seen
    events: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Bots:
    """Starts a pipeline for each call; `before` is awaited first, while the call rings."""

    def __init__(
        self, params: PipelineParams | None = None, listening: Callable[[], list[FrameProcessor]] = list
    ) -> None:
        self.sessions: asyncio.Queue[Session] = asyncio.Queue()
        self._listening = listening
        self.before: Callable[[SipTransport], Awaitable[None]] | None = None
        self._params = params

    async def run(self, transport: SipTransport) -> None:
        if self.before is not None:
            await self.before(transport)
        seen = Seen()
        worker = PipelineWorker(
            Pipeline([transport.input(), *self._listening(), seen, transport.output()]),
            params=self._params or transport.pipeline_params(),
            enable_rtvi=False,
        )
        session = Session(transport, worker, seen)
        for name in ("on_client_connected", "on_client_disconnected", "on_dialin_error", "on_dtmf_event"):
            self._note(session, name)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        self.sessions.put_nowait(session)
        await runner.run()
        session.over.set()

    def _note(self, session: Session, name: str) -> None:
        async def happened(_: SipTransport, what: object) -> None:
            session.events.append(f"{name} {what}" if isinstance(what, str) else name)
            if name == "on_client_disconnected":
                await session.worker.cancel()

        session.transport.add_event_handler(name, happened)


@contextlib.asynccontextmanager
async def answering(bots: Bots, params: TransportParams | None = None) -> AsyncIterator[UserAgent]:
    """The agent that `bots` answer at."""
    config = AgentConfig(port=0)
    async with serving(calls_to(bots.run, params), config, rtp_ports=(BOT_RTP, BOT_RTP + 98)) as agent:
        yield agent


@contextlib.asynccontextmanager
async def connected(
    bots: Bots, params: TransportParams | None = None, terms: Terms | None = None
) -> AsyncIterator[tuple[Session, Ear]]:
    """A call of ours to a bot: both ends of it."""
    async with answering(bots, params) as agent, phone(PHONE_RTP) as caller:
        leg = await caller.call(f"sip:bot@127.0.0.1:{agent.port}", terms=terms)
        ear = Ear(leg)
        session = await bots.sessions.get()
        await until(lambda: "on_client_connected" in session.events)
        yield session, ear
        await leg.hang_up()
        await asyncio.wait_for(session.over.wait(), PATIENCE_S)


async def test_an_interruption_silences_the_line_at_once_and_not_for_long() -> None:
    async with connected(Bots()) as (session, ear):
        await session.worker.queue_frame(TTSAudioRawFrame(tone(5), 8000, 1))
        await until(lambda: loud_s(ear.heard()) > 0.3)
        interrupted_s = time.monotonic()
        await session.worker.queue_frame(InterruptionWorkerFrame())
        await until(lambda: quiet_s(ear) > 0.3)
        last_s = ear.last_loud(sent=False)
        assert last_s is not None
        silent_ms = (last_s - interrupted_s) * 1000
        print(f"silent {silent_ms:.0f} ms after the interruption")
        assert -30 < silent_ms < 150
        await session.worker.queue_frame(TTSAudioRawFrame(tone(0.2, 880), 8000, 1))
        await until(lambda: hears(ear.heard(last_s + 0.1), 880))


def silero() -> list[FrameProcessor]:
    """Notices speech after 0.1 s of it, and interrupts the bot."""
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False)]
    )
    vad = VADProcessor(vad_analyzer=SileroVADAnalyzer(params=VADParams(start_secs=0.1)))
    return [vad, UserTurnProcessor(user_turn_strategies=turns)]


@pytest.mark.peer("flite")
async def test_a_caller_who_speaks_silences_the_bot(tmp_path: Path) -> None:
    words = flite("stop it now", tmp_path)
    async with connected(Bots(listening=silero)) as (session, ear):
        await session.worker.queue_frame(TTSAudioRawFrame(tone(5), 8000, 1))
        await until(lambda: loud_s(ear.heard()) > 0.5)
        ear.leg.play(words)
        await until(lambda: quiet_s(ear) > 0.5)
        began_s, last_s = ear.first_loud(sent=True), ear.last_loud(sent=False)
    assert began_s is not None and last_s is not None
    silent_ms = (last_s - began_s) * 1000
    print(f"silent {silent_ms:.0f} ms after the caller began to speak")
    assert 50 < silent_ms < 800


async def test_what_may_not_be_interrupted_is_heard_to_its_end() -> None:
    async with connected(Bots()) as (session, ear):
        notice = TTSAudioRawFrame(tone(0.6), 8000, 1)
        notice.interruptible = False
        began_s = time.monotonic()
        await session.worker.queue_frame(notice)
        await until(lambda: loud_s(ear.heard(began_s)) > 0.05)
        await session.worker.queue_frame(InterruptionWorkerFrame())
        await until(lambda: loud_s(ear.heard(began_s)) > 0.5)


async def test_an_end_frame_hangs_up_after_the_last_word_and_keys_keep_their_place() -> None:
    async with connected(Bots()) as (session, ear):
        began_s = time.monotonic()
        await session.worker.queue_frames(
            [OutputAudioRawFrame(tone(0.8), 8000, 1), OutputDTMFFrame.from_string("42"), EndFrame()]
        )
        await asyncio.wait_for(session.over.wait(), PATIENCE_S)
        assert 0.8 < time.monotonic() - began_s < 4
        assert ear.leg.state == "closed" and ear.leg.ended_by.startswith("caller")
        assert ear.keys == ["4", "2"]
        assert loud_s(ear.heard(began_s)) > 0.7
        assert "on_client_disconnected" not in session.events, "the bot itself has ended it"


@pytest.mark.parametrize(("codec", "pipeline_hz"), [("PCMU", 16000), ("G722", 24000)])
async def test_audio_comes_at_the_pipelines_rate_and_goes_at_the_lines(codec: str, pipeline_hz: int) -> None:
    bots = Bots(PipelineParams(audio_in_sample_rate=pipeline_hz, audio_out_sample_rate=24000))
    terms = Terms(codecs=("PCMU",) if codec == "PCMU" else ("G722",))
    async with connected(bots, terms=terms) as (session, ear):
        ear.leg.media.tap = None
        heard: list[Wave] = []
        ear.leg.on_audio = heard.append
        ear.leg.play(np.frombuffer(tone(0.6, 1000, ear.leg.rate_hz), np.int16))
        await session.worker.queue_frame(TTSAudioRawFrame(tone(0.6, 700, 24000), 24000, 1))
        await until(lambda: hears(joined(heard), 700, ear.leg.rate_hz) and hears(session.seen.audio, 1000, pipeline_hz))
        assert {f.sample_rate for f in session.seen.frames if isinstance(f, InputAudioRawFrame)} == {pipeline_hz}


async def test_keys_are_frames_and_the_letters_events() -> None:
    async with connected(Bots()) as (session, ear):
        ear.leg.send_dtmf("7#A")
        await until(lambda: "on_dtmf_event A" in session.events)
        assert [str(f.button.value) for f in session.seen.frames if isinstance(f, InputDTMFFrame)] == ["7", "#"]
        assert session.transport.incoming is not None
        assert session.transport.incoming.request_uri.startswith("sip:bot@")
        assert session.transport.leg is not None and session.transport.get_client_id(session.transport.leg)


async def test_a_bot_goes_on_while_it_is_on_hold() -> None:
    async with connected(Bots(), sip_params(audio_out_write_timeout_secs=0.4)) as (session, ear):
        await ear.leg.hold()
        await session.worker.queue_frame(TTSAudioRawFrame(tone(0.7), 8000, 1))
        await asyncio.sleep(0.8)
        await ear.leg.resume()
        resumed_s = time.monotonic()
        await session.worker.queue_frame(TTSAudioRawFrame(tone(0.3, 880), 8000, 1))
        await until(lambda: hears(ear.heard(resumed_s), 880))
        assert session.transport.output().is_usable


async def test_a_pipeline_that_only_listens_is_answered_too() -> None:
    heard: asyncio.Queue[Seen] = asyncio.Queue()

    async def bot(transport: SipTransport) -> None:
        seen = Seen()
        worker = PipelineWorker(
            Pipeline([transport.input(), seen]), params=transport.pipeline_params(), enable_rtvi=False
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await until(lambda: loud_s(seen.audio) > 0.2)
        heard.put_nowait(seen)
        await transport.hang_up()
        await worker.cancel()
        await running

    async with serving(calls_to(bot), AgentConfig(port=0)) as agent, phone(PHONE_RTP) as caller:
        leg = await caller.call(f"sip:recorder@127.0.0.1:{agent.port}")
        leg.play(np.frombuffer(tone(0.4), np.int16))
        assert hears((await asyncio.wait_for(heard.get(), PATIENCE_S)).audio, 440)
        assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"


async def test_what_is_said_while_the_pipeline_starts_is_not_lost_when_the_bot_calls() -> None:
    bots = Bots()

    async def slow(incoming: IncomingCall) -> None:
        leg = await incoming.answer()
        leg.play(np.frombuffer(tone(0.3, 500), np.int16))
        await leg.closed

    async with (
        serving(slow, AgentConfig(port=0), rtp_ports=(PHONE_RTP, PHONE_RTP + 98)) as person,
        serving(None, AgentConfig(port=0), rtp_ports=(BOT_RTP, BOT_RTP + 98)) as agent,
    ):
        leg = await agent.call(f"sip:ann@127.0.0.1:{person.port}")
        transport = SipTransport(leg)
        await asyncio.sleep(0.5)
        running = asyncio.create_task(bots.run(transport))
        session = await bots.sessions.get()
        await until(lambda: loud_s(session.seen.audio) > 0.2)
        await session.worker.queue_frame(EndFrame())
        await asyncio.wait_for(running, PATIENCE_S)
        assert leg.state == "closed"


async def test_a_caller_who_gives_up_first_ends_the_pipeline() -> None:
    bots = Bots()

    async def until_cancelled(transport: SipTransport) -> None:
        assert transport.incoming is not None
        transport.incoming.ring()
        await transport.incoming.cancelled

    bots.before = until_cancelled
    async with answering(bots) as agent, phone(PHONE_RTP) as caller:
        outgoing = caller.dial(f"sip:bot@127.0.0.1:{agent.port}")
        await until(lambda: outgoing.ringing)
        outgoing.give_up()
        with pytest.raises(LegError, match="487"):
            await outgoing.answered()
        session = await asyncio.wait_for(bots.sessions.get(), PATIENCE_S)
        await asyncio.wait_for(session.over.wait(), PATIENCE_S)
    assert session.events == ["on_dialin_error"]


@pytest.mark.peer("sipp")
@pytest.mark.parametrize("status", ["202 Accepted", "403 Forbidden"])
async def test_a_transfer_ends_the_call_or_says_why_not(status: str, tmp_path: Path) -> None:
    works = status.startswith("2")
    script = (
        Script()
        .send("INVITE", sdp())
        .expect(180)
        .expect(200)
        .ack()
        .wanted("REFER", header=("Refer-To", "<sip:human@127.0.0.1:9>"))
    )
    script.reply(status, extra="Refer-Sub: false" if works else "").wanted("BYE").reply("200 OK")
    bots = Bots()
    async with answering(bots) as agent, sipp(script.write(tmp_path), to=agent.port) as caller:
        session = await asyncio.wait_for(bots.sessions.get(), PATIENCE_S)
        await until(lambda: "on_client_connected" in session.events)
        await session.worker.queue_frame(SipTransferFrame(uri="sip:human@127.0.0.1:9"))
        if not works:
            await until(lambda: bool(session.seen.of(ErrorFrame)))
            assert "transfer to sip:human@127.0.0.1:9: 403 Forbidden" in str(session.seen.of(ErrorFrame)[0])
            leg = session.transport.leg
            assert isinstance(leg, SipLeg) and leg.state == "confirmed"
            assert session.transport.output().is_usable
            await session.worker.queue_frame(EndFrame())
        await asyncio.wait_for(session.over.wait(), PATIENCE_S)
        await caller.ended()
    assert ("on_client_disconnected" in session.events) is works


@pytest.mark.parametrize("wrong", [TransportParams(audio_out_channels=2), TransportParams(audio_out_sample_rate=44100)])
async def test_parameters_that_no_call_can_have_are_refused(wrong: TransportParams) -> None:
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def on_call(incoming: IncomingCall) -> None:
        with pytest.raises(ValueError, match=r"SIP call is mono|8000 or 16000") as error:
            SipTransport(incoming, wrong)
        refused.set_result(str(error.value))

    async with serving(on_call, AgentConfig(port=0)) as agent, phone(PHONE_RTP) as caller:
        with pytest.raises(LegError, match="480"):
            await caller.call(f"sip:bot@127.0.0.1:{agent.port}")
    assert refused.done()
