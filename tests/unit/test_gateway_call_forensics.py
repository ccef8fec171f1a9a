"""What is kept of the last calls for the trunk doctor."""

from __future__ import annotations

from telephony.sip.hop import Hop
from telephony.sip_trace import SipTrace, TraceEntry
from tests.unit.player_support import FakeLeg
from voicebot.gateway.call_forensics import CAPTURED, REMEMBERED, CallForensics

HOP = Hop("udp", "192.0.2.1", 5060)
PACKET = TraceEntry(1.0, 1.0, False, "udp", "192.0.2.9:20000", "192.0.2.1:4000", b"rtp")


class CapturedLeg(FakeLeg):
    """A leg whose packets are kept."""

    def captured(self) -> list[TraceEntry] | None:
        return [PACKET]


def leg(name: str, kind: type[FakeLeg] = FakeLeg) -> FakeLeg:
    made = kind()
    made.id = name
    return made


def said(trace: SipTrace, call_id: str) -> None:
    trace.note(False, HOP, "192.0.2.9:5060", f"INVITE sip:a SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n".encode())


async def test_a_call_is_found_by_its_id_by_a_legs_and_as_the_last_one_with_all_its_legs() -> None:
    trace = SipTrace()
    forensics = CallForensics(trace)
    for name in ("in", "out"):
        said(trace, name)
        forensics.remember("call", leg(name))
    for asked in ("call", "last"):
        found = forensics.trace_of(asked)
        assert found is not None and list(found.legs) == ["in", "out"] and found.rtp == []
    by_leg = forensics.trace_of("out")
    assert by_leg is not None and list(by_leg.legs) == ["out"]
    assert forensics.trace_of("nonsense") is None


async def test_packets_that_were_kept_come_with_their_leg() -> None:
    trace = SipTrace()
    forensics = CallForensics(trace)
    said(trace, "in")
    forensics.remember("call", leg("in", CapturedLeg))
    found = forensics.trace_of("call")
    assert found is not None and found.rtp == [PACKET]


async def test_what_is_kept_is_bounded() -> None:
    trace = SipTrace()
    forensics = CallForensics(trace)
    for number in range(REMEMBERED + CAPTURED):
        forensics.remember(f"call-{number}", leg(f"leg-{number}", CapturedLeg))
    said(trace, "leg-0")
    assert forensics.trace_of("call-0") is None, "the oldest call is forgotten"
    found = forensics.trace_of("leg-0")
    assert found is not None and found.rtp == [], "and its packets sooner"


async def test_without_a_trace_nothing_is_found() -> None:
    forensics = CallForensics(None)
    forensics.remember("call", leg("in"))
    assert forensics.trace_of("call") is None
