"""A real call session on a virtual clock: its line, its recognition, its backend and its desk are the test's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import numpy as np

from telephony.leg import AudioHandler, DtmfHandler, Leg, LegError, Pcm
from telephony.media.stats import MediaStats
from tests.unit.virtual_clock import AtOnce
from voicebot.calls.reporter import AnsweredCall, CallReporter
from voicebot.calls.services import LoadedFlow, RoutedTarget, Services
from voicebot.calls.session import Call
from voicebot.config import HandoverSettings
from voicebot.errors import EngineFailed
from voicebot.flows.flow import Flow
from voicebot.handoff.human_dialler import HumanDialler
from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.entry import Entry, Event
from voicebot.journal.events import PromptStarted
from voicebot.journal.journal import CallJournal
from voicebot.journal.redacted_logs import redact_lines_of
from voicebot.listening.events import FalseAlarm, Interrupt, ListeningEvent, NoInput, RecognitionFailed, TurnHeard
from voicebot.messages import Do, Expect, Heard, Result
from voicebot.nlu.intents import Guess
from voicebot.tts.synthesizer import PromptChunk

RATE_HZ = 8000
CHARS_PER_S = 16.0
"""How fast prompts are spoken."""


class VirtualLeg:
    """A leg that sends what it is given in the loop's own time."""

    def __init__(self, name: str = "caller") -> None:
        self.id = self.peer = name
        self.rate_hz = RATE_HZ
        self.on_audio: AudioHandler | None = None
        self.on_dtmf: DtmfHandler | None = None
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._empty_s = 0.0
        self.played_samples = 0
        self.excuses = 0
        """Reasons for which it need not be heard."""

    @property
    def queued_samples(self) -> int:
        return max(0, round((self._empty_s - asyncio.get_running_loop().time()) * RATE_HZ))

    def play(self, pcm: Pcm) -> None:
        now_s = asyncio.get_running_loop().time()
        self._empty_s = max(self._empty_s, now_s) + len(pcm) / RATE_HZ
        self.played_samples += len(pcm)

    def flush(self) -> int:
        dropped, self._empty_s = self.queued_samples, 0.0
        return dropped

    def send_dtmf(self, keys: str) -> None:
        raise NotImplementedError

    def stats(self) -> MediaStats:
        return MediaStats(packets_sent=self.played_samples // 160)

    def captured(self) -> None: ...

    @contextlib.contextmanager
    def silence_excused(self) -> Iterator[None]:
        self.excuses += 1
        yield
        self.excuses -= 1

    async def connect_to(self, other: Leg) -> bool:
        return False

    async def hang_up(self, reason: str = "local") -> None:
        if not self.closed.done():
            self.closed.set_result(reason)


class VirtualVoice:
    """Synthesises silence, as long as the words would take. `broken`: it fails."""

    quick = True

    def __init__(self) -> None:
        self.broken = False

    async def pieces(
        self, text: str, rate_hz: int, name: str = "", secret: bool = False
    ) -> AsyncGenerator[PromptChunk, None]:
        if self.broken and name != "apology":
            raise EngineFailed("the voice is gone")
        yield PromptChunk(np.ones(round(len(text) / CHARS_PER_S * rate_hz), np.int16), text)


class VirtualListener:
    """Recognition whose turns the test makes."""

    def __init__(self, on_event: Callable[[ListeningEvent], None]) -> None:
        self.on_event = on_event
        self.on_hypothesis: Callable[[Heard | None], None] = lambda _: None
        self.expected = Expect()
        self.interruptible = self.prompt = False
        self._silence: asyncio.TimerHandle | None = None

    def feed(self, pcm: Pcm) -> None: ...

    def played(self, pcm: Pcm) -> None: ...

    def unplayed(self, samples: int) -> None: ...

    def expect(self, expect: Expect) -> None:
        self.expected = expect

    def prompt_started(self, barge_in: bool) -> None:
        self.prompt, self.interruptible = True, barge_in
        self.key()

    def prompt_ended(self) -> None:
        self.prompt = False
        self.key()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self.expected.no_input_s, lambda: self.on_event(NoInput()))

    def answered_nothing(self) -> None:
        if not self.prompt:
            self.prompt_ended()

    def key(self) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def close(self) -> None:
        self.key()
        self.on_event = lambda _: None

    async def hears(self, heard: Heard, seconds: float = 1.0) -> None:
        """Somebody speaks for so long, and then a short silence proves the turn over."""
        self.key()
        over = self.prompt and self.interruptible
        if over:
            self.on_event(Interrupt(0.0))
        await asyncio.sleep(seconds + 0.2)
        self.on_event(TurnHeard(Heard(**{**_fields(heard), "barged_in": over}), seconds + 0.2))

    def coughs(self) -> None:
        self.on_event(FalseAlarm(interrupted=True))

    def breaks(self) -> None:
        self.on_event(RecognitionFailed(EngineFailed("deaf")))


def _fields(heard: Heard) -> dict[str, Any]:
    return {name: getattr(heard, name) for name in Heard.__slots__}


class WantsTheOnlyTask:
    """Understands every sentence of four words or more as the flow's first intent."""

    def __init__(self, flow: Flow) -> None:
        self._intent = next(iter(flow.intents))

    def classify(self, text: str) -> list[Guess]:
        return [Guess(self._intent, 0.97 if len(text.split()) > 3 else 0.05)]


class Backend:
    """Actions that take as long as the test says."""

    def __init__(self, writes: frozenset[str] = frozenset()) -> None:
        self.takes_s: dict[str, float] = {}
        self.answers: dict[str, Any] = {}
        self.done: list[str] = []
        self._writes = writes

    async def run(self, do: Do) -> Result:
        await asyncio.sleep(self.takes_s.get(do.action, 0.0))
        self.done.append(do.action)
        return Result(do.token, True, self.answers.get(do.action, {}))

    def masked(self, do: Do, mask: Callable[[object], str]) -> dict[str, Any]:
        return dict(do.args)

    def writes(self, do: Do) -> bool:
        return do.action in self._writes


class CallOnTrial:
    """One call session, under way after `begin`."""

    def __init__(self, flow: Flow, backend: Backend | None = None, understanding: Any = None) -> None:
        self.flow, self.backend = flow, backend or Backend()
        self.leg, self.voice = VirtualLeg(), VirtualVoice()
        self.entries: list[Entry] = []
        self.listener = VirtualListener(lambda _: None)
        self.desk: Callable[[], Leg] = _busy
        self.desk_rings_s = 3.0
        self._understanding = understanding or WantsTheOnlyTask(flow)

    def begin(self, routed: RoutedTarget | None = None) -> asyncio.Task[None]:
        loaded: Any = LoadedFlow(self.flow, self._understanding, self.backend)  # type: ignore[arg-type]
        redactor = CallSecrets()
        redact_lines_of("c1", redactor)
        report = CallReporter(
            CallJournal("c1", self.entries.append, redactor),
            AnsweredCall("sip", "sip:+15550100@x", "sip:demo@x", self.flow.name, self.flow.hash, "leg"),
            lambda do: (self.backend.masked(do, redactor.secret), self.backend.writes(do)),
            asyncio.get_running_loop().time,
        )
        shared: Any = self
        targets = HumanDialler(HandoverSettings(targets={"desk": "sip:desk@10.0.0.1"}, ring_s=20), self._dial)
        services = Services(shared, self.voice, targets, AtOnce())  # type: ignore[arg-type]
        leg: Any = self.leg
        self._call = Call(services, loaded, leg, report, redactor, {}, routed)
        return asyncio.create_task(self._call.run())

    def listen(self, rate_hz: int, on_event: Callable[[ListeningEvent], None]) -> VirtualListener:
        """As `SpeechInput.listen`."""
        self.listener = VirtualListener(on_event)
        return self.listener

    async def _dial(self, uri: str, ring_s: float) -> Leg:
        await asyncio.sleep(self.desk_rings_s)
        return self.desk()

    # ── what a caller does ──

    async def says(self, text: str, seconds: float = 1.0, expected: str = "") -> None:
        """Speak now, and wait until it is recognised and what follows has begun."""
        await self.listener.hears(Heard(text, 0.95, expected, 0.95 if expected else 0.0), seconds)
        await asyncio.sleep(0.01)

    def keys(self, keys: str) -> None:
        for key in keys:
            assert self.leg.on_dtmf is not None
            self.leg.on_dtmf(key)

    async def until_said(self, words: str, limit_s: float = 60.0) -> None:
        """Wait until a prompt with these words begins."""
        async with asyncio.timeout(limit_s):
            while not any(words in text for text in self.started()):  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(0.02)

    async def until_quiet(self) -> None:
        """Wait until the prompts under way are over and the caller is listened to."""
        while self.listener.prompt or self.leg.queued_samples:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.02)

    # ── what came of it ──

    def started(self) -> list[str]:
        return [event.text for event in self.events(PromptStarted)]

    def events(self, kind: type[Any]) -> list[Any]:
        return [entry.event for entry in self.entries if isinstance(entry.event, kind)]

    def kinds(self) -> list[type[Event]]:
        return [type(entry.event) for entry in self.entries]


def _busy() -> Leg:
    raise LegError(486, "Busy Here")
