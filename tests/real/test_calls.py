"""Calls placed by baresip, which we did not write: recorded and synthetic voices, checked in the databases.

Four callers talk to one server at the same time; each test looks at what became of one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from tests.real.baresip import RATE_HZ, Baresip, Wave, flite, load
from tests.real.server import Server, demo
from voicebot.config import AsrSettings
from voicebot.demo.company import examples
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Expect
from voicebot.paths import speech_dir

pytestmark = [
    pytest.mark.peer("baresip", "flite"),
    pytest.mark.models,
    pytest.mark.speech,
    pytest.mark.timeout(240),
]
SOME = {key: str(value) for key, value in examples().items()}


@dataclass(frozen=True)
class Finished:
    """One call that is over."""

    record: dict[str, Any]
    last_answer: Wave
    """What was heard before "anything else?"."""

    @property
    def resolved(self) -> list[str]:
        return list(self.record["call"]["resolved"])

    def texts(self, speaker: str) -> list[str]:
        return [row["turn"]["text"] for row in self.record["turns"] if row["turn"]["speaker"] == speaker]


@dataclass(frozen=True)
class Day:
    """The server after four callers."""

    calls: dict[str, Finished]
    new_rows: dict[str, int]
    """Rows that came into the company's tables."""
    log: str


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    tmp_path = tmp_path_factory.mktemp("day")
    tables = ("appointments", "password_resets")

    with demo(tmp_path / "data") as server:
        before = {table: server.company(f"select count(*) from {table}")[0][0] for table in tables}
        calls = asyncio.run(four_callers(server, tmp_path))
        new = {table: server.company(f"select count(*) from {table}")[0][0] - before[table] for table in tables}
        yield Day(calls, new, (tmp_path / "data.log").read_text())


async def four_callers(server: Server, tmp_path: Path) -> dict[str, Finished]:
    yes = ("right?", flite("Yes.", tmp_path))
    order = [("order number", recorded_digits(SOME["order"], "jackson")), yes]
    visit = [
        yes,
        ("Shall I", flite("Yes, please.", tmp_path)),
        ("repair", flite("It's for a repair.", tmp_path)),
        ("day", flite("Next Tuesday.", tmp_path)),
        ("time", flite("Ten thirty in the morning.", tmp_path)),
    ]
    password = [
        yes,
        ("employee", recorded_digits(SOME["employee"], "george")),
        ("PIN", recorded_digits(SOME["pin"], "george")),
    ]
    bye = flite("No, that's all, thank you.", tmp_path)
    calls = {
        "order": (flite("Hi, where is my order?", tmp_path), order),
        "visit": (flite("I would like to book an appointment.", tmp_path), visit),
        "password": (flite("I forgot my password.", tmp_path), password),
        "keys": (flite("Where is my order?", tmp_path, "rms"), [("order number", SOME["order"])]),
    }

    async def caller(name: str, wish: Wave, answers: list[tuple[str, Wave | str]]) -> Finished:
        async with Baresip(tmp_path / name, name).running() as phone:
            await phone.dial(server.uri)
            await phone.answer()
            await phone.say(wish)
            last = await talk(server, phone, answers)
            await phone.say(bye)
            await phone.until("CALL_CLOSED", 20)
        return Finished(server.call_of(name), last)

    done = await asyncio.gather(*(caller(name, wish, list(answers)) for name, (wish, answers) in calls.items()))
    return dict(zip(calls, done, strict=True))


async def talk(server: Server, phone: Baresip, answers: list[tuple[str, Wave | str]]) -> Wave:
    """Answer what is asked, by the first words that are in the question, until there is nothing more to ask.

    The question is read in the record: a person understands the voice better than recognition does.
    """
    for _ in range(10):
        heard = await phone.answer()
        record = await asyncio.to_thread(server.call_of, phone.user)
        turns = [row["turn"] for row in record["turns"]]
        question = next(turn["text"] for turn in reversed(turns) if turn["speaker"] == "bot")
        if "anything else" in question:
            return heard
        answer = next((answer for words, answer in answers if words in question), None)
        assert answer is not None, f"no answer to {question!r} after {[turn['text'] for turn in turns]}"
        await (phone.press(answer) if isinstance(answer, str) else phone.say(answer))
    raise AssertionError("the questions do not end")


def recorded_digits(digits: str, speaker: str) -> Wave:
    """A number dictated by a real person, put together from recordings of single digits."""
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    with (speech_dir() / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "digit" and row["speaker"] == speaker]
    gap = np.zeros(RATE_HZ // 8, np.int16)
    takes = [next(row["path"] for row in rows if row["transcript"] == words[int(digit)]) for digit in digits]
    return np.concatenate([part for take in takes for part in (load(speech_dir() / take), gap)])


async def transcribed(wave: Wave) -> str:
    """What a listener hears in it, by our own recognition of the other side's audio."""
    speech_input = await asyncio.to_thread(SpeechInput.load, AsrSettings())
    speech_input.start()
    try:
        heard = await speech_input.recognise(wave.astype(np.float32) / 32768, RATE_HZ, Expect())
        return heard.text.lower()
    finally:
        speech_input.stop()


async def test_an_order_is_found_by_its_dictated_number(day: Day) -> None:
    call = day.calls["order"]
    assert call.record["call"]["outcome"] == "resolved"
    assert call.resolved == ["order_status"]
    done = [("known_orders", True), ("find_order", True)]
    assert [(action["name"], action["ok"]) for action in call.record["actions"]] == done
    assert any("paper shredder" in text for text in call.texts("bot"))
    assert "your order" in await transcribed(call.last_answer)


def test_an_appointment_is_booked_in_the_company_s_database(day: Day) -> None:
    assert day.calls["visit"].resolved == ["book_appointment"]
    assert day.new_rows["appointments"] == 1


def test_a_password_is_reset_after_the_identity_check(day: Day) -> None:
    assert day.calls["password"].resolved == ["reset_password"]
    assert day.new_rows["password_resets"] == 1


def test_the_secret_pin_is_in_no_record_and_no_log(day: Day) -> None:
    record = day.calls["password"].record
    assert "•••" in day.calls["password"].texts("caller")
    assert SOME["pin"] not in str(record)
    assert SOME["pin"] not in day.log


def test_keys_answer_as_well_as_words(day: Day) -> None:
    assert day.calls["keys"].resolved == ["order_status"]


def test_every_answer_has_its_stages_in_the_record(day: Day) -> None:
    spoken = [
        row["turn"] for call in day.calls.values() for row in call.record["turns"] if row["turn"]["source"] == "speech"
    ]
    assert len(spoken) >= 8
    for turn in spoken:
        assert {"endpoint", "asr", "mind", "answer"} <= set(turn["timings_ms"]), turn


@contextlib.asynccontextmanager
async def mailbox() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook: its URL, and the summaries that were posted to it."""
    posted: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        posted.append(await request.json())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/handover", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/handover", posted
    finally:
        await runner.cleanup()


async def test_a_person_hears_the_summary_then_the_caller_and_hanging_up_ends_both(tmp_path: Path) -> None:
    human, phone = Baresip(tmp_path / "human"), Baresip(tmp_path / "caller", "caller")
    uri = f"sip:phone@127.0.0.1:{human.sip_port}"
    async with mailbox() as (url, posted), human.running(answers=True), phone.running():
        with demo(tmp_path / "data", "--human", uri, "--webhook", url) as server:
            await phone.dial(server.uri)
            await phone.answer()
            await phone.say(flite("Where is my order?", tmp_path))
            await phone.answer()
            await phone.say(flite("I want to speak to a person, please.", tmp_path))
            await human.until("CALL_ESTABLISHED", 20)
            summary = await human.answer()
            assert "order" in await transcribed(summary)
            await phone.say(flite("Hello, can you hear me?", tmp_path))
            assert "hear me" in await transcribed(await human.answer())
            await human.say(flite("Yes, I hear you well.", tmp_path))
            assert "hear you" in await transcribed((await phone.answer())[-RATE_HZ * 4 :])
            await human.hang_up()
            await phone.until("CALL_CLOSED", 10)
            call = server.call_of("caller")
    assert call["call"]["outcome"] == "handed-over"
    assert "order" in call["summary"].lower()
    assert [(mail["call"], mail["reason"]) for mail in posted] == [(call["call"]["call_id"], "asked")]
    assert any(posted[0]["summary"] in row["turn"]["text"] for row in call["turns"])


async def test_nobody_at_the_desk_brings_the_caller_back_with_words(tmp_path: Path) -> None:
    phone = Baresip(tmp_path / "caller", "caller")
    with demo(tmp_path / "data", "--human", "sip:reception@127.0.0.1:9") as server:
        async with phone.running():
            await phone.dial(server.uri)
            await phone.answer()
            await phone.say(flite("I want to speak to a person, please.", tmp_path))
            await phone.answer(quiet_s=2.0)
            await phone.hang_up()
            await phone.until("CALL_CLOSED", 10)
        call = server.call_of("caller")
    assert any("not reached: unreachable" in row["turn"]["text"] for row in call["turns"])
    assert call["call"]["outcome"] == "abandoned"
