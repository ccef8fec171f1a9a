"""A flow file is refused as a whole, with the line and remedy of everything that is wrong in it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from voicebot.conversation.pending import ForSlot, expect
from voicebot.errors import SourceError
from voicebot.flows import conditions, templates
from voicebot.flows.flow import Flow
from voicebot.paths import DIALOGS

GOOD = """\
flow: small
disclosure: "This is an automated assistant."
opening: "What can I do for you?"
intents:
  pay:
    task: pay
    examples: [pay my bill, I want to pay, make a payment, settle my account,
               pay now, pay the invoice, I owe you money, let me pay]
slots:
  amount:
    type: amount
    prompt: "How much?"
    reprompts: ["Sorry, how much was that?", "Please say the amount in dollars."]
    no_input: ["I'm listening: how much?", "Tell me the amount, please."]
  pin:
    type: digits
    lengths: [4]
    secret: true
    prompt: "Your PIN?"
    reprompts: ["Sorry, the PIN again?", "Please key in your PIN."]
    no_input: ["The PIN, please.", "Four digits, please."]
tasks:
  pay:
    about: pay a bill
    steps:
      - ask: amount
      - ask: pin
      - do: pay
        with: {amount: "{amount}", pin: "{pin}"}
        save: {left: balance.left}
        on:
          status-402:
            - say: "That didn't work."
            - retry: pin
      - when: left > 0
        then:
          - say: "There are {left:money} left."
      - done: "paid {amount}"
fallbacks:
  no_match: ["Sorry?", "I did not get that."]
  no_input: ["Are you there?", "I cannot hear you."]
handover:
  target: reception
  say: "One moment."
"""


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SourceError) as caught:
        Flow.parse(text, "f.yaml")
    return [(p.line, f"{p.message} — {p.remedy}") for p in caught.value.problems]


def line_with(text: str, needle: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if needle in line)


def assert_refused(old: str, new: str, words: str, at: str = "") -> None:
    """Replacing `old` with `new` is refused with `words`, on the line that holds `at` (or `new`)."""
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = problems(text)
    line = line_with(text, at or new.strip().splitlines()[0])
    assert any(re.search(words, message) and where == line for where, message in found), found


def test_a_sound_flow_is_taken() -> None:
    flow = Flow.parse(GOOD)
    assert flow.name == "small"
    assert flow.actions_used() == {"pay": frozenset({"amount", "pin"})}
    names = dict(flow.prompts())
    assert names["slots.amount.reprompts.1"] == "Please say the amount in dollars."
    assert "tasks.pay.steps.2.on.status-402.0.say" in names
    assert not any("{" in text for text in names.values())


def test_the_demo_flow_is_sound_and_uses_the_demo_actions() -> None:
    flow = Flow.load(DIALOGS / "northwind.yaml")
    assert set(flow.actions_used()) == {
        "find_order",
        "find_slot",
        "known_orders",
        "book_appointment",
        "check_identity",
        "reset_password",
    }


def test_a_file_that_is_not_there_is_a_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        Flow.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "template",
    [
        "{order.__class__}",
        "{amount[0]}",
        "{amount!r}",
        "{0}",
        "{}",
        "{amount:>9}",
        "{Amount}",
        "{amount",
        "amount}",
        "{amount.real}",
    ],
)
def test_templates_that_are_more_than_a_name_are_refused_with_their_line(template: str) -> None:
    assert_refused('say: "That didn\'t work."', f'say: "Hm {template} hm"', "name|brace|single|format", at="Hm ")


def test_every_kind_of_fault_is_found_on_its_line() -> None:
    assert_refused("task: pay\n", "task: pya\n", "unknown task 'pya'.*known here: pay")
    assert_refused("- ask: amount", "- ask: amuont", "unknown slot 'amuont'")
    assert_refused("retry: pin", "retry: pon", "'pon' is not asked for")
    assert_refused("on:\n          status-402", "on:\n          bankrupt", "unknown kind of error", at="bankrupt")
    assert_refused("There are {left:money}", "There are {lift:money}", "unknown slot or variable 'lift'")
    assert_refused("There are {left:money}", "There are {pin} and", "secret")
    assert_refused("left > 0", "left >", "ends too early")
    assert_refused("left > 0", "lift > 0", "unknown slot or variable 'lift'")
    assert_refused("left > 0", "left.__class__", "cannot read|not expected")
    assert_refused("balance.left", "balance..left", "not a field")
    assert_refused("lengths: [4]", "choices: [a, b]", "does not belong to a slot of type digits")
    assert_refused('"Please key in your PIN."', '"sorry, the pin AGAIN"', "same words", at="sorry, the pin AGAIN")
    assert_refused('reprompts: ["Sorry, how much was that?", ', "reprompts: [", "at least 2", at="reprompts: [")
    assert_refused(
        ",\n               pay now, pay the invoice, I owe you money, let me pay]",
        "]",
        "too few examples",
        at="examples",
    )
    assert_refused("This is an automated assistant.", "Welcome to our company.", "does not say that a machine")
    assert any("never says what came of it" in message for _, message in problems(GOOD.replace("- done: ", "- say: ")))


def test_a_slot_may_say_how_the_ears_wait_for_it() -> None:
    listen = "lengths: [4]\n    listen: {end_silence_s: 2.5, no_input_s: 15, barge_in: false}"
    found = expect(Flow.parse(GOOD.replace("lengths: [4]", listen)), ForSlot("pin"))
    assert (found.end_silence_s, found.no_input_s, found.barge_in) == (2.5, 15.0, False)
    assert expect(Flow.parse(GOOD), ForSlot("pin")).end_silence_s is None


def test_the_ears_wait_for_a_year_where_the_limits_of_a_day_need_one() -> None:
    def year(limits: str) -> bool | None:
        slot = GOOD.replace("type: digits", "type: date").replace("lengths: [4]", limits)
        return expect(Flow.parse(slot), ForSlot("pin"), today=date(2026, 11, 21)).year

    assert year("earliest: -120 years\n    latest: today") is True
    assert year("earliest: today\n    latest: +90 days") is False
    assert year("earliest: today") is None


def test_times_that_cannot_work_together_are_refused() -> None:
    late = "listen: {end_silence_s: 3, no_input_s: 2}"
    assert_refused("lengths: [4]", f"lengths: [4]\n    {late}", "must end before it counts as none", at=late)
    long = "listen: {end_silence_s: 9}"
    assert_refused("lengths: [4]", f"lengths: [4]\n    {long}", "less than or equal to 4", at=long)


def test_a_flow_without_a_disclosure_is_refused() -> None:
    text = GOOD.replace('disclosure: "This is an automated assistant."\n', "")
    assert any("disclosure: is missing" in message for _, message in problems(text))


def test_a_task_that_nothing_leads_to_is_refused() -> None:
    text = GOOD.replace("fallbacks:", "  lost:\n    about: get lost\n    steps: [{done: it}]\nfallbacks:", 1)
    assert any("'lost' is never reached" in message for _, message in problems(text))


def test_schema_and_lint_faults_come_together() -> None:
    text = GOOD.replace("type: amount", "type: amuont").replace("left > 0", "lift > 0").replace("target:", "traget:")
    words = " ".join(message for _, message in problems(text))
    assert "slots.amount.type" in words
    assert "lift" in words
    assert "traget" in words


def test_a_step_has_exactly_one_verb() -> None:
    assert_refused("- ask: amount", "- {ask: amount, say: hello}", "exactly one")
    assert_refused("- ask: amount", "- {ask: amount, with: {a: b}}", "belongs to `do`")


def test_python_tags_are_refused() -> None:
    assert any("tag" in m for _, m in problems(GOOD.replace('"How much?"', '!!python/object/apply:os.system ["id"]')))


@pytest.mark.parametrize(
    ("text", "value", "form", "spoken"),
    [
        ("{x}", "471102", "digits", "4 7 1 1 0 2"),
        ("{x:date}", "2026-03-03", "raw", "Tuesday the 3rd of March"),
        ("{x:date}", "2026-11-22", "raw", "Sunday the 22nd of November"),
        ("{x:date}", "2026-11-11T09:00", "raw", "Wednesday the 11th of November"),
        ("{x:time}", "10:30", "raw", "10:30 AM"),
        ("{x:time}", "14:00", "raw", "2 PM"),
        ("{x:time}", "12:00", "raw", "noon"),
        ("{x:money}", "45.2", "raw", "$45.20"),
        ("{x:money}", 1200, "raw", "$1,200"),
        ("{x:spell}", "ab12", "raw", "A B 1 2"),
        ("{x:date}", "soon", "raw", "soon"),
        ("a {x} b", None, "raw", "a b"),
    ],
)  # fmt: skip
def test_values_are_written_as_they_are_spoken(text: str, value: templates.Value, form: str, spoken: str) -> None:
    assert templates.render(text, {"x": value}, {"x": form}) == spoken


def test_an_argument_that_is_one_field_keeps_its_type() -> None:
    assert templates.fill("{x}", {"x": 5}) == 5
    assert templates.fill("n{x}", {"x": 5.0}) == "n5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('state == "shipped"', True), ("state != 'shipped'", False), ("not free", True), ("free or count >= 2", True),
        ("free and count", False), ("count > 2.5", True), ("nothing", False), ("not nothing", True),
        ('state in ("shipped", "sent")', True), ("agreed", False), ("agreed == no", True), ("free == false", True),
        ("(free or agreed) or count == 3", True), ('day < "2026-12-01"', True), ("state > 3", False),
        ("nothing == none", True),
    ],
)  # fmt: skip
def test_conditions_compare_slots_and_variables(text: str, expected: bool) -> None:
    values: dict[str, templates.Value] = {
        "state": "shipped",
        "free": False,
        "count": 3,
        "agreed": "no",
        "day": "2026-11-24",
        "nothing": None,
    }
    assert conditions.holds(conditions.parse(text), values) is expected


@pytest.mark.parametrize(
    "text", ["f(x)", "a.b", "a ==", "== a", "(a", "a b", "a; b", "__import__('os')", "((((((((((((a))))))))))))", ""]
)
def test_conditions_hold_no_code(text: str) -> None:
    with pytest.raises(conditions.ConditionError):
        conditions.parse(text)


def test_what_routes_map_from_headers_has_to_be_listed() -> None:
    named = GOOD.replace("What can I do for you?", "You called {called_number} as {customer}?")
    with pytest.raises(SourceError, match="unknown slot or variable 'customer'"):
        Flow.parse(named)
    assert Flow.parse(named.replace("slots:\n", "from_call: [customer]\nslots:\n", 1)).model.from_call == ["customer"]
