"""A flow in the terminal: the same dialog, queue and runner as in a call, and whatever a call may meet on its line."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.unit.session_support import Backend, WantsTheOnlyTask
from tests.unit.test_calls_session import BANK, WISH
from tests.unit.virtual_clock import run_virtually
from voicebot.calls.text_channel import chat
from voicebot.flows.flow import Flow
from voicebot.messages import Do, Result
from voicebot.nlu.intents import Understanding

NOW = datetime(2026, 11, 21, 10, 0)


class Rehearsal:
    """A chat with the bank's flow, and what it showed."""

    def __init__(self, *lines: str, writes: frozenset[str] = frozenset({"close_account"})) -> None:
        self.flow, self.backend = Flow.parse(BANK), Backend(writes)
        self.backend.answers["balance"] = {"owed": 12}
        understanding: Any = WantsTheOnlyTask(self.flow)
        left, self.lines = iter(lines), list[str]()

        async def read_line() -> str | None:
            return next(left, None)

        self.outcome = run_virtually(
            chat(self.flow, understanding, self.backend, read_line, self.lines.append, lambda: NOW)
        )
        self.text = "\n".join(self.lines[1:])


@pytest.mark.models
def test_the_chat_shows_prompts_decisions_and_the_outcome(flow: Flow, understanding: Understanding) -> None:
    lines = iter(["I need a repair appointment on Tuesday at ten", "yes", "no thanks"])
    shown: list[str] = []

    class Company(Backend):
        async def run(self, do: Do) -> Result:
            answers = {"find_slot": {"free": True, "alternative_date": None, "alternative_time": None}}
            return Result(do.token, True, answers.get(do.action, {"reference": "Q7"}))

    async def read_line() -> str | None:
        return next(lines, None)

    outcome = run_virtually(chat(flow, understanding, Company(), read_line, shown.append, now=lambda: NOW))
    text = "\n".join(shown)
    assert outcome == "resolved"
    assert "book_appointment" in text
    assert "find_slot: ok" in text
    assert "Your reference is Q 7" in text


def test_quitting_ends_the_call_where_it_stands() -> None:
    assert Rehearsal(WISH, "/quit").outcome == "abandoned"


def test_an_empty_line_is_silence_and_asks_again() -> None:
    assert "bot  Are you there?" in Rehearsal("", "/quit").text


@pytest.mark.parametrize(
    ("command", "words"),
    [("/busy", "all my colleagues are on the phone"), ("/no-answer", "nobody could take your call"),
     ("/declined", "all my colleagues are on the phone"), ("/unreachable", "can't reach our team")],
)  # fmt: skip
def test_nobody_comes_when_told_so_and_the_dialog_goes_on(command: str, words: str) -> None:
    chat = Rehearsal(command, "a person please", "/answered", "a person please")
    assert words in chat.text
    assert f"nobody came: {command[1:]}" in chat.text
    assert chat.outcome == "handed-over"


def test_a_failing_backend_takes_the_flow_s_way_out_until_it_is_mended() -> None:
    chat = Rehearsal("/fail timeout", "/busy", WISH, "/ok", WISH, "yes")
    assert "balance: timeout" in chat.text
    assert "handover to desk (backend)" in chat.text
    assert chat.backend.done == ["balance", "close_account"]


def test_a_slow_backend_gets_the_words_that_a_caller_would_hear() -> None:
    chat = Rehearsal("/slow 8", WISH, "/quit")
    assert "bot  One moment, please." in chat.text
    assert "bot  I'm still on it." in chat.text
    assert chat.backend.done == ["balance"]


def test_what_is_said_while_the_backend_works_answers_nothing() -> None:
    chat = Rehearsal("/during yes please", WISH, "/quit")
    assert "answers nothing, no question was asked: yes please" in chat.text
    assert chat.backend.done == ["balance"]


def test_an_unknown_command_says_what_there_is() -> None:
    assert "/frobnicate: not known" in Rehearsal("/frobnicate").text
    assert "/slow never: not known" in Rehearsal("/slow never").text
