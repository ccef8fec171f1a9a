"""Whom the source lock believes, row by row of its table, and who tries what."""

from __future__ import annotations

import pytest

from telephony.media.rtp import Address, RtpPacket
from telephony.media.source_lock import PROBE_PACKETS, SourceLock

CALLER = ("192.0.2.1", 4000)
CALLER_ELSEWHERE = ("192.0.2.1", 4444)
NAT = ("203.0.113.5", 61000)
NAT_ANEW = ("203.0.113.5", 61007)
KEPT_PORT = ("203.0.113.5", 4000)
PROXY = "203.0.113.5"
"""Where signalling comes from."""
STRANGER = ("198.51.100.66", 9999)


def packet(sequence: int, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(False, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, b"x")


class Line:
    """A lock, and packets of 20 ms."""

    def __init__(self, lock: SourceLock | None = None) -> None:
        self.lock = lock or SourceLock(CALLER, PROXY)
        self.now_ms = 0.0

    def send(
        self, source: Address, sequence: int, count: int = 1, ssrc: int = 1, pace_ms: float = 20.0, step: int = 1
    ) -> int:
        """So many packets; returns how many of them were believed."""
        believed = 0
        for index in range(count):
            self.now_ms += pace_ms
            one = packet(sequence + step * index, ssrc)
            if source == self.lock.locked:
                self.lock.last, self.lock.last_ms = one, self.now_ms
            elif not self.lock.accepts(source, one, self.now_ms):
                continue
            believed += 1
        return believed

    def wait(self, ms: float) -> Line:
        self.now_ms += ms
        return self


def talking(source: Address = CALLER, lock: SourceLock | None = None) -> Line:
    """Someone is believed, and has sent 100 packets up to sequence number 99."""
    line = Line(lock)
    line.send(source, 0, 100)
    assert line.lock.locked == source
    return line


# ── nobody is believed yet ──


def test_the_signalled_source_is_believed_at_once_and_for_good() -> None:
    line = Line(SourceLock(CALLER))
    assert line.send(CALLER, 1) == 1
    assert line.send(STRANGER, 0, 10_000, pace_ms=1) == 0
    assert line.lock.target == CALLER


@pytest.mark.parametrize("pace_ms", [0.01, 1.0, 20.0])
@pytest.mark.parametrize("source", [STRANGER, CALLER_ELSEWHERE, ("127.0.0.1", 4000), ("2001:db8::1", 4000)])
def test_no_other_host_is_heard_or_sent_to_without_symmetric(source: Address, pace_ms: float) -> None:
    """However long the signalled source is silent."""
    line = Line()
    assert line.send(source, 65_000, 10_000, pace_ms=pace_ms) == 0
    assert (line.lock.target, line.lock.refused) == (CALLER, source)
    assert line.send(CALLER, 1) == 1


@pytest.mark.parametrize("gap", [1, 2])
def test_another_host_is_believed_after_250_ms_where_the_trunk_is_symmetric(gap: int) -> None:
    line = Line(SourceLock(CALLER, PROXY, symmetric=True))
    assert line.send(STRANGER, 65_530, 12, step=gap) == 0, "220 ms"
    assert line.lock.target == CALLER
    assert line.send(STRANGER, 65_530 + 12 * gap, 50) == 49
    assert line.lock.target == STRANGER
    assert line.send(("198.51.100.67", 1), 1, 50) == 0


def test_symmetric_or_not_the_signalled_source_wins_when_it_begins_within_250_ms() -> None:
    line = Line(SourceLock(CALLER, PROXY, symmetric=True))
    assert line.send(STRANGER, 0, 240, pace_ms=1) == 0
    assert line.send(CALLER, 1) == 1
    assert line.send(STRANGER, 240, 1000, pace_ms=1) == 0


def test_the_signalled_source_wins_even_after_another_was_believed() -> None:
    line = Line(SourceLock(CALLER, symmetric=True))
    line.send(STRANGER, 0, 100)
    assert line.lock.target == STRANGER
    assert line.send(CALLER, 1, ssrc=7) == 1
    assert line.send(STRANGER, 100) == 0
    assert line.lock.target == CALLER


def test_a_caller_behind_a_nat_at_the_host_of_signalling_is_believed_after_the_probe() -> None:
    line = Line()
    assert line.send(NAT, 65_530, 5) == 5
    assert line.lock.target == CALLER, "nothing is sent to him yet"
    assert line.send(NAT, 65_535, 45) == 45
    assert line.lock.target == NAT
    assert line.send(STRANGER, 1) == 0


def test_the_signalled_port_at_the_host_of_signalling_needs_no_probe() -> None:
    """A caller with several addresses, or a NAT that keeps ports."""
    line = Line()
    assert line.send(KEPT_PORT, 0, 20, pace_ms=1) == 20
    assert line.lock.target == KEPT_PORT


@pytest.mark.parametrize("pace_ms", [0.001, 0.01, 1.0, 15.0])
def test_who_races_the_caller_from_the_host_of_signalling_gets_five_packets_at_most(pace_ms: float) -> None:
    """Acceptance 15: the stranger starts before the caller does, at any pace."""
    line = Line()
    believed = line.send(NAT, 0, int(90 / pace_ms) if pace_ms >= 1 else 9000, pace_ms=pace_ms)
    assert line.send(CALLER, 1) == 1
    believed += line.send(NAT, 9000, 1000, pace_ms=1)
    assert believed <= PROBE_PACKETS
    assert line.lock.target == CALLER


def test_many_ports_of_the_host_of_signalling_get_five_packets_together() -> None:
    line = Line()
    assert sum(line.send((PROXY, 1024 + index), index) for index in range(1000)) == PROBE_PACKETS


def test_random_sequences_never_pass_the_probe() -> None:
    line = Line()
    assert sum(line.send(NAT, index * 7919) for index in range(1000)) == PROBE_PACKETS


def test_a_caller_behind_a_nat_is_believed_though_packets_are_lost_and_overtake() -> None:
    """As a line with 30 ms of jitter delivers: every third packet two places late, every tenth not at all."""
    line = Line()
    order = [n + (2 if n % 3 == 0 else 0) - (1 if n % 3 else 0) for n in range(60) if n % 10 != 7]
    verdicts = [line.send(NAT, 65_530 + n) for n in order]
    assert all(verdicts[8:])
    assert line.lock.target == NAT


def test_a_stranger_cannot_keep_a_caller_behind_a_nat_from_being_believed() -> None:
    line = Line(SourceLock(CALLER, PROXY, symmetric=True))
    for index in range(20):
        line.send(STRANGER, index, pace_ms=10)
        line.send(NAT, 900 + index, pace_ms=10)
    assert line.lock.target == NAT


# ── somebody is believed ──


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (NAT, NAT_ANEW),
        (KEPT_PORT, NAT),
        (CALLER, NAT),
        (CALLER, KEPT_PORT),
        (CALLER, CALLER_ELSEWHERE),
        (NAT, CALLER_ELSEWHERE),
    ],
)
@pytest.mark.parametrize(("silent_ms", "lost"), [(40, 2), (100, 0), (100, 4), (3000, 0), (3000, 149), (60_000, 0)])
def test_a_stream_that_goes_on_from_a_host_of_the_call_is_followed_when_the_old_source_is_silent(
    old: Address, new: Address, silent_ms: float, lost: int
) -> None:
    """A NAT that forgot its port; a relay that took the place of another."""
    line = talking(old).wait(silent_ms)
    assert line.send(new, 100 + lost, 50) == 50
    assert line.lock.target == new


def test_two_packets_are_lost_of_a_stream_that_moves() -> None:
    line = talking()
    assert line.send(NAT, 100, 50) == 48


def test_a_stream_whose_numbers_wrap_as_it_moves_is_followed() -> None:
    line = Line()
    line.send(NAT, 65_436, 100)
    assert line.wait(200).send(NAT_ANEW, 65_536, 5) == 5


@pytest.mark.parametrize(
    ("sequence", "ssrc"),
    [(100, 2), (0, 1), (59, 1), (5000, 1), (40_000, 1), (160, 1)],
)
def test_another_stream_is_not_followed_however_long_the_old_source_is_silent(sequence: int, ssrc: int) -> None:
    line = talking().wait(100 if sequence == 160 else 25_000)
    assert line.send(NAT, sequence, 40, ssrc=ssrc, pace_ms=0.01) == 0
    assert line.lock.target == CALLER


def test_a_stream_is_not_followed_to_a_host_that_the_call_has_nothing_to_do_with() -> None:
    line = talking().wait(500)
    assert line.send(STRANGER, 100, 1000) == 0
    assert line.lock.target == CALLER


def test_a_symmetric_trunk_follows_the_stream_to_another_relay() -> None:
    line = talking(lock=SourceLock(CALLER, PROXY, symmetric=True)).wait(100)
    assert line.send(STRANGER, 100, 6) == 0, "the old source has not been silent for 250 ms"
    assert line.send(STRANGER, 106, 50) >= 47
    assert line.lock.target == STRANGER
    assert line.wait(300).send(("198.51.100.9", 1), 1, 50, ssrc=77) == 0


def test_two_who_send_the_same_stream_at_once_are_told_apart_by_who_was_there_first() -> None:
    line = talking(NAT)
    heard = [(line.send(NAT, n, pace_ms=10), line.send(NAT_ANEW, n, pace_ms=10)) for n in range(100, 600)]
    assert heard == [(1, 0)] * 500
    assert line.lock.target == NAT


def test_a_gap_of_some_lost_packets_lets_nobody_in() -> None:
    line = talking().wait(40)
    assert line.send(NAT, 102, pace_ms=1) == 0


def test_ten_thousand_guesses_at_a_silent_callers_stream_hit_nothing() -> None:
    line = talking().wait(2000)
    guesses = ((line.send((PROXY, 1024 + n % 60_000), n * 7, ssrc=2 + n, pace_ms=0.001)) for n in range(10_000))
    assert sum(guesses) == 0
    assert line.lock.target == CALLER


def test_late_packets_from_the_old_address_are_heard_and_do_not_take_the_stream_back() -> None:
    line = talking().wait(100)
    assert line.send(NAT, 104, 3) == 3
    assert line.send(CALLER, 101, 2) == 2
    assert line.lock.target == NAT
    assert line.send(CALLER, 107) == 1
    assert line.lock.target == CALLER, "it is back"


def test_the_believed_source_may_send_another_stream() -> None:
    """A music server behind the same relay: SSRC and numbers are new, the address is not."""
    line = talking()
    assert line.send(CALLER, 9000, 50, ssrc=2) == 50


# ── signalling comes from elsewhere ──


def moved(to: str = "198.18.0.7") -> Line:
    line = talking(NAT)
    line.lock.signalling_moved(to)
    return line


def test_a_phone_in_another_network_is_heard_there_after_its_re_invite_though_its_stream_is_new() -> None:
    line = moved().wait(100)
    new = ("198.18.0.7", 50_000)
    assert line.send(new, 9, 5, ssrc=5) == 5
    assert line.lock.target == NAT
    assert line.send(new, 14, 50, ssrc=5) == 50
    assert line.lock.target == new
    assert line.send(STRANGER, 64) == 0


def test_who_sends_from_the_new_host_of_signalling_is_not_heard_while_the_old_source_sends() -> None:
    """A carrier's other proxy has sent the session refresh; the relay is the same."""
    line = moved()
    heard = [
        (line.send(NAT, n, pace_ms=10), line.send(("198.18.0.7", 1), n, ssrc=9, pace_ms=10)) for n in range(100, 300)
    ]
    assert heard == [(1, 0)] * 200


def test_the_old_host_of_signalling_is_forgotten_but_for_the_stream() -> None:
    line = moved().wait(200)
    assert line.send(NAT_ANEW, 9, 20, ssrc=8) == 0
    assert line.send(NAT_ANEW, 100, 20) == 20, "the host of the source believed last"


def test_the_stream_may_go_on_at_once_when_another_address_is_signalled() -> None:
    line = talking(NAT)
    line.lock = SourceLock(("10.9.9.9", 7000), "198.18.0.7", before=line.lock)
    assert line.send(("198.18.0.7", 50_000), 100, 3, pace_ms=20) == 3
    assert line.lock.target == ("198.18.0.7", 50_000)


# ── authenticated ──


def test_who_has_the_key_is_followed_anywhere_when_the_old_source_is_silent() -> None:
    line = Line()
    line.lock.authenticated = True
    assert line.send(STRANGER, 0, 50) == 50
    assert line.lock.target == STRANGER
    assert line.send(NAT, 50, pace_ms=10) == 0, "somebody on the way may have sent it on"
    assert line.wait(100).send(NAT, 9000, 5, ssrc=9) == 5
    assert line.send(CALLER, 9005, ssrc=9) == 1
    assert line.lock.target == CALLER


def test_only_hosts_of_the_call_show_that_it_lives() -> None:
    line = talking(NAT)
    assert all(line.lock.is_of_call(host) for host in (PROXY, CALLER[0]))
    assert not line.lock.is_of_call(STRANGER[0])
