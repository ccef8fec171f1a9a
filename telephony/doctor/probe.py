"""``trunk probe``: one step after the other towards a trunk's servers, each with its time and what to do about it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator

from sipmessage import URI

from telephony.routing.call_facts import clean
from telephony.sip.endpoint import Endpoint
from telephony.sip.hop import Hop, bracketed
from telephony.sip.listen_sockets import ListenConfig
from telephony.sip.message import Request, Response, new_branch, new_tag, read_head, respond
from telephony.sip.resolve import DnsClient
from telephony.sip.tls import TlsClient
from telephony.sip.transaction import Transaction
from telephony.trunk.model import Trunk
from telephony.trunk.next_hops import settled, with_transport

from .dns_records import records
from .findings import Finding, Stopwatch
from .register_probe import RegisterProbe
from .status_meanings import meaning
from .tls_handshake import connect, handshake
from .trunk_check import places_of

ANSWER_S = 8.0
"""How long a request waits for its final response."""
MAX_HOPS = 4
"""Of one name."""
SILENCE = (
    "a firewall drops our packets or the answers, or the peer answers only addresses that it knows: "
    "tell the provider this machine's public address, and let UDP out to its port"
)


class _Silent:
    """Answers what comes while we probe: servers ask back."""

    def __init__(self) -> None:
        self.endpoint: Endpoint | None = None

    def on_request(self, transaction: Transaction, request: Request, source: Hop, merged: bool) -> None:
        if self.endpoint is not None:
            self.endpoint.respond(transaction, respond(request, 480, tag=new_tag()))

    def on_ack(self, request: Request) -> None:
        """Nothing was answered."""


class Probe:
    """One run.

    Args:
        listening: of the server: its addresses, what it advertises, its nameservers. The port is another one.
        trunk: whose servers are asked.
        register: register for a moment; otherwise only ask for our bindings, which changes nothing at the provider.
    """

    def __init__(self, listening: ListenConfig, trunk: Trunk, *, register: bool = False) -> None:
        self._trunk = trunk
        self._register = register
        self._hosts = listening.hosts
        self._dns = DnsClient(listening.nameservers)
        user = _Silent()
        ours = ListenConfig(listening.hosts, 0, listening.advertise, nameservers=listening.nameservers)
        self._endpoint = user.endpoint = Endpoint(ours, "voicebot doctor", user)
        tls = trunk.tls
        self._client = TlsClient(tls.ca, tls.cert, tls.key, tls.verify)
        self._endpoint.profiles[trunk.name] = self._client
        self._reached: set[tuple[str, str, int]] = set()

    async def run(self) -> AsyncGenerator[Finding, None]:
        """All steps, each as soon as it is done; `aclose` it when not all are wanted.

        Raises OSError when no socket can be opened.
        """
        trunk = self._trunk
        places = places_of(trunk)
        if not places:
            words = "leads nowhere: calls and registrations only come from there"
            yield Finding("ok", f"trunk {trunk.name}", words, "call us over it, then: voicebot trunk ladder CALL")
            return
        await self._endpoint.start()
        try:
            for text in places:
                async for finding in self._place(text):
                    yield finding
            if trunk.registration is not None:
                async for finding in self._registration():
                    yield finding
        finally:
            await self._endpoint.close()

    async def _place(self, text: str) -> AsyncIterator[Finding]:
        uri = with_transport(self._trunk, text)
        stopwatch = Stopwatch()
        seen = await records(self._dns, uri)
        try:
            hops = await self._endpoint.resolve(uri, self._trunk.name, self._trunk.tls.name)
        except OSError as error:
            remedy = "correct the name in the trunk, or the nameservers of this machine"
            yield stopwatch.finding("problem", f"dns {uri.host}", "\n".join([str(error), *seen]), remedy)
            return
        where = ", ".join(f"{hop.protocol} {hop.host}:{hop.port}" for hop in hops)
        yield stopwatch.finding("ok", f"dns {uri.host}", "\n".join([where, *seen]))
        for hop in hops[:MAX_HOPS]:
            async for finding in self._hop(uri, settled(self._trunk, hop)):
                yield finding
        if len(hops) > MAX_HOPS:
            yield Finding("ok", f"dns {uri.host}", f"{len(hops) - MAX_HOPS} more servers were not asked")

    async def _hop(self, uri: URI, hop: Hop) -> AsyncIterator[Finding]:
        key = (hop.protocol, hop.host, hop.port)
        if key in self._reached:
            return
        self._reached.add(key)
        if hop.reliable:
            finding = await connect(hop)
            yield finding
            if finding.level == "problem":
                return
        if hop.protocol == "tls":
            async for finding in handshake(hop, self._client):
                yield finding
                if finding.level == "problem":
                    return
        yield await self._options(uri, hop)

    async def _options(self, uri: URI, hop: Hop) -> Finding:
        subject = f"options {hop.protocol} {bracketed(hop.host)}:{hop.port}"
        request = self._request("OPTIONS", URI(uri.scheme, uri.host, port=uri.port), hop)
        request.headers.set("Accept", "application/sdp")
        stopwatch = Stopwatch()
        answer = await self.ask(request, hop)
        if isinstance(answer, int):
            why = self._endpoint.why(hop) if answer == 503 else ""
            return stopwatch.finding(
                "problem", subject, why or f"no answer within {ANSWER_S:g} s", self._remedy(why, hop)
            )
        said = [f"{answer.code} {clean(answer.phrase, 60)}", *_headers(answer, "Server", "User-Agent", "Allow")]
        if answer.code == 503:
            return stopwatch.finding("warning", subject, "\n".join(said), "the server is up, but takes no calls now")
        if 300 <= answer.code < 400 or answer.code in (403, 483):
            return stopwatch.finding("warning", subject, "\n".join(said), meaning(answer.code)[1])
        return stopwatch.finding("ok", subject, "\n".join(said))

    def _remedy(self, why: str, hop: Hop) -> str:
        """What to do when a request got no answer; `why` is the transport's reason, empty for silence."""
        if not why:
            return SILENCE
        if "nobody listens" in why or "refused" in why:
            return "nobody listens there: check address, port and transport"
        loopback = [host for host in self._hosts if ipaddress.ip_address(host).is_loopback]
        if loopback and not ipaddress.ip_address(hop.host).is_loopback:
            return f"we listen on {loopback[0]} only: set sip.listen to 0.0.0.0 or to this machine's address"
        return "check the address, and whether a route leads there"

    async def _registration(self) -> AsyncIterator[Finding]:
        """With the first registrar that answers."""
        trunk = self._trunk
        for text in trunk.registrars:
            uri = with_transport(trunk, trunk.outbound_proxy or text)
            try:
                hops = await self._endpoint.resolve(uri, trunk.name, trunk.tls.name)
            except OSError:
                continue  # said already
            login = RegisterProbe(trunk, URI.parse(text), self._register)
            for hop in (settled(trunk, one) for one in hops[:MAX_HOPS]):
                async for finding in login.run(self, hop):
                    yield finding
                if login.answered:
                    return
        if trunk.registrars:
            yield Finding("problem", "register", "no registrar answered", "mend the steps above first")

    # ── for the steps ──

    @property
    def endpoint(self) -> Endpoint:
        """Ours, listening."""
        return self._endpoint

    def _request(self, method: str, uri: URI, hop: Hop) -> Request:
        contact = self._endpoint.contact(hop, "doctor")
        request = Request(method, uri)
        headers = request.headers
        headers.set("Max-Forwards", "70")
        headers.set("From", f"{contact};tag={new_tag()}")
        headers.set("To", f"<{uri}>")
        headers.set("Call-ID", new_tag() + new_tag())
        headers.set("CSeq", f"1 {method}")
        headers.set("Contact", contact)
        return request

    async def ask(self, request: Request, hop: Hop) -> Response | int:
        """Send a request that is complete but for its Via. Returns the final response, or 408 or 503 for none."""
        answered: asyncio.Future[Response | int] = asyncio.get_running_loop().create_future()

        def on_event(event: Response | int) -> None:
            if not answered.done() and (isinstance(event, int) or event.code >= 200):
                answered.set_result(event)

        request.headers.set("Via", f"SIP/2.0/{self._endpoint.via(hop)};rport;branch={new_branch()}")
        request.head = read_head(request.headers)
        self._endpoint.request(request, hop, on_event)
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answered
        except TimeoutError:
            return 408


def _headers(response: Response, *names: str) -> list[str]:
    return [f"{name}: {clean(response.headers[name], 160)}" for name in names if response.headers.get(name)]
