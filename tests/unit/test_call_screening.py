"""Who may open a call: what is refused, with which answer, and what it leaves behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, cast

import pytest

from telephony.call.inbound.admission import Admission
from telephony.call.inbound.callers_without_trunk import TrunklessLimit
from telephony.call.inbound.incoming import IdentifiedCaller
from telephony.call.inbound.screening import CallScreening, RequestRejected, check_extensions
from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.events import SourceRefused, TelephonyEvent
from telephony.sip.challenge import Challenger
from telephony.sip.digest import Challenge, Credentials, DigestClient
from telephony.sip.endpoint import Endpoint
from telephony.sip.flood_guard import FloodGuard
from telephony.sip.hop import Hop
from telephony.sip.message import Request, Response, SipError, parse, respond
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry
from tests.unit.call_support import OURS, SDP, VIDEO
from tests.unit.virtual_clock import virtual_clock

CARRIER, PBX, STRANGER = "192.0.2.1", "192.0.2.2", "198.51.100.7"
TRUNKS = {
    "carrier": Trunk.model_validate({"name": "carrier", "peers": CARRIER, "max_calls": 1}),
    "pbx": Trunk.model_validate({"name": "pbx", "peers": PBX, "users": {"pbx": "secret"}}),
}


class Address:
    """What is asked of an endpoint here."""

    def local_host(self, hop: Hop) -> str:
        return OURS


class Door:
    """A screening with all that it tells."""

    def __init__(self, *, takes_strangers: bool = True, max_calls: int = 4, per_s: float = 1000.0) -> None:
        self.events: list[TelephonyEvent] = []
        self.calls = 0
        self.guard = FloodGuard(on_event=self.events.append)
        self.admission = Admission(max_calls, per_s)
        self.challenger = Challenger("voicebot")
        self.screening = CallScreening(
            cast("Endpoint", Address()),
            TrunkRegistry(trunks=TRUNKS),
            self.admission,
            lambda: self.calls,
            anonymous=TrunklessLimit(max_calls, lambda: True) if takes_strangers else None,
            guard=self.guard,
            on_event=self.events.append,
            challenger=self.challenger,
        )

    @property
    def refused(self) -> list[tuple[str, str, str]]:
        found = [one for one in self.events if isinstance(one, SourceRefused)]
        return [(one.why, one.host, one.trunk) for one in found]


def hop(host: str, protocol: Any = "udp") -> Hop:
    return Hop(protocol, host, 5060)


def invite(*headers: str, body: bytes = SDP, uri: str = "sip:bot@192.0.2.9", kind: str = "application/sdp") -> Request:
    lines = [
        f"INVITE {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:ann@192.0.2.1>;tag=ann",
        "To: <sip:bot@192.0.2.9>",
        "Call-ID: call-1",
        "CSeq: 1 INVITE",
        "Contact: <sip:ann@192.0.2.1>",
        *headers,
        *([f"Content-Type: {kind}"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    parsed = parse("\r\n".join([*lines, "", ""]).encode() + body)
    assert isinstance(parsed, Request)
    return parsed


def proven(door: Door, password: str, client: DigestClient | None = None) -> Request:
    """The INVITE of the PBX with the answer to a challenge that it has just had."""
    client = client or DigestClient(Credentials("pbx", password))
    with pytest.raises(RequestRejected) as refused:
        door.screening.identify(invite(), hop(PBX))
    challenge = respond(invite(), 401, tag="t", headers=refused.value.headers)
    answered = invite()
    assert isinstance(challenge, Response) and client.answer(challenge, answered)
    return answered


# ── whose call it is ──


@virtual_clock
async def test_a_caller_is_known_by_his_address_and_gets_his_trunks_terms() -> None:
    door = Door()
    caller = door.screening.identify(invite(), hop(CARRIER))
    assert caller.trunk is TRUNKS["carrier"] and caller.user == ""
    stranger = door.screening.identify(invite(), hop(STRANGER))
    assert stranger.trunk is None and stranger.terms == Terms() and door.refused == []


@virtual_clock
async def test_where_strangers_are_not_taken_they_get_403_whoever_they_call() -> None:
    door = Door(takes_strangers=False)
    for uri in ("sip:bot@192.0.2.9", "sip:nobody@192.0.2.9"):
        with pytest.raises(RequestRejected) as refused:
            door.screening.identify(invite(uri=uri), hop(STRANGER))
        assert (refused.value.status, refused.value.headers, refused.value.cheap) == (403, [], True)
    assert door.refused == [("unlisted", STRANGER, "")] * 2


@virtual_clock
async def test_a_trunk_with_passwords_is_challenged_and_believed_when_it_answers() -> None:
    door = Door()
    caller = door.screening.identify(proven(door, "secret"), hop(PBX))
    assert (caller.trunk, caller.user) == (TRUNKS["pbx"], "pbx") and door.refused == []


@virtual_clock
async def test_a_wrong_password_is_told_and_challenged_again() -> None:
    door = Door()
    with pytest.raises(RequestRejected) as refused:
        door.screening.identify(proven(door, "guess"), hop(PBX))
    assert refused.value.status == 401 and refused.value.headers[0][0] == "WWW-Authenticate"
    assert door.refused == [("digest", PBX, "pbx")]


@virtual_clock
async def test_who_guesses_on_is_shut_out_and_gets_403() -> None:
    door = Door()
    statuses = []
    for _ in range(12):
        with pytest.raises(RequestRejected) as refused:
            door.screening.identify(proven(door, "guess"), hop(PBX))
        statuses.append(refused.value.status)
    assert statuses[0] == 401 and statuses[-1] == 403
    assert [block.host for block in door.guard.blocked(1000.0)] == [PBX]


@virtual_clock
async def test_nobody_can_have_a_trunk_shut_out_by_guessing_with_its_address() -> None:
    """What answers no challenge of ours may have been sent by anybody; a connection, or a real answer, may not."""
    door = Door()
    door.guard.trust([PBX])
    made_up = 'Digest username="pbx", realm="voicebot", nonce="n", uri="sip:bot@192.0.2.9", response="' + "0" * 32 + '"'
    for _ in range(20):
        with pytest.raises(RequestRejected):
            door.screening.identify(invite(f"Authorization: {made_up}"), hop(PBX))
    assert door.refused and not door.guard.blocked(1000.0)
    for _ in range(10):
        with pytest.raises(RequestRejected):
            door.screening.identify(invite(f"Authorization: {made_up}"), hop(PBX, "tcp"))
    assert [block.host for block in door.guard.blocked(1000.0)] == [PBX]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("kin", ["made up", "no nonce", "nonce of another address", "nonce of another server"])
def test_guesses_without_a_nonce_of_that_address_are_refused_after_ten_and_shut_nobody_out(
    kin: str, listed: bool
) -> None:
    @virtual_clock
    async def run() -> None:
        door = Door()
        door.guard.trust([PBX] if listed else [])
        statuses = []
        for _ in range(1000):
            guess = proven(door, "guess")
            theirs = door.challenger.challenge(source="203.0.113.200")
            alien = Challenger("voicebot").challenge(source=PBX)
            nonce = {"made up": "n", "no nonce": "", "nonce of another address": _nonce(theirs)}.get(kin, _nonce(alien))
            value = re.sub('nonce="[^"]*"', f'nonce="{nonce}"' if nonce else 'x="y"', guess.headers["Authorization"])
            guess.headers.set("Authorization", value)
            with pytest.raises(RequestRejected) as refused:
                door.screening.identify(guess, hop(PBX))
            statuses.append(refused.value.status)
        assert statuses == [401] * 9 + [403] * 991
        assert not door.guard.blocked(0.0)
        assert door.screening.identify(proven(door, "secret"), hop(PBX)).user == "pbx", "it is let in as before"

    run()


def _nonce(challenge: list[tuple[str, str]]) -> str:
    return Challenge.parse(challenge[0][1]).nonce


@virtual_clock
async def test_an_answer_that_was_used_before_is_stale_and_no_guess() -> None:
    door = Door()
    answered = proven(door, "secret")
    door.screening.identify(answered, hop(PBX))
    with pytest.raises(RequestRejected) as refused:
        door.screening.identify(answered, hop(PBX))
    assert refused.value.status == 401 and "stale=true" in refused.value.headers[0][1]
    assert door.refused == []


# ── what could never be answered ──


@pytest.mark.parametrize(
    ("headers", "terms", "status", "names"),
    [
        (["Require: 100rel, foo, bar"], Terms(), 420, ("Unsupported", "foo, bar")),
        (["Require: 100rel"], Terms(reliable="off"), 420, ("Unsupported", "100rel")),
        ([], Terms(reliable="required"), 421, ("Require", "100rel")),
        (["Content-Encoding: gzip"], Terms(), 415, ("Accept-Encoding", "identity")),
        (["Supported: timer", "Session-Expires: 60"], Terms(), 422, ("Min-SE", "90")),
    ],
    ids=["extensions", "100rel is off", "100rel is demanded", "compressed", "short session"],
)
def test_what_we_cannot_do_is_refused_with_the_header_that_says_what_we_can(
    headers: Sequence[str], terms: Terms, status: int, names: tuple[str, str]
) -> None:
    @virtual_clock
    async def run() -> None:
        with pytest.raises(SipError) as refused:
            Door().screening.check(invite(*headers), hop(CARRIER), terms)
        assert (refused.value.status, refused.value.headers) == (status, [names])

    run()


@virtual_clock
async def test_an_interval_that_is_long_enough_and_a_caller_without_timers_are_let_through() -> None:
    terms = Terms(timer=SessionTimerPolicy(1800, 90))
    Door().screening.check(invite("Supported: timer", "Session-Expires: 90"), hop(CARRIER), terms)
    Door().screening.check(invite("Session-Expires: 60"), hop(CARRIER), terms)
    with pytest.raises(SipError, match="400"):
        Door().screening.check(invite("Session-Expires: soon"), hop(CARRIER), terms)


@virtual_clock
async def test_a_body_has_to_be_a_session_description_that_can_be_answered() -> None:
    door = Door()
    door.screening.check(invite(body=b""), hop(CARRIER), Terms())
    door.screening.check(invite(kind="Application/SDP;charset=utf-8"), hop(CARRIER), Terms())
    with pytest.raises(SipError) as refused:
        door.screening.check(invite(kind="text/plain"), hop(CARRIER), Terms())
    assert (refused.value.status, refused.value.headers) == (415, [("Accept", "application/sdp")])
    with pytest.raises(SipError, match="488"):
        door.screening.check(invite(body=VIDEO), hop(CARRIER), Terms())
    with pytest.raises(SipError, match="488"):
        door.screening.check(invite(), hop(CARRIER), Terms(srtp="sdes"))


@virtual_clock
async def test_a_sips_uri_is_taken_by_tls_only() -> None:
    door, request = Door(), invite(uri="sips:bot@192.0.2.9")
    door.screening.check(request, hop(CARRIER, "tls"), Terms())
    with pytest.raises(SipError, match="416"):
        door.screening.check(request, hop(CARRIER, "tcp"), Terms())


def test_no_more_extensions_are_named_than_fit() -> None:
    with pytest.raises(RequestRejected) as refused:
        check_extensions(invite("Require: " + ", ".join(f"x{n}" for n in range(200))), Terms())
    assert refused.value.headers[0][1].count(",") == 31


# ── whether there is room ──


@virtual_clock
async def test_a_full_or_draining_server_says_when_to_come_again_and_keeps_no_state() -> None:
    door = Door(max_calls=2)
    door.screening.full(CARRIER)
    door.calls = 2
    with pytest.raises(RequestRejected) as refused:
        door.screening.full(CARRIER, TRUNKS["carrier"])
    assert (refused.value.status, refused.value.headers, refused.value.cheap) == (503, [("Retry-After", "5")], True)
    door.calls, door.admission.draining = 0, True
    with pytest.raises(RequestRejected):
        door.screening.full(STRANGER)
    assert door.refused == [("calls", CARRIER, "carrier"), ("draining", STRANGER, "")]


@virtual_clock
async def test_a_trunk_has_no_more_calls_than_its_file_says_until_one_is_over() -> None:
    door = Door()
    caller = IdentifiedCaller(TRUNKS["carrier"])
    lease = door.screening.admit(caller, CARRIER)
    with pytest.raises(RequestRejected) as refused:
        door.screening.admit(caller, CARRIER)
    assert (refused.value.status, refused.value.headers) == (503, [("Retry-After", "5")])
    assert door.refused == [("calls", CARRIER, "carrier")]
    lease.release()
    door.screening.admit(caller, CARRIER)


@virtual_clock
async def test_one_stranger_does_not_take_all_places() -> None:
    door = Door(max_calls=4)
    leases = [door.screening.admit(IdentifiedCaller(), STRANGER) for _ in range(2)]
    with pytest.raises(RequestRejected):
        door.screening.admit(IdentifiedCaller(), STRANGER)
    door.screening.admit(IdentifiedCaller(), "203.0.113.1")
    with pytest.raises(RequestRejected):
        door.screening.admit(IdentifiedCaller(), "203.0.113.2")
    door.screening.admit(IdentifiedCaller(TRUNKS["carrier"]), CARRIER)
    leases[0].release()
    door.screening.admit(IdentifiedCaller(), STRANGER)


@virtual_clock
async def test_a_burst_of_strangers_leaves_half_of_each_second_to_trunks() -> None:
    door = Door(max_calls=100, per_s=4)
    outcomes = []
    for number in range(4):
        try:
            door.screening.admit(IdentifiedCaller(), f"203.0.113.{number}")
            outcomes.append("taken")
        except RequestRejected as refused:
            outcomes.append(str(refused.status))
    assert outcomes == ["taken", "taken", "503", "503"]
    door.screening.admit(IdentifiedCaller(TRUNKS["carrier"]), CARRIER)
    assert [why for why, _, _ in door.refused] == ["calls-per-second"] * 2


@virtual_clock
async def test_a_stranger_whom_the_rate_refuses_takes_no_place() -> None:
    door = Door(max_calls=4, per_s=1)
    door.screening.admit(IdentifiedCaller(), STRANGER)
    for _ in range(3):
        with pytest.raises(RequestRejected):
            door.screening.admit(IdentifiedCaller(), STRANGER)
    await asyncio.sleep(1)
    door.screening.admit(IdentifiedCaller(), STRANGER)


@virtual_clock
async def test_answers_without_state_bear_the_same_tag_each_time_and_another_for_another_call() -> None:
    door = Door()
    assert door.screening.tag(invite()) == door.screening.tag(invite("X-More: 1"))
    assert door.screening.tag(invite()) != Door().screening.tag(invite()), "a secret is in it"
