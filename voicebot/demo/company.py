"""Northwind's HTTP service, as a program: ``python -m voicebot.demo.company --port 0 --database northwind.db``.

Prints one line ``READY port=N`` when it answers. Without a ``--port`` it listens on 8090.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import html
import json
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, time
from pathlib import Path
from typing import Any

from aiohttp import web

from voicebot.demo.seed import examples
from voicebot.demo.store import CompanyDatabase, ServiceAnswer

__all__ = ["examples", "main", "make_app"]

PORT = 8090
MAX_BODY_BYTES = 10_000
MAX_NUMBERS = 20
_DIGITS = re.compile(r"[0-9]{1,12}\Z")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\Z")
_KEY = re.compile(r"[\x21-\x7e]{1,200}\Z")


class BadRequest(Exception):
    """A request that makes no sense, with words for the 400 answer."""


class CompanyService:
    """The handlers. The database has one thread; the event loop never waits for it."""

    def __init__(self, store: CompanyDatabase, thread: ThreadPoolExecutor) -> None:
        self._store = store
        self._thread = thread

    async def _ask(self, question: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)

    async def _write(self, request: web.Request, said: dict[str, Any], do: Callable[[], ServiceAnswer]) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        if key and not _KEY.match(key):
            raise BadRequest("Idempotency-Key must be up to 200 printable characters")
        what = json.dumps([request.path, said], sort_keys=True)
        return _json(await self._ask(lambda: self._store.once(key, what, do)))

    async def order(self, request: web.Request) -> web.Response:
        """``GET /orders/{number}``: ``{number, state, item, eta}``, or 404."""
        number = request.match_info["number"]
        return _json(await self._ask(lambda: self._store.order(number)))

    async def known_orders(self, request: web.Request) -> web.Response:
        """``GET /orders?numbers=471102,471108``: ``{numbers}``, those of them that there are orders for."""
        numbers = request.query.get("numbers", "").split(",")
        if len(numbers) > MAX_NUMBERS or not all(map(_DIGITS.match, numbers)):
            raise BadRequest(f"numbers must be up to {MAX_NUMBERS} numbers between commas")
        return _json(await self._ask(lambda: self._store.known_orders(numbers)))

    async def slot(self, request: web.Request) -> web.Response:
        """``GET /slots?date=2026-11-24&time=10:30``: ``{free, alternative_date, alternative_time}``."""
        day, slot = _date(request.query.get("date")), _time(request.query.get("time"))
        return _json(await self._ask(lambda: self._store.slot(day, slot)))

    async def book(self, request: web.Request) -> web.Response:
        """``POST /appointments`` ``{date, time, service, phone}``: 201 ``{reference}``; 409 when taken."""
        said = await _body(request, {"date", "time", "service", "phone"})
        day, slot = _date(said["date"]), _time(said["time"])
        service, phone = said["service"], said["phone"] or ""
        if not isinstance(service, str) or not 0 < len(service) <= 80 or not service.isprintable():
            raise BadRequest("service must be 1 to 80 characters")
        if not isinstance(phone, str) or len(phone) > 200 or not phone.isprintable():
            raise BadRequest("phone must be a phone number, a SIP address or empty")
        return await self._write(request, said, lambda: self._store.book(day, slot, service, phone))

    async def check_identity(self, request: web.Request) -> web.Response:
        """``POST /identity-checks`` ``{employee, pin}``: ``{ok, locked, name, phone_end}``."""
        said = await _body(request, {"employee", "pin"})
        employee, pin = _digits(said, "employee"), _digits(said, "pin")
        # No idempotency key: the PIN must not be kept, and asking again must count as another attempt.
        return _json(
            await self._ask(lambda: self._store.once("", "", lambda: self._store.check_identity(employee, pin)))
        )

    async def reset_password(self, request: web.Request) -> web.Response:
        """``POST /password-resets`` ``{employee}``: 201 ``{reset_id}``; 403 without a fresh identity check."""
        said = await _body(request, {"employee"})
        employee = _digits(said, "employee")
        return await self._write(request, said, lambda: self._store.reset_password(employee))

    async def overview(self, request: web.Request) -> web.Response:
        """``GET /``: orders and employees to try the demo with, as a page or, when asked for, as JSON."""
        data = {**await self._ask(self._store.overview), "try": examples()}
        if "text/html" in request.headers.get("Accept", ""):
            return web.Response(text=_page(data), content_type="text/html")
        return web.json_response(data)


def make_app(store: CompanyDatabase, thread: ThreadPoolExecutor) -> web.Application:
    """The service on an open database; all of the store's work is done in `thread` (one worker)."""
    company = CompanyService(store, thread)
    app = web.Application(middlewares=[_refuse_nonsense], client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/", company.overview)
    app.router.add_get("/orders", company.known_orders)
    app.router.add_get("/orders/{number}", company.order)
    app.router.add_get("/slots", company.slot)
    app.router.add_post("/appointments", company.book)
    app.router.add_post("/identity-checks", company.check_identity)
    app.router.add_post("/password-resets", company.reset_password)
    return app


@web.middleware
async def _refuse_nonsense(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    # Its pages hold PINs: a foreign page whose name was made to point here may not read them (DNS rebinding).
    if re.fullmatch(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?", request.headers.get("Host", "")) is None:
        return _json(ServiceAnswer(421, {"error": "ask for 127.0.0.1 or localhost"}))
    try:
        return await handler(request)
    except BadRequest as error:
        return _json(ServiceAnswer(400, {"error": str(error)}))


def _json(answer: ServiceAnswer) -> web.Response:
    return web.json_response(answer.body, status=answer.status)


async def _body(request: web.Request, names: set[str]) -> dict[str, Any]:
    try:
        said = json.loads(await request.text())
    except (ValueError, RecursionError):
        raise BadRequest("the body must be JSON") from None
    if not isinstance(said, dict) or set(said) != names:
        raise BadRequest(f"the body must be an object with {', '.join(sorted(names))}")
    return said


def _digits(said: dict[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str) or not _DIGITS.match(value):
        raise BadRequest(f"{name} must be digits")
    return value


def _date(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadRequest("date must be like 2026-11-24") from None


def _time(text: Any) -> time:
    match = _CLOCK.match(text) if isinstance(text, str) else None
    if match is None:
        raise BadRequest("time must be like 10:30")
    return time(int(match[1]), int(match[2]))


def _page(data: dict[str, Any]) -> str:
    def table(heads: list[str], rows: list[dict[str, Any]]) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
        lines = ("".join(f"<td>{html.escape(str(row[name] or ''))}</td>" for name in heads) for row in rows)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"

    one = data["try"]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Northwind</title>"
        "<style>body{font:16px system-ui;margin:2rem auto;max-width:50rem}td,th{padding:.2rem 1rem .2rem 0;"
        "text-align:left}</style><h1>Northwind</h1><p>The demo company's back office. Try order "
        f"<b>{one['order']}</b>, or employee <b>{one['employee']}</b> ({html.escape(one['name'])}) with PIN "
        f"<b>{one['pin']}</b>.</p><h2>Orders</h2>{table(['number', 'state', 'item', 'eta'], data['orders'])}"
        f"<h2>Employees</h2>{table(['number', 'name'], data['employees'])}</html>"
    )


async def serve(database: Path, port: int, over: asyncio.Event) -> None:
    """Answer on 127.0.0.1 until `over` is set. Raises OSError when the port is taken."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="store") as thread:
        store = await loop.run_in_executor(thread, CompanyDatabase, database)
        runner = web.AppRunner(make_app(store, thread), access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            print(f"READY port={runner.addresses[0][1]}", flush=True)
            await over.wait()
        finally:
            await runner.cleanup()
            await loop.run_in_executor(thread, store.close)


async def _run(database: Path, port: int, until_eof: bool) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    if until_eof:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        serving = asyncio.ensure_future(serve(database, port, over))
        ended = asyncio.ensure_future(reader.read())
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        over.set()
        ended.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ended
        await serving
    else:
        await serve(database, port, over)


def main() -> None:
    """Read the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m voicebot.demo.company", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="0 takes a free one (default: 8090)")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file; made when it is not there")
    parser.add_argument("--until-eof", action="store_true", help="also stop when standard input ends")
    args = parser.parse_args()
    try:
        asyncio.run(_run(args.database, args.port, args.until_eof))
    except OSError as error:
        sys.exit(f"cannot listen on 127.0.0.1:{args.port}: {error.strerror or error}")


if __name__ == "__main__":
    main()
