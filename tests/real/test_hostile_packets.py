"""Acceptance 6, 43 and 44 on the running demo: forged datagrams, foreign pages, dripping headers, certificates."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from tests.certificates import Authority
from tests.real.server import Server, demo
from tests.unit.test_web_server import OFFER

VICTIM = "127.0.0.2"
SCANS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder / "ca")


@pytest.fixture(scope="module")
def server(folder: Path, authority: Authority) -> Iterator[Server]:
    cert, key = authority.issue("server", dns=["bot.example"], to_days=9)
    config = folder / "voicebot.yaml"
    config.write_text(
        f"sip:\n  tls: {{port: 0, cert: {cert}, key: {key}}}\n"
        f"http:\n  hosts: [voice.example.com]\nhandover:\n  targets: {{reception: 'sip:reception@127.0.0.1:5099'}}\n"
    )
    with demo(folder / "data", "-c", str(config)) as running:
        yield running


def get(server: Server, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=20) as answer:
        return str(answer.read().decode())


def state(server: Server) -> dict[str, Any]:
    return dict(json.loads(get(server, "/trunk/state")))


def request(method: str, number: int, *lines: str, caller: str = "a") -> bytes:
    head = [
        f"{method} sip:demo@127.0.0.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {VICTIM}:9;rport;branch=z9hG4bK{method}{number}{time.monotonic_ns()}",
        f"From: <sip:{caller}@h>;tag=1",
        "To: <sip:demo@127.0.0.1>",
        f"Call-ID: {method}{number}{time.monotonic_ns()}",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        *lines,
        "Content-Length: 0",
    ]
    return "\r\n".join([*head, "", ""]).encode()


def test_forged_datagrams_lock_nobody_out(server: Server) -> None:
    """Acceptance 43: whoever can write an address into a datagram sends all of these in its name."""
    digest = 'Digest username="200", realm="voicebot", nonce="{}", uri="sip:demo@127.0.0.1", response="{}"'
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind((VICTIM, 0))
        victim.settimeout(10)
        where = ("127.0.0.1", server.sip_port)
        for number in range(SCANS):
            forged = [
                request("OPTIONS", number, "User-Agent: friendly-scanner"),
                request("INVITE", number, caller="sipvicious"),
                request("REGISTER", number, f"Authorization: {digest.format('n', '0' * 32)}"),
                request("REGISTER", number, f"Authorization: {digest.format('', number)}"),
                b"SIP/2.0 503 Service Unavailable\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n\r\n",
                b"\0\xff" * 50,
            ]
            victim.sendto(forged[number % len(forged)], where)
            time.sleep(0.003)
        victim.sendto(request("OPTIONS", 9999, "X-Last: yes"), where)
        statuses = []
        while "OPTIONS9999" not in (answer := victim.recv(65_535).decode("utf-8", "replace")):
            statuses.append(answer[8:11])
        assert answer.startswith("SIP/2.0 200")
    told = state(server)
    assert told["blocked"] == []
    assert told["refused"]["scanner"] >= SCANS // 3
    assert "blocked" not in told["refused"]


@pytest.mark.parametrize("begun", [b"OPTIONS sip:demo@127.0.0.1 SIP/2.0\r\nSubject: ", b"", b"\r\n\r\nINVITE"])
@pytest.mark.parametrize("where", ["sip", "http"])
def test_a_header_of_two_bytes_a_second_ends_in_five_seconds(server: Server, where: str, begun: bytes) -> None:
    port = server.sip_port if where == "sip" else server.http_port
    if where == "http":
        begun = begun.replace(b"OPTIONS sip:demo@127.0.0.1 SIP/2.0", b"GET / HTTP/1.1")
    with socket.create_connection(("127.0.0.1", port)) as drip:
        began_s = time.monotonic()
        drip.sendall(begun or b"x")
        drip.settimeout(0.5)
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began_s < 20:
                drip.sendall(b"x")
                try:
                    if not drip.recv(100):
                        break
                except TimeoutError:
                    continue
        lasted_s = time.monotonic() - began_s
    print(f"{where} {begun!r}: ended after {lasted_s:.1f} s")
    assert lasted_s < 6, "five, and a busy machine's second"


def curl(server: Server, host: str, path: str, *arguments: str) -> tuple[int, str]:
    """By a name that somebody has made to point to us."""
    url = f"http://{host}:{server.http_port}{path}"
    there = ["--resolve", f"{host.rstrip('.')}:{server.http_port}:127.0.0.1", "-s", "-w", "\n%{http_code}"]
    said = subprocess.run(["curl", *there, *arguments, url], capture_output=True, text=True, check=True).stdout
    body, _, status = said.rpartition("\n")
    return int(status), body


@pytest.mark.peer("curl")
def test_a_name_that_was_made_to_point_here_gets_nothing(server: Server) -> None:
    """Acceptance 44."""
    for path in ("/", "/metrics", "/readyz", "/healthz", "/trunk/state", "/trunk/ladder/last", "/api/phone/hints"):
        status, body = curl(server, "evil.example", path)
        assert (status, "`http: hosts:`" in body) == (421, True), path
    offer = json.dumps({"type": "offer", "sdp": OFFER})
    origin = ["-H", f"Origin: http://evil.example:{server.http_port}", "-H", "Content-Type: application/json"]
    assert curl(server, "evil.example", "/api/phone/offer", *origin, "-d", offer)[0] == 421
    assert curl(server, "voice.example.com", "/healthz")[0] == 200
    assert curl(server, "localhost", "/healthz")[0] == 200
    assert curl(server, "127.0.0.1", "/healthz", "-H", "Host: 127.0.0.1")[0] == 200, "a load balancer"
    told = curl(server, "voice.example.com", "/api/phone/hints")[1]
    assert "password" in told and "PIN" not in told, "its pages may be open to others"


@pytest.mark.peer("chromium")
async def test_a_browser_that_was_sent_here_by_another_name_shows_nothing_and_places_no_call(server: Server) -> None:
    # Newest browsers ask before a page of the Internet may reach this machine; older ones, and others, do not.
    arguments = ["--host-resolver-rules=MAP evil.example 127.0.0.1", "--no-sandbox"]
    arguments.append("--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = await browser.new_page()
        answer = await page.goto(f"http://evil.example:{server.http_port}/")
        assert answer is not None and answer.status == 421
        post = """async (sdp) => {
            const body = JSON.stringify({type: "offer", sdp});
            const headers = {"Content-Type": "application/json"};
            const placed = await fetch("/api/phone/offer", {method: "POST", headers, body});
            const read = await fetch("/trunk/state");
            return [placed.status, read.status];
        }"""
        # Its own policy forbids that page to ask anything, so the trial is made from a page that it could have had.
        await page.route("**/blank", lambda route: route.fulfill(body="<p>", content_type="text/html"))
        await page.goto(f"http://evil.example:{server.http_port}/blank")
        assert await page.evaluate(post, OFFER) == [421, 421]
        answer = await page.goto(f"http://localhost:{server.http_port}/")
        assert answer is not None and answer.status == 200
        await browser.close()


def shown(port: int) -> str:
    """When the certificate ends that openssl is shown."""
    command = f"openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -enddate"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=20).stdout


@pytest.mark.peer("openssl")
async def test_a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not(
    server: Server, authority: Authority
) -> None:
    found = re.search(r"port (\d+) \(TLS\)", server.banner)
    assert found
    port = int(found[1])
    days = re.compile(r'voicebot_certificate_days_left\{file="server.pem"\} ([\d.]+)')
    first = shown(port)
    assert first.startswith("notAfter=")
    assert 8 < float(days.findall(get(server, "/metrics"))[0]) < 9
    key = authority.ca.parent / "server.key"
    key.write_text("half a file")
    await asyncio.sleep(2.5)
    assert shown(port) == first
    authority.issue("server", dns=["bot.example"], to_days=90)
    async with asyncio.timeout(20):
        while await asyncio.to_thread(shown, port) == first:
            continue
    assert 89 < float(days.findall(get(server, "/metrics"))[0]) < 90
    log = (server.data.parent / "data.log").read_text()
    assert log.count("new TLS files cannot be used, the old ones stay") == 1
    assert "expires soon" in log and log.count("callers by TLS are shown this certificate") == 1
