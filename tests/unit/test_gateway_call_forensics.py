"""What is kept of the last calls for the trunk doctor."""

from __future__ import annotations

import random
import struct
import time
from collections import deque

import numpy as np

from telephony.media.codecs import decode, encode
from telephony.media.rtp_capture import captured_packets
from telephony.media.session import Captured, MediaSession
from telephony.sip.hop import Hop
from telephony.sip_trace import SipTrace, TraceEntry
from tests.unit.player_support import FakeLeg
from tests.unit.test_media_dtmf_detector import heard as tones_heard
from tests.unit.test_media_dtmf_detector import press
from voicebot.gateway.call_forensics import CAPTURED, REMEMBERED, CallForensics
from voicebot.journal.entry import Entry
from voicebot.journal.events import CallerHeard, Redacted

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


class KeyedLeg(FakeLeg):
    """A leg that has kept a second of silence, the tones of four keys, and the keys as telephone events."""

    def __init__(self, keys: str) -> None:
        super().__init__()
        self.media = MediaSession.__new__(MediaSession)
        self.media.port = 20000
        sound = encode(np.concatenate([np.zeros(8000, np.int16), press(keys)]), "PCMU")
        packets = [_rtp(0, sound[at : at + 160]) for at in range(0, len(sound), 160)]
        packets += [_rtp(101, bytes([PAD_CODES.index(key), 10, 0, 160])) for key in keys]
        begin_ns = time.monotonic_ns() - len(packets) * 20_000_000
        self.media.capture = deque(
            Captured(begin_ns + 20_000_000 * place, False, 20000, ("192.0.2.1", 4000), packet)
            for place, packet in enumerate(packets)
        )

    def captured(self) -> list[TraceEntry] | None:
        return captured_packets(self.media, "192.0.2.9")


PAD_CODES = "0123456789*#ABCD"


def _rtp(payload_type: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, 1, 1, 1) + payload


def keys_in(packets: list[TraceEntry]) -> tuple[str, set[int]]:
    """Keys heard as tones, and those that telephone events name."""
    sound = b"".join(packet.data[12:] for packet in packets if packet.data[1] == 0)
    return tones_heard(decode(sound, "PCMU")), {packet.data[12] for packet in packets if packet.data[1] == 101}


async def test_in_a_hundred_calls_the_capture_holds_neither_tone_nor_key_of_a_secret() -> None:
    trace, rng = SipTrace(), random.Random(32)
    forensics = CallForensics(trace)
    for number in range(100):
        pin = "".join(rng.choice("0123456789") for _ in range(4))
        keyed = KeyedLeg(pin)
        keyed.id = f"leg{number}"
        said(trace, keyed.id)
        forensics.remember(f"call{number}", keyed)
        before = forensics.trace_of(f"call{number}")
        assert before is not None and keys_in(before.rtp) == (pin, {255})
        ended_s = time.time()
        heard = CallerHeard(pin, "keys", "a.pin", secret=True, began_s=ended_s - 1.0, ended_s=ended_s)
        if number % 2:  # known only later
            heard = CallerHeard(pin, "keys", "a.order")
            span = ((ended_s - 1.0, ended_s),)
            forensics.take(Entry(f"call{number}", 2, ended_s, Redacted(("digits",), {"1": {"text": "•"}}, span)))
        forensics.take(Entry(f"call{number}", 3, ended_s, heard))
        for asked in (f"call{number}", keyed.id):
            after = forensics.trace_of(asked)
            assert after is not None and keys_in(after.rtp) == ("", {255})
            assert [len(one.data) for one in after.rtp] == [len(one.data) for one in before.rtp]
