"""Events: each serialises itself, can be read back, and is redacted where it is made."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from voicebot.journal import events
from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.entry import Entry, Event
from voicebot.journal.events import KINDS, UnknownEvent, read
from voicebot.journal.journal import CallJournal

CARD = "4111111111111111"


def filled(kind: type[Event], text: str = "x") -> Event:
    """An event with something in every field."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        match str(field.type):
            case "bool":
                values[field.name] = field.name != "secret"
            case "int":
                values[field.name] = 3
            case "float" | "float | None":
                values[field.name] = 0.5
            case "Mapping[str, float]":
                values[field.name] = {"asr": 1.5}
            case "Mapping[str, str]" | "Mapping[str, Any]":
                values[field.name] = {"slot": text}
            case "tuple[str, ...]" | 'Annotated[tuple[str, ...], "said"]':
                values[field.name] = (text,)
            case 'Annotated[tuple[tuple[str, float], ...], "said"]':
                values[field.name] = ((text, 0.5),)
            case _:
                values[field.name] = text
    return kind(**values)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_event_goes_through_json_and_back(kind: type[Event]) -> None:
    event = filled(kind)
    entry = json.loads(json.dumps(Entry("c1", 7, 1.5, event).as_dict()))
    assert (entry["call"], entry["number"], entry["at"]) == ("c1", 7, 1.5)
    assert read(entry["kind"], entry["version"], entry["data"]) == event


def test_every_event_class_is_among_the_kinds_under_a_name_of_its_own() -> None:
    made = {value for value in vars(events).values() if isinstance(value, type) and issubclass(value, Event)} - {Event}
    assert set(KINDS.values()) == made
    assert len(KINDS) == len(made)


@pytest.mark.parametrize(("kind", "version"), [("never-heard-of", 1), ("ended", 99), ("ended", 1)])
def test_an_event_that_is_not_known_is_refused(kind: str, version: int) -> None:
    with pytest.raises(UnknownEvent):
        read(kind, version, {})


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_card_number_is_in_no_field_but_those_that_are_ids_of_ours(kind: type[Event]) -> None:
    event = filled(kind, f"my card is {CARD}")
    shown = CallSecrets().event(event)
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if kind.marks().get(field.name) != "plain":
            assert CARD not in str(getattr(shown, field.name)), field.name


def test_a_masked_value_keeps_type_and_length_and_a_token_that_holds_within_the_call() -> None:
    one, other = CallSecrets(), CallSecrets()
    masked = one.secret("1903", "digits")
    assert masked.startswith("[digits 4 #")
    assert masked == one.secret("1903", "digits") != one.secret("1904", "digits")
    assert masked != other.secret("1903", "digits")
    assert one.text(f"{CARD} or 4111 1111 1111 1111").count(one.text(CARD)) == 2
    assert one.text(one.text(CARD)) == one.text(CARD)


def test_all_words_of_a_secret_turn_are_masked_and_its_facts_are_kept() -> None:
    entries: list[Entry] = []
    journal = CallJournal("c1", entries.append, CallSecrets())
    journal.write(
        events.CallerHeard(
            "one nine oh three", "speech", "reset.pin", secret=True, free_text="one nine oh tree", confidence=0.9,
            alternatives=("1903", "1909"), words=(("one", 0.9), ("nine", 0.4)),
        )
    )  # fmt: skip
    event = entries[0].event
    assert isinstance(event, events.CallerHeard)
    assert not any(word in json.dumps(event.data()) for word in ("nine", "1903", "three"))
    assert (event.confidence, event.step, event.source) == (0.9, "reset.pin", "speech")
    assert event.text.startswith("[speech 17 #")


def test_values_that_the_dialog_holds_leave_no_card_by_any_event() -> None:
    """`{"card": "4111111111111111"}` once left by webhook and by the page."""
    redactor = CallSecrets()
    held = events.CallHeld("desk", "asked", "", 1, "sip", "sip:+15550100@x", "x", "bank", "a.b", "", {"card": CARD})
    moved = events.DialogMoved("bank", "a.b", "", 0.0, {"card": CARD})
    for event in (held, moved):
        shown = redactor.event(event)
        assert shown.slots == {"card": redactor.text(CARD)}
        assert CARD not in str(shown)
    assert redactor.event(held).caller == "sip:+15550100@x"
