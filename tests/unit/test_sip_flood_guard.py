"""Who is let in at the door, on a virtual clock."""

from __future__ import annotations

import pytest

from telephony.events import SourceBlocked, SourceRefused, TelephonyEvent
from telephony.sip import flood_guard as module
from telephony.sip.flood_guard import FloodGuard, Rates

STRANGER, OTHER, CARRIER = "192.0.2.1", "198.51.100.7", "203.0.113.9"
INVITE = (
    b"INVITE sip:bot@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:bot@h>\r\n\r\n"
)
BYE = INVITE.replace(b"INVITE", b"BYE")
REINVITE = INVITE.replace(b"To: <sip:bot@h>", b"t :\r\n <sip:bot@h> ; TAG = x")


def let_in(
    guard: FloodGuard, host: str, per_s: float, seconds: float, data: bytes = INVITE, begin_s: float = 0.0
) -> int:
    """How many of a steady stream of messages are let in."""
    number = int(per_s * seconds)
    return sum(guard.admits(host, begin_s + i / per_s, data) for i in range(number))


def test_one_source_may_use_the_whole_rate_while_nobody_else_wants_it() -> None:
    guard = FloodGuard(Rates(opening=300, opening_burst=600))
    assert let_in(guard, STRANGER, 250, 60) == 250 * 60


def test_a_flood_is_cut_to_the_common_rate() -> None:
    guard = FloodGuard(Rates(opening=300, opening_burst=600))
    passed = let_in(guard, STRANGER, 5000, 10)
    assert 300 * 10 <= passed <= 300 * 10 + 700


def test_other_sources_have_their_share_during_a_flood() -> None:
    guard = FloodGuard(Rates(opening=300, opening_burst=600, share=50, share_burst=100))
    let_in(guard, STRANGER, 5000, 2)
    passed = 0
    for i in range(5000):  # ten seconds of both
        guard.admits(STRANGER, 2 + i / 500, INVITE)
        if i % 25 == 0:
            passed += guard.admits(OTHER, 2 + i / 500, INVITE)
    assert passed == 200


def test_a_flood_from_everywhere_leaves_room_for_sources_that_have_proved_themselves() -> None:
    guard = FloodGuard(Rates(opening=300, opening_burst=600))
    guard.proved(OTHER, 0.0)
    strangers = passed = new = 0
    for i in range(20_000):  # 2000 a second, each from an address of its own
        strangers += guard.admits(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", i / 2000, INVITE)
        if i % 200 == 0:
            passed += guard.admits(OTHER, i / 2000, INVITE)
            new += guard.admits(f"11.0.{i >> 8 & 255}.{i & 255}", i / 2000, INVITE)
    assert strangers < 300 * 10 + 600
    assert passed == 100
    assert new < 100


def test_the_calls_of_a_flooding_source_go_on() -> None:
    guard = FloodGuard(Rates(opening=10, opening_burst=20))
    for i in range(5000):
        guard.admits(STRANGER, i / 1000, INVITE)
    for data in (BYE, REINVITE, BYE.replace(b"BYE", b"ACK"), b"SIP/2.0 200 OK\r\n\r\n"):
        assert guard.admits(STRANGER, 5.0, data)
    assert guard.refused["rate"] > 4900


def test_messages_of_dialogs_are_bounded_too() -> None:
    guard = FloodGuard(Rates(following_share=400, following_share_burst=1000))
    assert let_in(guard, STRANGER, 10_000, 1, BYE) <= 1400


@pytest.mark.parametrize("networks", [["203.0.113.0/24"], [CARRIER], ["203.0.113.9/24", "2001:db8::/32"]])
def test_a_carrier_passes_at_a_hundred_calls_a_second_during_a_flood(networks: list[str]) -> None:
    guard = FloodGuard(trusted=networks)
    let_in(guard, STRANGER, 5000, 2)
    assert let_in(guard, CARRIER, 100, 10, begin_s=2) == 1000


def test_what_is_no_network_is_refused_and_changes_nothing() -> None:
    guard = FloodGuard(trusted=[CARRIER])
    with pytest.raises(ValueError, match="carrier"):
        guard.trust(["carrier.example.com"])
    let_in(guard, STRANGER, 5000, 2)
    assert let_in(guard, CARRIER, 1000, 1, begin_s=2) == 1000


@pytest.mark.parametrize("trusted", [[], [STRANGER]])
def test_ten_wrong_digests_block_a_source_and_no_other(trusted: list[str]) -> None:
    told: list[TelephonyEvent] = []
    guard = FloodGuard(on_event=told.append, trusted=trusted)
    for i in range(1000):
        if guard.admits(STRANGER, i / 100, INVITE):
            guard.failed(STRANGER, i / 100, certain=True)
    assert guard.refused["blocked"] == 990
    assert guard.admits(OTHER, 10.0, INVITE)
    assert [(b.host, b.times) for b in guard.blocked(10.0)] == [(STRANGER, 1)]
    assert SourceBlocked(STRANGER, "wrong digests", 60.0) in told
    assert guard.admits(STRANGER, 10.0, BYE), "its calls go on"


def test_wrong_digests_that_anybody_could_have_sent_in_its_name_block_nobody() -> None:
    guard = FloodGuard(trusted=[CARRIER])
    for host in (CARRIER, STRANGER):
        outright = [guard.failed(host, 0.0, certain=False) for _ in range(100)]
        assert outright == [False] * 9 + [True] * 91
    assert guard.admits(CARRIER, 0.0, INVITE)
    assert guard.admits(STRANGER, 0.0, INVITE)
    assert not guard.blocked(0.0)
    assert not any(guard.failed(STRANGER, 0.0, certain=True) for _ in range(9)), "its own are counted by themselves"
    assert guard.failed(STRANGER, 0.0, certain=True)
    assert not guard.admits(STRANGER, 0.0, INVITE)


def test_wrong_digests_far_apart_block_nobody() -> None:
    guard = FloodGuard()
    for hour in range(100):
        for _ in range(9):
            guard.failed(STRANGER, hour * 3600.0, certain=True)
    assert guard.blocked(100 * 3600.0) == []


def test_each_block_is_longer_and_ends() -> None:
    guard = FloodGuard()
    now_s, lengths = 0.0, []
    for _ in range(7):
        while guard.admits(STRANGER, now_s, INVITE):
            guard.failed(STRANGER, now_s, certain=True)
        until_s = guard.blocked(now_s)[0].until_s
        lengths.append(until_s - now_s)
        assert not guard.admits(STRANGER, until_s - 1, INVITE)
        now_s = until_s + 1
        assert guard.admits(STRANGER, now_s, INVITE)
    assert lengths == [60, 240, 960, 3840, 15_360, 61_440, 86_400]


def test_an_operator_blocks_and_unblocks() -> None:
    guard = FloodGuard()
    guard.block(STRANGER, 0.0, 3600)
    assert not guard.admits(STRANGER, 3599.0, INVITE)
    assert guard.unblock(STRANGER)
    assert guard.admits(STRANGER, 3599.0, INVITE)
    assert not guard.unblock(STRANGER)


SCANS = [
    INVITE.replace(b"INVITE", b"OPTIONS").replace(b"\r\n\r\n", b"\r\nUser-Agent: friendly-scanner\r\n\r\n"),
    INVITE.replace(b"<sip:a@b>", b'"SIPVicious" <sip:100@1.1.1.1>'),
    INVITE.replace(b"INVITE", b"REGISTER").replace(b"From: <sip:a", b"From: <sip:sundayddr"),
    INVITE.replace(b"\r\n\r\n", b"\r\n\r\ns=VaxSIPUserAgent\r\n"),
    b"SIPVICIOUS friendly-scanner",
]


@pytest.mark.parametrize("scan", SCANS)
def test_a_scanner_is_never_answered_and_blocks_nobody_in_whose_name_it_writes(scan: bytes) -> None:
    told: list[TelephonyEvent] = []
    guard = FloodGuard(on_event=told.append)
    assert not any(guard.admits(STRANGER, i / 100, scan) for i in range(1000))
    assert guard.refused == {"scanner": 1000}
    assert told == [SourceRefused("scanner", STRANGER)] and not guard.blocked(10.0)
    assert guard.admits(STRANGER, 10.0, INVITE)


def test_nothing_that_a_forged_source_could_have_sent_locks_it_out() -> None:
    guard = FloodGuard(trusted=[CARRIER])
    kin = [*SCANS, INVITE.replace(b"INVITE", b"REGISTER"), b"SIP/2.0 503 No\r\n\r\n", b"\0" * 500, BYE, REINVITE]
    for victim in (STRANGER, CARRIER, "2001:db8::1"):
        for i in range(2000):
            guard.admits(victim, i / 100, kin[i % len(kin)])
            guard.failed(victim, i / 100, certain=False)
        assert guard.admits(victim, 20.0, INVITE), victim
    assert not guard.blocked(20.0)


def test_an_ipv6_source_is_its_whole_network_and_a_mapped_address_is_its_ipv4_one() -> None:
    guard = FloodGuard()
    for i in range(10):
        guard.failed(f"2001:db8:1:2::{i:x}", 0.0, certain=True)
    assert not guard.admits("2001:db8:1:2:ffff::1", 0.0, INVITE)
    assert guard.admits("2001:db8:1:3::1", 0.0, INVITE)
    for _ in range(10):
        guard.failed(f"::ffff:{STRANGER}", 0.0, certain=True)
    assert not guard.admits(STRANGER, 0.0, INVITE)


def test_memory_is_bounded_whatever_comes() -> None:
    guard = FloodGuard()
    for i in range(30_000):
        host = f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}"
        guard.admits(host, i / 1000, INVITE)
        guard.failed(host, i / 1000, certain=bool(i % 2))
        guard.block(f"11.{i >> 16}.{i >> 8 & 255}.{i & 255}", i / 1000)
    assert len(guard._sources) <= module.MAX_SOURCES
    assert len(guard._failures) <= module.MAX_SOURCES and len(guard._doubted) <= module.MAX_SOURCES
    assert len(guard._blocks) <= module.MAX_BLOCKS


def test_refusals_are_counted_all_and_told_now_and_then() -> None:
    told: list[TelephonyEvent] = []
    guard = FloodGuard(Rates(opening=10, opening_burst=20), told.append)
    let_in(guard, STRANGER, 1000, 60)
    assert guard.refused["rate"] > 59_000
    assert told == [SourceRefused("rate", STRANGER)] * len(told)
    assert 5 <= len(told) <= 7


def test_while_the_loop_lags_strangers_open_little_and_those_who_proved_themselves_as_before() -> None:
    told: list[TelephonyEvent] = []
    guard = FloodGuard(Rates(strained=60, strained_burst=30), told.append, trusted=[CARRIER])
    guard.proved("192.0.2.50", 0.0)
    guard.strain(1.0)
    strangers = sum(guard.admits(f"192.0.2.{n % 40}", 0.5, INVITE) for n in range(400))
    assert strangers == 30
    assert all(guard.admits(host, 0.5, INVITE) for host in (CARRIER, "192.0.2.50") for _ in range(50))
    assert guard.admits("192.0.2.1", 0.5, BYE), "what has begun goes on"
    assert guard.refused["overload"] == 370 and SourceRefused("overload", "192.0.2.1") in told
    assert all(guard.admits("192.0.2.1", 1.0, INVITE) for _ in range(50))
