"""Prompts may hold pauses, spelling and slow passages, which nobody ever sees."""

from __future__ import annotations

import pytest

from tests.unit.test_flows_flow import GOOD as SMALL
from tests.unit.test_flows_flow import problems
from voicebot.conversation.interpreter import Machine
from voicebot.conversation.state import Memory
from voicebot.flows.flow import Flow
from voicebot.messages import Say
from voicebot.tts.markup import MarkupError, MarkupPart, parse, plain


def test_a_text_is_words_and_pauses() -> None:
    assert parse("Now [pause 1.5s] [slow]say [spell: a-1] [pause 200 ms]again[/slow], please") == [
        MarkupPart("Now"), MarkupPart("", pause_ms=1500), MarkupPart("say A 1", slow=True),
        MarkupPart("", pause_ms=200), MarkupPart("again", slow=True), MarkupPart(", please"),
    ]  # fmt: skip


def test_a_passage_in_another_language_may_be_slow_too() -> None:
    assert parse("Hi [lang es-MX]hola [slow]buenos[/slow][/lang] bye") == [
        MarkupPart("Hi"), MarkupPart("hola", language="es-MX"), MarkupPart("buenos", slow=True, language="es-MX"),
        MarkupPart("bye"),
    ]  # fmt: skip


def test_nothing_of_it_is_shown() -> None:
    assert plain("Your code is [pause 400ms][slow][spell: AB12][/slow]. Keep it.") == "Your code is A B 1 2. Keep it."
    assert plain("No markup at all.") == "No markup at all."


@pytest.mark.parametrize(
    "text",
    [
        "[pause]", "[pause 5s]", "[pause 10ms]", "[pause -1s]",
        "[pause 400]", "[pause: 400ms]", "[slow]without an end", "an end[/slow]",
        "[slow]a [slow]b[/slow][/slow]", "[shout]hey[/shout]", "a [ b", "a ] b", "[]", "[spell AB]", "[[pause 1s]]",
        "[lang es]hola", "hola[/lang]", "[lang spanish]hola[/lang]", "[lang es]a[lang de]b[/lang][/lang]",
        "[pause 99999999s]", "[pause .s]",
    ],
)  # fmt: skip
def test_what_is_no_markup_is_refused(text: str) -> None:
    with pytest.raises(MarkupError):
        parse(text)


def test_a_flow_with_wrong_markup_is_refused_on_its_line() -> None:
    found = problems(SMALL.replace("How much?", "How [loud]much?"))
    assert any("[loud] is none of" in message for _, message in found)
    marked = "[slow]There are[/slow] [pause 1s] [spell: {left}] [lang es]dólares[/lang]"
    assert Flow.parse(SMALL.replace("There are {left:money}", marked)).languages_used() == {"es"}


def test_only_synthesis_gets_the_markup(flow: Flow) -> None:
    machine = Machine(flow, Memory(flow, {"caller_name": "[pause 3s] Eve [slow]"}))
    machine.say("Hello [pause 200ms]{caller_name}, [slow]wait[/slow].", "hello")
    say = machine.out[0]
    assert isinstance(say, Say)
    assert say.text == "Hello (pause 3s) Eve (slow), wait."
    assert say.marked == "Hello [pause 200ms](pause 3s) Eve (slow), [slow]wait[/slow]."
    machine.say("Plain.")
    assert machine.out[1] == Say("Plain.")
