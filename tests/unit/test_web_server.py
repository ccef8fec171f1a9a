"""The web server as any program may talk to it: headers, health, and offers that are wrong in every way."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from telephony.leg import LegError
from telephony.webrtc import leg as leg_module
from telephony.webrtc.leg import MAX_CANDIDATES, WebRtcLeg, _checked, accept
from voicebot.config import HttpSettings
from voicebot.journal import metrics
from voicebot.web import phone
from voicebot.web.offer_limit import MAX_UNCONNECTED
from voicebot.web.readiness import Readiness, disk_fault
from voicebot.web.server import Web

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2113937151 3f2b1c.local 50000 typ host",
        "a=candidate:2 1 tcp 1518280447 192.0.2.9 9 typ host tcptype active",
        "a=candidate:3 1 udp 2113937151 192.0.2.9 50002 typ host",
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv12",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "",
    ]
)


PARTS = ("hearing", "speech", "database", "disk")


class Server:
    """A `Web` on a free port, and a client that speaks as its page would."""

    def __init__(self, max_calls: int = 20) -> None:
        self.ready = True
        self.legs: list[WebRtcLeg] = []
        self.faults: dict[str, str] = {}
        self.hints: list[Any] = ["Where is my order?"]
        self.web = Web(
            HttpSettings(port=0),
            on_browser_call=self._call,
            ready=lambda: self.ready,
            status=lambda: {"hints": self.hints},
            max_calls=max_calls,
            readiness=Readiness({name: lambda name=name: self.faults.get(name, "") for name in PARTS}),  # type: ignore[misc]
        )

    async def _call(self, leg: WebRtcLeg) -> None:
        self.legs.append(leg)
        await leg.closed

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    async def get(self, path: str, **headers: str) -> tuple[int, Any, bytes]:
        async with aiohttp.ClientSession() as client, client.get(self.base + path, headers=headers) as response:
            return response.status, response.headers, await response.read()

    async def offer(self, body: Any, origin: str | None = "", **headers: str) -> tuple[int, Any, Any]:
        if origin is not None:
            headers["Origin"] = origin or self.base
        kind = {"data": body} if isinstance(body, bytes) else {"json": body}
        url = self.base + "/api/phone/offer"
        async with aiohttp.ClientSession() as client, client.post(url, headers=headers, **kind) as response:
            data = await response.json() if response.content_type == "application/json" else None
            return response.status, response.headers, data


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.web.start()
    yield server
    await server.web.stop()


def sdp(text: str) -> dict[str, str]:
    return {"type": "offer", "sdp": text}


@pytest.mark.parametrize(
    "path", ["/", "/phone.js", "/phone.css", "/icon.svg", "/readyz", "/healthz", "/metrics", "/nothing"]
)
async def test_every_answer_carries_the_policy(server: Server, path: str) -> None:
    _, headers, _ = await server.get(path)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Server"] == "voicebot"


async def test_the_page_has_nothing_inline(server: Server) -> None:
    status, headers, body = await server.get("/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert b"<style" not in body
    assert b"style=" not in body
    assert b" on" + b"click=" not in body
    assert body.count(b"<script") == body.count(b"</script>") == body.count(b'<script type="module" src="/')


async def test_an_unchanged_file_is_not_sent_again(server: Server) -> None:
    _, headers, _ = await server.get("/phone.js")
    status, _, body = await server.get("/phone.js", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/server.py", "/static/../events.py", "//etc/passwd", "/index.html/.."]
)
async def test_no_path_leads_out_of_the_folder(server: Server, path: str) -> None:
    status, _, body = await server.get(path)
    assert status in {200, 404}
    assert b"import" not in body
    assert b"root:" not in body


async def test_ready_follows_the_server_and_alive_does_not(server: Server) -> None:
    assert (await server.get("/readyz"))[0] == 200
    server.ready = False
    assert (await server.get("/readyz"))[0] == 503
    assert (await server.get("/healthz"))[0] == 200


async def test_ready_names_each_part_and_what_is_wrong_with_it(server: Server) -> None:
    status, _, body = await server.get("/readyz")
    well = dict.fromkeys(("calls", *PARTS), "ok")
    assert (status, json.loads(body)) == (200, {"ready": True, "parts": well})
    for part in PARTS:
        server.faults = {part: "is broken"}
        status, _, body = await server.get("/readyz")
        assert (status, json.loads(body)) == (503, {"ready": False, "parts": {**well, part: "is broken"}})
        assert (await server.get("/healthz"))[0] == 200
        assert f'voicebot_part_up{{part="{part}"}} 0.0'.encode() in (await server.get("/metrics"))[2]


async def test_out_of_descriptors_idle_connections_make_room_for_who_asks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", server.web.port) for _ in range(3)]
    assert (await server.get("/healthz"))[0] == 200
    monkeypatch.setattr("voicebot.web.server.descriptors.scarce", lambda: True)
    assert (await server.get("/healthz"))[0] == 200
    async with asyncio.timeout(10):
        for reader, writer in idle:
            assert await reader.read() == b""
            writer.close()


async def test_who_asks_may_leave_parts_out(server: Server) -> None:
    server.faults = {"database": "is broken", "disk": "is full"}
    assert (await server.get("/readyz?exclude=database"))[0] == 503
    status, _, body = await server.get("/readyz?exclude=database&exclude=disk")
    assert (status, "database" in json.loads(body)["parts"]) == (200, False)
    server.ready = False
    assert (await server.get("/readyz?exclude=calls"))[0] == 503


def test_a_disk_is_nearly_full_by_bytes_or_by_its_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def disk(total: int, free: int) -> str:
        usage = SimpleNamespace(total=total, used=total - free, free=free)
        monkeypatch.setattr("voicebot.web.readiness.shutil.disk_usage", lambda _: usage)
        return disk_fault(tmp_path)

    assert disk(10**12, 10**8) == ""
    assert disk(10**12, 10**8 - 1) == "100.0 MB of 1000000 MB are left for the data folder"
    assert disk(10**7, 10**6) == ""
    assert disk(10**7, 10**5) == "0.1 MB of 10 MB are left for the data folder"
    monkeypatch.undo()
    assert "No such file" in disk_fault(tmp_path / "gone")


async def test_metrics_are_prometheus_text(server: Server) -> None:
    metrics.calls_active.labels("browser").set(0)
    status, headers, body = await server.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert b"voicebot_calls_active" in body


async def test_hints_are_texts(server: Server) -> None:
    server.hints = ["one", 2] + ["more"] * 20
    _, _, body = await server.get("/api/phone/hints")
    assert body.startswith(b'{"hints": ["one", "2", "more"')
    assert body.count(b"more") == 6


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://[", "http://127.0.0.1"])
async def test_another_sites_offer_is_refused(server: Server, origin: str | None) -> None:
    status, _, data = await server.offer(sdp(OFFER), origin)
    assert (status, data["error"]) == (403, "origin")


async def test_a_cross_site_request_is_refused_whatever_its_origin(server: Server) -> None:
    status, _, _ = await server.offer(sdp(OFFER), **{"Sec-Fetch-Site": "cross-site"})
    assert status == 403


async def test_only_json_is_read(server: Server) -> None:
    assert (await server.offer(b"v=0", **{"Content-Type": "text/plain"}))[0] == 415


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[[[[", b'{"type":"offer"}', b'{"type":"answer","sdp":"v=0"}', b"\xff\xfe"]
)
async def test_what_is_no_offer_gets_400(server: Server, body: bytes) -> None:
    assert (await server.offer(body, **{"Content-Type": "application/json"}))[0] == 400


async def test_a_huge_offer_gets_413_or_400(server: Server) -> None:
    assert (await server.offer(sdp("v=0" + "x" * 40_000)))[0] == 400
    assert (await server.offer(sdp("v=0" + "x" * 200_000)))[0] == 413


async def test_an_address_that_offers_and_never_connects_holds_few_lines_and_not_for_long(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def freed() -> float:
        return metrics.offers_unconnected._value.get()

    before = freed()
    monkeypatch.setattr(leg_module, "CONNECT_S", 1.5)
    answers = [await server.offer(sdp(OFFER)) for _ in range(MAX_UNCONNECTED + 2)]
    assert [status for status, _, _ in answers] == [200] * MAX_UNCONNECTED + [429] * 2
    assert answers[-1][2]["error"] == "too-many" and int(answers[-1][1]["Retry-After"]) > 0
    elsewhere = await server.offer(sdp(OFFER), **{"X-Forwarded-For": "127.0.0.1, 192.0.2.7"})
    assert elsewhere[0] == 200, "a proxy on this machine speaks for many"
    await server.web.phone.idle(30)
    assert freed() - before == MAX_UNCONNECTED + 1 and not server.legs
    assert (await server.offer(sdp(OFFER)))[0] == 200


async def test_an_offer_that_drips_in_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone, "BODY_S", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.web.port)
    head = f"POST /api/phone/offer HTTP/1.1\r\nHost: 127.0.0.1:{server.web.port}\r\nOrigin: {server.base}\r\n"
    writer.write((head + "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{").encode())
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    writer.close()


async def test_no_call_before_the_server_is_ready(server: Server) -> None:
    server.ready = False
    status, headers, data = await server.offer(sdp(OFFER))
    assert (status, data["error"]) == (503, "starting")
    assert int(headers["Retry-After"]) > 0


async def test_the_limit_answers_busy_and_when_to_come_back() -> None:
    server = Server(max_calls=1)
    await server.web.start()
    try:
        status, _, data = await server.offer(sdp(OFFER))
        assert (status, data["type"]) == (200, "answer")
        status, headers, data = await server.offer(sdp(OFFER))
        assert (status, data["error"]) == (503, "busy")
        assert int(headers["Retry-After"]) > 0
    finally:
        await server.web.stop()
    assert server.web.phone.active == 0
    assert server.legs == [], "a browser that never connects is no call"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda s: s.replace("opus/48000/2", "G722/8000"), 488),
        (lambda s: s.replace("m=audio", "m=video"), 488),
        (lambda s: s + s[s.index("m=audio") :], 488),
        (lambda s: s.replace("m=audio 9", "m=audio x"), 400),
        (lambda s: s.replace("a=fingerprint:sha-256 ", "a=fingerprint:"), 400),
        (lambda s: s.replace("a=rtpmap:111 ", "a=rtpmap:"), 400),
        (
            lambda s: (
                s.replace("a=candidate:3 ", "a=candidate:3 x y z\r\n") + "a=candidate:9 1 udp 1 h 1 typ x\r\n" * 40
            ),
            400,
        ),
        (lambda s: "nonsense", 400),
    ],
)
async def test_a_wrong_offer_gets_its_status(server: Server, change: Callable[[str], str], status: int) -> None:
    assert (await server.offer(sdp(change(OFFER))))[0] == status
    assert (await server.get("/healthz"))[0] == 200


async def test_mutated_offers_raise_documented_errors_only() -> None:
    rng = random.Random(11)
    lines = OFFER.split("\r\n")
    legs: list[WebRtcLeg] = []
    statuses = set()
    for _ in range(150):
        mutated = list(lines)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(mutated))
            match rng.randrange(4):
                case 0:
                    del mutated[place]
                case 1:
                    mutated.insert(place, mutated[rng.randrange(len(mutated))])
                case 2:
                    cut = rng.randrange(len(mutated[place]) + 1)
                    mutated[place] = mutated[place][:cut]
                case _:
                    letters = list(mutated[place]) or [""]
                    letters[rng.randrange(len(letters))] = chr(rng.randrange(1, 300))
                    mutated[place] = "".join(letters)
        try:
            _, leg = await accept("\r\n".join(mutated))
        except LegError as error:
            statuses.add(error.status)
        else:
            legs.append(leg)
    for leg in legs:
        leg.end("test")
    await asyncio.gather(*(leg.gone() for leg in legs))
    assert legs
    assert statuses <= {400, 488}


def test_names_that_browsers_hide_are_left_to_ice() -> None:
    checked = _checked(OFFER)
    assert ".local" not in checked
    assert "tcptype" not in checked
    assert "end-of-candidates" not in checked
    assert "192.0.2.9 50002" in checked


def test_too_many_candidates_are_refused() -> None:
    with pytest.raises(LegError, match="candidates"):
        _checked(OFFER + "a=candidate:3 1 udp 2113937151 192.0.2.9 50002 typ host\r\n" * MAX_CANDIDATES)
