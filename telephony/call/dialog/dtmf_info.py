"""Key presses in INFO requests (``application/dtmf-relay`` and ``application/dtmf``), both ways (RFC 6086 section 4).

These are the "legacy uses" of RFC 6086: no Info-Package says what they are, their Content-Type does.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable

from ...leg import LegError
from ...sip.body import media_type
from ...sip.message import Request, SipError
from .requests import DialogRequests

RELAY_TYPE = "application/dtmf-relay"
DTMF_TYPE = "application/dtmf"
KEYS = frozenset("0123456789*#ABCD")
DURATION_MS = 160
GAP_S = 0.1
"""Between the answer to one key and the next."""
MAX_BODY_BYTES = 256
MAX_KEYS = 16
"""In one body of ``application/dtmf``."""
MAX_QUEUED = 256
_SIGNAL = re.compile(r"^\s*Signal\s*=\s*([^\s;]{1,8})\s*;?\s*$", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(r"^\s*Duration\s*=\s*(\d{1,6})\s*;?\s*$", re.IGNORECASE | re.MULTILINE)
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}
"""Events by their number in RFC 4733 section 3.2, as some gateways write them."""

log = logging.getLogger(__name__)


def keys_of(request: Request) -> str:
    """The keys that an INFO presses; none for an empty one (a sign of life). Raises SipError."""
    package = request.headers.get("Info-Package")
    if package is not None and package.strip():
        raise SipError(469, "Bad Info Package", headers=[("Recv-Info", "")])  # we have said that we want none
    if not request.body:
        return ""
    kind = media_type(request)
    if kind not in (RELAY_TYPE, DTMF_TYPE):
        raise SipError(415, "", headers=[("Accept", f"{RELAY_TYPE}, {DTMF_TYPE}")])
    if len(request.body) > MAX_BODY_BYTES:
        raise SipError(413, "")
    keys, most = request.body.decode("latin-1").strip().upper(), MAX_KEYS
    if kind == RELAY_TYPE:
        match = _SIGNAL.search(keys)
        keys, most = _NUMBERED.get(match[1], match[1]) if match is not None else "", 1
    if not keys or len(keys) > most or not KEYS.issuperset(keys):
        raise SipError(400, "No Such Key")
    return keys


def held_s(request: Request) -> float:
    """For how long the key was pressed that an INFO presses, as it says; 0 where it says nothing.

    Phones that send it when the key is let go are so far behind those events that the press began with.
    """
    match = _DURATION.search(request.body[:MAX_BODY_BYTES].decode("latin-1"))
    return int(match[1]) / 1000 if match is not None else 0.0


class DtmfInfoSender:
    """Presses keys by INFO, one after the other.

    Args:
        requests: the dialog.
        otherwise: presses keys another way, when the peer takes no INFO.
    """

    def __init__(self, requests: DialogRequests, otherwise: Callable[[str], None]) -> None:
        self._requests = requests
        self._otherwise = otherwise
        self._queue: deque[str] = deque()
        self._type = RELAY_TYPE
        self._task: asyncio.Task[None] | None = None

    def press(self, keys: str) -> None:
        """Queue key presses. Raises ValueError for characters that are none, and for too many."""
        keys = keys.upper()
        if not KEYS.issuperset(keys):
            raise ValueError(f"{keys!r} is not made of keys 0-9*#A-D")
        if len(self._queue) + len(keys) > MAX_QUEUED:
            raise ValueError("too many keys are waiting")
        self._queue.extend(keys)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Press no more."""
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._queue:
            try:
                if not await self._send(self._queue[0]):
                    keys = "".join(self._queue)
                    self._queue.clear()
                    log.info(
                        "the peer takes no INFO; the keys go another way",
                        extra={"sip_call_id": self._requests.dialog.call_id},
                    )
                    self._otherwise(keys)
                    return
            except LegError:
                return  # the call is over, or about to be
            self._queue.popleft()
            await asyncio.sleep(GAP_S)

    async def _send(self, key: str) -> bool:
        """Whether the peer took it."""
        for _ in range(2):
            relay = self._type == RELAY_TYPE
            body = f"Signal={key}\r\nDuration={DURATION_MS}\r\n" if relay else key
            response = await self._requests.request("INFO", body=body.encode(), content_type=self._type)
            if response.code != 415 or not relay:
                return response.code < 300
            self._type = DTMF_TYPE
        return False
