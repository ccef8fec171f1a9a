"""A call's messages as they travel from the server to the tools: all its legs, as JSON."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from telephony.sip_trace import TraceEntry

MAX_LEGS = 50
MAX_ENTRIES = 200_000
"""Messages and RTP packets of all legs together."""


@dataclass(frozen=True, slots=True)
class CallTrace:
    """What is known of one call on the wire."""

    call: str
    """Its id, as it was asked for."""
    legs: Mapping[str, Sequence[TraceEntry]]
    """Call-ID → messages in order; the caller's leg first."""
    rtp: Sequence[TraceEntry] = ()
    """RTP packets, when they were captured; `TraceEntry.data` is the whole packet."""

    @property
    def entries(self) -> list[TraceEntry]:
        """Messages and remarks of all legs in their order."""
        return sorted((entry for leg in self.legs.values() for entry in leg), key=lambda entry: entry.at_s)


def to_json(trace: CallTrace) -> dict[str, Any]:
    """Plain data for `json.dumps`."""
    legs = [{"call_id": call_id, "entries": entries_to_json(entries)} for call_id, entries in trace.legs.items()]
    return {"call": trace.call, "legs": legs, "rtp": entries_to_json(trace.rtp)}


def from_json(data: object) -> CallTrace:
    """Back from `to_json`. Raises ValueError for anything else."""
    if not isinstance(data, dict):
        raise ValueError("no trace of a call")
    legs: dict[str, list[TraceEntry]] = {}
    listed = data.get("legs")
    if not isinstance(listed, list) or len(listed) > MAX_LEGS:
        raise ValueError("no legs of a call")
    for leg in listed:
        if not isinstance(leg, dict) or not isinstance(leg.get("call_id"), str):
            raise ValueError("a leg without Call-ID")
        legs[leg["call_id"]] = entries_from_json(leg.get("entries"))
    return CallTrace(str(data.get("call", "")), legs, entries_from_json(data.get("rtp", [])))


def entries_to_json(entries: Sequence[TraceEntry]) -> list[dict[str, Any]]:
    """Entries as plain data; octets as base64."""
    return [
        {
            "wall_s": entry.wall_s,
            "at_s": entry.at_s,
            "outgoing": entry.outgoing,
            "protocol": entry.protocol,
            "local": entry.local,
            "remote": entry.remote,
            "data": base64.b64encode(entry.data).decode("ascii"),
            "remark": entry.remark,
        }
        for entry in entries
    ]


def entries_from_json(data: object) -> list[TraceEntry]:
    """Back from `entries_to_json`. Raises ValueError for anything else."""
    if not isinstance(data, list) or len(data) > MAX_ENTRIES:
        raise ValueError("no list of messages")
    return [_entry(item) for item in data]


def _entry(item: object) -> TraceEntry:
    if not isinstance(item, dict):
        raise ValueError("no message")
    times = [item.get("wall_s"), item.get("at_s")]
    texts = [item.get(name, "") for name in ("protocol", "local", "remote", "remark", "data")]
    if not all(isinstance(t, (int, float)) and math.isfinite(t) for t in times):
        raise ValueError("a message without time")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a message that is none")
    protocol, local, remote, remark, encoded = map(str, texts)
    try:
        octets = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("a message that is not base64") from None
    wall_s, at_s = (float(t) for t in times if t is not None)
    return TraceEntry(wall_s, at_s, item.get("outgoing") is True, protocol, local, remote, octets, remark)
