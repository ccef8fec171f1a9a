"""One UDP socket that also hears what ICMP says of our datagrams (RFC 3261 section 18.4; Linux, ip(7) IP_RECVERR)."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
import sys
from collections.abc import Callable

from .hop import Hop

MAX_BATCH = 64
"""Datagrams taken in one round of the loop, so that a flood leaves time for the rest."""
MAX_ERRORS = 16
MIN_BYTES = 5
"""Shorter ones are keepalives (RFC 5626 section 3.5.1, or of some NAT)."""
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_EXTENDED = struct.Struct("=IBBBBII")
_ICMP, _ICMP6 = 2, 3
_UNREACHABLE = {(_ICMP, 3, code) for code in (0, 1, 2, 3, 9, 10, 13)} | {(_ICMP6, 1, code) for code in range(7)}
"""Origin, type and code that mean: it cannot arrive. All others (too big, time exceeded) are left to the timers."""

log = logging.getLogger(__name__)

OnDatagram = Callable[[bytes, Hop], None]
OnUnreachable = Callable[[Hop, bytes | None, str], None]
"""Whom, the beginning of the datagram that ICMP quotes (None: it did not even leave), and why."""


class Datagrams:
    """Owns a bound socket. `number` is what hops of its datagrams bear as `connection`."""

    def __init__(
        self, sock: socket.socket, number: int, on_datagram: OnDatagram, on_unreachable: OnUnreachable
    ) -> None:
        self.number = number
        self.family = sock.family
        self.host: str = sock.getsockname()[0]
        self._sock = sock
        self._on_datagram = on_datagram
        self._on_unreachable = on_unreachable
        self._loop = asyncio.get_running_loop()
        if sys.platform == "linux":
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self._loop.add_reader(sock, self._readable)

    def close(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def send(self, data: bytes, hop: Hop) -> None:
        """Send now or never: what the kernel cannot take is as good as lost on the way."""
        for _ in range(MAX_ERRORS):
            try:
                self._sock.sendto(data, (hop.host, hop.port))
                return
            except BlockingIOError:
                log.warning("SIP datagram dropped, the socket is full", extra={"peer": hop.host})
                return
            except OSError as error:
                if self._hear_errors():
                    continue  # it was about an earlier datagram
                words = error.strerror or str(error)
                self._loop.call_soon(self._on_unreachable, hop, None, f"cannot be sent: {words}")
                return

    def _readable(self) -> None:
        for count in range(MAX_BATCH):
            try:
                data, address = self._sock.recvfrom(65_535)
            except BlockingIOError:
                if count == 0:
                    self._hear_errors()  # what else has woken us?
                return
            except OSError:
                self._hear_errors()
                continue
            if len(data) >= MIN_BYTES and address[1]:
                self._on_datagram(data, Hop("udp", address[0], address[1], self.number))

    def _hear_errors(self) -> bool:
        """Take what is in the error queue. Returns whether there was something."""
        heard = False
        for _ in range(MAX_ERRORS):
            try:
                quoted, extras, _, address = self._sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
            except (OSError, AttributeError):
                return heard
            heard = True
            for level, kind, data in extras:
                if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                    number, origin, icmp_type, code, *_ = _EXTENDED.unpack_from(data)
                    if (origin, icmp_type, code) in _UNREACHABLE and address:
                        hop = Hop("udp", address[0], address[1], self.number)
                        words = "nobody listens there (UDP)" if number == errno.ECONNREFUSED else "cannot be reached"
                        self._loop.call_soon(self._on_unreachable, hop, quoted, words)
        return heard
