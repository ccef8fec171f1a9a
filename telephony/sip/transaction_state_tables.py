"""The four transaction state machines as tables (RFC 3261 section 17 with RFC 6026, RFC 4320 for 408).

A row is (state, input) → (next state, actions). Inputs are classes of messages and names of timers. A pair that has no
row is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, assert_never

T1_S = 0.5
"""Round-trip estimate."""
T2_S = 4.0
"""Longest interval between retransmissions."""
T4_S = 5.0
"""How long a message may stay in the network."""
TIMEOUT_S = 64 * T1_S
"""Timers B, F, H, J, L, M; D is at least this."""

State = Literal["calling", "trying", "proceeding", "completed", "accepted", "confirmed", "terminated"]
Timer = Literal["A", "B", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M"]
Input = Literal["1xx", "2xx", "3xx+", "request", "ack", "error"] | Timer


class Effect(Enum):
    """An action without a timer."""

    SEND = "send"
    """Put the response on the wire, and keep it for retransmissions."""
    RESEND = "resend"
    """Put what was sent last on the wire again; nothing, where nothing was sent yet."""
    DELIVER = "deliver"
    """Give the response to the user."""
    ACKNOWLEDGE = "acknowledge"
    """Send the ACK to a refusal."""
    TIME_OUT = "time out"
    """Tell the user that nobody answered."""
    FAIL = "fail"
    """Tell the user that the transport failed."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Start a timer; one that retransmits is not started on reliable transports."""

    timer: Timer

    def __str__(self) -> str:
        return f"start {self.timer}"


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Stop a timer."""

    timer: Timer

    def __str__(self) -> str:
        return f"stop {self.timer}"


@dataclass(frozen=True, slots=True)
class DoubleTimer:
    """Start a timer again with twice its interval; all but A at most T2."""

    timer: Timer

    def __str__(self) -> str:
        return f"double {self.timer}"


@dataclass(frozen=True, slots=True)
class StartWithT2:
    """Start a timer again with T2 as its interval."""

    timer: Timer

    def __str__(self) -> str:
        return f"start {self.timer} with T2"


Action = Effect | StartTimer | StopTimer | DoubleTimer | StartWithT2
Row = tuple[State, tuple[Action, ...]]
Table = dict[tuple[State, Input], Row]

INVITE_CLIENT: Table = {
    ("calling", "A"): ("calling", (Effect.RESEND, DoubleTimer("A"))),
    ("calling", "B"): ("terminated", (Effect.TIME_OUT,)),
    ("calling", "1xx"): ("proceeding", (StopTimer("A"), StopTimer("B"), Effect.DELIVER)),
    ("calling", "2xx"): ("accepted", (StopTimer("A"), StopTimer("B"), Effect.DELIVER, StartTimer("M"))),
    ("calling", "3xx+"): (
        "completed",
        (StopTimer("A"), StopTimer("B"), Effect.ACKNOWLEDGE, Effect.DELIVER, StartTimer("D")),
    ),
    ("calling", "error"): ("terminated", (Effect.FAIL,)),
    ("proceeding", "1xx"): ("proceeding", (Effect.DELIVER,)),
    ("proceeding", "2xx"): ("accepted", (Effect.DELIVER, StartTimer("M"))),
    ("proceeding", "3xx+"): ("completed", (Effect.ACKNOWLEDGE, Effect.DELIVER, StartTimer("D"))),
    ("completed", "3xx+"): ("completed", (Effect.ACKNOWLEDGE,)),
    ("completed", "D"): ("terminated", ()),
    ("accepted", "2xx"): ("accepted", (Effect.DELIVER,)),
    ("accepted", "M"): ("terminated", ()),
}

OTHER_CLIENT: Table = {
    ("trying", "E"): ("trying", (Effect.RESEND, DoubleTimer("E"))),
    ("trying", "F"): ("terminated", (Effect.TIME_OUT,)),
    ("trying", "1xx"): ("proceeding", (Effect.DELIVER,)),
    ("trying", "2xx"): ("completed", (StopTimer("E"), StopTimer("F"), Effect.DELIVER, StartTimer("K"))),
    ("trying", "3xx+"): ("completed", (StopTimer("E"), StopTimer("F"), Effect.DELIVER, StartTimer("K"))),
    ("trying", "error"): ("terminated", (Effect.FAIL,)),
    ("proceeding", "E"): ("proceeding", (Effect.RESEND, StartWithT2("E"))),
    ("proceeding", "F"): ("terminated", (Effect.TIME_OUT,)),
    ("proceeding", "1xx"): ("proceeding", (Effect.DELIVER,)),
    ("proceeding", "2xx"): ("completed", (StopTimer("E"), StopTimer("F"), Effect.DELIVER, StartTimer("K"))),
    ("proceeding", "3xx+"): ("completed", (StopTimer("E"), StopTimer("F"), Effect.DELIVER, StartTimer("K"))),
    ("proceeding", "error"): ("terminated", (Effect.FAIL,)),
    ("completed", "K"): ("terminated", ()),
}

INVITE_SERVER: Table = {
    ("proceeding", "request"): ("proceeding", (Effect.RESEND,)),
    ("proceeding", "1xx"): ("proceeding", (Effect.SEND,)),
    ("proceeding", "2xx"): ("accepted", (Effect.SEND, StartTimer("L"))),
    ("proceeding", "3xx+"): ("completed", (Effect.SEND, StartTimer("G"), StartTimer("H"))),
    ("completed", "request"): ("completed", (Effect.RESEND,)),
    ("completed", "G"): ("completed", (Effect.RESEND, DoubleTimer("G"))),
    ("completed", "H"): ("terminated", ()),
    ("completed", "ack"): ("confirmed", (StopTimer("G"), StopTimer("H"), StartTimer("I"))),
    ("confirmed", "I"): ("terminated", ()),
    ("accepted", "request"): ("accepted", ()),
    ("accepted", "2xx"): ("accepted", (Effect.SEND,)),
    ("accepted", "L"): ("terminated", ()),
}

OTHER_SERVER: Table = {
    ("trying", "1xx"): ("proceeding", (Effect.SEND,)),
    ("trying", "2xx"): ("completed", (Effect.SEND, StartTimer("J"))),
    ("trying", "3xx+"): ("completed", (Effect.SEND, StartTimer("J"))),
    ("proceeding", "request"): ("proceeding", (Effect.RESEND,)),
    ("proceeding", "1xx"): ("proceeding", (Effect.SEND,)),
    ("proceeding", "2xx"): ("completed", (Effect.SEND, StartTimer("J"))),
    ("proceeding", "3xx+"): ("completed", (Effect.SEND, StartTimer("J"))),
    ("completed", "request"): ("completed", (Effect.RESEND,)),
    ("completed", "J"): ("terminated", ()),
}


def length_s(timer: Timer, reliable: bool) -> float:
    """How long a timer first runs (RFC 3261 table 4), in seconds; 0 on reliable transports where the table says so."""
    match timer:
        case "A" | "E" | "G":
            return T1_S
        case "I" | "K":
            return 0.0 if reliable else T4_S
        case "D" | "J":
            return 0.0 if reliable else TIMEOUT_S
        case "B" | "F" | "H" | "L" | "M":
            return TIMEOUT_S
        case _:
            assert_never(timer)


RETRANSMITTING: frozenset[Timer] = frozenset({"A", "E", "G"})
"""Never started on reliable transports (G is, RFC 3261 section 17.2.1: only for unreliable ones)."""
