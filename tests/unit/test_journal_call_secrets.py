"""What a call must not tell is masked at once where it cannot be taken back, and afterwards wherever it was written."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.test_journal_redaction import card, groups, in_pairs, spoken
from voicebot.journal import card_numbers, events
from voicebot.journal.call_secrets import CallSecrets
from voicebot.journal.card_numbers import issued
from voicebot.journal.entry import Entry
from voicebot.journal.journal import CallJournal
from voicebot.journal.redacted_logs import RedactingFilter, redact_lines_of

CARD = "4539578763621486"


class Told:
    """A call's journal, and what a store and a live sink make of it."""

    def __init__(self) -> None:
        self.secrets = CallSecrets()
        self.entries: list[Entry] = []
        self.journal = CallJournal("c1", self.entries.append, self.secrets, clock=lambda: 1_700_000_000.0)

    def says(
        self, text: str, *, took: str = "", asked: bool = False, secret: bool = False, source: str = "text"
    ) -> None:
        self.secrets.accept([took] if took else [])
        self.journal.write(
            events.CallerHeard(text, source, "a.b", secret=secret, numeric=asked or secret, began_s=5.0, ended_s=6.0)
        )

    def over(self) -> None:
        self.journal.write(events.CallOver("resolved", "caller", "text"))

    @property
    def kept(self) -> list[str]:
        """The caller's words as a record has them now."""
        data: dict[int, dict[str, Any]] = {entry.number: entry.event.data() for entry in self.entries}
        for entry in self.entries:
            if isinstance(entry.event, events.Redacted):
                for number, changed in entry.event.entries.items():
                    data[int(number)] |= changed
        return [data[e.number]["text"] for e in self.entries if isinstance(e.event, events.CallerHeard)]

    @property
    def live(self) -> list[str]:
        shown = [entry.for_live_sinks().event for entry in self.entries]
        return [event.text for event in shown if isinstance(event, events.CallerHeard)]


@pytest.fixture
def call() -> Told:
    return Told()


PIECES: dict[str, Callable[[str], list[str]]] = {
    "groups": lambda n: groups(n, " ").split(),
    "words": lambda n: [spoken(part) for part in groups(n, " ").split()],
    "one by one": lambda n: [spoken(digit) for digit in n],
    "counted": lambda n: [f"the next ones are {spoken(part)}" for part in groups(n, " ").split()],
    "interrupted": lambda n: [text for part in groups(n, " ").split() for text in (part, "sorry, hang on", "uh huh")],
    "pairs": lambda n: [in_pairs(n[:8]), f"and then {in_pairs(n[8:])}"],
    "half and half": lambda n: [f"first {n[:7]}", f"rest {spoken(n[7:])}"],
}


@pytest.mark.parametrize("form", PIECES)
def test_a_hundred_of_a_hundred_card_numbers_in_pieces_are_masked(form: str) -> None:
    rng, found = random.Random(33), 0
    while found < 100:
        number = card(rng)
        if not issued(number):
            continue
        found += 1
        call = Told()
        call.says("I would like to pay, please")
        for piece in PIECES[form](number):
            call.says(piece)
        joined = " ".join(call.kept)
        assert "I would like to pay" in joined
        assert all(spoken(number[i : i + 4]) not in joined for i in range(len(number) - 3)), (number, call.kept)
        assert all(number[i : i + 4] not in joined for i in range(len(number) - 3)), (number, call.kept)


def test_live_sinks_are_not_shown_the_first_pieces_that_a_record_keeps_until_the_number_is_whole(call: Told) -> None:
    call.says("4539 5787")
    assert call.kept == ["4539 5787"]
    assert "4539" not in call.live[0]
    call.says("6362 1486")
    assert "4539" not in call.kept[0] and "1486" not in call.kept[1]
    redacted = next(e.event for e in call.entries if isinstance(e.event, events.Redacted))
    assert (redacted.what, redacted.sound) == (("card number",), ((5.0, 6.0),))
    assert call.entries[-1].number == len(call.entries)


def test_what_was_asked_for_stays_beside_a_card_number(call: Told) -> None:
    call.says("the order is 471102", took="471102", asked=True)
    call.says("my card is 4539 5787")
    call.says("6362 1486")
    call.says("and the postcode is 60311", took="60311", asked=True)
    call.over()
    assert call.kept[0] == "the order is 471102" and call.kept[3] == "and the postcode is 60311"
    assert call.live[0] == call.kept[0]


def test_a_secret_that_the_dialog_knows_is_masked_where_it_was_said_before_in_any_form(call: Told) -> None:
    call.says("eighty two sixty five, no?")
    call.says("the order is 118265", took="118265", asked=True)
    call.secrets.secret("8265", "digits")
    call.says("8265", secret=True)
    assert "eighty" not in call.kept[0]
    assert call.kept[1] == "the order is 118265"
    call.says("I told you eight two. six five!")
    assert "six five" not in call.kept[3]


def test_a_word_secret_is_masked_too(call: Told) -> None:
    call.says("it was Blue-Horse I think")
    call.secrets.secret("blue horse", "text")
    call.over()
    assert "Horse" not in call.kept[0]


@pytest.mark.parametrize(
    "turns",
    [["my PIN is 8265"], ["eight two six five is my pin"], ["8265", "no wait, that was my passcode"],
     ["the security password hasn't changed, it's still 82 65"]],
)  # fmt: skip
def test_a_number_that_is_called_a_secret_is_one(call: Told, turns: list[str]) -> None:
    for turn in turns:
        call.says(turn)
    assert not any(digits in " ".join(call.kept) for digits in ("8265", "82 65", "six five"))


def test_the_number_that_puts_a_secret_answer_right_is_masked(call: Told) -> None:
    call.secrets.secret("8266", "digits")
    call.says("8266", secret=True)
    call.says("no sorry, eight two six five")
    assert "eight" not in call.kept[1]


def test_a_sentence_at_a_secret_question_keeps_its_words_and_loses_its_digits(call: Told) -> None:
    call.says("my husband knows it I think it's seventy five seventy nine", secret=True)
    assert call.kept[0].startswith("my husband knows it I think it's [digits 4 #")
    call.says("ate two for one", secret=True)
    assert call.kept[1].startswith("[")


def test_keys_that_nobody_asked_for_are_masked_when_the_call_is_over(call: Told) -> None:
    for key in "2787":
        call.says(key, source="keys")
    assert call.kept == list("2787")
    assert sum(text.isdigit() for text in call.live) == 3
    call.over()
    assert not any(text.isdigit() for text in call.kept)
    assert isinstance(call.entries[-1].event, events.CallOver)


@pytest.mark.parametrize(
    "text",
    ["we need 500 screws, size 8 by 60, and 200 washers", "I ordered on the 3rd of May 2026 at 10:30",
     "it was $1,250.00", "call me on 0171 555 0199 4433", "one moment please, I have two of them"],
)  # fmt: skip
def test_quantities_dates_amounts_and_named_numbers_stay(call: Told, text: str) -> None:
    call.says(text)
    call.over()
    assert call.kept == [text]


def test_a_card_number_taken_for_an_answer_is_masked_in_values_and_never_read_back(call: Told) -> None:
    call.says(CARD, took=CARD, asked=True)
    call.journal.write(events.ActionAsked("find", "t", {"number": CARD, "list": [CARD]}))
    call.journal.write(events.DialogMoved("f", "a.b", "", 0.0, {"number": CARD}))
    assert CARD not in json.dumps([entry.as_dict() for entry in call.entries])
    assert "4539" not in call.secrets.aloud(f"I have {CARD[:4]}, {CARD[4:]}. Is that right?")


def test_lines_of_a_call_say_nothing_that_the_caller_said_unasked(call: Told, caplog: pytest.LogCaptureFixture) -> None:
    redact_lines_of("c1", call.secrets)
    call.says("4539 5787")
    caplog.handler.addFilter(RedactingFilter())
    try:
        logger = logging.getLogger("voicebot.test")
        try:
            raise KeyError("4539 5787")
        except KeyError:
            logger.exception("no such number 45395787", extra={"call": "c1", "args_": {"n": "45395787"}, "port": 5060})
    finally:
        caplog.handler.filters.clear()
    record = caplog.records[0]
    assert "4539" not in record.getMessage() + str(vars(record)["args_"]) + str(record.exc_text)
    assert vars(record)["port"] == 5060


def test_hostile_text_costs_a_bounded_number_of_steps_whatever_stands_before_it(
    call: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, gone = random.Random(7), 0
    real = card_numbers._ending

    def counted(*args: Any) -> Any:
        nonlocal gone
        gone += 1
        return real(*args)

    monkeypatch.setattr(card_numbers, "_ending", counted)
    words = ["one", "four", "no", "sorry", "4539", "for", "oh", "double two", "the last", "wait", "12"]
    for _ in range(8):
        before = gone
        call.says(" ".join(rng.choice(words) for _ in range(200)))
        assert gone - before <= 6 * card_numbers.MAX_STEPS
