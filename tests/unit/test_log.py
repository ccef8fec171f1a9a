"""Lines about a call bear its id, whoever logs them: its tasks, threads, and what a peer's packet sets off."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from telephony.media.engine import MediaEngine
from voicebot import log
from voicebot.actions.threads import Threads
from voicebot.asr.recognition_pool import RecognitionJob, RecognitionPool
from voicebot.engines.supervision import SupervisedEngine
from voicebot.errors import EngineFailed
from voicebot.journal.entry import Entry
from voicebot.journal.events import ServerStopped
from voicebot.journal.journal import Journal
from voicebot.messages import Expect
from voicebot.tts.phrase_job import PhraseJob

_log = log.get("voicebot.test")


class Lines:
    """What was logged, as JSON tells it."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    @property
    def calls(self) -> set[str]:
        return {line["call"] for line in self.all}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before = list(root.handlers), root.level
    log.setup("debug", "json")
    yield Lines(stream)
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def test_a_line_that_names_a_leg_bears_the_id_of_its_call_wherever_it_is_logged(lines: Lines) -> None:
    log.belongs("leg-1@host", "call-1")
    with log.of_call("another"):
        logging.getLogger("telephony.x").info("closed", extra={"sip_call_id": "leg-1@host"})
        _log.info("closed", extra={"leg": "leg-1@host"})
        _log.info("told", extra={"leg": "leg-1@host", "call": "told"})
        _log.info("unknown", extra={"leg": "nobody's"})
        _log.info("no text", extra={"leg": ["x"]})
    _log.info("nothing")
    assert [line["call"] for line in lines.all] == ["call-1", "call-1", "told", "another", "another", "-"]


def test_legs_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_legs", type(log._legs)())
    for i in range(2 * log.REMEMBERED):
        log.belongs(f"leg{i}", "call")
    assert len(log._legs) == log.REMEMBERED


def test_work_that_is_done_elsewhere_keeps_its_call_and_others_keep_theirs(lines: Lines) -> None:
    with log.of_call("mine"):
        work = log.in_call(lambda: _log.info("done"))
        with log.of_call("inner"):
            work()
        _log.info("still mine")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [line["call"] for line in lines.all] == ["mine", "mine", "mine"]
    assert log.call_id.get() == log.NO_CALL


class Broken:
    """An engine for everything that says what it does, and fails."""

    name = "broken"
    rate_hz = 16_000

    def recognise(self, *_: object) -> Any:
        _log.info("recognising")
        raise ValueError("broken")

    def close(self) -> None: ...


async def test_recognition_logs_in_the_call_of_its_caller_and_answers_there(lines: Lines) -> None:
    pool = RecognitionPool(Broken(), 1, 4)
    pool.start()
    done = asyncio.Event()

    def answered(job: RecognitionJob) -> None:
        _log.info("answered")
        done.set()

    with log.of_call("mine"):
        job = RecognitionJob(lambda: np.zeros(10, np.float32), Expect(), answered)
    assert pool.submit(job)
    await done.wait()
    await asyncio.to_thread(pool.stop)
    assert [(line["event"], line["call"]) for line in lines.all] == [
        ("recognising", "mine"), ("recognition failed", "mine"), ("answered", "mine"),
    ]  # fmt: skip


async def test_synthesis_logs_in_the_call_that_asked_for_it(lines: Lines) -> None:
    class Voice:
        engine = Broken()

        def speak(self, *_: object) -> None:
            raise EngineFailed("broken")

    ended = asyncio.Event()
    with ThreadPoolExecutor(1) as executor:
        with log.of_call("mine"):
            PhraseJob([Voice()], "words", 8000, executor, lambda *_: (_log.info("ended"), ended.set()))  # type: ignore[list-item, arg-type, func-returns-value]
        await ended.wait()
    assert [(line["event"], line["call"]) for line in lines.all] == [("synthesis failed", "mine"), ("ended", "mine")]


def test_an_engine_s_own_threads_log_in_the_call_whose_job_they_do(lines: Lines) -> None:
    watched = SupervisedEngine("asr", "broken", Broken(), lambda _: None, 5.0)
    with log.of_call("mine"), contextlib.suppress(EngineFailed):
        watched.run(lambda _: watched.engine.recognise())
    with log.of_call("next"), contextlib.suppress(EngineFailed):
        watched.run(lambda _: watched.engine.recognise())
    watched.close()
    kinds = ("recognising", "engine failed")
    assert [line["call"] for line in lines.all if line["event"] in kinds] == ["mine", "mine", "next", "next"]


async def test_a_blocking_action_logs_in_its_call(lines: Lines) -> None:
    with log.of_call("mine"):
        await Threads(1).run(lambda: _log.info("asked"))
    assert lines.calls == {"mine"}


def test_a_sink_of_the_journal_logs_in_the_call_of_the_event(lines: Lines) -> None:
    class Sink:
        name = "broken"

        def take(self, entry: Entry) -> None:
            raise ValueError("broken")

    journal = Journal([Sink()])
    journal.start()
    journal.publish(Entry("mine", 1, 0.0, ServerStopped(0.0)))
    assert journal.flush()
    journal.stop()
    assert lines.calls == {"mine"}


async def test_media_that_fails_in_the_engine_s_thread_is_logged_in_its_call(lines: Lines) -> None:
    engine = MediaEngine("127.0.0.1", 24_000, 24_199)
    engine.start()
    failed = asyncio.Event()
    with log.of_call("mine"):
        session = engine.open()
    session.on_timeout = failed.set

    def fail(_: int) -> None:
        raise ValueError("broken")

    session.send = fail  # type: ignore[method-assign]
    async with asyncio.timeout(10):
        await failed.wait()
    engine.stop()
    assert [line["call"] for line in lines.all if "failed and is given up" in line["event"]] == ["mine"]
