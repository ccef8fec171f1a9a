"""The doctor at real servers: Kamailio as registrar, openssl for TLS, sipp, ports where nobody is."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telephony.doctor.findings import Finding
from telephony.doctor.probe import Probe
from telephony.sip.listen_sockets import ListenConfig
from telephony.trunk.load import load_one
from telephony.trunk.model import Trunk
from tests.certificates import Authority

from .programs import free_port
from .siprun import listening, sipp
from .test_sip_dns import dnsmasq
from .test_sip_tls_calls import tls_phone
from .trunkrun import provider

LOCAL = ListenConfig(("127.0.0.1",))


def trunk(folder: Path, text: str) -> Trunk:
    """A trunk file's content, read."""
    path = folder / "acme.yaml"
    path.write_text(text)
    return load_one(path)


async def steps(of: Trunk, **more: bool) -> list[Finding]:
    return [finding async for finding in Probe(LOCAL, of, **more).run()]


def shown(found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.subject.partition(" ")[0]) for finding in found]


def registering(port: int, password: str = "secret", more: str = "") -> str:
    return f"register:\n  user: bot\n  password: {password}\n  registrars: sip:127.0.0.1:{port}\n{more}"


@pytest.mark.peer("kamailio")
async def test_a_good_account_is_found_good_and_its_address_told(tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port):
        found = await steps(trunk(tmp_path, registering(port)))
        assert shown(found) == [
            ("ok", "dns"), ("ok", "options"), ("ok", "register"), ("ok", "register"), ("ok", "bindings"), ("ok", "our"),
        ]  # fmt: skip
        words = "\n".join(map(str, found))
        assert "404 Nobody Here" in words and "SHA-256 with qop auth" in words and "the password is right" in words
        assert "nobody is registered there now" in words and "as we say" in words
        assert all(finding.seconds is not None and finding.seconds < 1 for finding in found[:4])
        found = await steps(trunk(tmp_path, registering(port)), register=True)
        words = "\n".join(map(str, found))
        assert "registered for 60 s" in words and found[-1].subject == "unregister" and found[-1].level == "ok"
        assert "nobody is registered" in "\n".join(map(str, await steps(trunk(tmp_path, registering(port)))))


@pytest.mark.peer("kamailio")
async def test_a_wrong_password_is_called_that(tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port):
        found = await steps(trunk(tmp_path, registering(port, "wrong")))
    assert found[-1].level == "problem"
    assert "refuses our answer as 'bot' for realm '127.0.0.1'" in found[-1].words
    assert "register.auth_user" in found[-1].remedy


@pytest.mark.peer("kamailio")
async def test_an_address_behind_a_nat_is_told_with_what_to_advertise(tmp_path: Path) -> None:
    port = free_port()
    async with provider(tmp_path, port):
        found = await steps(trunk(tmp_path, registering(port, more="advertise: 203.0.113.9\n")))
    assert found[-1].level == "warning" and "we say 203.0.113.9" in found[-1].words
    assert "set `advertise: 127.0.0.1`" in found[-1].remedy


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_port_where_nobody_listens_is_told_from_silence(tmp_path: Path, transport: str) -> None:
    found = await steps(trunk(tmp_path, f"to: 127.0.0.1:{free_port()}\ntransport: {transport}\ndestinations: ['*']\n"))
    assert found[-1].level == "problem" and "nobody listens there" in found[-1].remedy, found


async def test_silence_is_a_firewall_or_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telephony.doctor.probe.ANSWER_S", 0.7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        found = await steps(trunk(tmp_path, f"to: 127.0.0.1:{port}\ntransport: udp\ndestinations: ['*']\n"))
    assert found[-1].level == "problem" and "no answer within 0.7 s" in found[-1].words
    assert "firewall" in found[-1].remedy


async def test_a_name_that_does_not_exist_is_a_matter_of_dns(tmp_path: Path) -> None:
    found = await steps(trunk(tmp_path, "to: sbc.voicebot.invalid\ndestinations: ['*']\n"))
    assert shown(found) == [("problem", "dns")]
    assert "sbc.voicebot.invalid" in found[0].words and "nameservers" in found[0].remedy


@pytest.mark.peer("sipp")
async def test_a_refusal_of_options_is_shown_with_its_status(tmp_path: Path) -> None:
    scenario = tmp_path / "forbidden.xml"
    scenario.write_text(
        '<?xml version="1.0"?><scenario name="f"><recv request="OPTIONS"/><send><![CDATA[\n'
        "SIP/2.0 403 Who Are You\n[last_Via:]\n[last_From:]\n[last_To:];tag=1\n[last_Call-ID:]\n[last_CSeq:]\n"
        "Server: strict\nContent-Length: 0\n\n]]></send></scenario>"
    )
    async with sipp(str(scenario.with_suffix(""))) as peer:
        found = await steps(trunk(tmp_path, f"to: 127.0.0.1:{peer.port}\ntransport: udp\ndestinations: ['*']\n"))
        await peer.ended()
    assert found[-1].level == "warning" and "403 Who Are You" in found[-1].words and "Server: strict" in found[-1].words
    assert "not allowed there" in found[-1].remedy or "provider's data" in found[-1].remedy


# ── TLS ──


@contextlib.asynccontextmanager
async def tls_server(cert: Path, key: Path, *more: str) -> AsyncIterator[int]:
    """openssl s_server. It speaks no SIP: the steps up to the handshake are what is tested."""
    port = free_port()
    words = [
        "openssl",
        "s_server",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        str(cert),
        "-key",
        str(key),
        "-quiet",
        *more,
    ]
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE, stdout=null, stderr=null)
    try:
        await listening(port, "tcp", process)
        yield port
    finally:
        process.kill()
        await process.wait()


async def by_tls(tmp_path: Path, port: int, tls: str) -> list[Finding]:
    text = f"to: 127.0.0.1:{port}\ntransport: tls\ndestinations: ['*']\ntls:\n  name: sbc.example.net\n{tls}"
    found: list[Finding] = []
    async with contextlib.aclosing(Probe(LOCAL, trunk(tmp_path, text)).run()) as run:
        async for finding in run:
            found.append(finding)
            if finding.subject.startswith("tls"):
                break
    return found


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


async def test_a_good_certificate_is_shown_with_names_dates_and_cipher(tmp_path: Path, authority: Authority) -> None:
    cert, key = authority.issue("sbc", dns=["sbc.example.net"], to_days=90)
    async with tls_server(cert, key) as port:
        found = await by_tls(tmp_path, port, f"  ca: {authority.ca}\n")
    assert shown(found) == [("ok", "dns"), ("ok", "tcp"), ("ok", "certificate"), ("ok", "tls")]
    assert "for sbc.example.net" in found[2].words and "issued by CN=Test Authority" in found[2].words
    assert "TLSv1.3" in found[3].words and "is believed" in found[3].words


async def test_why_a_certificate_is_not_believed_and_what_to_do(tmp_path: Path, authority: Authority) -> None:
    other = Authority(tmp_path / "other", "Other Authority")
    right = f"  ca: {authority.ca}\n"
    cases: list[tuple[dict[str, object], str, tuple[str, ...], str, str]] = [
        ({"dns": ["sbc.example.net"], "to_days": -0.5}, right, (), "expired", "renew"),
        ({"dns": ["sbc.example.com"]}, right, (), "is for sbc.example.com, not sbc.example.net", "tls.name"),
        ({"dns": ["sbc.example.net"]}, f"  ca: {other.ca}\n", (), "is unknown", "tls.ca"),
        ({"dns": ["sbc.example.net"]}, right, ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "TLS", "5061"),
    ]
    for names, tls, options, why, remedy in cases:
        cert, key = authority.issue("sbc", **names)  # type: ignore[arg-type]
        async with tls_server(cert, key, *options) as port:
            found = await by_tls(tmp_path, port, tls)
        assert found[-1].level == "problem" and why in found[-1].words and remedy in found[-1].remedy, found[-1]


async def test_a_server_without_tls_is_called_that(tmp_path: Path, authority: Authority) -> None:
    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SIP/2.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    async with server:
        found = await by_tls(tmp_path, server.sockets[0].getsockname()[1], "")
    assert found[-1].level == "problem" and "does not speak TLS" in found[-1].words


async def test_a_server_that_says_nothing_does_not_hold_us_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telephony.doctor.tls_handshake.CONNECT_S", 1.0)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        async with asyncio.timeout(6):
            found = await by_tls(tmp_path, deaf.getsockname()[1], "")
    assert found[-1].level == "problem" and "in time" in found[-1].words


@pytest.mark.peer("dnsmasq", "baresip")
async def test_from_naptr_to_options_over_tls(tmp_path: Path, authority: Authority) -> None:
    async with tls_phone(tmp_path, authority, authority) as phone:
        records = [
            "--naptr-record=carrier.test,10,10,s,SIPS+D2T,,_sips._tcp.carrier.test",
            f"--srv-host=_sips._tcp.carrier.test,one.carrier.test,{phone.sip_port + 1},10,10",
            "--host-record=one.carrier.test,127.0.0.1",
        ]
        text = f"to: carrier.test\ndestinations: ['*']\ntls: {{name: phone.example, ca: {authority.ca}}}\n"
        async with dnsmasq(*records) as nameserver:
            listening = ListenConfig(("127.0.0.1",), nameservers=(nameserver,))
            found = [finding async for finding in Probe(listening, trunk(tmp_path, text)).run()]
    assert shown(found)[0] == ("ok", "dns") and found[-1].subject.startswith("options tls 127.0.0.1:")
    assert {finding.level for finding in found} <= {"ok", "warning"}, found  # the certificate has 30 days only
    assert f"tls 127.0.0.1:{phone.sip_port + 1}" in found[0].words
    assert "carrier.test NAPTR 10 10" in found[0].words and "_sips._tcp.carrier.test SRV 10 10" in found[0].words
    assert "TLSv1." in found[-2].words and "baresip" in found[-1].words
