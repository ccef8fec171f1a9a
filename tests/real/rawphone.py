"""A telephone of a few lines over real sockets, which does with its streams and addresses what a test wants of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import socket
from collections.abc import AsyncIterator

from telephony.media.rtp import Address, pack

from .programs import PATIENCE_S, until
from .siprun import Wire

TALK = bytes([0x90]) * 160
"""µ-law, loud."""
PACKET_S = 0.02


class Socket(Wire):
    """A bare socket that also notes who sent."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.plain.bind((host, 0))
        self.address: Address = self.plain.getsockname()
        self.got = 0

    def put(self, data: bytes, address: Address) -> None:
        """Send, an empty datagram too (which asyncio would not)."""
        self.plain.sendto(data, address)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got += 1
        super().datagram_received(data, addr)


class RawPhone:
    """One call to a server on 127.0.0.1.

    Attributes:
        remote: where the server wants RTP.
        hung_up: the BYE of the server, once it has come.
    """

    def __init__(self, server_port: int) -> None:
        self._server = ("127.0.0.1", server_port)
        self._opened = contextlib.AsyncExitStack()
        self._tag, self._call_id, self._seq = secrets.token_hex(4), secrets.token_hex(8), 0
        self._to = ""
        self.remote: Address = ("", 0)
        self.hung_up = ""
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[int, tuple[int, str]] = {}

    async def socket(self, host: str = "127.0.0.1") -> Socket:
        """Another socket of this phone, at one of the addresses of the loopback."""
        one = Socket(host)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: one, sock=one.plain)
        self._opened.callback(transport.close)
        return one

    async def listen(self, sip: Socket) -> None:
        """Have signalling come from there."""
        self._sip = sip
        if self._reader is not None:
            self._reader.cancel()
        self._reader = asyncio.create_task(self._read(sip))

    async def _read(self, sip: Socket) -> None:
        while True:
            text = (await sip.inbox.get()).decode("latin-1")
            if (answered := re.match(r"SIP/2.0 (\d+)", text)) and int(answered[1]) >= 200:
                number = re.search(r"(?im)^CSeq: *(\d+)", text)
                self._answers[int(number[1]) if number else 0] = int(answered[1]), text
            elif text.startswith("BYE"):
                self.hung_up = text
                lines = re.findall(r"(?im)^(?:Via|From|To|Call-ID|CSeq):.*$", text)
                reply = "\r\n".join(["SIP/2.0 200 OK", *(line.strip() for line in lines), "Content-Length: 0", "", ""])
                sip.put(reply.encode(), self._server)

    async def request(self, method: str, body: str = "") -> tuple[int, str]:
        """Send a request and wait for its final answer: status, and the whole text."""
        self._seq += 1
        self._send(method, self._seq, body)
        seq = self._seq
        async with asyncio.timeout(PATIENCE_S):
            await until(lambda: seq in self._answers)
        status, text = self._answers[seq]
        if to := re.search(r"(?im)^To:.*?(;tag=\S+)", text):
            self._to = to[1]
        if method == "INVITE":
            self._send("ACK", seq)
        return status, text

    def _send(self, method: str, seq: int, body: str = "") -> None:
        host, port = self._sip.address
        lines = [
            f"{method} sip:bot@127.0.0.1:{self._server[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{secrets.token_hex(6)}",
            f"From: <sip:raw@{host}>;tag={self._tag}",
            f"To: <sip:bot@127.0.0.1>{self._to}",
            f"Call-ID: {self._call_id}",
            f"CSeq: {seq} {method}",
            f"Contact: <sip:raw@{host}:{port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._sip.put("\r\n".join([*lines, "", body]).encode(), self._server)

    async def call(self, signalled: Address, direction: str = "sendrecv") -> None:
        """Call, or change the call; the SDP names that address."""
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {signalled[0]}\r\ns=-\r\nc=IN IP4 {signalled[0]}\r\nt=0 0\r\n"
            f"m=audio {signalled[1]} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )
        status, text = await self.request("INVITE", body)
        assert status == 200, text
        port = re.search(r"(?m)^m=audio (\d+)", text)
        assert port is not None, text
        self.remote = "127.0.0.1", int(port[1])

    async def talk(self, source: Socket, first: int, count: int, ssrc: int = 1, pace_s: float = PACKET_S) -> None:
        """Packets of loud audio from there, by their sequence numbers; the timestamps go with them."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        for number in range(first, first + count):
            packet = pack(False, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc, TALK)
            source.put(packet, self.remote)
            due_s += pace_s
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def hang_up(self) -> None:
        """Say BYE, unless the server has."""
        if self._reader is not None:
            if not self.hung_up:
                await self.request("BYE")
            self._reader.cancel()
        await self._opened.aclose()


@contextlib.asynccontextmanager
async def raw_phone(server_port: int, sip_host: str = "127.0.0.1") -> AsyncIterator[RawPhone]:
    """A phone whose signalling comes from that address."""
    phone = RawPhone(server_port)
    await phone.listen(await phone.socket(sip_host))
    try:
        yield phone
    finally:
        await phone.hang_up()
