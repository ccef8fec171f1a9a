"""What the trunk doctor shows of the running server: a call's messages, states of trunks, blocked sources.

It tells who called whom, so it answers this machine only; from elsewhere go through ssh or a proxy with a login.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from telephony.doctor import call_trace, ladder_page
from telephony.doctor.call_trace import CallTrace
from telephony.doctor.message_sequence import read_sequence

MAX_CALL_CHARS = 256


class Telephone(Protocol):
    """What is asked here."""

    def trace_of(self, call: str) -> CallTrace | None:
        """The messages of a call, by our id or a Call-ID; None when nothing is known."""

    def state(self) -> dict[str, Any]:
        """Trunks and blocked sources, as plain data."""

    def unblock(self, host: str) -> bool:
        """Let a blocked address in again. False when it was not blocked."""


class Doctor:
    """Handlers under ``/trunk``."""

    def __init__(self, telephone: Callable[[], Telephone]) -> None:
        self._telephone = telephone

    def routes(self) -> list[web.RouteDef]:
        """To be added to the application."""
        return [
            web.get("/trunk/trace/{call}", self._trace),
            web.get("/trunk/ladder/{call}", self._ladder),
            web.get("/trunk/state", self._state),
            web.post("/trunk/unblock/{host}", self._unblock),
        ]

    async def _trace(self, request: web.Request) -> web.Response:
        return web.json_response(call_trace.to_json(self._find(request)), headers={"Cache-Control": "no-store"})

    async def _ladder(self, request: web.Request) -> web.Response:
        text = ladder_page.page(read_sequence(self._find(request)))
        response = web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})
        response.headers["Content-Security-Policy"] = ladder_page.CONTENT_POLICY
        return response

    async def _state(self, request: web.Request) -> web.Response:
        _from_here(request)
        return web.json_response(self._telephone().state(), headers={"Cache-Control": "no-store"})

    async def _unblock(self, request: web.Request) -> web.Response:
        _from_here(request)
        if "Origin" in request.headers:  # a page in somebody's browser is not an operator
            raise web.HTTPForbidden(text="not from a browser\n")
        was_blocked = self._telephone().unblock(request.match_info["host"])
        return web.json_response({"unblocked": was_blocked}, status=200 if was_blocked else 404)

    def _find(self, request: web.Request) -> CallTrace:
        _from_here(request)
        call = request.match_info["call"]
        found = self._telephone().trace_of(call) if len(call) <= MAX_CALL_CHARS else None
        if found is None:
            raise web.HTTPNotFound(text="no such call, or its messages were forgotten\n")
        return found


def _from_here(request: web.Request) -> None:
    """Raises HTTPForbidden for other machines, and for this one's proxy, which would speak for anybody."""
    remote = ipaddress.ip_address(request.remote or "0.0.0.0")
    if not remote.is_loopback or "Forwarded" in request.headers or "X-Forwarded-For" in request.headers:
        raise web.HTTPForbidden(text="the trunk doctor answers this machine only\n")
