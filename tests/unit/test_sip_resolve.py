"""Where a URI leads, by RFC 3263, with a DNS of our own making."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from telephony.sip import dns_client, resolve
from telephony.sip.failed_hops import MAX_PENALTIES, PENALTY_S, FailedHops
from telephony.sip.hop import Hop
from telephony.sip.message import parse_uri
from telephony.sip.resolve import MAX_HOPS, DnsClient, Kind, Resolver

IPV4, IPV6 = socket.AF_INET, socket.AF_INET6

ZONE = {
    "naptr.example NAPTR": [
        '20 10 "s" "SIP+D2U" "" _sip._udp.naptr.example.',
        '10 20 "s" "SIP+D2T" "" _sip._tcp.naptr.example.',
        '10 10 "s" "SIPS+D2T" "" _sips._tcp.naptr.example.',
        '5 10 "s" "SIP+D2S" "" _sip._sctp.naptr.example.',
        '5 10 "u" "E2U+sip" "!^.*$!sip:x@evil.example!" .',
    ],
    "_sips._tcp.naptr.example SRV": ["10 0 5081 a.naptr.example."],
    "_sip._tcp.naptr.example SRV": ["10 0 5080 a.naptr.example."],
    "_sip._udp.naptr.example SRV": ["20 0 5090 b.naptr.example.", "10 0 5091 a.naptr.example."],
    "a.naptr.example A": ["192.0.2.1"],
    "a.naptr.example AAAA": ["2001:db8::1"],
    "b.naptr.example A": ["192.0.2.2", "192.0.2.3"],
    "srv.example A": ["192.0.2.80"],
    "_sip._udp.srv.example SRV": ["1 0 5060 one.srv.example."],
    "_sip._tcp.srv.example SRV": ["1 0 5062 one.srv.example."],
    "_sips._tcp.srv.example SRV": ["1 0 5061 one.srv.example."],
    "one.srv.example A": ["192.0.2.10"],
    "plain.example A": ["192.0.2.20"],
    "plain.example AAAA": ["2001:db8::20"],
    "gone.example A": ["192.0.2.30"],
    "_sip._udp.gone.example SRV": ["0 0 0 ."],
    "six.example AAAA": ["2001:db8::6"],
    "many.example A": [f"192.0.2.{n}" for n in range(1, 60)],
    "downgrade.example NAPTR": ['10 10 "s" "SIP+D2U" "" _sip._udp.srv.example.'],
    "downgrade.example A": ["192.0.2.40"],
}


async def look_up(name: str, kind: Kind) -> list[Any]:
    if name.startswith("broken") or name.endswith("broken.example"):
        raise OSError(f"no nameserver answers for {name}")
    texts = ZONE.get(f"{name} {kind}", [])
    return [dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text) for text in texts]


async def hops(uri: str, families: tuple[socket.AddressFamily, ...] = (IPV4,), **more: str) -> list[str]:
    found = await Resolver(look_up, families, random.Random(1)).hops(parse_uri(uri), **more)
    return [str(hop) for hop in found]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:192.0.2.9", ["udp:192.0.2.9:5060"]),
        ("sip:192.0.2.9:5070;transport=tcp", ["tcp:192.0.2.9:5070"]),
        ("sip:192.0.2.9;transport=tls", ["tls:192.0.2.9:5061"]),
        ("sips:192.0.2.9", ["tls:192.0.2.9:5061"]),
        ("sips:192.0.2.9;transport=tcp", ["tls:192.0.2.9:5061"]),
        ("sip:x@elsewhere;maddr=192.0.2.9", ["udp:192.0.2.9:5060"]),
        ("sip:plain.example", ["udp:192.0.2.20:5060"]),
        ("sip:plain.example:5080", ["udp:192.0.2.20:5080"]),
        ("sips:plain.example", ["tls:192.0.2.20:5061"]),
        ("sip:srv.example:5099", ["udp:192.0.2.80:5099"]),
        ("sip:srv.example;transport=tcp", ["tcp:192.0.2.10:5062"]),
        ("sip:srv.example;transport=tls", ["tls:192.0.2.10:5061"]),
        ("sip:srv.example", ["udp:192.0.2.10:5060", "tcp:192.0.2.10:5062"]),
        (
            "sip:naptr.example",
            [
                "tls:192.0.2.1:5081",
                "tcp:192.0.2.1:5080",
                "udp:192.0.2.1:5091",
                "udp:192.0.2.2:5090",
                "udp:192.0.2.3:5090",
            ],
        ),
        ("sips:naptr.example", ["tls:192.0.2.1:5081"]),
    ],
)
async def test_a_uri_leads_where_rfc_3263_says(uri: str, expected: list[str]) -> None:
    assert await hops(uri) == expected


@pytest.mark.parametrize("uri", [f"sips:{host}" for host in ("naptr.example", "srv.example", "downgrade.example")])
async def test_a_sips_uri_gives_tls_hops_only_whatever_the_dns_says(uri: str) -> None:
    assert all(hop.startswith("tls:") for hop in await hops(uri))


@pytest.mark.parametrize("uri", ["sips:a.example;transport=udp", "sip:a.example;transport=sctp", "tel:+15551234"])
async def test_what_has_no_transport_is_refused(uri: str) -> None:
    with pytest.raises(OSError, match=r"no transport|a trunk has to be chosen"):
        await hops(uri)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("sip:nobody.example", "nobody.example has no address"),
        ("sip:six.example", "no address that we can reach"),
        ("sip:[2001:db8::9]", "no address that we can reach"),
        ("sip:gone.example;transport=udp", "says that there is no such service"),
        ("sip:broken.example", "no nameserver answers"),
    ],
)
async def test_what_leads_nowhere_is_said_in_words(uri: str, words: str) -> None:
    with pytest.raises(OSError, match=words):
        await hops(uri)


async def test_the_family_that_we_listen_on_first_is_preferred() -> None:
    assert await hops("sip:plain.example", (IPV6, IPV4)) == ["udp:[2001:db8::20]:5060", "udp:192.0.2.20:5060"]
    assert await hops("sip:plain.example", (IPV6,)) == ["udp:[2001:db8::20]:5060"]


async def test_a_tls_hop_wants_the_domain_that_was_asked_for_and_not_what_srv_names() -> None:
    """RFC 5922 section 4."""
    resolver = Resolver(look_up, (IPV4,))
    (hop,) = await resolver.hops(parse_uri("sips:SRV.example"), "carrier")
    assert hop == Hop("tls", "192.0.2.10", 5061, name="srv.example", profile="carrier")
    (hop,) = await resolver.hops(parse_uri("sips:srv.example"), name="sbc.example")
    assert hop.name == "sbc.example"
    (hop,) = await resolver.hops(parse_uri("sips:192.0.2.9"))
    assert hop.name == ""


async def test_no_more_hops_than_the_limit_come_out() -> None:
    assert len(await hops("sip:many.example")) == MAX_HOPS


def test_weights_share_the_calls_and_priorities_order_them() -> None:
    """RFC 2782: of the first priority 3 in 4 go to the heavier; the second priority comes last."""
    srv = dns.rdatatype.from_text("SRV")
    records = [
        dns.rdata.from_text(dns.rdataclass.IN, srv, text)
        for text in ("10 75 1 a.", "10 25 2 b.", "10 0 3 c.", "20 100 4 d.")
    ]
    chance = random.Random(7)
    orders = [[record.port for record in resolve.by_weight(records, chance)] for _ in range(1000)]
    assert all(order[3] == 4 and sorted(order) == [1, 2, 3, 4] for order in orders)
    assert 700 < sum(order[0] == 1 for order in orders) < 800


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.53", ("192.0.2.53", 53)),
        ("192.0.2.53:5353", ("192.0.2.53", 5353)),
        ("2001:db8::53", ("2001:db8::53", 53)),
        ("[2001:db8::53]:5353", ("2001:db8::53", 5353)),
        ("[2001:db8::53]", ("2001:db8::53", 53)),
    ],
)
def test_nameservers_are_written_as_addresses_with_or_without_port(text: str, expected: tuple[str, int]) -> None:
    assert dns_client._nameserver(text) == expected


@pytest.mark.parametrize("text", ["dns.example", "192.0.2.53:0", "192.0.2.53:x", ":53", ""])
def test_other_nameservers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no nameserver"):
        DnsClient([text])


async def test_the_hosts_file_comes_before_the_dns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.7 pbx PBX.example # ours\n2001:db8::7 pbx\nrubbish pbx\n")
    monkeypatch.setattr(dns_client, "HOSTS_FILE", hosts)
    system = DnsClient()
    assert [record.address for record in await system("pbx.example", "A")] == ["192.0.2.7"]
    assert [record.address for record in await system("pbx", "AAAA")] == ["2001:db8::7"]
    assert await system("pbx.example", "AAAA") == []
    assert await system("pbx.example", "NAPTR") == []
    assert await system("_sip._udp.pbx.example", "SRV") == []


# ── penalties ──

FIRST, SECOND = Hop("udp", "192.0.2.1", 5060), Hop("udp", "192.0.2.2", 5060)


def test_a_hop_that_failed_is_last_for_a_while() -> None:
    penalties = FailedHops()
    penalties.add(FIRST, 100.0)
    assert penalties.order([FIRST, SECOND], 101.0) == [SECOND, FIRST]
    assert penalties.order([FIRST, SECOND], 101.0 + PENALTY_S) == [FIRST, SECOND]


def test_an_answer_lifts_the_penalty() -> None:
    penalties = FailedHops()
    penalties.add(FIRST, 100.0)
    penalties.lift(FIRST)
    assert penalties.order([FIRST, SECOND], 101.0) == [FIRST, SECOND]


def test_penalties_are_bounded_in_number_and_length() -> None:
    penalties = FailedHops()
    for port in range(1, MAX_PENALTIES + 10):
        penalties.add(Hop("udp", "192.0.2.9", port), 0.0, 1e9)
    assert len(penalties._until_s) == MAX_PENALTIES
    last = Hop("udp", "192.0.2.9", MAX_PENALTIES + 9)
    assert penalties.order([last, FIRST], 1.0) == [FIRST, last]
    assert penalties.order([last, FIRST], 3600.0) == [last, FIRST]
