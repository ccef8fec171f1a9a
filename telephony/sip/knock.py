"""Whether nobody listens at a UDP address: an INVITE that is answered by an ICMP error would ring for half a minute."""

from __future__ import annotations

import asyncio
import contextlib

from .hop import Hop

PATIENCE_S = 0.05
"""A machine that refuses a port says so within a round trip; a slower one is found out by the INVITE's own timers."""
KEEPALIVE = b"\r\n\r\n"
"""What SIP servers take in silence or answer with CRLF (RFC 5626 section 3.5.1)."""


class _Knock(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bool]) -> None:
        self._answer = answer

    def error_received(self, exc: Exception) -> None:
        self._say(isinstance(exc, ConnectionRefusedError))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._say(False)

    def _say(self, refused: bool) -> None:
        if not self._answer.done():
            self._answer.set_result(refused)


async def refused(hop: Hop) -> bool:
    """Send a keepalive from a socket of its own. True only when the machine says that the port is closed."""
    if hop.protocol != "udp":
        return False
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Knock(answer), remote_addr=(hop.host, hop.port))
    except OSError:
        return False
    try:
        transport.sendto(KEEPALIVE)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(answer, PATIENCE_S)
        return False
    finally:
        transport.close()
