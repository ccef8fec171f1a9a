"""Provisional responses that arrive for certain (RFC 3262). No I/O: responses and time go in, what to send comes out.

`ReliableSender` is the called party's side, `ReliableReceiver` the caller's, one of each for a dialog.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from dataclasses import dataclass

from ...sip.message import MAX_SEQ, Request, Response
from ...sip.transaction_state_tables import T1_S, TIMEOUT_S

EXTENSION = "100rel"
MAX_QUEUE = 8
"""Responses that wait for the PRACK of the one before; a caller who never sends one gets no more of them anyway."""
_RACK = re.compile(r"([0-9]{1,10})\s+([0-9]{1,10})\s+([A-Za-z]{1,32})", re.ASCII)
_RSEQ = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(slots=True)
class _Outstanding:
    response: Response
    rseq: int
    due_s: float
    interval_s: float
    end_s: float


class ReliableSender:
    """Our provisional responses to one INVITE, one at a time (section 3): the next waits for the PRACK of the last."""

    def __init__(self) -> None:
        self.expired = False
        """A response was repeated for 64·T1 and nobody acknowledged it: the INVITE has failed with 504."""
        self._next_rseq = 1 + secrets.randbelow(2**30)
        self._outstanding: _Outstanding | None = None
        self._queue: deque[Response] = deque()

    @property
    def idle(self) -> bool:
        """Everything sent is acknowledged."""
        return self._outstanding is None and not self._queue

    @property
    def due_s(self) -> float | None:
        """When `poll` wants to be called."""
        return None if self._outstanding is None else self._outstanding.due_s

    def push(self, response: Response, now_s: float) -> Response | None:
        """Number a response; returns it when it is to be sent now, None when another has to be acknowledged first."""
        if self._outstanding is not None:
            if len(self._queue) < MAX_QUEUE:
                self._queue.append(response)
            return None
        rseq, self._next_rseq = self._next_rseq, self._next_rseq + 1
        response.headers.set("Require", EXTENSION)
        response.headers.set("RSeq", str(rseq))
        self._outstanding = _Outstanding(response, rseq, now_s + T1_S, T1_S, now_s + TIMEOUT_S)
        return response

    def acknowledge(self, prack: Request, invite_seq: int, now_s: float) -> tuple[bool, Response | None]:
        """Take a PRACK: whether it means the response that waits, and the next one to send."""
        match = _RACK.fullmatch(prack.headers.get("RAck") or "")
        waiting = self._outstanding
        if match is None or waiting is None or match[3] != "INVITE":
            return False, None
        if (int(match[1]), int(match[2])) != (waiting.rseq, invite_seq):
            return False, None
        self._outstanding = None
        return True, self.push(self._queue.popleft(), now_s) if self._queue else None

    def poll(self, now_s: float) -> Response | None:
        """The response to repeat now; None when it is too early, or too late for good (`expired`)."""
        waiting = self._outstanding
        if waiting is None or now_s < waiting.due_s:
            return None
        if now_s >= waiting.end_s:
            self.stop()
            self.expired = True
            return None
        waiting.interval_s *= 2  # without the ceiling of T2 (section 3)
        waiting.due_s = min(now_s + waiting.interval_s, waiting.end_s)
        return waiting.response

    def stop(self) -> None:
        """The INVITE has its final response: repeat nothing more."""
        self._outstanding = None
        self._queue.clear()


class ReliableReceiver:
    """A peer's provisional responses in one early dialog (section 4)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def rack(self, response: Response) -> str | None:
        """The RAck value of the PRACK that this response wants; None: unreliable, seen before, or out of order.

        A response that came too early is not acknowledged: the peer repeats it after the missing one.
        """
        if not is_reliable(response):
            return None
        rseq = int(response.headers["RSeq"])
        if not 0 < rseq <= MAX_SEQ or (self._last is not None and rseq != self._last + 1):
            return None
        self._last = rseq
        return f"{rseq} {response.head.seq} INVITE"


def is_reliable(response: Response) -> bool:
    """Whether a provisional response has to be acknowledged with PRACK."""
    return (
        100 < response.code < 200
        and has_tag(response.headers.getlist("Require"), EXTENSION)
        and _RSEQ.fullmatch(response.headers.get("RSeq") or "") is not None
    )


def has_tag(values: list[str], tag: str) -> bool:
    """Whether an option tag stands in Supported or Require."""
    return any(item.strip().lower() == tag for value in values for item in value.split(","))
