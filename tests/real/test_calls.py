"""Calls placed by baresip, which we did not write: recorded and synthetic voices, checked in the databases."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.real.baresip import RATE_HZ, Baresip, Wave, flite, load
from tests.real.server import Server, demo
from voicebot.config import Ears as EarsConfig
from voicebot.demo.company import examples
from voicebot.ears.ears import Ears
from voicebot.events import Expect
from voicebot.paths import speech_dir

pytestmark = [pytest.mark.peer("baresip", "flite"), pytest.mark.models, pytest.mark.timeout(150)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with demo(tmp_path_factory.mktemp("demo") / "data") as running:
        yield running


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Baresip]:
    async with Baresip(tmp_path / "phone").running() as running:
        yield running


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
    ears = Ears.load(EarsConfig())
    ears.start()
    try:
        heard = await ears.recognise(wave.astype(np.float32) / 32768, RATE_HZ, Expect())
        return heard.text.lower()
    finally:
        ears.stop()


def caller_turns(call: dict[str, object]) -> list[str]:
    turns = call["turns"]
    assert isinstance(turns, list)
    return [row["turn"]["text"] for row in turns if row["turn"]["speaker"] == "caller"]


async def finish(phone: Baresip, tmp_path: Path) -> None:
    """Say that it was all, and hear the other side hang up."""
    await phone.say(flite("No, that's all, thank you.", tmp_path))
    await phone.until("CALL_CLOSED", 20)


@pytest.mark.speech
async def test_an_order_is_found_by_its_dictated_number(server: Server, phone: Baresip, tmp_path: Path) -> None:
    order = str(examples()["order"])
    (item,) = server.company("select item from orders where number = ?", order)[0]
    await phone.dial(server.uri)
    await phone.answer()
    await phone.say(flite("Hi, where is my order?", tmp_path))
    await phone.answer()
    await phone.say(recorded_digits(order, "jackson"))
    answer = await phone.answer()
    await finish(phone, tmp_path)
    call = server.last_call()
    assert call["call"]["outcome"] == "resolved", caller_turns(call)
    assert call["call"]["resolved"] == ["order_status"]
    assert [(a["name"], a["ok"]) for a in call["actions"]] == [("find_order", True)]
    assert any(item in row["turn"]["text"] for row in call["turns"] if row["turn"]["speaker"] == "bot")
    assert "your order" in await transcribed(answer)


async def talk(server: Server, phone: Baresip, answers: list[tuple[str, Wave]]) -> None:
    """Answer what is asked, by the first word that is in the question, until there is nothing more to ask.

    The question is read in the record: a person understands the voice better than recognition does.
    """
    for _ in range(10):
        await phone.answer()
        turns = [row["turn"] for row in server.last_call()["turns"]]
        question = next(turn["text"] for turn in reversed(turns) if turn["speaker"] == "bot")
        if "anything else" in question:
            return
        wave = next((wave for words, wave in answers if words in question), None)
        assert wave is not None, f"no answer to {question!r} after {turns}"
        await phone.say(wave)
    raise AssertionError("the questions do not end")


async def test_an_appointment_is_booked_in_the_company_s_database(
    server: Server, phone: Baresip, tmp_path: Path
) -> None:
    before = server.company("select count(*) from appointments")[0][0]
    await phone.dial(server.uri)
    await phone.answer()
    await phone.say(flite("I would like to book an appointment.", tmp_path))
    answers = [
        ("right?", flite("Yes.", tmp_path)),
        ("Shall I", flite("Yes, please.", tmp_path)),
        ("repair", flite("It's for a repair.", tmp_path)),
        ("day", flite("Next Tuesday.", tmp_path)),
        ("time", flite("Ten thirty in the morning.", tmp_path)),
    ]
    await talk(server, phone, answers)
    await finish(phone, tmp_path)
    call = server.last_call()
    assert "book_appointment" in call["call"]["resolved"], caller_turns(call)
    assert server.company("select count(*) from appointments")[0][0] == before + 1


@pytest.mark.speech
async def test_a_password_is_reset_after_the_identity_check_and_the_pin_is_nowhere(
    server: Server, phone: Baresip, tmp_path: Path
) -> None:
    some = examples()
    before = server.company("select count(*) from password_resets")[0][0]
    await phone.dial(server.uri)
    await phone.answer()
    await phone.say(flite("I forgot my password.", tmp_path))
    answers = [
        ("right?", flite("Yes.", tmp_path)),
        ("employee", recorded_digits(str(some["employee"]), "george")),
        ("PIN", recorded_digits(str(some["pin"]), "george")),
    ]
    await talk(server, phone, answers)
    await finish(phone, tmp_path)
    call = server.last_call()
    assert "reset_password" in call["call"]["resolved"], caller_turns(call)
    assert server.company("select count(*) from password_resets")[0][0] == before + 1
    assert str(some["pin"]) not in (server.data.parent / "data.log").read_text()
    assert str(some["pin"]) not in str(call)


async def test_keys_answer_as_well_as_words(server: Server, phone: Baresip, tmp_path: Path) -> None:
    await phone.dial(server.uri)
    await phone.answer()
    await phone.say(flite("Where is my order?", tmp_path))
    await phone.answer()
    await phone.press(str(examples()["order"]))
    await phone.answer()
    await finish(phone, tmp_path)
    assert server.last_call()["call"]["resolved"] == ["order_status"]


async def test_a_person_hears_the_summary_then_the_caller_and_hanging_up_ends_both(tmp_path: Path) -> None:
    human, phone = Baresip(tmp_path / "human"), Baresip(tmp_path / "caller")
    uri = f"sip:phone@127.0.0.1:{human.sip_port}"
    with demo(tmp_path / "data", "--human", uri) as server:
        async with human.running(answers=True), phone.running():
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
        call = server.last_call()
        assert call["call"]["outcome"] == "handed-over"
        assert "order" in call["summary"].lower()


async def test_nobody_at_the_desk_brings_the_caller_back_with_words(tmp_path: Path) -> None:
    phone = Baresip(tmp_path / "caller")
    nobody = "sip:reception@127.0.0.1:9"
    with demo(tmp_path / "data", "--human", nobody) as server:
        async with phone.running():
            await phone.dial(server.uri)
            await phone.answer()
            await phone.say(flite("I want to speak to a person, please.", tmp_path))
            await phone.answer(quiet_s=2.0, limit_s=60)
            await phone.hang_up()
            await phone.until("CALL_CLOSED", 10)
        texts = [row["turn"]["text"] for row in server.last_call()["turns"]]
        assert any("not reached" in text for text in texts)
        assert server.last_call()["call"]["outcome"] != "handed-over"
