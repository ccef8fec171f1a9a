"""The events of a call: what sinks are given, what is stored, and what a call can be replayed from.

Each is a frozen dataclass with a `kind` and a `version` of its own; the version grows when a field changes its meaning
or goes, not when one is added. Times in events are milliseconds (``_ms``) or seconds (``_s``). `Entry` puts call,
number and time around an event. Those of no call are in `server_events`; `KINDS` has both. docs/events.md is drawn from
the two files (``make docs``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from voicebot.journal.entry import Event, Party, Plain, Said
from voicebot.journal.server_events import AddressBlocked, FlowDeployed, RecordsPruned, ServerStopped


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """A call was answered."""

    kind: ClassVar[str] = "answered"
    channel: str
    """``sip``, ``browser`` or ``text``."""
    caller: Party
    """Who calls, as the network says; a telephone number stays whole."""
    called: Party
    """Whom he called."""
    flow: str
    """The dialog that answers."""
    flow_hash: Plain
    """SHA-256 of the flow's file: which version of it answered."""
    leg: Plain
    """The leg's own id (SIP's Call-ID), which ties telephony's log lines and packets to the call."""


@dataclass(frozen=True, slots=True)
class CallerHeard(Event):
    """The caller's turn is over and recognised; a `TurnDecided` follows."""

    kind: ClassVar[str] = "heard"
    text: Said
    """What a reader should see: the in-grammar result where one was accepted, otherwise the free one."""
    source: str
    """``speech``, ``keys`` or ``text``."""
    step: str
    """The step of the dialog that had asked."""
    secret: bool = False
    """The words hold a secret: all of them are masked."""
    numeric: bool = False
    """A number was asked for. Where it is secret, what else is said in a whole sentence stays."""
    free_text: Said = ""
    """Free recognition, where it differs from `text`."""
    confidence: float | None = None
    """Of the recognition, 0..1; None for keys and typed text."""
    expected_confidence: float | None = None
    """Of the in-grammar result, 0..1; None without one."""
    alternatives: Annotated[tuple[str, ...], "said"] = ()
    """In-grammar n-best, best first."""
    words: Annotated[tuple[tuple[str, float], ...], "said"] = ()
    """The words of `text` with the confidence of each; empty where the engine does not tell."""
    barged_in: bool = False
    """The turn began while a prompt was playing."""
    prompt_cut: bool = False
    """A prompt before it was stopped by it: how much of it was heard is in its `PromptSpoken`."""
    audio_s: float = 0.0
    """Length of the speech in seconds."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Stage → milliseconds until the turn was recognised."""
    began_s: float = 0.0
    """When it began to be said or keyed, in seconds since 1970; 0: not known."""
    ended_s: float = 0.0
    redacted: bool = False
    """Something of its words is masked."""


@dataclass(frozen=True, slots=True)
class TurnDecided(Event):
    """The dialog decided what comes next: after a turn, after silence, or when a backend or a human has answered."""

    kind: ClassVar[str] = "decided"
    rule: str
    """What fired: ``slot``, ``correction``, ``intent``, ``no-match``, ``no-input``, ``result`` …"""
    step: str
    """The step that was waiting."""
    ms: float
    """How long deciding took."""
    after_turn: bool = True
    """It answers what the caller has just said; False after silence, a backend's answer, a missed human."""
    intent: str = ""
    """Best guess of what was wanted; empty when nobody looked."""
    confidence: float = 0.0
    """Of that guess, 0..1."""
    band: str = ""
    """``accept``, ``confirm``, ``reject``, or empty."""
    found: Mapping[str, str] = field(default_factory=dict)
    """Slot → value found in this turn; secret ones are masked."""
    failures: int = 0
    """Failures in a row after this turn."""
    why: tuple[str, ...] = ()
    """What the failures and a handover come from, oldest first."""


@dataclass(frozen=True, slots=True)
class DialogMoved(Event):
    """The dialog stands at a step now, with these values held."""

    kind: ClassVar[str] = "moved"
    flow: str
    step: str
    """What is waited for: ``order_status.order_number``, ``opening`` …"""
    intent: str
    """What was last wanted."""
    intent_confidence: float
    """Of it, 0..1."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Slot → value; secret ones are masked."""


@dataclass(frozen=True, slots=True)
class CallerSilent(Event):
    """The caller said nothing for as long as the dialog wanted to wait."""

    kind: ClassVar[str] = "silence"
    step: str
    """The step of the dialog that had asked."""


@dataclass(frozen=True, slots=True)
class CallerOverheard(Event):
    """The caller said something that answers nothing: while a backend worked, on hold, or before the question came."""

    kind: ClassVar[str] = "overheard"
    text: Said
    source: str
    """``speech``, ``keys`` or ``text``."""
    confidence: float | None = None
    """Of the recognition, 0..1; None for keys and typed text."""
    secret: bool = False
    """The words may hold a secret: all of them are masked."""
    numeric: bool = False
    """A number was asked for. Where it is secret, what else is said in a whole sentence stays."""
    began_s: float = 0.0
    """When it began to be said or keyed, in seconds since 1970; 0: not known."""
    ended_s: float = 0.0
    redacted: bool = False
    """Something of its words is masked."""


@dataclass(frozen=True, slots=True)
class PromptStarted(Event):
    """A prompt begins to play."""

    kind: ClassVar[str] = "saying"
    text: Said
    name: str = ""
    """Of the prompt in the flow; empty for one without a name."""
    secret: bool = False
    """The text holds a secret: all of it is masked."""


@dataclass(frozen=True, slots=True)
class ResponseStarted(Event):
    """The first sample of the answer to the caller's turn left: his wait is over."""

    kind: ClassVar[str] = "response"
    source: str
    """Of the turn: ``speech``, ``keys`` or ``text``."""
    latency_ms: float
    """From the caller's last voiced sample (or key) to the first sample of the answer."""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Stage → milliseconds of it: ``endpoint``, ``asr``, ``dialog``, ``action``, ``tts`` …"""


@dataclass(frozen=True, slots=True)
class PromptSpoken(Event):
    """A prompt was played, or stopped."""

    kind: ClassVar[str] = "said"
    text: Said
    heard: Said
    """What was played of it; all of `text` when it was played to its end."""
    complete: bool
    """It was played to its end."""
    step: str
    name: str = ""
    """Of the prompt in the flow; empty for one without a name."""
    secret: bool = False
    """The text holds a secret: all of it is masked."""
    first_audio_ms: float = 0.0
    """From the wish to speak to the first sample."""
    duration_s: float = 0.0
    """Seconds of sound that were played."""


@dataclass(frozen=True, slots=True)
class ActionAsked(Event):
    """A backend action begins."""

    kind: ClassVar[str] = "action"
    action: str
    token: Plain
    """Unique in the call: the `ActionDone` with the same one is its end."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Its arguments; secret ones are masked."""
    write: bool = False
    """It changes something."""


@dataclass(frozen=True, slots=True)
class ActionDone(Event):
    """A backend action came to its end."""

    kind: ClassVar[str] = "action-done"
    action: str
    token: Plain
    """Of its `ActionAsked`."""
    ok: bool = False
    error: str = ""
    """Kind of failure: ``timeout``, ``refused``, ``status-404`` …; empty when all went well."""
    ms: float = 0.0
    """How long it took."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """As in its `ActionAsked`."""
    write: bool = False
    """It changes something."""


@dataclass(frozen=True, slots=True)
class CallHeld(Event):
    """The caller is put on hold: a human is being called, with this summary."""

    kind: ClassVar[str] = "on-hold"
    target: str
    """Name of the target in the configuration."""
    reason: str
    """``asked``, ``failures``, ``flow``, ``backend``, ``route`` …"""
    summary: str
    """What the human is told."""
    number: int
    """The call's first, second … handover."""
    channel: str
    caller: Party
    called: Party
    flow: str
    step: str
    intent: str
    slots: Mapping[str, str] = field(default_factory=dict)
    """Slot → value; secret ones are masked."""
    resolved: tuple[str, ...] = ()
    """Tasks done end to end before."""


@dataclass(frozen=True, slots=True)
class HumanNotReached(Event):
    """Nobody came to the phone: back to the dialog."""

    kind: ClassVar[str] = "not-reached"
    target: str
    reason: str
    """Why a human was called, as in `CallHeld`."""
    why: str
    """``busy``, ``no-answer``, ``declined`` or ``unreachable``."""


@dataclass(frozen=True, slots=True)
class HumanJoined(Event):
    """Caller and human hear each other now."""

    kind: ClassVar[str] = "joined"
    target: str
    reason: str
    """Why a human was called, as in `CallHeld`."""
    human: Party
    """Who answered, as the network says."""


@dataclass(frozen=True, slots=True)
class PartiesParted(Event):
    """Caller and human no longer talk through us."""

    kind: ClassVar[str] = "parted"
    who: str
    """Who hung up: ``caller``, ``human``; ``released`` when they talk on without us."""


@dataclass(frozen=True, slots=True)
class EngineBroke(Event):
    """Recognition or synthesis broke in the call."""

    kind: ClassVar[str] = "engine-broke"
    engine: str
    """``recognition`` or ``synthesis``."""
    error: str


@dataclass(frozen=True, slots=True)
class CallBroke(Event):
    """The call broke inside this program: the caller heard words, other calls go on."""

    kind: ClassVar[str] = "broke"
    error: str
    """Type of the exception; its text is in the log."""


@dataclass(frozen=True, slots=True)
class Redacted(Event):
    """Something written before holds a secret, as is known now: whoever kept it masks it, in words and in sound."""

    kind: ClassVar[str] = "redacted"
    what: Annotated[tuple[str, ...], "plain"]
    """Kinds of the secrets: ``card number``, the type of a slot."""
    entries: Annotated[Mapping[str, Mapping[str, Any]], "plain"]
    """Number of an earlier event of the call → its fields that change → what stands in them from now on."""
    sound: Annotated[tuple[tuple[float, float], ...], "plain"] = ()
    """From when until when the caller said or keyed it, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class CallOver(Event):
    """The call is over: its last event."""

    kind: ClassVar[str] = "ended"
    outcome: str
    """``resolved``, ``handed-over``, ``abandoned``, ``failed``, ``no-input``."""
    reason: str
    """Who or what ended it: ``caller``, ``local``, ``human hung up`` …"""
    channel: str
    resolved: tuple[str, ...] = ()
    """Tasks done end to end."""
    summary: str = ""
    """Who called, what was asked, what was done, what is open."""
    slots: Mapping[str, str] = field(default_factory=dict)
    """Slot → value held at the end; secret ones are masked."""
    media: Mapping[str, Any] = field(default_factory=dict)
    """Packets lost, late, concealed … as the leg counted them."""


KINDS: dict[str, type[Event]] = {
    event.kind: event
    for event in (
        CallAnswered, DialogMoved, PromptStarted, PromptSpoken, CallerHeard, TurnDecided, ResponseStarted, CallerSilent,
        CallerOverheard, ActionAsked, ActionDone, CallHeld, HumanNotReached, HumanJoined, PartiesParted, EngineBroke,
        CallBroke, Redacted, CallOver, FlowDeployed, ServerStopped, RecordsPruned, AddressBlocked,
    )
}  # fmt: skip
"""Every event by its kind, in about the order in which a call meets them; those of no call last."""


class UnknownEvent(ValueError):
    """A stored event of a kind or version that this program does not know."""


def read(kind: str, version: int, data: Mapping[str, Any]) -> Event:
    """The event that `Event.data` was taken from. Fields added since then have their defaults.

    Raises:
        UnknownEvent: its kind or version is not known here, or its data does not fit.
    """
    known = KINDS.get(kind)
    if known is None or known.version != version:
        raise UnknownEvent(f"{kind} version {version}")
    names = {f.name for f in dataclasses.fields(known)}  # type: ignore[arg-type]
    try:
        return known(**{name: _tuples(value) for name, value in data.items() if name in names})
    except TypeError as error:
        raise UnknownEvent(f"{kind} version {version}: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
