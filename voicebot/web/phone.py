"""The browser phone's side of the server: offers become legs, legs become calls, calls end everywhere at once."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from telephony.leg import LegError
from telephony.webrtc import MAX_OFFER
from voicebot import log
from voicebot.journal import metrics
from voicebot.web import page_messages
from voicebot.web.offer_limit import Caller, OfferLimit, address_of
from voicebot.web.security import same_origin

if TYPE_CHECKING:
    from telephony.webrtc.leg import WebRtcLeg

MAX_CALLS = 20
"""Browser calls at once: each takes a few percent of a core for encryption and Opus."""
RETRY_AFTER_S = 30
BODY_S = 5.0
"""For an offer to come in whole."""
END_S = 5.0
"""Time for calls to end when the server stops."""

_log = log.get(__name__)


class Phone:
    """Takes offers and keeps the calls that came of them.

    Args:
        on_browser_call: runs one call from its connected leg to its end.
        ready: whether calls are accepted now.
        max_calls: more calls than this get 503 with Retry-After.
    """

    def __init__(
        self,
        on_browser_call: Callable[[WebRtcLeg], Awaitable[None]],
        ready: Callable[[], bool],
        max_calls: int = MAX_CALLS,
    ) -> None:
        self._on_browser_call, self._ready, self._max_calls = on_browser_call, ready, max_calls
        self._limit = OfferLimit(max_calls)
        self._answering = 0
        self._calls: dict[asyncio.Task[None], WebRtcLeg] = {}
        self._loading: asyncio.Future[Any] | None = None

    @property
    def active(self) -> int:
        """Calls under way, those that are just connecting included."""
        return self._answering + len(self._calls)

    def load(self) -> asyncio.Future[Any]:
        """Load what browsers need, in a thread: a third of a second, once. Called when somebody opens the page, so that
        it is there when he calls. The future is done with the module `telephony.webrtc.leg`.
        """
        if self._loading is None:
            loop = asyncio.get_running_loop()
            self._loading = loop.run_in_executor(None, importlib.import_module, "telephony.webrtc.leg")
        return self._loading

    async def offer(self, request: web.Request) -> web.Response:
        """``POST /api/phone/offer`` with ``{"type": "offer", "sdp": …}`` → ``{"type": "answer", "sdp": …, "call": …}``.

        Answers errors as ``{"error": code, "message": words}``: 400, 403, 408, 413, 415, 488, and 429 or 503 with
        Retry-After.
        """
        if not same_origin(request):
            return _error(403, "origin", "Calls start from this server's own page.")
        if request.content_type != "application/json":
            return _error(415, "type", "The offer must be JSON.")
        try:
            async with asyncio.timeout(BODY_S):
                sdp = _sdp(await request.read())
        except TimeoutError:
            return _error(408, "slow", "The offer did not come in time.")
        if sdp is None:
            return _error(400, "offer", 'The offer must be {"type": "offer", "sdp": "…"}.')
        if not self._ready():
            return _error(503, "starting", "The server is not taking calls right now.", RETRY_AFTER_S)
        if self.active >= self._max_calls:
            return _error(503, "busy", "All lines are busy.", RETRY_AFTER_S)
        caller = self._limit.admit(address_of(request), asyncio.get_running_loop().time())
        if caller is None:
            return _error(429, "too-many", "Too many calls come from your address. Try again later.", RETRY_AFTER_S)
        self._answering += 1
        leg: WebRtcLeg | None = None
        try:
            answer, leg = await self._answer(sdp, caller)
        except LegError as error:
            _log.info("browser offer refused", extra={"status": error.status, "reason": error.reason})
            return _error(error.status, "offer", error.reason)
        finally:
            self._answering -= 1
            if leg is None:
                caller.release(connected=False)
        return web.json_response({"type": "answer", "sdp": answer, "call": leg.id})

    async def idle(self, patience_s: float) -> None:
        """Wait until no call is under way, but no longer than that."""
        ends_s = asyncio.get_running_loop().time() + patience_s
        while self._calls and (left_s := ends_s - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._calls, timeout=left_s)

    async def stop(self) -> None:
        """End all calls. Returns when their sockets and tasks are gone, or after `END_S`."""
        calls = dict(self._calls)
        for leg in calls.values():
            await leg.hang_up()
        if calls:
            _, late = await asyncio.wait(calls, timeout=END_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _answer(self, sdp: str, caller: Caller) -> tuple[str, WebRtcLeg]:
        # The page's messages arrive after the connection is up, so the leg is known by then.
        webrtc = await asyncio.shield(self.load())  # one who hangs up meanwhile does not end it for the others
        answer: str
        leg: WebRtcLeg
        answer, leg = await webrtc.accept(sdp, on_data=lambda message: _from_page(leg, message))
        task = asyncio.get_running_loop().create_task(self._run(leg, caller), name=f"browser call {leg.id}")
        self._calls[task] = leg
        task.add_done_callback(self._over)
        return answer, leg

    async def _run(self, leg: WebRtcLeg, caller: Caller) -> None:
        connected = False
        try:
            connected = await leg.connected()
            if connected:
                caller.connected()
                await self._on_browser_call(leg)
            else:
                metrics.offers_unconnected.inc()
        finally:
            caller.release(connected=connected)
            await leg.hang_up()
            await leg.gone()

    def _over(self, task: asyncio.Task[None]) -> None:
        leg = self._calls.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("browser call failed", exc_info=error, extra={"leg": leg.id})
        else:
            reason = leg.closed.result() if leg.closed.done() else "cancelled"
            _log.info("browser leg closed", extra={"leg": leg.id, "reason": reason})


def _from_page(leg: WebRtcLeg, message: str) -> None:
    match page_messages.parse(message):
        case page_messages.KeyPress(key):
            leg.press(key)
        case page_messages.Bye():
            leg.end("caller")


def _sdp(body: bytes) -> str | None:
    if len(body) > 2 * MAX_OFFER:
        return None
    try:
        data: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    match data:
        case {"type": "offer", "sdp": str(sdp)}:
            return sdp
        case _:
            return None


def _error(status: int, code: str, message: str, retry_after_s: int | None = None) -> web.Response:
    metrics.offers_refused.labels(code).inc()
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return web.json_response({"error": code, "message": message}, status=status, headers=headers)
