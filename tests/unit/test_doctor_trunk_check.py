"""The doctor's findings without any peer: addresses, ports, certificates, and `voicebot trunk check` and `route`."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telephony.doctor.advertised_address import advertised
from telephony.doctor.findings import Finding, sound, to_json
from telephony.doctor.port_check import sip_ports, voice_ports
from telephony.doctor.server_config import ServerConfig
from telephony.doctor.trunk_check import check
from telephony.sip.listen_sockets import ListenConfig
from telephony.sip.tls import TlsServer
from telephony.trunk.load import load_one
from tests.certificates import Authority
from tests.real.programs import free_port
from voicebot import cli


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def reach(folder: Path, trunk: str, *hosts: str, advertise: str | None = None) -> list[Finding]:
    read = load_one(write(folder, "t.yaml", trunk))
    return list(advertised(ListenConfig(hosts, 5060, advertise), read, []))


@pytest.mark.parametrize(
    ("trunk", "hosts", "advertise", "words"),
    [
        ("peers: 192.0.2.7", ("127.0.0.1",), None, "which is its own machine"),
        ("peers: 8.8.8.8", ("10.0.0.5",), None, "told to reach us at the private 10.0.0.5 (sip.listen)"),
        ("peers: 8.8.8.8", ("10.0.0.5",), "192.168.1.1", "the private 192.168.1.1 (sip.advertise)"),
        ("peers: 8.8.8.0/24\nadvertise: 10.9.9.9", ("10.0.0.5",), "1.1.1.1", "10.9.9.9 (advertise of the trunk)"),
        ("peers: '2606:4700::1111'", ("10.0.0.5",), "1.1.1.1", "we listen on no IPv6 address"),
    ],
)
def test_addresses_that_peers_cannot_reach_are_found(
    tmp_path: Path, trunk: str, hosts: tuple[str, ...], advertise: str | None, words: str
) -> None:
    found = reach(tmp_path, trunk, *hosts, advertise=advertise)
    assert [finding.level for finding in found] == ["problem"] and words in found[0].words and found[0].remedy


@pytest.mark.parametrize(
    ("trunk", "hosts", "advertise"),
    [
        ("peers: 8.8.8.8", ("10.0.0.5",), "1.1.1.1"),
        ("peers: 10.0.0.9", ("10.0.0.5",), None),
        ("peers: 127.0.0.1", ("127.0.0.1",), None),
        ("peers: ['2606:4700::1111', 8.8.8.8]", ("10.0.0.5", "2a00:1450::5"), "1.1.1.1"),
    ],
)
def test_addresses_that_fit_are_fine(tmp_path: Path, trunk: str, hosts: tuple[str, ...], advertise: str | None) -> None:
    assert [finding.level for finding in reach(tmp_path, trunk, *hosts, advertise=advertise)] == ["ok"]


async def test_a_port_that_another_program_has_is_found() -> None:
    listening = ListenConfig(("127.0.0.1",), free_port())
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", listening.port))
        taken.listen()
        found = await sip_ports(listening)
    assert [finding.level for finding in found] == ["ok", "warning"]
    assert f"grep :{listening.port}" in found[1].remedy
    foreign = await sip_ports(ListenConfig(("192.0.2.77",), 5060))
    assert {finding.level for finding in foreign} == {"problem"} and "no such address" in foreign[0].words


def test_too_few_rtp_ports_for_the_calls_allowed_are_found() -> None:
    found = list(voice_ports(ServerConfig(rtp=(30000, 30019), max_calls=11)))
    assert [finding.level for finding in found] == ["problem"] and "room for 10 calls, but 11" in found[0].words
    assert sound(voice_ports(ServerConfig(rtp=(30000, 30019), max_calls=10)))


async def test_certificates_are_watched_for_their_end_their_key_and_their_names(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    good = authority.issue("good", dns=["sip.example.net"], to_days=90)
    soon = authority.issue("soon", dns=["sip.example.net"], to_days=12.5)

    async def said(tls: TlsServer, advertise: str | None = None, days: float = 0) -> dict[str, str]:
        site = ServerConfig(listening=ListenConfig(("127.0.0.1",), free_port(), advertise, tls, free_port()))
        found = await check(site, datetime.now(UTC) + timedelta(days=days))
        return {f"{f.subject}: {f.words}": f.level for f in found if "our" in f.subject}

    def level(found: dict[str, str], words: str) -> str:
        return next(level for said, level in found.items() if words in said)

    found = await said(TlsServer(*good))
    assert set(found.values()) == {"ok"} and level(found, "is for sip.example.net") == "ok"
    assert level(await said(TlsServer(*soon)), "in 12 days") == "warning"
    assert level(await said(TlsServer(*good), days=91), "expired on") == "problem"
    assert level(await said(TlsServer(*good), days=-9), "valid only from") == "problem"
    assert level(await said(TlsServer(*good), "203.0.113.9"), "advertised as 203.0.113.9") == "warning"
    assert level(await said(TlsServer(good[0], soon[1])), "key is not that of the certificate") == "problem"
    assert level(await said(TlsServer(tmp_path / "none.pem", good[1])), "none.pem") == "problem"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    trunks = tmp_path / "trunks"
    write(trunks, "acme.yaml", "peers: 127.0.0.1\ntrusted: true\nverstat: true\n")
    write(tmp_path, "routes.yaml", """\
zone: Europe/Berlin
hours: {office: {open: {mon-fri: 09:00-17:00}}}
variables: {customer: X-Customer}
routes:
  - {name: day, when: {to: "+4930*", during: office}, flow: northwind}
  - {name: shop, when: {headers: {X-Shop: {contains: berlin}}}, transfer: reception}
else: {answer: 480}
""")  # fmt: skip
    return write(tmp_path, "voicebot.yaml", f"""\
sip: {{port: {free_port()}, trunks: {trunks}, routes: {tmp_path}/routes.yaml}}
handover: {{targets: {{reception: "sip:desk@127.0.0.1"}}}}
""")  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], config: Path, *words: str) -> tuple[int, str, str]:
    status = cli.main(["trunk", words[0], "-c", str(config), *words[1:]])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_sound_configuration_ends_with_status_0(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, config, "check")
    assert status == 0 and "0 problem(s), 0 warning(s)" in out and "2 rules and else" in out


def test_what_is_wrong_ends_with_status_1_and_its_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    routes = config.with_name("routes.yaml")
    routes.write_text(
        routes.read_text().replace("flow: northwind", "flow: south").replace("X-Shop: {", "X-Shop: {a: b, ")
    )
    write(config.parent / "trunks", "bad.yaml", "peers: nowhere at all\n")
    status, out, _ = run(capsys, config, "check", "--json")
    found = {finding["subject"]: finding for finding in json.loads(out)}
    assert status == 1
    assert f"{routes}:6" in found and any("bad.yaml:1" in subject for subject in found)


def test_route_says_which_rule_and_why(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, config, "route", "--to", "+493012", "--at", "2026-11-23T08:59")
    assert status == 0 and "→ answer 480 (rule else)" in out and "mon 2026-11-23 08:59 Europe/Berlin is not in" in out
    out = run(capsys, config, "route", "--to", "+493012", "--at", "2026-11-23T09:00")[1]
    assert "→ flow northwind (rule day)" in out


def test_route_believes_headers_of_a_trusted_trunk(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["route", "--to", "100", "--header", "X-Shop: Berlin-Mitte", "--header", "X-Customer: 42", "--json"]
    words += ["--header", "P-Asserted-Identity: <sip:+491701@x;verstat=TN-Validation-Passed>"]
    answer = json.loads(run(capsys, config, *words, "--trunk", "acme")[1])
    assert answer["rule"] == "shop" and answer["target"] == {"kind": "transfer", "value": "reception"}
    seen = answer["variables"]
    assert (seen["customer"], seen["caller_number"], seen["caller_verified"]) == ("42", "+491701", True)
    stranger = json.loads(run(capsys, config, *words)[1])
    assert stranger["rule"] == "else" and stranger["variables"]["customer"] == ""
    assert stranger["variables"]["caller_verified"] is False


@pytest.mark.parametrize(
    "words",
    [
        ("route", "--to", "1", "--trunk", "nobody"), ("route", "--to", "1", "--at", "noon"),
        ("route", "--to", "1", "--header", "nothing"), ("probe", "nobody"), ("ladder", "x", "--url", "file:///etc/passwd"),
        ("ladder", "x", "--url", "http://127.0.0.1:1"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_status_2(
    config: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    status, _, err = run(capsys, config, *words)
    assert status == 2 and " — " in err


def test_findings_carry_their_remedy_for_people_and_machines() -> None:
    finding = Finding("problem", "dns", "no such name\nsecond line", "correct it", 0.012)
    assert str(finding) == "✗ dns: no such name (12 ms)\n    second line\n    → correct it"
    assert to_json([finding])[0]["remedy"] == "correct it" and not sound([finding])
