"""Which trunk a request comes over, and as whom and where a call over it goes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from telephony.sip.hop import Hop
from telephony.sip.message import Request, parse, parse_uri
from telephony.trunk.caller_id import ANONYMOUS, CallingParty, allowed, outgoing_identity
from telephony.trunk.health import MISSES, Health
from telephony.trunk.identify import TrunkMatcher, token_of
from telephony.trunk.limits import ChannelLease, Limits, TrunkFull
from telephony.trunk.model import Trunk
from telephony.trunk.next_hops import find_next_hops, request_uri, with_transport


def trunk(name: str = "acme", **values: object) -> Trunk:
    return Trunk.model_validate({"name": name, **values})


def invite(uri: str = "sip:bot@198.51.100.9", *lines: str) -> Request:
    head = [
        f"INVITE {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1",
        "From: <sip:ann@example.net>;tag=1",
        f"To: <{uri}>",
        "Call-ID: 1",
        "CSeq: 1 INVITE",
        *lines,
    ]
    request = parse(("\r\n".join(head) + "\r\n\r\n").encode())
    assert isinstance(request, Request)
    return request


def found(
    trunks: list[Trunk],
    host: str,
    request: Request | None = None,
    *,
    port: int = 5060,
    protocol: str = "udp",
    registered: str = "",
    addresses: Mapping[str, Mapping[str, frozenset[str]]] | None = None,
) -> str:
    source = Hop(protocol, host, port)  # type: ignore[arg-type]
    callers = TrunkMatcher({t.name: t for t in sorted(trunks, key=lambda t: t.name)})
    for name, known in (addresses or {}).items():
        callers.learn(name, known)
    one = callers.find(source, request or invite(), registered)
    return one.name if one is not None else ""


WIDE = trunk("wide", peers=["10.0.0.0/8", "2001:db8::/32"])
NARROW = trunk("narrow", peers=["10.1.0.0/16", "tls 10.2.0.1", "2001:db8:1::/48"])
PORT = trunk("port", peers=["10.1.2.3:5080", "10.1.2.3"])


@pytest.mark.parametrize(
    ("host", "port", "protocol", "name"),
    [
        ("10.200.0.1", 5060, "udp", "wide"),
        ("10.1.9.9", 5060, "udp", "narrow"),
        ("10.1.2.3", 5080, "udp", "port"),
        ("10.1.2.3", 5081, "tcp", "port"),
        ("10.2.0.1", 5060, "tls", "narrow"),
        ("10.2.0.1", 5060, "udp", "wide"),
        ("2001:db8:2::1", 5060, "udp", "wide"),
        ("2001:db8:1::1", 5060, "udp", "narrow"),
        ("::ffff:10.1.9.9", 5060, "udp", "narrow"),
        ("fe80::1%eth0", 5060, "udp", ""),
        ("11.0.0.1", 5060, "udp", ""),
    ],
)
def test_the_longest_mask_decides_then_port_and_transport(host: str, port: int, protocol: str, name: str) -> None:
    assert found([WIDE, NARROW, PORT], host, port=port, protocol=protocol) == name


def test_a_host_name_is_a_peer_by_the_addresses_it_has_now() -> None:
    named = trunk("named", peers="sbc.example.net")
    known = {"named": {"sbc.example.net": frozenset({"10.3.0.1"})}}
    assert found([WIDE, named], "10.3.0.1", addresses=known) == "named"
    assert found([WIDE, named], "10.3.0.2", addresses=known) == "wide"


A = trunk("a", to="sip.p.net", register={"user": "111", "password": "x"})
B = trunk("b", to="sip.p.net", register={"user": "222", "password": "x", "contact_user": "line2"})
ADDRESSES = {name: {"sip:sip.p.net": frozenset({"192.0.2.1"})} for name in "ab"}


@pytest.mark.parametrize(
    ("uri", "name"),
    [("sip:222@198.51.100.9", "b"), ("sip:line2@h", "b"), ("sip:111@h", "a"), ("sip:999@h", "a")],
)
def test_of_two_accounts_with_one_provider_the_called_number_decides(uri: str, name: str) -> None:
    assert found([A, B], "192.0.2.1", invite(uri), addresses=ADDRESSES) == name
    assert found([A, B], "192.0.2.9", invite(uri), addresses=ADDRESSES) == ""


def test_our_own_contact_tells_the_line_wherever_the_call_comes_from() -> None:
    token = token_of(B)
    assert len(token) == 16 and token != token_of(A) and token == token_of(B)
    assert found([A, B], "8.8.8.8", invite(f"sip:111@h;line={token}")) == "b"
    assert found([A, B], "8.8.8.8", invite(f"sip:111@h;line={token[:-1]}")) == ""
    assert found([A, B], "8.8.8.8", invite("sip:111@h;line")) == ""


def test_a_registered_phone_is_known_before_all_masks() -> None:
    assert found([WIDE, NARROW], "10.1.9.9", registered="wide") == "wide"


def test_callers_from_anywhere_are_told_apart_by_the_user_they_claim_to_be() -> None:
    phones, softphones = trunk("phones", users={"ann": "x"}), trunk("softphones", users={"bob": "x"})
    both = [phones, softphones, WIDE]
    claim = 'Authorization: Digest username="bob", realm="r", nonce="n", uri="sip:h", response="0"'
    assert found(both, "8.8.8.8") == "phones"
    assert found(both, "8.8.8.8", invite("sip:bot@h", claim)) == "softphones"
    assert found(both, "8.8.8.8", invite("sip:bot@h", claim.replace("bob", "eve"))) == "phones"
    assert found(both, "8.8.8.8", invite("sip:bot@h", "Authorization: Basic x")) == "phones"
    assert found(both, "10.9.9.9", invite("sip:bot@h", claim)) == "wide"


# ── as whom ──


def test_from_is_the_trunks_number_and_the_provider_is_told_who_asserts_it() -> None:
    one = trunk(
        to="sip.p.net",
        register={"user": "+49301", "password": "x", "auth_user": "u"},
        caller_id={"name": "Northwind", "asserted": True},
        headers={"X-A": "1"},
    )
    worn = outgoing_identity(one, CallingParty(), "192.0.2.20")
    assert worn.from_ == '"Northwind" <sip:+49301@sip.p.net>'
    assert worn.headers == (("P-Asserted-Identity", '"Northwind" <sip:+49301@sip.p.net>'), ("X-A", "1"))
    assert worn.credentials is not None
    assert (worn.credentials.username, worn.credentials.password) == ("u", "x")
    assert worn.contact_user == "+49301"
    assert "'x'" not in repr(worn)


def test_a_calls_own_number_goes_into_from_only() -> None:
    one = trunk(to="p.net", caller_id={"user": "+49301", "asserted": True})
    worn = outgoing_identity(one, CallingParty("+43155", "Ann"), "2001:db8::9")
    assert worn.from_ == '"Ann" <sip:+43155@[2001:db8::9]>'
    assert worn.headers == (("P-Asserted-Identity", '"Ann" <sip:+49301@[2001:db8::9]>'),)


def test_a_hidden_number_is_in_no_header_but_the_asserted_one() -> None:
    one = trunk(to="p.net", caller_id={"user": "+49301", "name": "Northwind"})
    worn = outgoing_identity(one, CallingParty(private=True), "192.0.2.20")
    assert worn.from_ == ANONYMOUS
    assert worn.headers == (("P-Asserted-Identity", '"Northwind" <sip:+49301@192.0.2.20>'), ("Privacy", "id"))


def test_a_login_without_registration_answers_challenges() -> None:
    worn = outgoing_identity(trunk(to="p.net", login={"user": "bot", "password": "x"}), CallingParty(), "192.0.2.20")
    assert worn.credentials is not None and worn.credentials.username == "bot"
    assert worn.from_ == "<sip:voicebot@192.0.2.20>"
    assert outgoing_identity(None, CallingParty("a"), "192.0.2.20").from_ == "<sip:a@192.0.2.20>"


@pytest.mark.parametrize("evil", ['a"\r\nVia: x', "a>b", "a@b;tag=1", "\x00"])
def test_no_name_or_number_makes_a_header(evil: str) -> None:
    worn = outgoing_identity(trunk(to="p.net"), CallingParty(evil, evil), "192.0.2.20")
    assert "\r" not in worn.from_ and "\n" not in worn.from_
    assert worn.from_.count("<") == 1 and worn.from_.endswith("@192.0.2.20>")


# ── whom ──


@pytest.mark.parametrize(
    ("uri", "ok"),
    [
        ("sip:+4930123@acme", True),
        ("sip:+49-30-(123)@ACME", True),
        ("tel:+4930123", True),
        ("sip:+4930123@pbx.net", True),
        ("sip:+1900555@acme", False),
        ("sip:0049@acme", False),
        ("sip:+4930123@evil.net", False),
        ("sip:reception@pbx.net", True),
        ("sip:reception@acme", True),
        ("sip:Reception@PBX.net", True),
        ("sip:other@pbx.net", False),
        ("sip:anybody@desk.net", True),
        ("sip:+1900555@desk.net", True),
        ("sip:acme", False),
    ],
)
def test_only_listed_destinations_may_be_called(uri: str, ok: bool) -> None:
    one = trunk(to="pbx.net", destinations=["+49*", "sip:reception@pbx.net", "sip:*@desk.net"])
    assert allowed(one, parse_uri(uri)) is ok


def test_nothing_may_be_called_when_nothing_is_listed_but_registered_users() -> None:
    one = trunk("pbx", to="pbx.net", users={"200": "x"}, accept_registrations={})
    assert allowed(one, parse_uri("sip:200@pbx"))
    assert not allowed(one, parse_uri("sip:200@pbx.net"))
    assert not allowed(one, parse_uri("sip:201@pbx"))


# ── where ──


@pytest.mark.parametrize(
    ("values", "uri", "shown"),
    [
        ({"to": "sip.p.net:5070"}, "sip:+49@acme", "sip:+49@sip.p.net:5070"),
        ({"to": "sips:p.net"}, "tel:+49", "sips:+49@p.net"),
        ({"to": "192.0.2.1"}, "sip:bob@other.net;user=phone", "sip:bob@other.net;user=phone"),
        (
            {"to": "edge.p.net", "register": {"user": "1", "password": "x", "domain": "p.net"}},
            "sip:+49@acme",
            "sip:+49@p.net",
        ),
    ],
)
def test_the_request_names_the_number_at_the_peer(values: dict[str, object], uri: str, shown: str) -> None:
    one = trunk(**values)
    assert str(request_uri(one, with_transport(one, one.targets[0]), parse_uri(uri))) == shown


class Lookup:
    """Every name has one address."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def __call__(self, uri: object, profile: str, name: str) -> list[Hop]:
        self.asked.append((str(uri), profile, name))
        if "gone" in str(uri):
            raise OSError("no such name")
        return [Hop("tls", f"192.0.2.{len(self.asked)}", 5061, name=name, profile=profile)]


async def test_all_targets_are_ways_and_one_that_is_gone_is_left_out() -> None:
    lookup = Lookup()
    one = trunk(to=["a.net", "gone.net", "b.net"], transport="tls", tls={"name": "sbc.net"}, advertise="203.0.113.9")
    next_hops, problem = await find_next_hops(one, parse_uri("sip:1@acme"), lookup)
    assert [str(next_hop.uri) for next_hop in next_hops] == ["sip:1@a.net", "sip:1@b.net"]
    assert [next_hop.hop for next_hop in next_hops] == [
        Hop("tls", f"192.0.2.{n}", 5061, name="sbc.net", profile="acme", advertise="203.0.113.9") for n in (1, 3)
    ]
    assert lookup.asked[0] == ("sip:a.net;transport=tls", "acme", "sbc.net")
    assert str(problem) == "no such name"


@pytest.mark.parametrize(
    ("proxy", "service_route", "asked", "routes"),
    [
        (None, (), "sip:p.net", ()),
        (None, ("<sip:s.net;lr>",), "sip:s.net;lr", ("<sip:s.net;lr>",)),
        ("edge.net", (), "sip:edge.net", ()),
        ("sip:edge.net;lr", (), "sip:edge.net;lr", ("<sip:edge.net;lr>",)),
        ("sip:edge.net;lr", ("<sip:s.net;lr>",), "sip:edge.net;lr", ("<sip:edge.net;lr>", "<sip:s.net;lr>")),
    ],
)
async def test_the_outbound_proxy_comes_first_then_the_service_route(
    proxy: str | None, service_route: tuple[str, ...], asked: str, routes: tuple[str, ...]
) -> None:
    lookup = Lookup()
    one = trunk(to="p.net", outbound_proxy=proxy) if proxy else trunk(to="p.net")
    next_hops, _ = await find_next_hops(one, parse_uri("sip:1@acme"), lookup, service_route)
    assert lookup.asked[0][0] == asked
    assert next_hops[0].routes == routes


# ── limits and health ──


def test_no_more_calls_than_the_trunk_has_lines() -> None:
    one, limits = trunk(to="a", max_calls=2), Limits()
    tickets = [limits.admit(one, 0.0) for _ in range(3)]
    assert tickets[2] == TrunkFull(503, 5, "calls")
    first = tickets[0]
    assert isinstance(first, ChannelLease)
    first.release()
    first.release()
    assert limits.live == 1
    assert isinstance(limits.admit(one, 0.0), ChannelLease)
    assert limits.admit(trunk(to="a", max_calls=2, when_full=486), 0.0) == TrunkFull(486, None, "calls")


def test_live_calls_stay_counted_under_new_limits() -> None:
    limits = Limits()
    limits.admit(trunk(to="a"), 0.0)
    assert isinstance(limits.admit(trunk(to="a", max_calls=1), 0.0), TrunkFull)
    assert limits.live == 1


def test_new_calls_come_a_seconds_worth_at_once_and_then_evenly() -> None:
    one, limits = trunk(to="a", max_new_per_s=5), Limits()
    at_once = [limits.admit(one, 100.0) for _ in range(7)]
    assert [isinstance(answer, ChannelLease) for answer in at_once] == [True] * 5 + [False] * 2
    assert at_once[5] == TrunkFull(503, 1, "calls-per-second")
    later = [isinstance(limits.admit(one, 100.0 + n / 100), ChannelLease) for n in range(1, 1001)]
    assert sum(later) == 50


def test_less_than_one_call_a_second_says_when_to_come_back() -> None:
    one, limits = trunk(to="a", max_new_per_s=0.1), Limits()
    assert isinstance(limits.admit(one, 0.0), ChannelLease)
    assert limits.admit(one, 2.0) == TrunkFull(503, 8, "calls-per-second")
    assert isinstance(limits.admit(one, 10.0), ChannelLease)


def test_a_refused_call_takes_no_place() -> None:
    one, limits = trunk(to="a", max_calls=1, max_new_per_s=1), Limits()
    assert isinstance(limits.admit(one, 0.0), ChannelLease)
    for _ in range(10):
        assert isinstance(limits.admit(one, 5.0), TrunkFull)
    assert limits.live == 1


def test_a_hop_is_down_after_two_misses_and_up_after_one_answer() -> None:
    good, bad, new = (Hop("udp", f"192.0.2.{n}", 5060) for n in (1, 2, 3))
    health = Health()
    assert health.state == "unknown"
    health.watch([bad, good])
    for _ in range(MISSES - 1):
        health.missed(bad)
    assert health.of(bad) == "unknown" and health.state == "unknown"
    health.missed(bad)
    assert health.of(bad) == "down" and health.state == "unknown"
    health.answered(good)
    assert health.state == "up"
    assert health.of(new) == "unknown"
    health.answered(bad)
    assert health.of(bad) == "up"


def test_a_trunk_is_down_when_all_its_hops_are() -> None:
    hops = [Hop("udp", f"192.0.2.{n}", 5060) for n in (1, 2)]
    health = Health()
    health.watch(hops)
    for hop in hops * MISSES:
        health.missed(hop)
    assert health.state == "down"
    health.watch([hops[0], Hop("udp", "192.0.2.9", 5060)])
    assert health.of(hops[0]) == "down" and health.state == "unknown"
    health.answered(hops[1])
    assert health.of(hops[1]) == "unknown", "no longer one of the trunk's"
