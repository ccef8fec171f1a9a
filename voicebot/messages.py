"""What the rooms say to each other in a call; `voicebot.calls.session` carries the messages.

listening ── Heard ──▶ conversation ── Say, Listen, Do, Handover, End ──▶ tts, listening, actions, handoff
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

CALL_VARIABLES = (
    "caller_number", "caller_name", "caller_private", "caller_verified", "attestation", "verification",
    "called_number", "trunk", "diverted_from", "diversion_reason", "user_to_user",
)  # fmt: skip
"""What every call brings into its dialog; empty where the network says nothing, or where its word is not believed."""

ExpectKind = Literal["free", "yesno", "digits", "alnum", "date", "time", "datetime", "amount", "phrases", "name"]


@dataclass(frozen=True, slots=True)
class Expect:
    """What the dialog waits for; recognition, end of turn, barge-in and the keypad follow it."""

    kind: ExpectKind = "free"
    lengths: tuple[int, ...] = ()
    """digits and alnum: the numbers of characters allowed; empty for any (up to 20)."""
    patterns: tuple[str, ...] = ()
    """digits and alnum: the shapes allowed, whose lengths `lengths` then holds: ``A`` is a letter, ``9`` a digit, ``*``
    either, a small letter or another digit itself, as in ``kd9999A``. Empty for any."""
    phrases: tuple[str, ...] = ()
    """phrases and name: what may be said."""
    boost: tuple[str, ...] = ()
    """Words that are likelier here than elsewhere."""
    also: tuple[Expect, ...] = ()
    """yesno: answers that may come with a "no" or instead of one, because a value was read back: "no, four seven …"."""
    year: bool | None = None
    """date: whether the answer needs its year (of birth: yes; of an appointment within a year: no); None: unknown."""
    brief: bool = False
    """digits, for the listener, which asks again: that too few digits were said so far is enough of an answer."""
    secret: bool = False
    """The answer must appear in no log, transcript, record or metric."""
    barge_in: bool = True
    """Whether speech may stop the prompt before this. Keys always may."""
    no_input_s: float = 6.0
    """Silence after the prompt that counts as no input, in seconds."""
    on_hold: bool = False
    """The caller has asked for a moment: neither he nor his telephone need to be heard meanwhile."""
    end_silence_s: float | None = None
    """Silence that ends an answer that is not whole (yes or no, the awaited number of digits), in seconds; None lets
    the listener judges by what was said."""


GUESSED = 0.5
"""A word less sure than this is a guess: seven of ten such are wrong (`voicebot bench asr`, "words of free text")."""


class Word(NamedTuple):
    """A word as recognised, its case and marks kept."""

    text: str
    confidence: float
    """0..1: the model's own, not calibrated; see `GUESSED`."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One turn of the caller, as recognised."""

    text: str
    """Free recognition; empty when nothing was understood."""
    confidence: float = 1.0
    """Of `text`, 0..1."""
    expected_text: str = ""
    """Best result inside the grammar of `Expect`; empty without one, or when it was rejected."""
    expected_confidence: float = 0.0
    alternatives: tuple[str, ...] = ()
    """In-grammar n-best, best first, `expected_text` included."""
    source: Literal["speech", "keys", "text"] = "speech"
    """keys: `text` is what was keyed, e.g. ``471102``; text: typed in `voicebot chat`."""
    barged_in: bool = False
    """The turn began while a prompt was playing."""
    prompt_heard: str | None = None
    """What had been played of the prompts before it when they were stopped; None when they were heard to their end."""
    audio_s: float = 0.0
    began_s: float = 0.0
    """When it began to be said or keyed, on the monotonic clock; 0: not known."""
    ended_s: float = 0.0
    timings_ms: dict[str, float] = field(default_factory=dict)
    """Stage → milliseconds: ``endpoint`` (last voiced sample to end of turn), ``asr``, …"""
    words: tuple[Word, ...] = ()
    """Those of `text`; empty where the engine does not say how sure it is of each."""


@dataclass(frozen=True, slots=True)
class Say:
    """Speak this text."""

    text: str
    barge_in: bool = True
    name: str = ""
    """Name of the prompt in the flow (``slots.order_number.prompt``): recorded prompts are found by it."""
    secret: bool = False
    """The text holds a secret slot's value: play it, store a mask."""
    marked: str = ""
    """`text` with its markup (see `voicebot.tts.markup`), for synthesis alone; empty when it has none."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Give the caller the turn."""

    expect: Expect


@dataclass(frozen=True, slots=True)
class Do:
    """Run a backend action; its result comes back by `Conversation.result` with the same token."""

    action: str
    args: dict[str, Any]
    token: str
    """Unique in this call; also the idempotency key of a write."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a `Do`."""

    token: str
    ok: bool
    data: Any = None
    """Decoded JSON of an HTTP answer, or rows of a query as a list of dicts."""
    error: str = ""
    """`ActionFailed.kind` when not ok, or ``status-404`` style for HTTP statuses."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Bring a human in."""

    target: str
    """Name of a target in the configuration."""
    summary: str
    """One or two sentences for the human who answers: who calls, what was asked, what was done."""
    reason: str
    """``asked``, ``failures``, ``flow``, ``backend``, ``route`` …"""
    queue: bool = False
    """Wait in line: a target that is busy or does not answer is called again, for as long as the configuration says."""


@dataclass(frozen=True, slots=True)
class End:
    """Say goodbye has been said: hang up."""

    outcome: str
    """``resolved``, ``handed-over``, ``abandoned``, ``failed``, ``no-input``."""


Act = Say | Listen | Do | Handover | End


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where a conversation stands, for the transcript page, the record and the desk. Secrets are masked."""

    flow: str
    step: str
    intent: str
    intent_confidence: float
    slots: dict[str, str]
    outcome: str
    resolved: tuple[str, ...]
    """Tasks done end to end in this call."""
