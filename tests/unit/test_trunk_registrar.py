"""Phones that register with us: bindings, bounds, order, and whom they belong to."""

from __future__ import annotations

import pytest

from telephony.sip.hop import Hop
from telephony.sip.message import Request, parse
from telephony.trunk.model import AcceptRegistrations
from telephony.trunk.registrar import RegisterAnswer, Registrar

HOME = Hop("udp", "203.0.113.50", 40123)
RULES = AcceptRegistrations(max_contacts=2, min_expires_s=60, max_expires_s=600)
DESK = "<sip:ann@10.0.0.7:5060>"


def register(
    registrar: Registrar,
    *lines: str,
    contact: str = DESK,
    seq: int = 1,
    call: str = "c1",
    user: str = "ann",
    source: Hop = HOME,
    now_s: float = 0.0,
) -> RegisterAnswer:
    head = [
        "REGISTER sip:pbx SIP/2.0",
        "Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1",
        f"From: <sip:{user}@pbx>;tag=1",
        f"To: <sip:{user}@pbx>",
        f"Call-ID: {call}",
        f"CSeq: {seq} REGISTER",
        *([f"Contact: {contact}"] if contact else []),
        *lines,
    ]
    request = parse(("\r\n".join(head) + "\r\n\r\n").encode())
    assert isinstance(request, Request)
    return registrar.register("pbx", "ann", RULES, request, source, now_s)


def contacts(answer: RegisterAnswer) -> list[str]:
    return [value for name, value in answer.headers if name == "Contact"]


def targets(registrar: Registrar, now_s: float = 0.0) -> list[tuple[str, Hop]]:
    return [(str(next_hop.uri), next_hop.hop) for next_hop in registrar.next_hops("pbx", "ann", now_s)]


def test_a_device_is_called_at_the_address_that_it_registered_from() -> None:
    registrar = Registrar()
    answer = register(registrar, "Expires: 300")
    assert answer.status == 200 and contacts(answer) == ["<sip:ann@10.0.0.7:5060>;expires=300"]
    assert targets(registrar) == [("sip:ann@10.0.0.7:5060", HOME)]
    assert registrar.trunk_at(HOME, 0.0) == "pbx"
    assert registrar.trunk_at(Hop("udp", HOME.host, 1), 0.0) == ""


def test_a_binding_ends_when_its_time_is_over() -> None:
    registrar = Registrar()
    register(registrar, "Expires: 300")
    assert targets(registrar, 299.9)
    assert not targets(registrar, 300.0)
    assert registrar.trunk_at(HOME, 300.0) == "" and registrar.registered(300.0) == {}


@pytest.mark.parametrize(
    ("lines", "contact", "granted"),
    [
        ((), DESK, 600),
        (("Expires: 90",), DESK, 90),
        (("Expires: 90",), f"{DESK};expires=120", 120),
        (("Expires: 99999999999999",), DESK, 600),
        (("Expires: soon",), DESK, 600),
    ],
)
def test_the_granted_time_stays_within_the_trunks_bounds(lines: tuple[str, ...], contact: str, granted: int) -> None:
    answer = register(Registrar(), *lines, contact=contact)
    assert contacts(answer) == [f"<sip:ann@10.0.0.7:5060>;expires={granted}"]


def test_too_short_a_time_gets_423_and_changes_nothing() -> None:
    registrar = Registrar()
    answer = register(registrar, "Expires: 59")
    assert (answer.status, answer.headers) == (423, (("Min-Expires", "60"),))
    assert not targets(registrar)


def test_a_device_unregisters_itself_or_all() -> None:
    registrar = Registrar()
    register(registrar, contact="<sip:ann@10.0.0.7>, <sip:ann@10.0.0.8>")
    assert contacts(register(registrar, "Expires: 0", contact="<sip:ann@10.0.0.7>", seq=2))[0].startswith(
        "<sip:ann@10.0.0.8>"
    )
    assert contacts(register(registrar, "Expires: 0", contact="*", seq=3)) == []
    assert not targets(registrar) and registrar.trunk_at(HOME, 0.0) == ""


@pytest.mark.parametrize(("lines", "contact"), [((), "*"), (("Expires: 0",), f"*, {DESK}")])
def test_a_star_needs_0_seconds_and_no_other(lines: tuple[str, ...], contact: str) -> None:
    assert register(Registrar(), *lines, contact=contact).status == 400


def test_asking_without_contact_changes_nothing() -> None:
    registrar = Registrar()
    register(registrar, "Expires: 300")
    assert contacts(register(registrar, contact="", seq=2, now_s=100.0)) == ["<sip:ann@10.0.0.7:5060>;expires=200"]


def test_an_older_request_is_refused_as_a_whole() -> None:
    registrar = Registrar()
    register(registrar, seq=5)
    assert register(registrar, "Expires: 0", contact=f"<sip:ann@10.0.0.9>, {DESK}", seq=5).status == 500
    assert len(targets(registrar)) == 1
    assert register(registrar, "Expires: 0", seq=1, call="after a restart").status == 200
    assert not targets(registrar)


def test_one_user_has_so_many_devices_and_no_more() -> None:
    registrar = Registrar()
    register(registrar, contact="<sip:ann@10.0.0.1>")
    register(registrar, contact="<sip:ann@10.0.0.2>", call="c2")
    assert register(registrar, contact="<sip:ann@10.0.0.3>", call="c3").status == 403
    assert register(registrar, contact=", ".join(f"<sip:ann@10.0.1.{n}>" for n in range(11)), call="c4").status == 403
    assert len(targets(registrar)) == 2


def test_a_device_that_moved_is_known_by_its_instance() -> None:
    registrar = Registrar()
    instance = ';+sip.instance="<urn:uuid:1>"'
    register(registrar, contact=f"<sip:ann@10.0.0.1>{instance}")
    moved = Hop("tcp", "198.51.100.4", 5555, 7)
    register(registrar, contact=f"<sip:ann@10.9.9.9;transport=tcp>{instance}", call="c2", source=moved)
    assert targets(registrar) == [("sip:ann@10.9.9.9;transport=tcp", moved)]
    assert registrar.trunk_at(HOME, 0.0) == "" and registrar.trunk_at(moved, 0.0) == "pbx"


def test_the_device_that_registered_last_is_called_first() -> None:
    registrar = Registrar()
    register(registrar, contact="<sip:ann@10.0.0.1>")
    register(registrar, contact="<sip:ann@10.0.0.2>", call="c2", now_s=10.0)
    assert [uri for uri, _ in targets(registrar, 10.0)] == ["sip:ann@10.0.0.2", "sip:ann@10.0.0.1"]


def test_nobody_registers_for_another() -> None:
    registrar = Registrar()
    assert register(registrar, user="bob").status == 403
    assert not registrar.registered(0.0)


@pytest.mark.parametrize(
    "contact", ["<sip:ann@10.0.0.7", '"x <sip:a@b>', "<http://10.0.0.7/>", "<tel:123>", "<sip:ann@10.0.0.7:99999>", ","]
)
def test_a_contact_that_nobody_could_call_is_refused(contact: str) -> None:
    registrar = Registrar()
    assert 400 <= register(registrar, contact=contact).status < 500
    assert not registrar.registered(0.0)


def test_the_path_of_proxies_on_the_way_becomes_the_route() -> None:
    registrar = Registrar()
    answer = register(registrar, "Path: <sip:edge.example;lr>", "Supported: path")
    assert ("Path", "<sip:edge.example;lr>") in answer.headers
    assert registrar.next_hops("pbx", "ann", 0.0)[0].routes == ("<sip:edge.example;lr>",)


def test_users_who_left_the_trunk_file_are_forgotten() -> None:
    registrar = Registrar()
    register(registrar)
    registrar.forget(frozenset({("pbx", "bob")}))
    assert not targets(registrar) and registrar.trunk_at(HOME, 0.0) == ""
