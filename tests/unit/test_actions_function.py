"""Functions of one's own are called with the same limits as any backend."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from actions_support import actions

from voicebot.errors import ActionFailed, VoicebotError

released = threading.Event()


def plain(a: str) -> dict[str, str]:
    return {"got": a, "thread": threading.current_thread().name}


async def with_await(a: str) -> list[str]:
    await asyncio.sleep(0)
    return [a]


def says_no(a: str) -> None:
    raise ActionFailed("refused", "not today")


def breaks(a: str) -> None:
    raise RuntimeError(f"broken with {a}")


def returns_nonsense(a: str) -> object:
    return {a: object()}


def hangs(a: str) -> None:
    released.wait(20)


async def hangs_async(a: str) -> None:
    await asyncio.get_running_loop().create_future()


async def once(folder: Path, name: str, limit_s: float = 30) -> Any:
    text = (
        f"actions:\n  it: {{timeout_s: {limit_s}, secret: [a], python: {{function: '{__name__}:{name}', args: [a]}}}}\n"
    )
    async with actions(folder, text) as run:
        return await run("it", a="s3cret")


async def test_a_plain_function_runs_in_a_thread(tmp_path: Path) -> None:
    assert (await once(tmp_path, "plain")).data == {"got": "s3cret", "thread": "action"}


async def test_an_async_function_is_awaited(tmp_path: Path) -> None:
    assert (await once(tmp_path, "with_await")).data == ["s3cret"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("says_no", "refused"),
        ("breaks", "bad-answer"),
        ("returns_nonsense", "bad-answer"),
        ("hangs", "timeout"),
        ("hangs_async", "timeout"),
    ],
)
async def test_faults_of_a_function_have_kinds_and_spill_no_arguments(
    tmp_path: Path, name: str, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    released.clear()
    result = await once(tmp_path, name, 0.2 if error == "timeout" else 30)
    released.set()
    assert (result.ok, result.error) == (False, error)
    assert "s3cret" not in "\n".join(str(vars(record)) for record in caplog.records)


async def test_a_function_that_is_not_there_is_found_at_start(tmp_path: Path) -> None:
    with pytest.raises(VoicebotError, match="action function"):
        await once(tmp_path, "no_such_function")
