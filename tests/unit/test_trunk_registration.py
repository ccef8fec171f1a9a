"""Staying registered, in virtual time: refresh, challenge, 423, failover, back-off, lost flows, farewell."""

from __future__ import annotations

import itertools

import pytest
from trunk_support import FIRST, OTHER, PASSWORD, SECOND, Headers, World, granting, saying

from telephony.sip.challenge import Challenger
from telephony.sip.hop import Hop
from telephony.sip.message import Request, Response, respond
from telephony.trunk.register_response import refresh_s
from telephony.trunk.registration import (
    ATTEMPT_S,
    FIRST_WAIT_S,
    LONGEST_REFUSED_WAIT_S,
    LONGEST_WAIT_S,
    REFUSED_WAIT_S,
    AddressMismatch,
    SendRegister,
)


def test_it_registers_and_refreshes_well_before_the_granted_time_ends() -> None:
    world = World(granting(100))
    world.start()
    assert world.state == "registered"
    world.run(1000)
    gaps = [b - a for a, b in zip(world.times(), world.times()[1:], strict=False)]
    assert len(gaps) >= 19 and all(45 <= gap <= 50 for gap in gaps)
    assert len({round(gap, 3) for gap in gaps}) > 5, "all clients of a provider must not come at once"
    assert [state for _, state in world.told] == ["registered"]
    sequence = [request.head.seq for _, _, request in world.asked]
    assert sequence == list(range(1, len(sequence) + 1))
    assert len({request.head.call_id for _, _, request in world.asked}) == 1


def test_long_registrations_are_refreshed_ten_minutes_before_they_end() -> None:
    assert [refresh_s(granted) for granted in (60, 1200, 3600)] == [30, 600, 3000]


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ([("Contact", "<sip:bot@10.0.0.5:5060;line=77>;expires=120")], 120),
        ([("Contact", "<sip:x@1.1.1.1>;expires=30, <sip:bot@10.0.0.5;line=77>;expires=90")], 90),
        ([("Contact", "<sip:rewritten@192.0.2.9>;expires=40")], 40),
        ([("Contact", "<sip:x@1.1.1.1>;expires=30, <sip:y@1.1.1.2>;expires=50"), ("Expires", "200")], 200),
        ([("Expires", "80")], 80),
        ([("Contact", "<sip:bot@10.0.0.5;line=77>;expires=zebra"), ("Expires", "70")], 70),
        ([("Contact", '"broken <sip:')], 600),
        ([("Contact", "<sip:bot@10.0.0.5;line=77>;expires=9999999999")], 86_400),
        ([], 600),
    ],
)
def test_the_granted_time_is_read_however_the_registrar_says_it(headers: Headers, granted: int) -> None:
    world = World(saying(200, *headers))
    world.start()
    assert world.registration.expires_at_s == granted


def test_a_challenge_is_answered_once_and_the_nonce_is_used_again() -> None:
    challenger = Challenger("a.example", clock=lambda: world.now_s)
    results = []

    def serve(request: Request, hop: Hop) -> Response:
        verdict = challenger.verify(request, "Authorization", {"bot": PASSWORD})
        results.append(verdict.result)
        if verdict.ok:
            return granting(200)(request, hop)  # type: ignore[return-value]
        return respond(request, 401, headers=challenger.challenge(verdict.result == "stale"))

    world = World(serve)
    world.start()
    assert results == ["missing", "ok"]
    world.run(200)
    assert results == ["missing", "ok", "ok", "ok"]
    world.run(400)
    assert "stale" in results and "wrong" not in results and results[-1] == "ok"
    assert [state for _, state in world.told] == ["registered"]


def test_a_wrong_password_is_not_tried_on_and_on() -> None:
    challenger = Challenger("a.example", clock=lambda: 0.0)
    world = World(lambda request, hop: respond(request, 401, headers=challenger.challenge()))
    world.start()
    assert world.state == "refused" and "password" in world.registration.why
    assert len(world.asked) == 2
    world.run(24 * 3600)
    assert len(world.asked) < 2 * 50
    gaps = [b - a for a, b in zip(world.times(), world.times()[1:], strict=False) if b > a]
    assert min(gaps) >= REFUSED_WAIT_S / 2 and max(gaps) <= LONGEST_REFUSED_WAIT_S


def test_a_challenge_that_cannot_be_answered_is_a_refusal() -> None:
    world = World(saying(407, ("Proxy-Authenticate", "Basic realm=x")))
    world.start()
    assert world.state == "refused" and len(world.asked) == 1


def test_423_asks_for_as_long_as_the_registrar_wants() -> None:
    def serve(request: Request, hop: Hop) -> Response | str | None:
        if int(request.headers["Expires"]) < 1800:
            return respond(request, 423, headers=[("Min-Expires", "1800")])
        return granting(1800)(request, hop)

    world = World(serve, expires_s=60)
    world.start()
    assert world.state == "registered"
    assert [request.headers["Expires"] for _, _, request in world.asked] == ["60", "1800"]
    world.run(1800)
    assert [request.headers["Expires"] for _, _, request in world.asked][2:] == ["1800"] * (len(world.asked) - 2)


@pytest.mark.parametrize("least", ["", "0", "30", "999999", "9" * 40, "zebra"])
def test_423_that_cannot_be_met_is_a_refusal(least: str) -> None:
    world = World(saying(423, ("Min-Expires", least)))
    world.start()
    assert world.state == "refused" and len(world.asked) <= 2


def test_the_next_address_and_then_the_next_registrar_is_taken() -> None:
    def serve(request: Request, hop: Hop) -> Response | str | None:
        if hop == FIRST:
            return None
        return "refused" if hop == SECOND else granting()(request, hop)

    world = World(serve, {"sip:a.example": [FIRST, SECOND], "sip:b.example": [OTHER]})
    world.start()
    world.run(ATTEMPT_S)
    assert world.places() == [FIRST, SECOND, OTHER]
    assert world.state == "registered" and world.registration.hop == OTHER
    assert world.asked[2][2].uri.host == "b.example"
    world.run(600)
    assert set(world.places()[3:]) == {OTHER}, "a refresh stays where it is registered"


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_failing_registrar_is_left_for_the_next(status: int) -> None:
    def serve(request: Request, hop: Hop) -> Response | str | None:
        return saying(status)(request, hop) if hop == FIRST else granting()(request, hop)

    world = World(serve, {"sip:a.example": [FIRST], "sip:b.example": [OTHER]})
    world.start()
    assert world.places() == [FIRST, OTHER] and world.state == "registered"


def test_a_refusal_counts_for_all_registrars() -> None:
    world = World(saying(403), {"sip:a.example": [FIRST, SECOND], "sip:b.example": [OTHER]})
    world.start()
    assert world.places() == [FIRST] and world.told == [(0.0, "refused")]


def test_a_refresh_that_fails_moves_to_the_next_registrar() -> None:
    dead: set[Hop] = set()

    def serve(request: Request, hop: Hop) -> Response | str | None:
        return None if hop in dead else granting(100)(request, hop)

    world = World(serve, {"sip:a.example": [FIRST], "sip:b.example": [OTHER]})
    world.start()
    dead.add(FIRST)
    world.run(100)
    assert world.registration.hop == OTHER and world.state == "registered"
    assert [state for _, state in world.told] == ["registered", "registered"]


def test_when_nobody_answers_the_waits_double_up_to_a_limit() -> None:
    world = World(lambda request, hop: None)
    world.start()
    world.run(3600)
    starts = world.times()
    waits = [b - a - ATTEMPT_S for a, b in itertools.pairwise(starts)]
    for number, wait_s in enumerate(waits):
        whole_s = min(FIRST_WAIT_S * 2**number, LONGEST_WAIT_S)
        assert whole_s / 2 <= wait_s <= whole_s
    assert world.state == "down" and "192.0.2.1" in world.registration.why


def test_a_name_without_address_says_why() -> None:
    world = World(granting(), {"sip:a.example": []})
    world.start()
    assert world.state == "down" and world.registration.why == "no such name"


def test_retry_after_is_obeyed_within_bounds() -> None:
    world = World(saying(503, ("Retry-After", "120 (maintenance);duration=3600")))
    world.start()
    world.run(119)
    assert len(world.asked) == 1
    world.run(2)
    assert len(world.asked) == 2
    endless = World(saying(503, ("Retry-After", "9" * 9)))
    endless.start()
    endless.run(LONGEST_REFUSED_WAIT_S + 1)
    assert len(endless.asked) == 2


def test_after_an_outage_the_waits_begin_small_again() -> None:
    silent = True
    world = World(lambda request, hop: None if silent else granting(60)(request, hop))
    world.start()
    world.run(600)
    silent = False
    world.run(LONGEST_WAIT_S)
    assert world.state == "registered"
    silent = True
    world.run(60)
    assert world.state == "down"
    due_s = world.registration.next_s()
    assert due_s is not None and due_s - world.now_s <= ATTEMPT_S + 2 * FIRST_WAIT_S


def test_a_lost_connection_is_registered_again_soon() -> None:
    world = World(granting(), {"sip:b.example": [OTHER]})
    world.start()
    world.do(world.registration.lost(FIRST, "", world.now_s))
    assert world.state == "registered", "another hop's connection is not ours"
    world.do(world.registration.lost(OTHER, "reset by peer", world.now_s))
    assert world.state == "down" and "reset by peer" in world.registration.why
    world.run(2)
    assert world.state == "registered" and len(world.asked) == 2


def test_the_farewell_asks_for_0_seconds_and_answers_its_challenge() -> None:
    challenger = Challenger("a.example", clock=lambda: 0.0)

    def serve(request: Request, hop: Hop) -> Response | str | None:
        if request.headers["Expires"] == "0" and "Authorization" not in list(request.headers.keys()):
            return respond(request, 401, headers=challenger.challenge())
        return granting()(request, hop)

    world = World(serve)
    world.start()
    world.stop()
    assert world.state == "over"
    assert [request.headers["Expires"] for _, _, request in world.asked] == ["600", "0", "0"]
    assert world.registration.next_s() is None


@pytest.mark.parametrize("answer", [None, "no route"])
def test_a_farewell_without_answer_ends_too(answer: str | None) -> None:
    world = World(granting())
    world.start()
    world.serve = lambda request, hop: answer
    world.stop()
    world.run(ATTEMPT_S)
    assert world.state == "over"


def test_a_registration_under_way_is_taken_back() -> None:
    world = World(lambda request, hop: None)
    world.start()
    world.serve = granting()
    world.stop()
    assert world.state == "over"
    assert [request.headers["Expires"] for _, _, request in world.asked] == ["600", "0"]


def test_an_unregistered_one_is_over_at_once() -> None:
    world = World(saying(403))
    world.start()
    world.stop()
    assert world.state == "over" and len(world.asked) == 1


def test_late_answers_of_given_up_attempts_change_nothing() -> None:
    held: list[SendRegister] = []
    world = World(lambda request, hop: None)
    real = world.ask

    def ask(request: SendRegister) -> None:
        held.append(request)
        real(request)

    world.ask = ask  # type: ignore[method-assign]
    world.start()
    world.run(ATTEMPT_S)
    assert world.state == "down"
    late = granting()(held[0].request, FIRST)
    assert isinstance(late, Response)
    world.do(world.registration.answered(held[0].attempt, late, world.now_s))
    assert world.state == "down"


def test_the_service_route_is_kept_while_registered() -> None:
    route = "<sip:orig@edge.a.example;lr>, <sip:p2.a.example;lr>"
    world = World(granting(600, ("Service-Route", route)))
    world.start()
    assert world.registration.service_route == ("<sip:orig@edge.a.example;lr>", "<sip:p2.a.example;lr>")
    world.serve = saying(403)
    world.run(600)
    assert world.state == "refused" and world.registration.service_route == ()
    broken = World(granting(600, ("Service-Route", "<sip:broken")))
    broken.start()
    assert broken.registration.service_route == ()


def test_being_seen_elsewhere_is_told_once() -> None:
    world = World(granting(60))
    world.via += ";received=203.0.113.9;rport=41000"
    world.via = world.via.replace(";rport;", ";")
    world.start()
    world.run(100)
    assert world.seen == [AddressMismatch("203.0.113.9", 41000, "10.0.0.5", 5060)]
    same = World(granting(60))
    same.via = "SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1;received=10.0.0.5;rport=5060"
    same.start()
    assert same.seen == []


def test_the_port_of_our_own_connection_is_nothing_to_tell() -> None:
    world = World(granting(60), {"sip:b.example": [OTHER]})
    world.via = "SIP/2.0/TCP 10.0.0.5:5060;branch=z9hG4bK1;received=10.0.0.5;rport=38122"
    world.start()
    assert world.seen == []
