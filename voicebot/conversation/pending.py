"""What the dialog waits for, and what recognition should expect then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from voicebot.flows.flow import Flow
from voicebot.messages import Expect, Heard
from voicebot.nlu.slots.extract import synonyms
from voicebot.nlu.slots.limits import year_needed
from voicebot.nlu.slots.names import places
from voicebot.nlu.slots.tokens import Found
from voicebot.nlu.specs import Slot, StepListenOptions


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller wants."""

    after: bool
    """A task is over already: "anything else?"."""


@dataclass(frozen=True, slots=True)
class ForSlot:
    slot: str


@dataclass(frozen=True, slots=True)
class ForValue:
    """Yes or no to a value that was read back."""

    slot: str
    found: Found


@dataclass(frozen=True, slots=True)
class ForStep:
    """Yes or no to a `confirm` step."""


@dataclass(frozen=True, slots=True)
class ForChange:
    """What is wrong, after a no to a `confirm` step."""


@dataclass(frozen=True, slots=True)
class ForIntent:
    """Yes or no to "You would like to …?"."""

    intent: str
    text: str
    after: bool


@dataclass(frozen=True, slots=True)
class PendingLookup:
    """All that a caller may have said for a slot, while a backend is asked what of it exists."""

    slot: str
    candidates: tuple[Found, ...]
    """The likeliest first."""
    heard: Heard


@dataclass(frozen=True, slots=True)
class ForResult:
    token: str
    lookup: PendingLookup | None = None
    """None for an action of the flow's own steps."""


@dataclass(frozen=True, slots=True)
class ForHuman:
    """A human is being called."""

    reason: str
    back_to: Waiting


@dataclass(frozen=True, slots=True)
class Over:
    outcome: str


@dataclass(frozen=True, slots=True)
class NeedHuman:
    """The dialog cannot go on without a human."""

    reason: str
    text: str
    name: str
    """Of the prompt `text`."""


Waiting = Wish | ForSlot | ForValue | ForStep | ForChange | ForIntent | ForResult | ForHuman | Over
Next = Waiting | NeedHuman

_PATIENCE_S = {"digits": 8.0, "alnum": 9.0, "phone": 9.0, "email": 9.0, "date": 7.0, "time": 7.0}


def expect(
    flow: Flow,
    waiting: Waiting,
    change: tuple[str, ...] = (),
    listen: StepListenOptions | None = None,
    today: date | None = None,
) -> Expect:
    """What to listen for.

    Args:
        change: slots that may be put right instead of a plain no.
        listen: what the step says of it.
        today: the day of the call; without it days on either side of today are as good as any others.
    """
    found = _expect(flow, waiting, today)
    if listen is not None:
        given = listen.model_dump(exclude_unset=True)
        found = replace(found, **given | {"boost": (*found.boost, *listen.boost)})
    if found.kind == "yesno" and isinstance(waiting, ForValue):
        change = (waiting.slot, *change)
    also = [_for_slot(flow.slots[slot], today) for slot in dict.fromkeys(change) if not flow.slots[slot].secret]
    return replace(
        found,
        boost=tuple(dict.fromkeys((*flow.vocabulary, *found.boost))),
        also=tuple(other for other in also if other.kind not in ("free", "yesno")) if found.kind == "yesno" else (),
    )


def _expect(flow: Flow, waiting: Waiting, today: date | None) -> Expect:
    if isinstance(waiting, ForSlot):
        return _for_slot(flow.slots[waiting.slot], today)
    if isinstance(waiting, (ForValue, ForStep, ForIntent)):
        return Expect("yesno")
    if isinstance(waiting, Wish) and waiting.after:  # most say "no, thank you"; what else they want is still heard
        return Expect("yesno", no_input_s=7.0)
    return Expect("free", no_input_s=7.0)


def _for_slot(slot: Slot, today: date | None) -> Expect:
    kind = slot.kind
    forms = dict.fromkeys(form.lower() for forms in synonyms(slot).values() for form in forms)
    phrases = tuple(forms | dict.fromkeys(places(len(slot.choices))))
    return Expect(
        kind, lengths=slot.sizes or ((10, 11) if slot.type == "phone" else ()), patterns=tuple(slot.pattern),
        phrases=phrases if kind in ("phrases", "name") else (), boost=tuple(slot.boost), secret=slot.secret,
        no_input_s=slot.listen.no_input_s or _PATIENCE_S.get(slot.type, 6.0),
        end_silence_s=slot.listen.end_silence_s, barge_in=slot.listen.barge_in,
        year=year_needed(slot.earliest, slot.latest, today) if slot.type == "date" else None,
    )  # fmt: skip
