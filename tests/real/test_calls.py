"""Calls placed by baresip, which we did not write: recorded and synthetic voices, checked in the databases.

Four callers talk to one server at the same time; each test looks at what became of one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from tests.real.baresip import RATE_HZ, Baresip, Wave, flite, load
from tests.real.botrun import likeness
from tests.real.caller import Person
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
]
SAME = 0.8
"""Likeness of what was said and what a telephone line makes of it."""
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
    def say(text: str, voice: str = "slt") -> Wave:
        return flite(text, tmp_path, voice)

    yes, no, please = say("Yes."), say("No."), say("Yes, please.")
    visit = {
        "right?": yes,
        "Shall I": please,
        "repair": say("It's for a repair."),
        "day": say("Next Tuesday."),
        "time": say("Ten thirty in the morning."),
    }
    employee, pin = recorded_digits(SOME["employee"], "george"), recorded_digits(SOME["pin"], "george")
    order = {"order number": recorded_digits(SOME["order"], "jackson"), "right?": yes}
    people: dict[str, Person[Wave | str]] = {
        "order": Person(say("Hi, where is my order?"), no, order, (SOME["order"],)),
        "visit": Person(say("I would like to book an appointment."), no, visit),
        "password": Person(
            say("I forgot my password."), no, {"right?": yes, "PIN": pin, "employee": employee}, (SOME["employee"],)
        ),
        "keys": Person(say("Where is my order?", "rms"), no, {"order number": SOME["order"]}),
    }
    bye = say("No, that's all, thank you.")

    async def caller(name: str, person: Person[Wave | str]) -> Finished:
        async with Baresip(tmp_path / name, name).running() as phone:
            await phone.dial(server.uri)
            last = await talk(server, phone, person)
            await leave(phone, bye)
        return Finished(server.call_of(name), last)

    done = await asyncio.gather(*(caller(name, person) for name, person in people.items()))
    return dict(zip(people, done, strict=True))


async def talk(server: Server, phone: Baresip, person: Person[Wave | str]) -> Wave:
    """Say what the person says to each question until there is nothing more to ask.

    The question is read in the record: a person understands the voice better than recognition does.
    """
    asked: list[str] = []
    while len(asked) < 20:
        heard = await phone.answer()
        record = await asyncio.to_thread(server.record, phone.user)
        turns = [row["turn"] for row in record["turns"]]
        asked.append(next(turn["text"] for turn in reversed(turns) if turn["speaker"] == "bot"))
        if "anything else" in asked[-1]:
            return heard
        answer = person.answer(asked[-1])
        await (phone.press(answer) if isinstance(answer, str) else phone.say(answer))
    raise AssertionError(f"the questions do not end: {asked}")


async def say_until(server: Server, phone: Baresip, wish: Wave, words: str) -> None:
    """Say it, and once more each time the bot did not understand that, until the record has those words."""
    for _ in range(5):
        await phone.say(wish)
        await phone.answer(quiet_s=2.0)
        record = await asyncio.to_thread(server.record, phone.user)
        if any(words in row["turn"]["text"] for row in record["turns"]):
            return
    raise AssertionError(f"no {words!r} in {record['turns']}")


async def leave(phone: Baresip, bye: Wave) -> None:
    """Say goodbye, and once more each time the bot has something else to say to it, until the bot hangs up."""
    closed = asyncio.create_task(phone.until("CALL_CLOSED", 90))
    while not closed.done():
        await phone.say(bye)
        answered = asyncio.create_task(phone.answer(limit_s=90))
        await asyncio.wait([closed, answered], return_when=asyncio.FIRST_COMPLETED)
        answered.cancel()
        await asyncio.gather(answered, return_exceptions=True)
    await closed


async def until_answered(caller: Baresip, wish: Wave, human: Baresip) -> None:
    """Ask for a person, and once more each time the bot did not understand that, until the person has the call."""
    answered = asyncio.create_task(human.until("CALL_ESTABLISHED", 90))
    while not answered.done():
        await caller.say(wish)
        heard = asyncio.create_task(caller.answer(quiet_s=4.0, limit_s=90))
        await asyncio.wait([answered, heard], return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
        await asyncio.gather(heard, return_exceptions=True)
    await answered


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
    told = next(text for text in call.texts("bot") if "paper shredder" in text)
    words = [set(re.findall(r"[a-z]+", text.lower())) for text in (told, await transcribed(call.last_answer))]
    assert len(words[0] & words[1]) > len(words[0]) / 2, words


def test_an_appointment_is_booked_in_the_company_s_database(day: Day) -> None:
    assert day.calls["visit"].resolved == ["book_appointment"]
    assert day.new_rows["appointments"] == 1


def test_a_password_is_reset_after_the_identity_check(day: Day) -> None:
    assert day.calls["password"].resolved == ["reset_password"]
    assert day.new_rows["password_resets"] == 1


def test_the_secret_pin_is_in_no_record_and_no_log(day: Day) -> None:
    record = day.calls["password"].record
    assert any(text.startswith(("[keys 4 #", "[speech ")) for text in day.calls["password"].texts("caller"))
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
        assert {"endpoint", "asr", "dialog", "answer"} <= set(turn["timings_ms"]), turn


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
            await say_until(server, phone, flite("Where is my order?", tmp_path), "order number")
            await until_answered(phone, flite("I want to speak to a person, please.", tmp_path), human)
            summary = await human.answer()
            assert "order" in await transcribed(summary)
            hello, yes = flite("Hello, can you hear me?", tmp_path), flite("Yes, I hear you well.", tmp_path)
            await phone.say(hello)
            assert likeness(hello, await human.answer()) > SAME
            await human.say(yes)
            assert likeness(yes, await phone.answer()) > SAME
            await human.hang_up()
            await phone.until("CALL_CLOSED")
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
            await say_until(server, phone, flite("I want to speak to a person, please.", tmp_path), "not reached")
            await phone.hang_up()
            await phone.until("CALL_CLOSED")
        call = server.call_of("caller")
    assert any("not reached: unreachable" in row["turn"]["text"] for row in call["turns"])
    assert call["call"]["outcome"] == "abandoned"
