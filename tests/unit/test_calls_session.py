"""A call as its caller lives it: which words answer which question, what is said while a backend works, who comes."""

from __future__ import annotations

import asyncio

import pytest

from telephony.leg import Leg, LegError
from tests.unit.session_support import Backend, CallOnTrial, VirtualLeg
from tests.unit.virtual_clock import run_virtually, virtual_clock
from voicebot.calls.services import RoutedTarget
from voicebot.flows.flow import Flow
from voicebot.journal import events
from voicebot.listening.events import NoInput

BANK = """
flow: bank
disclosure: "This is an automated assistant."
opening: "What can I do for you?"
intents:
  close:
    task: close_account
    examples: [close my account, shut my account, i want to leave, end my account, cancel my account today,
               please close it, i want to close my account, terminate my account]
tasks:
  close_account:
    about: close your account
    steps:
      - do: balance
        save: {owed: owed}
      - confirm: "Your balance is {owed} euro. Shall I close it?"
        no:
          - say: "All right, it stays open."
          - end: "Goodbye."
      - do: close_account
      - say: "It is closed."
      - done: "the account was closed"
fallbacks:
  no_match: ["I didn't get that.", "Once more, please."]
  no_input: ["Are you there?", "I can't hear you."]
handover:
  target: desk
  say: "I'll connect you."
  busy: "I'm sorry, all my colleagues are on the phone."
after:
  ask: "Anything else?"
  goodbye: "Goodbye!"
"""
WISH = "I want to close my account"


def bank(balance_takes_s: float = 0.0) -> CallOnTrial:
    backend = Backend(writes=frozenset({"close_account"}))
    backend.takes_s["balance"] = balance_takes_s
    backend.answers["balance"] = {"owed": 12}
    return CallOnTrial(Flow.parse(BANK), backend)


async def asked_to_close(call: CallOnTrial) -> None:
    """The caller has said what he wants, and the backend is at work."""
    await call.until_said("What can I do")
    await call.until_quiet()
    await call.says(WISH)


async def hung_up(call: CallOnTrial, running: asyncio.Task[None]) -> events.CallOver:
    await call.leg.hang_up("caller")
    await running
    (over,) = call.events(events.CallOver)
    assert isinstance(over, events.CallOver)
    return over


# ── which words answer ───────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_yes_while_a_backend_works_does_not_confirm_the_question_that_comes_after_it() -> None:
    call = bank(balance_takes_s=5.0)
    running = call.begin()
    await asked_to_close(call)
    await asyncio.sleep(1.0)
    await call.says("yes please", expected="yes")
    await call.until_said("Shall I close it?")
    await call.until_quiet()
    await asyncio.sleep(2.0)
    assert call.backend.done == ["balance"]
    assert [event.text for event in call.events(events.CallerOverheard)] == ["yes please"]
    await call.says("yes", expected="yes")
    await call.until_said("It is closed.")
    assert call.backend.done == ["balance", "close_account"]
    await hung_up(call, running)


@virtual_clock
async def test_a_yes_that_begins_before_the_question_does_not_answer_it_however_late_it_ends() -> None:
    call = bank(balance_takes_s=3.0)
    running = call.begin()
    await asked_to_close(call)
    await asyncio.sleep(2.5)
    await call.says("well yes I think so yes", seconds=2.0, expected="yes")
    assert call.started()[-1].startswith("Your balance")
    await call.until_said("I didn't hear anything.")
    assert call.backend.done == ["balance"]
    await hung_up(call, running)


@virtual_clock
async def test_an_answer_that_begins_as_silence_is_told_is_not_lost() -> None:
    """The question that is asked again is the same one."""
    call = bank()
    running = call.begin()
    await call.until_said("What can I do")
    await call.until_quiet()
    await asyncio.sleep(6.9)  # of 7 that the dialog waits; speech is noticed a tenth of a second late
    began = asyncio.create_task(call.says(WISH, seconds=1.5))
    await asyncio.sleep(0.05)
    call.listener.on_event(NoInput())
    await began
    await call.until_said("Shall I close it?")
    assert call.events(events.CallerSilent)
    await hung_up(call, running)


@virtual_clock
async def test_keys_pressed_while_a_backend_works_answer_nothing_either() -> None:
    call = bank(balance_takes_s=5.0)
    running = call.begin()
    await asked_to_close(call)
    call.keys("1")
    await call.until_said("Shall I close it?")
    await asyncio.sleep(3.0)
    assert call.backend.done == ["balance"]
    assert call.events(events.CallerOverheard)[0].source == "keys"
    await hung_up(call, running)


@virtual_clock
async def test_a_caller_who_asked_for_a_moment_need_not_be_heard_and_is_again_when_it_is_over() -> None:
    call = bank()
    running = call.begin()
    await call.until_said("What can I do")
    await call.until_quiet()
    assert call.leg.excuses == 0
    await call.says("hold on please")
    await call.until_quiet()
    assert call.leg.excuses == 1
    await asyncio.sleep(24)
    assert call.leg.excuses == 1
    await asyncio.sleep(2)
    assert call.leg.excuses == 0
    await hung_up(call, running)


@virtual_clock
async def test_a_caller_who_waits_for_a_human_need_not_be_heard_until_he_is_joined() -> None:
    call = bank()
    human = VirtualLeg("sip:ann@desk")
    call.desk = lambda: human
    running = call.begin(RoutedTarget("desk", queue=True))
    await asyncio.sleep(1)
    assert call.leg.excuses == 1
    await asyncio.sleep(15)
    assert call.events(events.HumanJoined)
    assert call.leg.excuses == 0
    await human.hang_up("remote")
    await running


@virtual_clock
async def test_a_caller_whose_human_does_not_come_is_to_be_heard_again() -> None:
    call = bank()
    running = call.begin(RoutedTarget("desk", queue=False))
    await call.until_said("all my colleagues are on the phone")
    assert call.leg.excuses == 0
    await hung_up(call, running)


@virtual_clock
async def test_words_said_on_hold_do_not_swallow_the_message_that_all_are_busy() -> None:
    call = bank()
    running = call.begin()
    await call.until_said("What can I do")
    await call.until_quiet()
    await call.says("a person please")
    await call.until_said("I'll connect you.")
    await asyncio.sleep(3.0)
    await call.says("hello is anybody there", seconds=0.5)
    await call.until_said("all my colleagues are on the phone")
    await call.until_quiet()
    busy = [event for event in call.events(events.PromptSpoken) if "colleagues are" in event.text]
    assert [event.complete for event in busy] == [True]
    assert [event.text for event in call.events(events.CallerOverheard)] == ["hello is anybody there"]
    await hung_up(call, running)


@virtual_clock
async def test_a_yes_into_the_question_counts_once_what_it_asks_was_heard_and_else_it_is_asked_in_full() -> None:
    call = bank()
    running = call.begin()
    await asked_to_close(call)
    await call.until_said("Shall I close it?")
    await call.says("yes", seconds=0.2, expected="yes")
    assert call.backend.done == ["balance"]
    await call.until_quiet()
    asked = [event for event in call.events(events.PromptSpoken) if "Shall I close it?" in event.text]
    assert [event.complete for event in asked] == [False, True]
    await call.says("yes", expected="yes")
    await call.until_said("It is closed.")
    await hung_up(call, running)


@virtual_clock
async def test_an_answer_into_a_prompt_that_may_not_be_interrupted_counts_when_it_has_ended() -> None:
    call = bank()
    running = call.begin()
    await asyncio.sleep(0.1)
    await call.says("hello um", seconds=0.3)
    await call.says(WISH, seconds=0.4)
    await call.until_said("Shall I close it?")
    disclosure = call.events(events.PromptSpoken)[0]
    assert disclosure.text == "This is an automated assistant." and disclosure.complete
    assert "What can I do for you?" not in call.started()
    assert [event.text for event in call.events(events.CallerOverheard)] == ["hello um"]
    await hung_up(call, running)


@virtual_clock
async def test_keys_that_follow_words_into_a_disclosure_win() -> None:
    call = bank()
    running = call.begin()
    await asyncio.sleep(0.1)
    await call.says("hello um", seconds=0.3)
    call.keys("0")
    await call.until_said("I'll connect you.")
    assert [event.text for event in call.events(events.CallerOverheard)] == ["hello um"]
    await hung_up(call, running)


@virtual_clock
async def test_silence_asks_again_and_a_cough_resumes_the_prompt() -> None:
    call = bank()
    running = call.begin()
    await call.until_said("What can I do")
    call.listener.coughs()
    await call.until_said("Are you there?")
    assert call.events(events.CallerSilent)
    assert all(event.complete for event in call.events(events.PromptSpoken))
    await hung_up(call, running)


# ── while a backend works ────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_slow_backend_gets_words_in_between_so_that_the_line_is_never_dead() -> None:
    call = bank(balance_takes_s=16.0)
    running = call.begin()
    await asked_to_close(call)
    await call.until_said("Shall I close it?")
    between = call.started()[2:-1]
    assert between == [
        "One moment, please.", "I'm still on it.", "This takes a little longer than usual. Thank you for waiting.",
    ]  # fmt: skip
    done = call.events(events.ActionDone)[0]
    assert done.ms >= 16_000
    await hung_up(call, running)


@virtual_clock
async def test_a_caller_who_hangs_up_while_a_backend_works_leaves_a_whole_record() -> None:
    call = bank(balance_takes_s=30.0)
    running = call.begin()
    await asked_to_close(call)
    over = await hung_up(call, running)
    assert (over.outcome, over.reason) == ("abandoned", "caller")
    assert [entry.number for entry in call.entries] == list(range(1, len(call.entries) + 1))
    assert call.kinds()[0] is events.CallAnswered and call.kinds()[-1] is events.CallOver


# ── what breaks ──────────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_recognition_that_breaks_brings_a_human() -> None:
    call = bank()
    running = call.begin()
    await call.until_said("What can I do")
    await call.until_quiet()
    call.listener.breaks()
    await asyncio.sleep(0.1)
    assert call.events(events.EngineBroke)[0].engine == "recognition"
    await call.until_said("All my colleagues are on the phone")  # "I'm sorry" was said before
    assert call.events(events.CallHeld)[0].reason == "recognition"
    await hung_up(call, running)


@virtual_clock
async def test_a_voice_that_breaks_says_the_recorded_apology_and_brings_a_human() -> None:
    call = bank()
    call.desk = lambda: VirtualLeg("human")
    call.voice.broken = True
    running = call.begin()
    await call.until_said("I can't go on speaking")
    await asyncio.sleep(10.0)
    assert [event.target for event in call.events(events.HumanJoined)] == ["desk"]
    over = await hung_up(call, running)
    assert over.outcome == "handed-over"


@virtual_clock
async def test_a_call_that_breaks_inside_says_sorry_and_is_recorded_as_failed() -> None:
    call = bank()
    running = call.begin()
    await call.until_said("What can I do")
    await call.until_quiet()
    call._call._conversation._turns.hear = None  # type: ignore[assignment, method-assign]
    await call.says(WISH)
    await running
    assert "something went wrong on our side" in call.started()[-1]
    (over,) = call.events(events.CallOver)
    assert (over.outcome, over.reason) == ("failed", "internal error")


# ── who comes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "why", "words"),
    [(486, "busy", "all my colleagues are on the phone"), (603, "declined", "all my colleagues are on the phone"),
     (480, "no-answer", "nobody"), (404, "unreachable", "reach our team")],
)  # fmt: skip
def test_a_human_who_does_not_come_is_told_as_it_was(status: int, why: str, words: str) -> None:
    async def main() -> None:
        call = bank()

        def refuse() -> Leg:
            raise LegError(status, "no")

        call.desk = refuse
        running = call.begin(RoutedTarget("desk", queue=False))
        await call.until_said(words)
        assert [event.why for event in call.events(events.HumanNotReached)] == [why]
        assert call.started()[0] == "This is an automated assistant."
        await hung_up(call, running)

    run_virtually(main())


@virtual_clock
async def test_a_human_hears_the_summary_before_the_caller_and_the_record_says_who_hung_up() -> None:
    call = bank()
    human = VirtualLeg("sip:ann@desk")
    call.desk = lambda: human
    running = call.begin()
    await call.until_said("What can I do")
    await call.until_quiet()
    await call.says("a person please")
    await asyncio.sleep(15.0)
    assert call.events(events.HumanJoined)[0].human == "sip:ann@desk"
    assert human.played_samples > 8000
    await human.hang_up("remote")
    await running
    (over,) = call.events(events.CallOver)
    assert (over.outcome, over.reason) == ("handed-over", "human hung up")
