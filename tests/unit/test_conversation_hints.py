"""What a prompt expects, and how the readings of an answer become the one value that the dialog sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.conversation_support import GOOD, NOW, Caller, luhn_ok, spoken
from tests.unit.test_flows_flow import GOOD as SMALL
from voicebot.conversation.pending import ForSlot, ForStep, ForValue, expect
from voicebot.conversation.slot_values import Answers
from voicebot.conversation.state import Memory
from voicebot.errors import SourceError
from voicebot.flows.flow import Flow
from voicebot.messages import Expect, Heard, Listen, Say
from voicebot.nlu.slots.tokens import Found

OTHER = luhn_ok("47118")
NAMES = 'names: ["Anna Kowalski", "Piotr Kowalski", "Jürgen Müller", "Siobhan O\'Neill"]'


def flow_with(kind: str, keys: str, folder: Path = Path()) -> Flow:
    """The small flow, its slot `pin` of another type and with other keys."""
    text = SMALL.replace("type: digits\n    lengths: [4]\n    secret: true\n", f"type: {kind}\n    {keys}\n")
    return Flow.parse(text, str(folder / "flow.yaml"))


def heard(*readings: str, free: str = "") -> Heard:
    """A turn with these readings inside the grammar, best first."""
    best = readings[0] if readings else ""
    return Heard(free or best, 0.7, best, 0.7 if best else 0.0, readings)


def candidates(flow: Flow, turn: Heard) -> list[str]:
    return [f.value for f in Answers(flow, Memory(flow, {})).candidates("pin", turn, NOW)]


def expected(caller: Caller) -> Expect:
    assert isinstance(caller.last, Listen)
    return caller.last.expect


def assert_refused(kind: str, keys: str, message: str, folder: Path = Path()) -> None:
    with pytest.raises(SourceError, match=message):
        flow_with(kind, keys, folder)


# ── shapes and lists ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pattern_tells_recognition_the_shapes_and_their_lengths() -> None:
    found = expect(flow_with("alnum", 'pattern: ["kd 99-A*", "9999"]\n    boost: [serial]'), ForSlot("pin"))
    assert (found.kind, found.patterns, found.lengths) == ("alnum", ("kd99A*", "9999"), (4, 6))
    assert "serial" in found.boost


@pytest.mark.parametrize(
    ("readings", "values"),
    [
        (("k d four seven b nine",), ["KD47B9"]),
        (("b d four seven b nine", "k d four seven b nine"), ["KD47B9"]),
        (("k d four seven oh oh",), ["KD47OO", "KD47O0"]),
        (("k d four seven nine nine",), []),
    ],
)
def test_readings_without_the_shape_are_dropped(readings: tuple[str, ...], values: list[str]) -> None:
    assert candidates(flow_with("alnum", "pattern: kd99A*"), heard(*readings)) == values


@pytest.mark.parametrize(
    ("turn", "names"),
    [
        (heard("anna kowalski"), ["Anna Kowalski"]),
        (heard("anna"), ["Anna Kowalski"]),
        (heard("jurgen muller"), ["Jürgen Müller"]),
        (Heard("My name is Yurgen Miller."), ["Jürgen Müller"]),
        (Heard("It's Shivon O'Neal."), ["Siobhan O'Neill"]),
        (Heard("Kowalski."), []),
        (Heard("Benjamin Franklin."), []),
    ],
)
def test_a_name_of_the_list_is_found_by_its_sound_and_no_other(turn: Heard, names: list[str]) -> None:
    assert candidates(flow_with("name", NAMES), turn) == names


def test_all_ways_to_say_the_listed_names_are_phrases_for_recognition() -> None:
    found = expect(flow_with("name", NAMES), ForSlot("pin"))
    assert found.kind == "name"
    assert {"anna kowalski", "anna", "jurgen muller", "muller"} <= set(found.phrases)
    assert "kowalski" not in found.phrases


def test_a_choice_may_be_named_by_its_place(caller: Caller) -> None:
    caller.says("I'd like to make an appointment")
    assert {"the first one", "number two", "option three", "the last one"} <= set(expected(caller).phrases)
    assert not any("four" in phrase for phrase in expected(caller).phrases)
    caller.says("the second one")
    assert caller.slots == {"service": "repair"}


def test_hints_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("number,city\n,Ulm\n")
    assert_refused("digits", "pattern: AA99", "digits have no letters")
    assert_refused("digits", "pattern: '9999'\n    lengths: [4]", "the pattern says how long")
    assert_refused("alnum", "pattern: 'A?9'", "pattern")
    assert_refused("date", "pattern: '9999'", "'pattern' does not belong")
    assert_refused("name", "names: [Anna Noe, anna  noe]", "listed twice")
    assert_refused("digits", "lengths: [4]\n    secret: true\n    lookup: {do: x}", "must not be looked up")
    assert_refused("digits", "lookup: {do: x, file: y, column: z}", "either `do` or `file`")
    assert_refused("digits", "lookup: {file: nowhere.csv, column: z}", "cannot be read", tmp_path)
    assert_refused("digits", "lookup: {file: numbers.csv, column: z}", "no column 'z'", tmp_path)
    assert_refused("digits", "lookup: {file: numbers.csv, column: number}", "nothing in column", tmp_path)


# ── values that exist ────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_numbers_in_the_file_are_taken(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text("city,number\nUlm,47-11\nBonn,4718\n", encoding="utf-8-sig")
    flow = flow_with("digits", "lengths: [4]\n    lookup: {file: numbers.csv, column: number}", tmp_path)
    assert candidates(flow, heard("four seven one one", "four seven one eight")) == ["4711", "4718"]
    assert candidates(flow, heard("four seven one nine", "four seven one eight")) == ["4718"]
    assert candidates(flow, heard("one two three four")) == []


def test_a_backend_is_asked_about_all_readings_at_once_and_the_one_that_exists_is_taken(caller: Caller) -> None:
    caller.answers["known_orders"] = lambda a: {"numbers": [OTHER]}
    caller.says("where is my order")
    said = caller.hears(heard(spoken(GOOD), spoken("471111"), spoken(OTHER)))
    assert caller.did("known_orders") == [{"numbers": f"{GOOD},{OTHER}"}]
    assert "4 7 1 1 8" in said  # not recognition's first choice: read back
    assert "on its way" in caller.says("yes")
    assert caller.did("find_order") == [{"number": OTHER}]


def test_the_first_choice_is_taken_at_once_when_it_alone_exists(caller: Caller) -> None:
    caller.answers["known_orders"] = lambda a: {"numbers": [GOOD]}
    caller.says("where is my order")
    assert "on its way" in caller.hears(heard(spoken(GOOD), spoken(OTHER)))


def test_two_numbers_that_exist_are_told_apart_by_the_caller(caller: Caller) -> None:
    caller.says("where is my order")
    caller.hears(heard(spoken(GOOD), spoken(OTHER)))
    assert caller.step == "order_status.order_number.confirm"


def test_a_number_that_does_not_exist_is_asked_again_in_other_words(caller: Caller) -> None:
    caller.answers["known_orders"] = lambda a: {"numbers": []}
    caller.says("where is my order")
    assert "doesn't seem to be one of our order numbers" in caller.hears(heard(spoken(GOOD)))
    assert caller.step == "order_status.order_number"
    assert caller.slots == {}


@pytest.mark.parametrize("answer", ["timeout", lambda a: {"numbers": 3}, lambda a: ["x"]])
def test_a_number_that_could_not_be_looked_up_is_read_back(caller: Caller, answer: object) -> None:
    caller.answers["known_orders"] = answer  # type: ignore[assignment]
    caller.says("where is my order")
    caller.hears(heard(spoken(GOOD)))
    assert caller.step == "order_status.order_number.confirm"


def test_a_number_given_before_it_is_asked_for_is_looked_up_as_if_it_had_been(caller: Caller) -> None:
    assert "on its way" in caller.says(f"where is my order {GOOD}")
    assert caller.did("known_orders") == [{"numbers": GOOD}]


def test_a_number_given_before_it_is_asked_for_that_does_not_exist_is_asked_for_again(caller: Caller) -> None:
    caller.answers["known_orders"] = lambda a: {"numbers": []}
    assert "doesn't seem to be one of our order numbers" in caller.says(f"where is my order {GOOD}")
    assert (caller.step, caller.slots) == ("order_status.order_number", {})


def test_a_number_given_early_that_could_not_be_looked_up_is_read_back(caller: Caller) -> None:
    caller.answers["known_orders"] = "timeout"
    caller.says(f"where is my order {GOOD}")
    assert caller.step == "order_status.order_number.confirm"
    assert "on its way" in caller.says("yes")
    assert len(caller.did("known_orders")) == 1


def test_a_day_given_early_that_cannot_be_is_asked_for_with_the_reason(caller: Caller) -> None:
    said = caller.says("I'd like to book a repair on the fourth of July 2030 at ten in the morning")
    assert said == "I can only book from today until about three months ahead. Which day in that time?"
    assert caller.slots == {"service": "repair", "appointment_time": "10:00"}
    assert caller.step == "book_appointment.appointment_date"
    assert "free" in caller.says("next Wednesday")


def test_the_reason_is_not_given_for_a_value_that_was_put_right_meanwhile(caller: Caller) -> None:
    caller.says("I'd like an appointment at eleven at night")
    assert caller.slots == {}
    caller.says("a repair next Wednesday at ten in the morning")
    assert caller.step == "book_appointment.confirm"


def test_the_reason_is_given_when_its_turn_comes(caller: Caller) -> None:
    assert "What is it for" in caller.says("I'd like an appointment at eleven at night")
    assert "Which day" in caller.says("repair")
    assert "between nine in the morning" in caller.says("next Wednesday")


# ── what comes with a no ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_that_is_read_back_may_be_put_right_in_the_same_breath(caller: Caller) -> None:
    caller.says("I forgot my password")
    caller.hears(heard(spoken("52119")))
    assert [(e.kind, e.lengths) for e in expected(caller).also] == [("digits", (5,))]
    said = caller.hears(heard("no " + spoken("5218"), "no " + spoken("52189"), free="No, find to one ate nine."))
    assert "5 2 1 8 9" in said


def test_the_right_value_is_looked_up_too(caller: Caller) -> None:
    caller.says("where is my order")
    caller.hears(heard(spoken(OTHER), spoken(GOOD)))
    caller.answers["known_orders"] = lambda a: {"numbers": [GOOD]}
    caller.hears(heard("no " + spoken(GOOD)))
    assert caller.did("known_orders")[1:] == [{"numbers": GOOD}]
    assert caller.did("find_order") == [{"number": GOOD}]


def test_a_last_question_lets_its_parts_be_changed(caller: Caller) -> None:
    caller.says("I'd like to book a repair on Tuesday at ten in the morning")
    assert caller.step == "book_appointment.confirm"
    assert {e.kind for e in expected(caller).also} == {"date", "time", "phrases"}
    caller.hears(heard("no next wednesday", free="No, necks when stay."))
    assert caller.slots["appointment_date"] == "2026-11-25"


def test_a_secret_is_never_heard_along_with_a_no(flow: Flow) -> None:
    assert expect(flow, ForValue("pin", Found("8265", 0.9, 0, 1))).also == ()
    assert [e.kind for e in expect(flow, ForStep(), ("pin", "appointment_date")).also] == ["date"]


# ── what the caller has heard ────────────────────────────────────────────────────────────────────────────────────────


def yes(prompt_heard: str | None) -> Heard:
    return Heard("Yes.", 0.9, "yes", 0.9, ("yes",), barged_in=prompt_heard is not None, prompt_heard=prompt_heard)


@pytest.mark.parametrize("before", ["", "I have", "I have 5 2 1"])
def test_a_yes_before_the_value_was_heard_confirms_nothing(caller: Caller, before: str) -> None:
    caller.says("I forgot my password")
    caller.hears(heard(spoken("52119")))
    assert "5 2 1 1 9" in caller.hears(yes(before))
    assert caller.step == "reset_password.employee_number.confirm"
    says = [act for act in caller.acts if isinstance(act, Say)]
    assert not any(say.barge_in for say in says)
    caller.hears(yes(None))
    assert caller.step == "reset_password.pin"


def test_a_yes_into_the_question_after_the_value_counts(caller: Caller) -> None:
    caller.says("I forgot my password")
    caller.hears(heard(spoken("52119")))
    caller.hears(yes("I have 5 2 1 1 9. Is"))
    assert caller.step == "reset_password.pin"


def test_a_booking_is_not_made_by_a_yes_to_half_of_it(caller: Caller) -> None:
    caller.says("I'd like to book a repair on Tuesday at ten in the morning")
    caller.hears(yes("That's free: a repair"))
    assert not caller.did("book_appointment")
    caller.hears(yes("That's free: a repair on Tuesday the 24th of November at 10 AM. Shall"))
    assert len(caller.did("book_appointment")) == 1


def test_a_no_counts_whatever_was_heard(caller: Caller) -> None:
    caller.says("I forgot my password")
    caller.hears(heard(spoken("52119")))
    caller.hears(Heard("No.", 0.9, "no", 0.9, ("no",), barged_in=True, prompt_heard="I have 5 2"))
    assert caller.step == "reset_password.employee_number"
