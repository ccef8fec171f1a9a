"""The HTTP side: the browser phone, health, readiness and metrics."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import prometheus_client
from aiohttp import web

from telephony import descriptors
from telephony.webrtc import MAX_OFFER
from voicebot import log
from voicebot.config import HttpSettings
from voicebot.web.doctor import Doctor
from voicebot.web.own_hosts import OwnHosts
from voicebot.web.phone import MAX_CALLS, Phone
from voicebot.web.prompt_requests import PromptRequests, make_room
from voicebot.web.readiness import WELL, Readiness
from voicebot.web.security import secured

if TYPE_CHECKING:
    from telephony.webrtc.leg import WebRtcLeg

STATIC = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MAX_HINTS = 8
KEEPALIVE_S = 30
"""A connection on which nothing is asked is closed then."""

_log = log.get(__name__)


class Web:
    """The web server.

    Args:
        config: address and port; port 0 takes a free one.
        on_browser_call: runs one browser call, from its connected leg to its end.
        ready: whether calls are accepted now.
        readiness: the parts that ``/readyz`` names beside that.
        status: what pages show about the server; ``hints`` is a list of things to say.
        doctor: more handlers, under ``/trunk``.
        max_calls: browser calls at once; more get 503.
    """

    def __init__(
        self,
        config: HttpSettings,
        *,
        on_browser_call: Callable[[WebRtcLeg], Awaitable[None]],
        ready: Callable[[], bool],
        status: Callable[[], dict[str, Any]],
        doctor: Doctor | None = None,
        max_calls: int = MAX_CALLS,
        readiness: Readiness | None = None,
    ) -> None:
        self._config, self._ready, self._status = config, ready, status
        self._readiness = readiness or Readiness({})
        self._doctor = doctor
        self.phone = Phone(on_browser_call, ready, max_calls)
        self.port = config.port
        """The real one after `start`."""
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        own = OwnHosts(self._config.listen, self._config.hosts)
        app = web.Application(middlewares=[secured, own.check], client_max_size=2 * MAX_OFFER)
        app.router.add_post("/api/phone/offer", self.phone.offer)
        app.router.add_get("/api/phone/hints", self._hints)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        if self._doctor is not None:
            app.router.add_routes(self._doctor.routes())
        for path in sorted(STATIC.iterdir()):
            route = "/" if path.name == "index.html" else f"/{path.name}"
            app.router.add_get(route, _File(path).get)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        loop, server = asyncio.get_running_loop(), self._runner.server

        def connection() -> PromptRequests:
            assert server is not None  # it is there from `setup` on
            if descriptors.scarce():
                self.make_room()
            return PromptRequests(server, loop=loop, access_log=None, keepalive_timeout=KEEPALIVE_S)  # type: ignore[arg-type]

        try:
            self._listener = await loop.create_server(connection, self._config.listen or None, self._config.port)
        except OSError:
            await self.stop()
            raise
        self.port = self._listener.sockets[0].getsockname()[1]
        _log.info("web server listening", extra={"address": self._config.listen, "port": self.port})

    def make_room(self) -> None:
        """Close connections that are idle, because descriptors run out."""
        if self._runner is not None and self._runner.server is not None:
            make_room(self._runner.server.connections)

    async def parts(self, without: Collection[str] = ()) -> dict[str, str]:
        """Each part of the server by name, and `WELL` or what is wrong with it. `without`: parts that are not asked."""
        calls = WELL if self._ready() else "not accepted: starting, stopping, or out of file descriptors"
        return {"calls": calls, **await self._readiness.look(without)}

    async def stop(self) -> None:
        """End browser calls and close the port. Calling it again does nothing."""
        await self.phone.stop()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _hints(self, _: web.Request) -> web.Response:
        self.phone.load()  # the page asks for hints as it opens
        hints = self._status().get("hints", [])
        return web.json_response(
            {"hints": [str(hint) for hint in hints[:MAX_HINTS]]}, headers={"Cache-Control": "no-store"}
        )

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"alive": True}, headers={"Cache-Control": "no-store"})

    async def _readyz(self, request: web.Request) -> web.Response:
        """``?exclude=PART``, once or more often: answer as if that part were well."""
        parts = await self.parts(request.query.getall("exclude", []))
        ready = all(state == WELL for state in parts.values())
        return web.json_response(
            {"ready": ready, "parts": parts}, status=200 if ready else 503, headers={"Cache-Control": "no-store"}
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        await self._readiness.look()  # which counts what it sees
        return web.Response(
            body=prometheus_client.generate_latest(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        )


class _File:
    """A static file, read once at the start, so that nothing a browser asks for names a path."""

    def __init__(self, path: Path) -> None:
        self._body = path.read_bytes()
        self._type = TYPES[path.suffix]
        self._etag = hashlib.sha256(self._body).hexdigest()[:16]

    async def get(self, request: web.Request) -> web.Response:
        headers = {"ETag": f'"{self._etag}"', "Cache-Control": "no-cache"}
        if any(tag.value == self._etag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._body, content_type=self._type, charset="utf-8", headers=headers)
