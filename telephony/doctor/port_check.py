"""Whether the ports that the server wants are free, or who has them."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Iterator

from telephony.routing.call_facts import clean
from telephony.sip.hop import bracketed
from telephony.sip.listen_sockets import ListenConfig, family_of

from .findings import Finding
from .server_config import ServerConfig

ASK_S = 1.0
TRIED_PORTS = 40
"""Of the RTP range: evenly spread."""
_SERVER = re.compile(rb"\r\n(?:Server|User-Agent)[ \t]*:[ \t]*([^\r\n]{1,200})", re.IGNORECASE)


async def sip_ports(listening: ListenConfig) -> list[Finding]:
    """The signalling ports, on each address."""
    found = []
    wanted = [("UDP", listening.port, socket.SOCK_DGRAM), ("TCP", listening.port, socket.SOCK_STREAM)]
    if listening.tls is not None:
        wanted.append(("TLS", listening.tls_port, socket.SOCK_STREAM))
    for host in listening.hosts:
        server: str | None = None
        for what, port, kind in wanted:
            if port == 0:
                continue
            subject = f"{what} {bracketed(host)}:{port}"
            error = bind(host, port, kind)
            if error is None:
                found.append(Finding("ok", subject, "is free"))
            elif error.errno == errno.EADDRINUSE:
                server = await _who(host, listening.port) if server is None else server
                found.append(_taken(subject, server, port))
            elif error.errno == errno.EADDRNOTAVAIL:
                words = "this machine has no such address"
                found.append(Finding("problem", subject, words, "listen on one of `ip address`, and set advertise"))
            else:
                found.append(Finding("problem", subject, error.strerror or str(error), "take another port"))
    return found


def voice_ports(site: ServerConfig) -> Iterator[Finding]:
    """The RTP range: large enough for all calls, and not used by others."""
    first, last = site.rtp
    subject = f"RTP {first}-{last}"
    pairs = max(0, (last - first + 1) // 2)
    if pairs < site.max_calls:
        words = f"has room for {pairs} calls, but {site.max_calls} are allowed"
        yield Finding("problem", subject, words, "widen rtp.first_port to rtp.last_port, or lower sip.max_calls")
        return
    step = max(2, (last - first) // TRIED_PORTS // 2 * 2)
    tried = range(first + first % 2, last, step)[:TRIED_PORTS]
    taken = [port for port in tried if bind(site.listening.hosts[0], port, socket.SOCK_DGRAM) is not None]
    if len(taken) > len(tried) // 2:
        words = f"{len(taken)} of {len(tried)} ports that were tried are in use"
        yield Finding("problem", subject, words, "take a range that no other program uses")
    else:
        used = f", {len(taken)} of {len(tried)} tried are in use" if taken else ""
        yield Finding("ok", subject, f"has room for {pairs} calls{used}; the firewall has to let UDP in there")


def bind(host: str, port: int, kind: socket.SocketKind) -> OSError | None:
    """Why that port cannot be had now; None: it can."""
    with socket.socket(family_of(host), kind) as one:
        if kind == socket.SOCK_STREAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            return error
        except OverflowError:
            return OSError(errno.EINVAL, "is no port")
    return None


def _taken(subject: str, server: str, port: int) -> Finding:
    """`server` is what answers SIP there, by UDP."""
    if server.startswith("voicebot"):
        return Finding("ok", subject, f"is taken by a running {server}")
    if server:
        words = f"is taken by a SIP server that calls itself {server}"
        return Finding("problem", subject, words, "stop it, or take another sip.port")
    words = "is taken: by the running server, or by another program"
    return Finding("warning", subject, words, f"see whose it is with: ss -lpn | grep :{port}")


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[bytes]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_result(b"")


async def _who(host: str, port: int) -> str:
    """What the SIP server on that UDP port calls itself; empty when none answers."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: _Asking(answer), remote_addr=(host, port))
    except OSError:
        return ""
    local = transport.get_extra_info("sockname")
    here = f"{bracketed(local[0])}:{local[1]}"
    transport.sendto(
        f"OPTIONS sip:{bracketed(host)}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {here};branch=z9hG4bKdoctor{local[1]};rport\r\n"
        f"Max-Forwards: 1\r\nFrom: <sip:doctor@{here}>;tag=d\r\nTo: <sip:{bracketed(host)}:{port}>\r\n"
        f"Call-ID: doctor-{local[1]}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n".encode()
    )
    try:
        async with asyncio.timeout(ASK_S):
            match = _SERVER.search(await answer)
    except TimeoutError:
        match = None
    finally:
        transport.close()
    return clean(match[1].decode("utf-8", "replace"), 60) if match is not None else ""
