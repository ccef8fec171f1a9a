"""The file of routes is read again beside the event loop, and a wrong one changes nothing."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from telephony.routing.rules import Router
from telephony.yaml_problems import Problem, SourceError
from voicebot.config import Config, SipSettings
from voicebot.gateway.routes_reload import RoutesReload

GOOD = "routes: [{name: sales, when: {to: 4711}, flow: northwind}]\nelse: {flow: northwind}\n"
OTHER = "routes: [{name: support, when: {to: 4712}, flow: northwind}]\nelse: {flow: northwind}\n"
WRONG = "routes: [{name: broken, when: {too: 1}, flow: northwind}]\nelse: {flow: northwind}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(GOOD)
    return path


def watch_of(file: Path | None) -> RoutesReload:
    return RoutesReload(Config(sip=SipSettings(routes=file)), list, look_s=0.0)


def change(file: Path, text: str) -> None:
    """Write it with another time of change, however coarse the file system's clock is."""
    later_ns = file.stat().st_mtime_ns + 1_000_000_000
    file.write_text(text)
    os.utime(file, ns=(later_ns, later_ns))


async def test_a_reload_takes_a_good_file_and_keeps_the_old_routes_beside_a_wrong_one(file: Path) -> None:
    routes = watch_of(file)
    first = routes.router
    change(file, WRONG)
    assert [problem.line for problem in await routes.reload()] == [1]
    assert routes.router is first
    change(file, OTHER)
    assert await routes.reload() == []
    assert routes.router is not first


async def test_a_changed_file_is_found_by_itself(file: Path) -> None:
    read = asyncio.Event()

    class Told(RoutesReload):
        async def reload(self) -> list[Problem]:
            problems = await super().reload()
            read.set()
            return problems

    routes = Told(Config(sip=SipSettings(routes=file)), list, look_s=0.0)
    first = routes.router
    routes.start()
    change(file, OTHER)
    async with asyncio.timeout(5):
        await read.wait()
    assert routes.router is not first
    await routes.stop()


async def test_a_disk_that_does_not_answer_holds_up_nothing_but_the_new_routes(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = watch_of(file)
    first, loaded, answers = routes.router, Router.load, threading.Event()

    def slow(path: Path) -> Router:
        answers.wait(5)
        return loaded(path)

    monkeypatch.setattr(Router, "load", slow)
    reload = asyncio.create_task(routes.reload())
    for _ in range(100):  # the loop goes on
        await asyncio.sleep(0)
    assert not reload.done() and routes.router is first
    answers.set()
    assert await reload == [] and routes.router is not first


def test_a_wrong_file_keeps_the_server_from_starting(file: Path) -> None:
    file.write_text(WRONG)
    with pytest.raises(SourceError):
        watch_of(file)


async def test_without_a_file_there_is_nothing_to_read() -> None:
    routes = watch_of(None)
    routes.start()
    assert await routes.reload() == []
    await routes.stop()
