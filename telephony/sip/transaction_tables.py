"""The four transaction state machines as tables (RFC 3261 section 17 with RFC 6026, RFC 4320 for 408).

A row is (state, input) → (next state, actions). Inputs are classes of messages and names of timers; actions are the
names of methods in `transaction`. A pair that has no row is ignored.
"""

from __future__ import annotations

from typing import Literal

T1_S = 0.5
"""Round-trip estimate."""
T2_S = 4.0
"""Longest interval between retransmissions."""
T4_S = 5.0
"""How long a message may stay in the network."""
TIMEOUT_S = 64 * T1_S
"""Timers B, F, H, J, L, M; D is at least this."""

State = Literal["calling", "trying", "proceeding", "completed", "accepted", "confirmed", "terminated"]
Input = Literal[
    "1xx", "2xx", "3xx+", "request", "ack", "error", "A", "B", "D", "M", "E", "F", "K", "G", "H", "I", "L", "J"
]
Row = tuple[State, tuple[str, ...]]
Table = dict[tuple[State, Input], Row]

INVITE_CLIENT: Table = {
    ("calling", "A"): ("calling", ("resend", "double A")),
    ("calling", "B"): ("terminated", ("timed out",)),
    ("calling", "1xx"): ("proceeding", ("stop A", "stop B", "deliver")),
    ("calling", "2xx"): ("accepted", ("stop A", "stop B", "deliver", "start M")),
    ("calling", "3xx+"): ("completed", ("stop A", "stop B", "acknowledge", "deliver", "start D")),
    ("calling", "error"): ("terminated", ("failed",)),
    ("proceeding", "1xx"): ("proceeding", ("deliver",)),
    ("proceeding", "2xx"): ("accepted", ("deliver", "start M")),
    ("proceeding", "3xx+"): ("completed", ("acknowledge", "deliver", "start D")),
    ("completed", "3xx+"): ("completed", ("acknowledge",)),
    ("completed", "D"): ("terminated", ()),
    ("accepted", "2xx"): ("accepted", ("deliver",)),
    ("accepted", "M"): ("terminated", ()),
}

OTHER_CLIENT: Table = {
    ("trying", "E"): ("trying", ("resend", "double E")),
    ("trying", "F"): ("terminated", ("timed out",)),
    ("trying", "1xx"): ("proceeding", ("deliver",)),
    ("trying", "2xx"): ("completed", ("stop E", "stop F", "deliver", "start K")),
    ("trying", "3xx+"): ("completed", ("stop E", "stop F", "deliver", "start K")),
    ("trying", "error"): ("terminated", ("failed",)),
    ("proceeding", "E"): ("proceeding", ("resend", "slow E")),
    ("proceeding", "F"): ("terminated", ("timed out",)),
    ("proceeding", "1xx"): ("proceeding", ("deliver",)),
    ("proceeding", "2xx"): ("completed", ("stop E", "stop F", "deliver", "start K")),
    ("proceeding", "3xx+"): ("completed", ("stop E", "stop F", "deliver", "start K")),
    ("proceeding", "error"): ("terminated", ("failed",)),
    ("completed", "K"): ("terminated", ()),
}

INVITE_SERVER: Table = {
    ("proceeding", "request"): ("proceeding", ("resend",)),
    ("proceeding", "1xx"): ("proceeding", ("send",)),
    ("proceeding", "2xx"): ("accepted", ("send", "start L")),
    ("proceeding", "3xx+"): ("completed", ("send", "start G", "start H")),
    ("completed", "request"): ("completed", ("resend",)),
    ("completed", "G"): ("completed", ("resend", "double G")),
    ("completed", "H"): ("terminated", ()),
    ("completed", "ack"): ("confirmed", ("stop G", "stop H", "start I")),
    ("confirmed", "I"): ("terminated", ()),
    ("accepted", "request"): ("accepted", ()),
    ("accepted", "2xx"): ("accepted", ("send",)),
    ("accepted", "L"): ("terminated", ()),
}

OTHER_SERVER: Table = {
    ("trying", "1xx"): ("proceeding", ("send",)),
    ("trying", "2xx"): ("completed", ("send", "start J")),
    ("trying", "3xx+"): ("completed", ("send", "start J")),
    ("proceeding", "request"): ("proceeding", ("resend",)),
    ("proceeding", "1xx"): ("proceeding", ("send",)),
    ("proceeding", "2xx"): ("completed", ("send", "start J")),
    ("proceeding", "3xx+"): ("completed", ("send", "start J")),
    ("completed", "request"): ("completed", ("resend",)),
    ("completed", "J"): ("terminated", ()),
}


def length_s(timer: str, reliable: bool) -> float:
    """How long a timer first runs (RFC 3261 table 4), in seconds; 0 on reliable transports where the table says so."""
    match timer:
        case "A" | "E" | "G":
            return T1_S
        case "I" | "K":
            return 0.0 if reliable else T4_S
        case "D" | "J":
            return 0.0 if reliable else TIMEOUT_S
        case _:
            return TIMEOUT_S


RETRANSMITTING = frozenset({"A", "E", "G"})
"""Never started on reliable transports (G is, RFC 3261 section 17.2.1: only for unreliable ones)."""
