"""What would be said to a turn that may be over is spoken ahead, and nothing else happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.conversation_support import Caller
from tests.unit.test_listening_listener import SILENCE, SPEECH, Call
from tests.unit.test_tts_synthesizer import ToneEngine
from voicebot.calls.preemptive import PreemptiveSynthesis
from voicebot.flows.flow import Flow
from voicebot.messages import Heard, Say
from voicebot.nlu.intents import Understanding
from voicebot.tts.recorded_prompts import RecordedPrompts
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.voice import Voice

TUESDAY = Heard("Next Tuesday.", 0.9, "next tuesday", 0.7, ("next tuesday",))
READ_BACK = "That's Tuesday the 24th of November, is that right?"


class Speaker:
    """A synthesizer with a scripted voice, and threads for the conversation."""

    def __init__(self) -> None:
        self.engine = ToneEngine()
        self.synthesizer = Synthesizer([Voice(self.engine, 1.0)], RecordedPrompts(None), 10_000_000)
        self.thinkers = ThreadPoolExecutor(1)
        self.preemptive = PreemptiveSynthesis(self.synthesizer, self.thinkers, 8000)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - another thread makes it true
                await asyncio.sleep(0)


@pytest.fixture
async def speaker() -> AsyncIterator[Speaker]:
    made = Speaker()
    made.synthesizer.start()
    yield made
    made.engine.gate.set()
    made.preemptive.discard()
    made.synthesizer.stop()
    made.thinkers.shutdown()


@pytest.fixture
def asked(caller: Caller) -> Caller:
    """Asked for a day."""
    caller.says("I need a repair appointment")
    return caller


def test_an_imagined_turn_changes_nothing(asked: Caller, flow: Flow, understanding: Understanding) -> None:
    before, decision = asked.talk.snapshot, asked.talk.last_decision
    imagined = asked.talk.imagined()
    acts = imagined.hear(TUESDAY)
    assert [act.text for act in acts if isinstance(act, Say)] == [READ_BACK]
    assert (asked.talk.snapshot, asked.talk.last_decision) == (before, decision)
    assert asked.hears(TUESDAY) == READ_BACK
    assert imagined.snapshot == asked.talk.snapshot


async def test_the_answer_is_there_before_it_is_said(asked: Caller, speaker: Speaker) -> None:
    speaker.preemptive.hypothesis(asked.talk, TUESDAY)
    await speaker.until(lambda: speaker.engine.spoken and not speaker.synthesizer._jobs)
    words = list(speaker.engine.spoken)
    said = asked.hears(TUESDAY)
    async for _ in speaker.synthesizer.speak(said, 8000):
        pass
    assert speaker.engine.spoken == words
    assert asked.step == "book_appointment.appointment_date.confirm"


async def test_what_is_being_spoken_is_given_up_when_the_caller_goes_on(asked: Caller, speaker: Speaker) -> None:
    speaker.engine.gate.clear()
    speaker.preemptive.hypothesis(asked.talk, TUESDAY)
    await speaker.until(lambda: speaker.engine.spoken)
    speaker.preemptive.discard()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    speaker.engine.gate.set()
    await speaker.until(lambda: speaker.engine.stopped)


async def test_whoever_says_it_meanwhile_gets_what_is_being_spoken(asked: Caller, speaker: Speaker) -> None:
    speaker.engine.gate.clear()
    speaker.preemptive.hypothesis(asked.talk, TUESDAY)
    await speaker.until(lambda: speaker.engine.spoken)
    blocks = speaker.synthesizer.speak(READ_BACK, 8000)
    await anext(blocks)
    speaker.preemptive.discard()
    speaker.engine.gate.set()
    async for _ in blocks:
        pass
    assert len(speaker.engine.spoken) == 1
    assert not speaker.engine.stopped


async def test_a_voice_that_begins_at_once_is_not_troubled(asked: Caller, speaker: Speaker) -> None:
    speaker.engine.quick = True
    speaker.preemptive.hypothesis(asked.talk, TUESDAY)
    assert speaker.preemptive._work is None
    speaker.engine.clausewise = True  # quick, but only when all is done
    speaker.preemptive.hypothesis(asked.talk, TUESDAY)
    assert speaker.preemptive._work is not None


async def test_no_secret_is_spoken_ahead(speaker: Speaker) -> None:
    await speaker.synthesizer.ahead([Say("Your PIN is 8265.", secret=True), Say("Is that right?")], 8000)
    assert speaker.engine.spoken == []


async def test_what_is_remembered_is_passed_over(speaker: Speaker) -> None:
    async for _ in speaker.synthesizer.speak("Thank you.", 8000):
        pass
    await speaker.synthesizer.ahead([Say("Thank you. And your PIN?"), Say("Later.")], 8000)
    assert speaker.engine.spoken == ["Thank you.", "And your PIN?"]


def test_the_listener_tells_what_may_be_a_turn_and_takes_it_back() -> None:
    call, told = Call(), list[Heard | None]()
    call.listener.on_hypothesis = told.append
    call.hear(SPEECH, 1.0)
    call.hear(SILENCE, 0.16)
    assert [heard.text for heard in told if heard is not None] == ["Where is my order?"]
    call.hear(SPEECH, 0.3)
    assert told[-1] is None
    call.hear(SILENCE, 1.0)
    assert [heard.text if heard else None for heard in told[-2:]] == [None, "Where is my order?"]
