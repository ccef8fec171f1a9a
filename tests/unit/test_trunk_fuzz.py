"""Mutated registrars, phones and trunk files: whatever comes, no exception but the documented ones, and no growth."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from trunk_support import World, granting, saying

from telephony.sip.hop import Hop
from telephony.sip.message import Request, Response, SipError, encode, parse
from telephony.trunk.identify import TrunkMatcher
from telephony.trunk.load import load_one
from telephony.trunk.model import AcceptRegistrations, Trunk
from telephony.trunk.registrar import Registrar
from telephony.yaml_problems import SourceError

SEED = 4711
HOSTILE = [
    b"<",
    b">",
    b'"',
    b",",
    b";",
    b"=",
    b"\x00",
    b"\xff",
    b"9" * 40,
    b"-1",
    b"sip:",
    b"*",
    b":",
    b" ",
    b"",
    b"\\",
]


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A few places of the message changed, cut or doubled."""
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        end = min(at + dice.choice([0, 0, 1, 3, 12]), len(data))
        data = data[:at] + dice.choice([*HOSTILE, data[at:end] * 2]) + data[end:]
    return data


RESPONSES = [
    granting(120, ("Service-Route", "<sip:a.example;lr>, <sip:b.example;lr>"), ("Expires", "90")),
    saying(401, ("WWW-Authenticate", 'Digest realm="a", nonce="n", algorithm=SHA-256, qop="auth", opaque="o"')),
    saying(407, ("Proxy-Authenticate", 'Digest realm="a", nonce="n", stale=true, qop="auth,auth-int"')),
    saying(423, ("Min-Expires", "1800")),
    saying(503, ("Retry-After", "120 (later)")),
]


def test_a_registrar_gone_mad_neither_stops_nor_hurries_us() -> None:
    dice = random.Random(SEED)

    def serve(request: Request, hop: Hop) -> Response | str | None:
        sane = dice.choice(RESPONSES)(request, hop)
        assert isinstance(sane, Response)
        try:
            answer = parse(mutated(encode(sane), dice))
        except SipError:
            return None
        return answer if isinstance(answer, Response) else None

    world = World(serve)
    world.via += ";received=192.0.2.77;rport=4000"
    world.start()
    world.run(5 * 24 * 3600)
    assert 2000 < len(world.asked) < 5 * 24 * 3600 / 10, "less than one request in 10 s"
    assert world.registration.next_s() is not None


def test_mutated_registrations_of_a_phone_leave_no_more_than_its_devices() -> None:
    dice = random.Random(SEED)
    registrar, rules = Registrar(), AcceptRegistrations(max_contacts=3)
    callers = TrunkMatcher(
        {
            "pbx": Trunk.model_validate({"name": "pbx", "users": {"ann": "x"}}),
            "acme": Trunk.model_validate({"name": "acme", "to": "a", "register": {"user": "1", "password": "x"}}),
        }
    )
    plain = (
        b"REGISTER sip:pbx;line=77 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1\r\n"
        b"From: <sip:ann@pbx>;tag=1\r\nTo: <sip:ann@pbx>\r\n"
        b"Call-ID: c\r\nCSeq: 1 REGISTER\r\nExpires: 300\r\nPath: <sip:edge.example;lr>\r\n"
        b'Contact: "Ann" <sip:ann@10.0.0.7:5060>;expires=120;+sip.instance="<urn:uuid:1>", <sip:ann@10.0.0.8>\r\n'
        b'Authorization: Digest username="ann", realm="r", nonce="n", uri="sip:pbx", response="0"\r\n\r\n'
    )
    statuses = set()
    for number in range(5000):
        try:
            request = parse(mutated(plain, dice))
        except SipError:
            continue
        if isinstance(request, Request):
            source = Hop("udp", f"192.0.2.{number % 250}", 5060)
            callers.find(source, request)
            statuses.add(registrar.register("pbx", "ann", rules, request, source, float(number)).status)
            bindings = registrar.registered(float(number))
            assert set(bindings) <= {("pbx", "ann")} and all(len(found) <= 3 for found in bindings.values())
    assert {200, 400, 403, 500} <= statuses <= {200, 400, 403, 416, 423, 500}


def test_mutated_trunk_files_are_read_or_refused_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_PASSWORD", "hush-hush")
    monkeypatch.setenv("PBX_PASSWORD", "hush-hush")
    dice = random.Random(SEED)
    examples = sorted((Path(__file__).parents[2] / "telephony" / "trunks").glob("*.yaml"))
    file = tmp_path / "acme.yaml"
    refused = []
    for number in range(600):
        lines = [line.partition(" #")[0] for line in examples[number % 3].read_text().splitlines()]
        data = "\n".join(line for line in lines if not line.startswith("#")).encode()
        file.write_bytes(mutated(data, dice))
        try:
            load_one(file)
        except SourceError as error:
            refused.append(str(error))
    assert len(refused) > 200
    assert all(words and "hush-hush" not in words for words in refused)
