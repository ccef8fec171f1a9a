"""Which names the web server answers to, from the wire: DNS rebinding, proxies, and requests that drip in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from telephony.yaml_problems import SourceError
from voicebot import config as configuration
from voicebot.commands.demo import hints
from voicebot.config import HttpSettings
from voicebot.web import prompt_requests
from voicebot.web.doctor import Doctor
from voicebot.web.offer_limit import MAX_ADDRESSES, MAX_UNCONNECTED, OFFERS_BURST, OfferLimit
from voicebot.web.own_hosts import OwnHosts
from voicebot.web.server import Web

ROUTES = ["/", "/phone.js", "/healthz", "/readyz", "/metrics", "/api/phone/hints", "/trunk/state", "/trunk/trace/c",
          "/trunk/ladder/c", "/nothing"]  # fmt: skip


class Telephone:
    """What the doctor's pages ask."""

    def trace_of(self, call: str) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {"blocked": []}

    def unblock(self, host: str) -> bool:
        return True


@contextlib.asynccontextmanager
async def serving(**http: Any) -> AsyncIterator[int]:
    """A web server on a free port, with all its routes. Yields the port."""
    settings = HttpSettings.model_validate({"port": 0, **http})
    web = Web(
        settings,
        on_browser_call=lambda leg: asyncio.sleep(0),
        ready=lambda: True,
        status=lambda: {"hints": ["secret hint"]},
        doctor=Doctor(Telephone),
    )
    await web.start()
    try:
        yield web.port
    finally:
        await web.stop()


async def ask(port: int, path: str, lines: Sequence[str], method: str = "GET", version: str = "1.1") -> tuple[int, str]:
    """One request as it is written here. Returns status and everything that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([f"{method} {path} HTTP/{version}", *lines, "Connection: close", "", ""]).encode())
    async with asyncio.timeout(20):
        text = (await reader.read()).decode("utf-8", "replace")
    writer.close()
    return int(text.split(" ", 2)[1]), text


FOREIGN = [
    "evil.example", "evil.example:{port}", "EVIL.EXAMPLE.", "localhost.evil.example:{port}", "evil.localhost",
    "127.0.0.1.nip.io:{port}", "127.0.0.2", "192.0.2.7:{port}", "0.0.0.0:{port}", "[::]:{port}", "[::1]:{port}",
    "2130706433", "0x7f000001", "127.1", "127.0.0.1@evil.example", "evil.example@127.0.0.1", "localhost:99999",
    "localhost:", "localhost:80:80", "localhost evil.example", "localhost,evil.example", "localhost/..", "..",
    "[127.0.0.1]evil", "xn--lcalhost-54a", "ⅼocalhost",
]  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
async def test_another_name_gets_nothing_on_any_route(host: str) -> None:
    async with serving() as port:
        for path in ROUTES:
            status, text = await ask(port, path, [f"Host: {host.format(port=port)}"])
            assert status in (400, 421), (path, text)
            assert "secret hint" not in text and "blocked" not in text and "voicebot_" not in text
            if status == 421:
                assert "`http: hosts:`" in text and "Content-Security-Policy" in text


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:{port}", "LocalHost:{port}", "localhost.", "localhost.:{port}", "127.0.0.1",
     "127.0.0.1:{port}", "127.0.0.1:8443", "[::ffff:127.0.0.1]:{port}", "[::ffff:7f00:1]"],
)  # fmt: skip
async def test_its_own_names_and_address_are_answered_with_any_port_and_case(host: str) -> None:
    async with serving() as port:
        for path in ("/", "/healthz", "/metrics", "/api/phone/hints", "/trunk/state"):
            assert (await ask(port, path, [f"Host: {host.format(port=port)}"]))[0] == 200, path


async def test_names_of_the_configuration_are_answered_and_forwarded_ones_mean_nothing() -> None:
    async with serving(hosts=["Voice.example.com", "203.0.113.7", "[2001:db8::7]"]) as port:
        for host in ("voice.example.com", "VOICE.example.com.:443", "203.0.113.7:80", "[2001:DB8:0::7]"):
            assert (await ask(port, "/healthz", [f"Host: {host}"]))[0] == 200, host
        for host in ("example.com", "a.voice.example.com", "203.0.113.8", "[2001:db8::8]"):
            assert (await ask(port, "/healthz", [f"Host: {host}"]))[0] == 421, host
        for name in ("X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host"):
            lines = ["Host: evil.example", f"{name}: host=localhost" if name == "Forwarded" else f"{name}: localhost"]
            assert (await ask(port, "/healthz", lines))[0] == 421, name


async def test_a_request_has_one_host_and_the_one_in_its_target_counts_too() -> None:
    async with serving() as port:
        assert (await ask(port, "/healthz", []))[0] == 400
        assert (await ask(port, "/healthz", [], version="1.0"))[0] == 400
        assert (await ask(port, "/healthz", ["Host:"]))[0] in (400, 421)
        assert (await ask(port, "/healthz", ["Host: localhost", "Host: evil.example"]))[0] == 400
        target = "http://evil.example/healthz"
        assert (await ask(port, target, ["Host: localhost"]))[0] in (400, 421)
        assert (await ask(port, f"http://localhost:{port}/healthz", ["Host: evil.example"]))[0] in (400, 421)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://evil.example:{port}", "null", "http://127.0.0.1:1", ""]
)
async def test_a_foreign_page_gets_no_web_socket_and_posts_nothing(origin: str) -> None:
    async with serving() as port:
        mine = [f"Host: 127.0.0.1:{port}", f"Origin: {origin.format(port=port)}"]
        socket_lines = [
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        assert (await ask(port, "/healthz", [*mine, *socket_lines]))[0] == 403
        assert (await ask(port, "/trunk/unblock/192.0.2.1", mine, "POST"))[0] == 403
        json_lines = [*mine, "Content-Type: application/json", "Content-Length: 2"]
        assert (await ask(port, "/api/phone/offer", json_lines, "POST"))[0] == 403
        # and as the page of a name that was made to point here, which is its own origin
        rebound = [f"Host: evil.example:{port}", f"Origin: http://evil.example:{port}"]
        assert (await ask(port, "/trunk/state", rebound))[0] == 421
        assert (await ask(port, "/api/phone/offer", [*rebound, "Content-Length: 0"], "POST"))[0] == 421


async def test_on_all_addresses_each_of_the_machines_is_answered_and_no_other() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        own = probe.getsockname()[0]
    async with serving(listen="0.0.0.0") as port:
        for host in (own, f"{own}:{port}", "127.0.0.1", "127.9.9.9", "localhost"):
            assert (await ask(port, "/healthz", [f"Host: {host}"]))[0] == 200, host
        for host in ("0.0.0.0", "192.0.2.7", "255.255.255.255", "224.0.0.1", "[::]", "evil.example", "8.8.8.8"):
            assert (await ask(port, "/healthz", [f"Host: {host}"]))[0] == 421, host


def test_ipv6_names_are_compared_as_addresses() -> None:
    own = OwnHosts("::1")
    assert all(own.knows(host) for host in ("[::1]", "[0:0::1]:8080", "[::1%25lo]", "localhost"))
    assert not any(own.knows(host) for host in ("::1", "[::2]", "[::1", "127.0.0.1", "[::ffff:127.0.0.1]"))
    assert OwnHosts("::").knows("127.0.0.1")
    assert OwnHosts("phone.internal").knows("PHONE.internal:80")


@pytest.mark.parametrize("host", ["http://voice.example.com", "voice.example.com:443", "*.example.com", "a b", "", "*"])
def test_what_is_no_host_name_is_refused_in_the_configuration(host: str, tmp_path: Path) -> None:
    file = tmp_path / "voicebot.yaml"
    file.write_text(f"http:\n  hosts: [{json.dumps(host)}]\n")
    with pytest.raises(SourceError, match="without http://"):
        configuration.load(file)


def test_secrets_are_hinted_at_only_where_nobody_else_can_open_the_page() -> None:
    private = [HttpSettings(), HttpSettings(listen="localhost"), HttpSettings(listen="::1")]
    public = [
        HttpSettings(listen="0.0.0.0"), HttpSettings(listen="::"), HttpSettings(listen="192.0.2.1"),
        HttpSettings(listen=""), HttpSettings(hosts=["voice.example.com"]),
    ]  # fmt: skip
    for settings in private:
        assert settings.is_private and "PIN" in " ".join(hints(80, secrets=settings.is_private))
    for settings in public:
        told = " ".join(hints(80, secrets=settings.is_private))
        assert "PIN" not in told and "employee" not in told and "password" in told


@pytest.mark.parametrize(
    ("listen", "host"),
    [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("192.0.2.1", "192.0.2.1")],
)
def test_our_own_commands_and_browser_ask_under_a_name_that_is_answered(listen: str, host: str) -> None:
    assert HttpSettings(listen=listen).from_here == host
    assert OwnHosts("127.0.0.1" if "127" in host else host.strip("[]")).knows(f"{host}:8080")


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"G", b"\r\nPOST /api/phone/offer"])
async def test_a_header_that_drips_in_ends_its_connection(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prompt_requests.HEAD_S < 5
    monkeypatch.setattr(prompt_requests, "HEAD_S", 0.3)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                assert b"200" not in await reader.read()
        dripping.cancel()
        writer.close()


async def test_a_connection_that_is_kept_open_may_be_quiet_between_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_requests, "HEAD_S", 0.1)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            for piece in (b"GET /healthz HT", b"TP/1.1\r\nHost: loc", b"alhost\r\n\r\n"):
                writer.write(piece)
                await asyncio.sleep(0.01)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(len(b'{"alive": true}'))
            await asyncio.sleep(0.2)
        writer.close()


def test_one_address_can_have_but_a_part_of_the_lines_and_few_that_are_not_connected() -> None:
    limit = OfferLimit(20)
    waiting = [limit.admit("192.0.2.1", 0.0) for _ in range(MAX_UNCONNECTED)]
    assert all(waiting) and limit.admit("192.0.2.1", 0.0) is None
    assert limit.admit("192.0.2.2", 0.0) is not None
    for caller in waiting:
        assert caller is not None
        caller.connected()
    more = []
    while (caller := limit.admit("192.0.2.1", 1000.0)) is not None:
        caller.connected()
        more.append(caller)
    assert len(waiting) + len(more) == 10
    more[0].release(connected=True)
    assert limit.admit("192.0.2.1", 2000.0) is not None


def test_who_offers_again_and_again_is_slowed_down() -> None:
    limit = OfferLimit(20)
    taken = 0
    for tick in range(600):  # ten a second for a minute, each freed at once
        caller = limit.admit("2001:db8::1" if tick % 2 else "2001:db8::2", tick / 10)
        if caller is not None:
            caller.release(connected=False)
            taken += 1
    assert OFFERS_BURST + 55 <= taken <= OFFERS_BURST + 61


def test_addresses_that_came_once_are_forgotten_and_those_with_a_line_are_not() -> None:
    limit = OfferLimit(20)
    first = limit.admit("192.0.2.1", 0.0)
    for number in range(2 * MAX_ADDRESSES):
        caller = limit.admit(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
        assert caller is not None
        caller.release(connected=False)
    assert len(limit._callers) <= MAX_ADDRESSES
    again = limit.admit("192.0.2.1", 0.0)
    assert again is first
