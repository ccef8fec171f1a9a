"""Nothing that a caller says is lost between listening and the dialog."""

from __future__ import annotations

import asyncio

from voicebot.calls.input_queue import LIMIT, Inbox
from voicebot.messages import Heard


async def forever() -> None:
    await asyncio.Event().wait()


async def test_turns_come_out_in_order_and_silence_is_none() -> None:
    inbox = Inbox()
    inbox.put(Heard("one"))
    inbox.put(None)
    assert await inbox.get() == Heard("one")
    assert await inbox.get() is None


async def test_a_prompt_that_ends_first_gives_nothing_and_loses_nothing() -> None:
    inbox = Inbox()
    done = asyncio.create_task(asyncio.sleep(0))
    assert await inbox.get_unless(done) is None
    inbox.put(Heard("late"))
    assert await inbox.get() == Heard("late")


async def test_a_turn_during_a_prompt_is_given_at_once_and_silence_is_not() -> None:
    inbox = Inbox()
    prompt = asyncio.create_task(forever())
    inbox.put(None)
    inbox.put(Heard("stop"))
    assert await inbox.get_unless(prompt) == Heard("stop")
    prompt.cancel()


async def test_cancelling_the_wait_keeps_what_comes_later() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    inbox.put(Heard("still here"))
    assert await inbox.get() == Heard("still here")


async def test_a_flood_of_turns_keeps_the_newest() -> None:
    inbox = Inbox()
    for number in range(LIMIT + 5):
        inbox.put(Heard(str(number)))
    assert [heard.text for heard in inbox.drain()] == [str(n) for n in range(5, LIMIT + 5)]


async def test_what_was_said_already_is_taken_without_waiting() -> None:
    inbox = Inbox()
    assert inbox.take() is None
    inbox.put(None)
    inbox.put(Heard("early"))
    assert inbox.take() == Heard("early")
    assert inbox.take() is None
