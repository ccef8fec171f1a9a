"""TCP and TLS towards one server: does it answer, whom do its certificates name, and until when."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from cryptography import x509
from OpenSSL import SSL

from telephony.sip import tls
from telephony.sip.hop import Hop, bracketed
from telephony.sip.tls import ReloadingContext, TlsClient, TlsError, TlsSession

from .findings import Finding, Level, Stopwatch
from .trunk_check import of_certificate

CONNECT_S = 5.0
MAX_CHAIN = 10


async def connect(hop: Hop) -> Finding:
    """Open a TCP connection and close it."""
    subject = f"tcp {bracketed(hop.host)}:{hop.port}"
    stopwatch = Stopwatch()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(hop.host, hop.port)
    except TimeoutError:
        remedy = "a firewall drops the packets: let TCP out to this address and port, or correct them"
        return stopwatch.finding("problem", subject, f"no answer within {CONNECT_S:g} s", remedy)
    except ConnectionRefusedError:
        remedy = "nobody listens there: check port and transport (TLS is 5061, TCP 5060)"
        return stopwatch.finding("problem", subject, "refused", remedy)
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else str(error)
        return stopwatch.finding("problem", subject, words, "check the address, and whether a route leads there")
    found = stopwatch.finding("ok", subject, "connected")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return found


async def handshake(hop: Hop, client: TlsClient) -> AsyncIterator[Finding]:
    """Whose certificates come, whether we believe them, and what was agreed."""
    now = datetime.now(UTC)
    chain = await asyncio.to_thread(_chain, hop)
    for place, certificate in enumerate(chain):
        words = of_certificate("certificate", certificate, now)
        names = f", for {', '.join(tls.names_of(certificate)[:6])}" if place == 0 else ""
        issuer = certificate.issuer.rfc4514_string()
        level: Level = "ok" if words.level == "ok" else "warning"  # whether it matters, the handshake says
        yield Finding(level, f"certificate {place}", f"{words.words}{names}\nissued by {issuer}", words.remedy)
    subject = f"tls {hop.name or hop.host}"
    stopwatch = Stopwatch()
    try:
        secured = await _shake(hop, client)
    except TlsError as error:
        yield stopwatch.finding("problem", subject, str(error), "correct tls in the trunk's file")
        return
    except (OSError, TimeoutError) as error:
        yield stopwatch.finding("problem", subject, tls.why(error), _remedy(error, chain))
        return
    agreed = f"{secured.version}, {secured.cipher}"
    if client.verify and not secured.speaks_for(hop.name or hop.host):
        names = ", ".join(secured.names[:6]) or "nobody"
        problem = f"{agreed}; the certificate is for {names}, not {hop.name or hop.host}"
        remedy = "call the server by such a name in `to`, or set tls.name to one of them"
        yield stopwatch.finding("problem", subject, problem, remedy)
    elif not client.verify:
        yield stopwatch.finding("warning", subject, f"{agreed}; the certificate was not checked", "give tls.ca instead")
    else:
        yield stopwatch.finding("ok", subject, f"{agreed}; the certificate is believed")


async def _shake(hop: Hop, client: TlsClient) -> TlsSession:
    context = ReloadingContext(client).get(0.0)
    async with asyncio.timeout(CONNECT_S):
        _, writer = await asyncio.open_connection(
            hop.host, hop.port, ssl=context, server_hostname=hop.name or hop.host, ssl_handshake_timeout=CONNECT_S
        )
    try:
        connection = writer.get_extra_info("ssl_object")
        return TlsSession.of(connection)
    finally:
        writer.transport.abort()


def _chain(hop: Hop) -> list[x509.Certificate]:
    """The certificates that the server sends, its own first, believed or not; [] when the handshake fails before."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    with contextlib.suppress(OSError, SSL.Error), socket.create_connection((hop.host, hop.port), CONNECT_S) as raw:
        raw.settimeout(None)  # pyOpenSSL takes a timeout for an error; the socket's own limits end a silent peer
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, int(CONNECT_S).to_bytes(8, "little") + bytes(8))
        connection = SSL.Connection(context, raw)
        connection.set_connect_state()
        if hop.name:
            connection.set_tlsext_host_name(hop.name.encode("idna"))
        connection.do_handshake()
        return [one.to_cryptography() for one in (connection.get_peer_cert_chain() or [])[:MAX_CHAIN]]
    return []


def _remedy(error: BaseException, chain: list[x509.Certificate]) -> str:
    """What to do, beyond what the reason says."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (9, 10):
            return "the operator of the server has to renew it; until then calls fail"
        root = chain[-1].issuer.rfc4514_string() if chain else "its authority"
        return f"get the certificate of {root} from the operator, and name it as tls.ca in the trunk's file"
    if isinstance(error, ssl.SSLError):
        return (
            "see that the port is the one for TLS (5061), and which certificate of ours is wanted (tls.cert, tls.key)"
        )
    return "see whether the server takes TLS on this port at all"
