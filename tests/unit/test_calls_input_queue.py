"""Every turn is held against the question that was being asked when it began."""

from __future__ import annotations

import asyncio

from voicebot.calls.input_queue import LIMIT, CallerTurn, Input, InputQueue, NothingSaid, Unrecognised
from voicebot.errors import EngineFailed
from voicebot.messages import Heard


class Asked:
    """A queue with a question that was asked at second 10, and what it called stale."""

    def __init__(self) -> None:
        self.stale: list[str] = []
        self.queue = InputQueue(lambda heard: self.stale.append(heard.text))
        self.queue.ask(10.0)


def said(text: str) -> Input:
    return CallerTurn(Heard(text))


async def test_answers_come_out_in_order_and_silence_is_one() -> None:
    asked = Asked()
    asked.queue.put(said("one"), 11.0)
    asked.queue.put(NothingSaid(), 12.0)
    assert await asked.queue.get() == said("one")
    assert await asked.queue.get() == NothingSaid()


async def test_a_turn_that_began_before_the_question_is_stale_and_nothing_else_is() -> None:
    asked = Asked()
    asked.queue.put(said("early"), 9.9)
    asked.queue.put(said("in time"), 10.0)
    assert asked.stale == ["early"]
    assert asked.queue.take() == said("in time")


async def test_nothing_said_between_two_questions_answers_the_second() -> None:
    asked = Asked()
    asked.queue.put(said("left over"), 11.0)
    asked.queue.answered()
    asked.queue.put(said("while it works"), 12.0)
    asked.queue.put(Unrecognised(EngineFailed("x")), 12.5)
    asked.queue.put(NothingSaid(), 13.0)
    asked.queue.ask(15.0)
    assert asked.queue.take() is None
    assert asked.stale == ["left over", "while it works"]


async def test_a_prompt_that_ends_first_gives_nothing_and_loses_nothing() -> None:
    asked = Asked()
    done = asyncio.create_task(asyncio.sleep(0))
    assert await asked.queue.get_unless(done) is None
    asked.queue.put(said("late"), 11.0)
    assert await asked.queue.get() == said("late")


async def test_a_turn_during_a_prompt_is_given_at_once_and_silence_is_not() -> None:
    asked = Asked()
    prompt = asyncio.create_task(asyncio.Event().wait())
    asked.queue.put(NothingSaid(), 11.0)
    asked.queue.put(said("stop"), 11.0)
    assert await asked.queue.get_unless(prompt) == said("stop")
    prompt.cancel()


async def test_cancelling_the_wait_keeps_what_comes_later() -> None:
    asked = Asked()
    waiting = asyncio.create_task(asked.queue.get())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    asked.queue.put(said("still here"), 11.0)
    assert await asked.queue.get() == said("still here")


async def test_a_flood_of_turns_keeps_the_newest_and_tells_of_the_others() -> None:
    asked = Asked()
    for number in range(LIMIT + 5):
        asked.queue.put(said(str(number)), 11.0)
    assert [item for _ in range(LIMIT) if (item := asked.queue.take())] == [said(str(n)) for n in range(5, LIMIT + 5)]
    assert asked.stale == [str(n) for n in range(5)]
