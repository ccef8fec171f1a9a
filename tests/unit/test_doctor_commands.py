"""`voicebot trunk ladder` and `pcap` against the web side of a server that knows one call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from telephony.doctor.call_trace import CallTrace
from telephony.sip.hop import Hop
from telephony.sip_trace import SipTrace
from voicebot import cli
from voicebot.web.doctor import Doctor

INVITE = (
    b"INVITE sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:5062;branch=z9hG4bK1\r\n"
    b'From: "<script>alert(1)</script>" <sip:ann@127.0.0.9>;tag=a\r\nTo: <sip:bot@127.0.0.1>\r\nCall-ID: call/../1\r\n'
    b"CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


class Telephone:
    """Knows one call, by the id ``a/b``."""

    def __init__(self) -> None:
        self.trace = SipTrace()
        self.trace.note(False, Hop("udp", "127.0.0.9", 5062), "127.0.0.1:5060", INVITE)

    def trace_of(self, call: str) -> CallTrace | None:
        return CallTrace(call, {"call/../1": self.trace.of("call/../1")}) if call == "a/b" else None

    def state(self) -> dict[str, Any]:
        return {}


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """Its URL."""
    app = web.Application()
    app.add_routes(Doctor(Telephone).routes())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def run(*words: str) -> int:
    return await asyncio.to_thread(cli.main, ["trunk", *words])


async def test_the_ladder_of_a_running_server_as_text_json_and_page(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run("ladder", "a/b", "--url", server) == 0
    assert "-- INVITE sip:bot@127.0.0.1 --" in capsys.readouterr().out
    assert await run("ladder", "a/b", "--url", server, "--json") == 0
    assert json.loads(capsys.readouterr().out)["legs"][0]["call_id"] == "call/../1"
    assert await run("ladder", "a/b", "--url", server, "--html", str(tmp_path / "x.html")) == 0
    html = (tmp_path / "x.html").read_text()
    assert "<script>" not in html and "&lt;script&gt;alert(1)" in html


async def test_the_capture_of_a_running_server(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("pcap", "a/b", "--url", server, "-o", str(tmp_path / "x.pcap")) == 0
    assert INVITE in (tmp_path / "x.pcap").read_bytes()
    assert "1 messages, 0 RTP packets" in capsys.readouterr().out


async def test_a_call_that_the_server_does_not_know_is_said(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("ladder", "other", "--url", server) == 2
    assert "knows no call 'other'" in capsys.readouterr().err
