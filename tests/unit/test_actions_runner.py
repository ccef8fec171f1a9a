"""Whatever a backend does, an action ends within its limit with a result that a flow can branch on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from actions_support import Dns, Run, actions
from prometheus_client import REGISTRY

from tests.real.programs import free_port
from voicebot import log
from voicebot.actions.catalog import Catalog
from voicebot.actions.runner import Actions
from voicebot.messages import Do, Result

LIMIT_S = 20.0
"""Where nothing should hang: a busy machine must not fail the tests."""
SHORT_S = 1.0


def answer(body: bytes = b"{}", status: str = "200 OK", kind: str = "application/json", extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


class Backend:
    """A backend that says exactly what it is told: one entry of `script` a request, the last for ever.

    ``None`` hangs, ``b""`` closes without a word.
    """

    def __init__(self) -> None:
        self.script: list[bytes | None] = [answer()]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = self.open = self.most_open = 0
        self.port = 0
        self.hold: asyncio.Event | None = None
        self._came = asyncio.Condition()

    async def has(self, count: int) -> None:
        """Wait until that many requests have come."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.requests) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((head[0], headers, body))
                async with self._came:
                    self._came.notify_all()
                self.open += 1
                self.most_open = max(self.open, self.most_open)
                if self.hold is not None:
                    await self.hold.wait()
                self.open -= 1
                said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if said is None:
                    await reader.read()  # until the other side gives up
                    return
                writer.write(said)
                await writer.drain()
                if not said or b"content-length" not in said.lower() or b"Connection: close" in said:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    it = Backend()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.port = server.sockets[0].getsockname()[1]
    yield it
    server.close()


CATALOG = """
allow: ["127.0.0.1:{port}"]
max_concurrent: 3
max_answer_kb: 1
actions:
  read:
    timeout_s: {limit}
    http: {{url: "http://127.0.0.1:{port}/things/{{a}}"}}
  write:
    timeout_s: {limit}
    write: true
    secret: [pin]
    http: {{method: POST, url: "http://127.0.0.1:{port}/", json: {{a: "{{a}}", pin: "{{pin}}"}}}}
  put:
    write: true
    http: {{method: PUT, url: "http://127.0.0.1:{port}/", json: "{{a}}"}}
  safe_write:
    write: true
    idempotent: true
    http: {{method: POST, url: "http://127.0.0.1:{port}/", json: "{{a}}"}}
  by_name:
    http: {{url: "http://inside.example:{port}/"}}
  by_localhost:
    http: {{url: "http://localhost:{port}/"}}
"""


@pytest.fixture
async def run(backend: Backend, tmp_path: Path) -> AsyncIterator[Run]:
    async with actions(tmp_path, CATALOG.format(port=backend.port, limit=LIMIT_S), Dns(["127.0.0.1"])) as runner:
        yield runner


@pytest.fixture
async def hasty(backend: Backend, tmp_path: Path) -> AsyncIterator[Run]:
    async with actions(tmp_path, CATALOG.format(port=backend.port, limit=SHORT_S)) as runner:
        yield runner


async def test_json_of_a_good_answer_comes_back_with_the_token(backend: Backend, run: Run) -> None:
    backend.script = [answer(b'{"state": "shipped"}')]
    assert await run("read", a="4711") == Result("t1", True, {"state": "shipped"})
    assert backend.requests[0][0] == "GET /things/4711 HTTP/1.1"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(b"<html>", kind="text/html"), "bad-answer"),
        (answer(b"{"), "bad-answer"),
        (answer(b'{"a": NaN}'), "bad-answer"),
        (answer(b'"\\ud800"'), "bad-answer"),
        (answer(b"[" * 500 + b"]" * 500), "bad-answer"),
        (answer(b'"' + b"x" * 2000 + b'"'), "bad-answer"),
        (answer(b"{}", extra="Content-Encoding: gzip\r\n").replace(b"{}", b"\x1f\x8b"), "bad-answer"),
        (answer(b"{}", extra="Connection: close\r\n").removesuffix(b"}"), "bad-answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"[" + b"1," * 5000, "bad-answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad-answer"),
        (answer(b"{}", "302 Found", extra="Location: http://127.0.0.1:1/\r\n"), "refused"),
        (answer(b"{}", "404 Not Found"), "status-404"),
        (answer(b"{}", "500 Oh"), "status-500"),
        (b"", "unreachable"),
    ],
)  # fmt: skip
async def test_a_backend_that_misbehaves_gives_a_kind_of_failure(
    backend: Backend, run: Run, said: bytes | None, error: str
) -> None:
    backend.script = [said]
    result = await run("read", a="1")
    assert (result.ok, result.error) == (False, error)


async def test_json_of_an_error_status_reaches_the_flow(backend: Backend, run: Run) -> None:
    backend.script = [answer(b'{"alternative": "10:00"}', "409 Conflict")]
    assert await run("read", a="1") == Result("t1", False, {"alternative": "10:00"}, "status-409")


@pytest.mark.parametrize("said", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"])
async def test_a_hanging_backend_is_cut_at_the_limit(backend: Backend, hasty: Run, said: bytes | None) -> None:
    backend.script = [said]
    begun = asyncio.get_running_loop().time()
    result = await hasty("read", a="1")
    took_s = asyncio.get_running_loop().time() - begun
    assert result.error == "timeout"
    assert SHORT_S <= took_s < SHORT_S + 5


@pytest.mark.parametrize("first", [b"", answer(b"x"), answer(b"", "503 Busy")])
async def test_a_failed_read_is_tried_once_more_when_that_can_help(backend: Backend, run: Run, first: bytes) -> None:
    backend.script = [first, answer(b"1")]
    result = await run("read", a="1")
    helps = first != answer(b"x")
    assert (result.ok, len(backend.requests)) == ((True, 2) if helps else (False, 1))


async def test_a_read_is_tried_twice_at_most(backend: Backend, run: Run) -> None:
    backend.script = [b""]
    assert (await run("read", a="1")).error == "unreachable"
    assert len(backend.requests) == 2


@pytest.mark.parametrize("name", ["write", "put"])
async def test_a_failed_write_is_sent_once_but_carries_a_key(backend: Backend, run: Run, name: str) -> None:
    backend.script = [answer(b"1"), b"", answer(b"2")]
    args = {"a": "1", "pin": "2"} if name == "write" else {"a": "1"}
    assert (await run(name, **args)).ok
    assert (await run(name, **args)).error == "unreachable"
    keys = [headers["idempotency-key"] for _, headers, _ in backend.requests]
    assert len(keys) == len(set(keys)) == 2


async def test_an_idempotent_write_is_sent_again_with_the_same_key(backend: Backend, run: Run) -> None:
    backend.script = [b"", answer(b"7", "201 Created")]
    assert (await run("safe_write", a=5)).data == 7
    (_, first, body), (_, second, again) = backend.requests
    assert first["idempotency-key"] == second["idempotency-key"]
    assert json.loads(body) == json.loads(again) == 5


async def test_the_same_token_in_another_call_is_another_key(backend: Backend, tmp_path: Path) -> None:
    async def one_call(call: str) -> None:
        log.call_id.set(call)
        await runner.run(Do("safe_write", {"a": "1"}, "t1"))

    file = tmp_path / "x.actions.yaml"
    file.write_text(CATALOG.format(port=backend.port, limit=LIMIT_S))
    runner = Actions(Catalog.load(file, {}))
    await runner.start()
    for call in ("first", "second\r\nX: evil", "second\r\nX: evil"):
        await asyncio.create_task(one_call(call))
    await runner.stop()
    first, second, third = (headers["idempotency-key"] for _, headers, _ in backend.requests)
    assert first != second == third


async def test_a_name_that_resolves_to_loopback_is_refused_before_anything_is_sent(backend: Backend, run: Run) -> None:
    assert (await run("by_name")).error == "refused"
    assert backend.connections == 0


async def test_localhost_is_refused_with_the_system_s_own_resolver(backend: Backend, tmp_path: Path) -> None:
    async with actions(tmp_path, CATALOG.format(port=backend.port, limit=LIMIT_S)) as run:
        assert (await run("by_localhost")).error == "refused"
    assert backend.connections == 0


async def test_a_listed_name_may_be_on_this_machine(backend: Backend, tmp_path: Path) -> None:
    text = CATALOG.format(port=backend.port, limit=LIMIT_S).replace("allow: [", f'allow: ["localhost:{backend.port}", ')
    async with actions(tmp_path, text) as run:
        assert (await run("by_localhost")).ok


async def test_no_more_than_the_limit_run_at_once(backend: Backend, run: Run) -> None:
    backend.hold = asyncio.Event()
    running = [asyncio.ensure_future(run("safe_write", a=i)) for i in range(10)]
    await backend.has(3)
    backend.hold.set()
    assert all(result.ok for result in await asyncio.gather(*running))
    assert backend.most_open == 3


async def test_waiting_for_a_place_counts_towards_the_limit(backend: Backend, hasty: Run) -> None:
    backend.script = [None]
    running = [asyncio.create_task(hasty("read", a=i)) for i in range(6)]
    await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    # Those who waited for a place have no second limit before them.
    await asyncio.wait(running, timeout=0.9 * SHORT_S)
    assert [task.done() and task.result().error for task in running] == ["timeout"] * 6


async def test_a_caller_who_hangs_up_does_not_stop_a_write(backend: Backend, tmp_path: Path) -> None:
    before = done("safe_write", "ok")
    backend.hold = asyncio.Event()
    async with actions(tmp_path, CATALOG.format(port=backend.port, limit=LIMIT_S)) as run:
        writing = asyncio.ensure_future(run("safe_write", a=1))
        await backend.has(1)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        backend.hold.set()
    assert done("safe_write", "ok") == before + 1


async def test_nobody_listening_is_unreachable(backend: Backend, tmp_path: Path) -> None:
    async with actions(tmp_path, CATALOG.format(port=free_port(), limit=LIMIT_S)) as run:
        assert (await run("read", a="1")).error == "unreachable"


async def test_an_unknown_action_and_wrong_arguments_are_refused(backend: Backend, run: Run) -> None:
    assert (await run("no_such")).error == "refused"
    assert (await run("read", b="1")).error == "refused"
    assert backend.connections == 0


def done(action: str, result: str) -> float:
    return REGISTRY.get_sample_value("voicebot_actions_total", {"action": action, "result": result}) or 0.0


async def test_results_are_counted_and_unknown_names_make_no_new_series(run: Run) -> None:
    before = done("read", "ok"), done("unknown", "refused")
    await run("read", a="1")
    await run("whatever-the-flow-says", a="1")
    assert (done("read", "ok"), done("unknown", "refused")) == (before[0] + 1, before[1] + 1)
    assert done("whatever-the-flow-says", "refused") == 0


@pytest.mark.parametrize("said", [answer(), None, b"", answer(b"{", "500 Oh")])
async def test_a_secret_argument_is_in_no_log_line_whatever_happens(
    backend: Backend, run: Run, hasty: Run, caplog: pytest.LogCaptureFixture, said: bytes | None
) -> None:
    caplog.set_level(logging.DEBUG)
    backend.script = [said]
    await (hasty if said is None else run)("write", a="visible-8812", pin="190377")
    everything = "\n".join(str(vars(record)) for record in caplog.records)
    assert "visible-8812" in everything
    assert "190377" not in everything
    assert "190377" in backend.requests[0][2].decode()
