"""An endpoint alone, without calls: it says 200 to everything, and can ask."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from telephony.sip.endpoint import Endpoint, ListenConfig, MessageTrace, SourceFilter
from telephony.sip.hop import Hop
from telephony.sip.message import Request, Response, new_branch, new_tag, parse_uri, read_head, respond
from telephony.sip.transaction import Transaction

from .programs import PATIENCE_S


class Polite:
    """A user that answers everything with 200 and remembers it."""

    def __init__(self) -> None:
        self.endpoint: Endpoint | None = None
        self.requests: list[tuple[Request, Hop]] = []

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        self.requests.append((request, source))
        assert self.endpoint is not None
        contact = [("Contact", self.endpoint.contact(source))]
        self.endpoint.respond(transaction, respond(request, 200, tag=new_tag(), headers=contact))

    def on_ack(self, request: Request) -> None:
        self.requests.append((request, Hop("udp", "", 0)))


@contextlib.asynccontextmanager
async def answering(
    listening: ListenConfig | None = None, *, guard: SourceFilter | None = None, trace: MessageTrace | None = None
) -> AsyncIterator[tuple[Endpoint, Polite]]:
    """A started endpoint on 127.0.0.1, or where `listening` says."""
    user = Polite()
    endpoint = Endpoint(listening or ListenConfig(port=0), "voicebot", user, guard=guard, trace=trace)
    user.endpoint = endpoint
    await endpoint.start()
    try:
        yield endpoint, user
    finally:
        await endpoint.close()


async def ask(endpoint: Endpoint, hop: Hop, uri: str = "sip:bot@peer.invalid", patience_s: float = PATIENCE_S) -> int:
    """Send OPTIONS. Returns the final status; the transaction's own 408 or 503 without an answer."""
    request = Request("OPTIONS", parse_uri(uri))
    request.headers.set("Via", f"SIP/2.0/{endpoint.via(hop)};rport;branch={new_branch()}")
    request.headers.set("Max-Forwards", "70")
    request.headers.set("From", f"<sip:us@127.0.0.1>;tag={new_tag()}")
    request.headers.set("To", f"<{uri}>")
    request.headers.set("Call-ID", new_branch())
    request.headers.set("CSeq", "1 OPTIONS")
    request.head = read_head(request.headers)
    final: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def hear(event: Response | int) -> None:
        status = event if isinstance(event, int) else event.code
        if status >= 200 and not final.done():
            final.set_result(status)

    endpoint.request(request, hop, hear)
    return await asyncio.wait_for(final, patience_s)


def options(n: int, protocol: str = "TLS") -> bytes:
    """An OPTIONS request whose Call-ID is ``t<n>``."""
    return (
        f"OPTIONS sip:bot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{protocol} 127.0.0.1:9;branch=z9hG4bKt{n}\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:bot@b>\r\nCall-ID: t{n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


async def assert_answers(reader: asyncio.StreamReader, numbers: range) -> None:
    """200 to each of `options(n)`, in their order."""
    for n in numbers:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert head.startswith(b"SIP/2.0 200")
        assert f"Call-ID: t{n}\r\n".encode() in head
