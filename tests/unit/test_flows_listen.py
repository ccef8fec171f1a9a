"""How the ears wait for an answer may be said at every step that listens, and is refused where it means nothing."""

from __future__ import annotations

import pytest

from tests.unit.conversation_support import Caller
from tests.unit.test_flows_flow import GOOD
from voicebot.errors import SourceError
from voicebot.flows.flow import Flow
from voicebot.messages import Expect, Listen, Say

FLOW = GOOD.replace("lengths: [4]", "lengths: [4]\n    listen: {end_silence_s: 2.5, no_input_s: 15}").replace(
    "- ask: pin\n",
    """- say: "Calls are recorded."
        listen: {barge_in: false}
      - ask: pin
        listen: {no_input_s: 30, boost: [security code]}
      - confirm: "Pay {amount}?"
        listen: {barge_in: false, no_input_s: 9}
""",
)
FLOW = FLOW.replace('opening: "What', 'listen: {no_input_s: 20, boost: [instalment]}\nopening: "What')


@pytest.fixture
def caller() -> Caller:
    from voicebot.nlu.intents import Understanding
    from voicebot.paths import models_dir

    flow = Flow.parse(FLOW)
    return Caller(flow, Understanding.train(flow.intents, models_dir()))


def expected(caller: Caller) -> Expect:
    assert isinstance(caller.last, Listen)
    return caller.last.expect


@pytest.mark.models
def test_a_step_says_what_differs_from_its_slot_and_nothing_else(caller: Caller) -> None:
    assert expected(caller).no_input_s == 20
    assert "instalment" in expected(caller).boost
    caller.says("I want to pay my bill")
    assert "instalment" not in expected(caller).boost
    caller.says("forty dollars")
    assert (expected(caller).end_silence_s, expected(caller).no_input_s) == (2.5, 30)
    assert "security code" in expected(caller).boost
    assert [act.barge_in for act in caller.acts if isinstance(act, Say)] == [False, True]
    caller.keys("8265")
    assert (expected(caller).kind, expected(caller).no_input_s, expected(caller).barge_in) == ("yesno", 9, False)
    caller.says("no")
    assert (expected(caller).kind, expected(caller).no_input_s) == ("free", 9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("listen: {barge_in: false}", "listen: {no_input_s: 5}", "flow:30: nothing is asked here .*move it to"),
        ("{no_input_s: 30, boost", "{no_input_s: 2, boost", "must end before it counts as none.*make end_silence_s"),
        ("{barge_in: false, no_input_s: 9}", "{}", "`listen` says nothing"),
        ("save: {left: balance.left}", "save: {left: balance.left}\n        listen: {no_input_s: 9}",
         "`listen` belongs to `ask`, `confirm`, `say`, not to `do`"),
        ("no_input_s: 9", "no_input: 9", "no_input"),
        ("no_input_s: 20", "no_input_s: 90", "less than or equal to 60"),
    ],
)  # fmt: skip
def test_what_means_nothing_there_is_refused(old: str, new: str, message: str) -> None:
    Flow.parse(FLOW)
    with pytest.raises(SourceError, match=message):
        Flow.parse(FLOW.replace(old, new))
