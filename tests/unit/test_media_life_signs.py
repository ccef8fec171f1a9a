"""Who is given up for want of a sign of life, and what is one: row by row, and through a session."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace

import pytest
from test_media_session import CALLER, STRANGER, TALK, Call

from telephony.call_policy import Terms
from telephony.media.life_signs import LifeSigns
from telephony.media.rtcp import shows_life
from telephony.media.rtp import Address, pack
from telephony.media.srtp import Keys, Protector, Suite, new_key
from telephony.sdp.agreement import Agreed

LIMIT_MS = 20_000.0
PROXY = "203.0.113.5"
"""Where signalling comes from."""
SENDER_REPORT = struct.pack("!BBHI", 0x80, 200, 6, 99) + bytes(20)
RECEIVER_REPORT = struct.pack("!BBHI", 0x80, 201, 1, 99)
NAME = struct.pack("!BBHI", 0x81, 202, 2, 99) + b"\1\1x\0"
GOODBYE = struct.pack("!BBHI", 0x81, 203, 1, 99)
FEEDBACK = struct.pack("!BBHI", 0x81, 205, 2, 99) + bytes(4)
NOTHING_SAID = b"\xff" * 160


# ── the clock ──


def agreed(holds: bool = False) -> LifeSigns:
    life = LifeSigns()
    life.agree(0, LIMIT_MS, holds=holds)
    return life


def test_before_anything_is_agreed_nobody_is_given_up() -> None:
    assert not LifeSigns().is_gone(1e9, None)


def test_who_shows_no_sign_is_given_up_once() -> None:
    life = agreed()
    assert [life.is_gone(at, None) for at in (LIMIT_MS, LIMIT_MS + 1, LIMIT_MS + 2, 1e9)] == [False, True, False, False]


def test_each_sign_begins_the_time_anew() -> None:
    life = agreed()
    life.sign(15_000)
    life.sign(14_000)
    assert not life.is_gone(35_000, None)
    assert not life.is_gone(35_001, 30_000), "RTP came"
    assert life.is_gone(50_001, 30_000)


def test_signalling_is_a_sign_when_it_is_seen() -> None:
    life = agreed()
    life.shown = True
    assert not life.is_gone(19_000, None)
    assert not life.is_gone(39_000, None)
    assert life.is_gone(39_001, None)


def test_the_clock_rests_during_a_hold_and_begins_anew_after_it() -> None:
    life = agreed(holds=True)
    life.shown = True
    assert not life.is_gone(1e9, None)
    life.agree(1e9, LIMIT_MS, holds=False)
    assert not life.is_gone(1e9 + LIMIT_MS, None)
    assert life.is_gone(1e9 + LIMIT_MS + 1, None)


def test_the_clock_rests_while_silence_is_excused_for_any_reason_and_begins_anew_after_the_last() -> None:
    life = agreed()
    for excuses, at_ms in [(1, 10_000), (2, 90_000), (1, 200_000), (0, 200_005)]:
        life.excuses = excuses
        assert not life.is_gone(at_ms, None)
    assert not life.is_gone(220_000, None)
    assert life.is_gone(220_006, None)


def test_who_was_given_up_is_waited_for_again_with_the_next_agreement() -> None:
    life = agreed()
    assert life.is_gone(30_000, None)
    life.sign(31_000)
    assert not life.is_gone(90_000, None)
    life.agree(90_000, LIMIT_MS, holds=False)
    assert life.is_gone(120_000, None)


# ── what is a sign ──


@pytest.mark.parametrize(
    ("datagram", "lives"),
    [
        (SENDER_REPORT, True),
        (RECEIVER_REPORT, True),
        (RECEIVER_REPORT + NAME, True),
        (FEEDBACK, True),
        (RECEIVER_REPORT + NAME + GOODBYE, False),
        (GOODBYE, False),
        (RECEIVER_REPORT + b"\x80", True),
        (b"", False),
        (bytes(range(64)), False),
        (b"\x80\xc9", False),
        (struct.pack("!BBHI", 0x80, 100, 1, 99), False),
        (struct.pack("!BBHI", 0x40, 201, 1, 99), False),
        (struct.pack("!BBHI", 0x80, 201, 500, 99), False),
    ],
)
def test_a_report_shows_life_unless_it_says_goodbye(datagram: bytes, lives: bool) -> None:
    assert shows_life(datagram) is lives


class LivingCall(Call):
    """Something comes every second on RTP's port, or RTCP's."""

    def beat(self, seconds: int, datagram: bytes, source: Address, port: int = 0) -> int:
        """Returns after how many seconds it was given up; 0: it was not."""
        for second in range(seconds):
            if port:
                self.network.arriving.append((datagram, source))
                self.session.read_rtcp(self.now_ns)
                self.network.arriving.clear()
            else:
                self.network.arriving.append((datagram, source))
            self.run(1)
            if self.timeouts:
                return second + 1
        return 0


@pytest.fixture
def call() -> Iterator[LivingCall]:
    with contextlib.ExitStack() as opened:
        rtp, rtcp = (opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        yield LivingCall((rtp, rtcp))


AGREED = Agreed(CALLER, "PCMU", 0, 101, "sendrecv", 20)
SUITE: Suite = "AES_CM_128_HMAC_SHA1_80"


def connect(call: LivingCall, no_media_s: float = 20.0, agreed: Agreed = AGREED) -> None:
    call.session.terms = Terms(no_media_s=no_media_s)
    call.session.connect(agreed, PROXY)


STUN = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)
T140 = pack(False, 98, 7, 160, 5, b"\xef\xbb\xbf")
KEEPALIVES = {
    "comfort noise": pack(False, 13, 9, 160, 5, b"\x40"),
    "comfort noise with coefficients": pack(False, 13, 9, 160, 5, b"\x40\x10\x20"),
    "an empty datagram": b"",
    "four zero bytes": bytes(4),
    "STUN binding request": STUN,
    "STUN binding indication": b"\0\x11" + STUN[2:],
    "RTP of payload type 20 without payload": pack(False, 20, 7, 160, 5, b""),
    "RTP of payload type 20 with payload": pack(False, 20, 7, 160, 5, b"\0"),
    "text (T.140)": T140,
    "RTCP that nobody asked for on this port": RECEIVER_REPORT + NAME,
    "RTCP with a sender report on this port": SENDER_REPORT + NAME,
}


@pytest.mark.parametrize("datagram", KEEPALIVES.values(), ids=KEEPALIVES.keys())
@pytest.mark.parametrize("source", [CALLER, (PROXY, 61_000)])
def test_what_a_silent_phone_sends_to_keep_its_call_keeps_it(
    call: LivingCall, datagram: bytes, source: Address
) -> None:
    connect(call)
    assert call.beat(60, datagram, source) == 0


@pytest.mark.parametrize("datagram", KEEPALIVES.values(), ids=KEEPALIVES.keys())
def test_what_a_stranger_sends_keeps_nobodys_call(call: LivingCall, datagram: bytes) -> None:
    connect(call)
    assert 20 <= call.beat(60, datagram, STRANGER) <= 22


@pytest.mark.parametrize(
    "datagram",
    [
        bytes(range(40, 90)),
        b"\x80",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        GOODBYE,
        RECEIVER_REPORT + GOODBYE,
        b"\x90" + TALK[:20],
    ],
)
def test_junk_and_goodbyes_are_no_signs_of_life(call: LivingCall, datagram: bytes) -> None:
    connect(call)
    assert 20 <= call.beat(60, datagram, CALLER) <= 22


@pytest.mark.parametrize(
    ("report", "source", "lives"),
    [
        (RECEIVER_REPORT, (CALLER[0], 4001), True),
        (SENDER_REPORT + NAME, (CALLER[0], 9), True),
        (RECEIVER_REPORT, (PROXY, 61_001), True),
        (RECEIVER_REPORT, (STRANGER[0], 4001), False),
        (RECEIVER_REPORT + GOODBYE, (CALLER[0], 4001), False),
        (b"\x80junk", (CALLER[0], 4001), False),
    ],
)
def test_reports_of_a_host_of_the_call_keep_it(call: LivingCall, report: bytes, source: Address, lives: bool) -> None:
    """A phone that is muted with silence suppression, and has never sent any RTP."""
    connect(call)
    ended_s = call.beat(60, report, source, port=1)
    assert ended_s == 0 if lives else 20 <= ended_s <= 22


def test_reports_on_the_port_that_they_were_agreed_to_share_keep_the_call(call: LivingCall) -> None:
    connect(call, agreed=replace(AGREED, rtcp_mux=True))
    assert call.beat(60, RECEIVER_REPORT, CALLER) == 0
    assert 20 <= call.beat(60, RECEIVER_REPORT + GOODBYE, CALLER) <= 22


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("mux", [True, False])
def test_where_there_is_srtp_only_reports_with_the_key_keep_the_call(call: LivingCall, sealed: bool, mux: bool) -> None:
    keys = Keys(SUITE, new_key(SUITE), new_key(SUITE))
    connect(call, agreed=replace(AGREED, keys=keys, rtcp_mux=mux))
    protector = Protector(SUITE, keys.theirs)
    ended_s = 0
    for _ in range(60):
        report = protector.rtcp(SENDER_REPORT + NAME) if sealed else SENDER_REPORT + NAME
        assert report is not None
        ended_s = ended_s or call.beat(1, report, CALLER, port=0 if mux else 1)
    assert bool(ended_s) is not sealed


def test_keepalives_teach_no_address(call: LivingCall) -> None:
    """Nothing is sent to who has not been heard."""
    connect(call)
    for datagram in KEEPALIVES.values():
        if datagram[1:2] != b"\x0d":
            call.beat(2, datagram, (PROXY, 61_000))
    assert {address for _, address in call.network.sent} == {CALLER}


def test_a_call_ends_no_media_s_after_the_last_sign(call: LivingCall) -> None:
    connect(call, no_media_s=5)
    call.run(3, CALLER)
    call.beat(4, KEEPALIVES["comfort noise"], CALLER)
    assert call.timeouts == 0
    call.run(4)
    assert call.timeouts == 0
    call.run(1.2)
    assert call.timeouts == 1


def test_who_waits_for_us_is_not_given_up_and_has_all_the_time_again_afterwards(call: LivingCall) -> None:
    connect(call)
    with call.session.silence_excused():
        call.run(15)
        with call.session.silence_excused():
            call.run(60)
        call.run(30)
    call.run(19.9)
    assert call.timeouts == 0
    call.run(0.3)
    assert call.timeouts == 1


def test_signalling_keeps_the_call_of_a_phone_that_sends_nothing(call: LivingCall) -> None:
    connect(call)
    for _ in range(6):
        call.run(15)
        call.session.show_life()
    assert call.timeouts == 0
    call.run(21)
    assert call.timeouts == 1


def test_a_source_that_nobody_believes_is_named_for_the_log(call: LivingCall) -> None:
    connect(call)
    call.run(21, STRANGER)
    assert (call.timeouts, call.session.refused_source) == (1, STRANGER)
    call.run(1, CALLER)
    assert call.session.refused_source is None


def test_digital_silence_is_rtp_like_any_other(call: LivingCall) -> None:
    connect(call)
    assert call.beat(60, pack(False, 0, 3, 160, 1, NOTHING_SAID), CALLER) == 0
