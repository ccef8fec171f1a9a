"""What two user agents keep of each other during a call (RFC 3261 section 12). No I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace

from sipmessage import URI

from .grammar import NameAddr, is_token, split_list
from .hop import DEFAULT_PORT, DEFAULT_TLS_PORT, Hop, bracketed
from .message import MAGIC, MAX_SEQ, Request, Response, SipError, new_branch, parse_uri, read_head

MAX_ROUTES = 20
MAX_TOKENS = 64
"""Methods of an Allow and extensions of a Supported that are kept."""
MAX_FORWARDS = "70"

Key = tuple[str, str, str]
"""Call-ID, local tag, remote tag."""


@dataclass(slots=True)
class Dialog:
    """One dialog, as user agent server or client."""

    call_id: str
    local: str
    """Our From or To value, with our tag."""
    remote: str
    """The peer's, with his tag (RFC 2543 peers may have none)."""
    local_tag: str
    remote_tag: str
    target: URI
    """Where requests of the peer's are to be sent: his latest Contact."""
    routes: tuple[str, ...]
    """Route values in the order in which our requests travel."""
    hop: Hop
    """Where the peer's last message came from; TCP connections are used again."""
    local_seq: int = 0
    remote_seq: int | None = None
    behind_nat: bool = False
    """The peer's Contact is the address that his Via got wrong: only the way back to the source reaches him."""
    owner: bool = False
    """We made the Call-ID; after glare the owner waits longer (section 14.1)."""
    user: str = ""
    """Of our Contact."""
    secure: bool = False
    """Our Contact is a sips: one (section 12.1.1, RFC 5630 section 3.1.4)."""
    allows: frozenset[str] = frozenset()
    """Methods that the peer last said it understands, in upper case; empty when it never did."""
    supports: frozenset[str] = frozenset()
    """Extensions that it last said it knows, in lower case."""

    @property
    def key(self) -> Key:
        """What requests of this dialog are found by."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def as_server(cls, request: Request, local_tag: str, hop: Hop) -> Dialog:
        """The dialog that our 2xx to this INVITE makes (section 12.1.1). Raises SipError 400."""
        head = request.head
        target, routes, sent_by = _caller_of(request, hop), _routes(request), head.vias[0].host
        dialog = cls(
            head.call_id,
            f"{request.headers['To']};tag={local_tag}",
            request.headers["From"],
            local_tag,
            head.from_.tag,
            target,
            routes,
            hop,
            remote_seq=head.seq,
            secure=request.uri.scheme == "sips",
            behind_nat=not routes and sent_by != hop.host and target.host.lower() == sent_by,
        )
        dialog.learn(request)
        return dialog

    @classmethod
    def as_client(cls, request: Request, response: Response, hop: Hop) -> Dialog:
        """The dialog that a response to our INVITE makes (section 12.1.2). Raises SipError 400."""
        head = response.head
        ours = contact_of(request, replace(hop, protocol="tls"))
        dialog = cls(
            head.call_id,
            request.headers["From"],
            response.headers["To"],
            request.head.from_.tag,
            head.to.tag,
            contact_of(response, hop),
            tuple(reversed(_routes(response))),
            hop,
            local_seq=request.head.seq,
            owner=True,
            user=ours.user or "",
            secure=ours.scheme == "sips",
        )
        dialog.learn(response)
        return dialog

    def check(self, request: Request) -> None:
        """Take note of a request inside the dialog (section 12.2.2).

        Raises SipError 500 when it is out of order. ACK and CANCEL bear the number of their INVITE and are not counted.
        """
        if self.remote_seq is not None and request.head.seq <= self.remote_seq:
            raise SipError(500, "CSeq Out Of Order")
        self.remote_seq = request.head.seq

    def refresh(self, message: Request | Response, source: Hop | None = None) -> None:
        """Take a new remote target from a target refresh (INVITE, UPDATE, their 2xx; section 12.2), and what it can do.

        The route set stays what it was when the dialog was made. `source` is where a request came from. Raises
        SipError 400, and nothing has changed then.
        """
        if message.headers.get("Contact"):
            self.target = contact_of(message, self.hop)
        if source is not None:
            self._move(source)
        self.learn(message)

    def note_source(self, source: Hop) -> None:
        """A request came from there: the only way back to a peer behind NAT, and to one that has connected anew."""
        if self.behind_nat or source.reliable:
            self._move(source)

    def _move(self, source: Hop) -> None:
        self.hop = replace(source, name=self.hop.name, profile=self.hop.profile, advertise=self.hop.advertise)

    def learn(self, message: Request | Response) -> None:
        """Note what the peer says it understands; a message without Allow or Supported changes nothing."""
        allows, supports = _tokens(message, "Allow"), _tokens(message, "Supported")
        if allows is not None:
            self.allows = frozenset(token.upper() for token in allows)
        if supports is not None:
            self.supports = frozenset(token.lower() for token in supports)

    def next_hop(self) -> Hop:
        """Where our requests go: to the first route or the Contact when it is an address, else back to the source.

        A TLS dialog stays on TLS. Names are not looked up: resolving what a stranger names would hold everything up.
        """
        uri, source = self.next_uri(), self.hop
        if self.behind_nat:
            return source
        try:
            host = str(ipaddress.ip_address(uri.host.strip("[]")))
        except ValueError:
            return source
        port = uri.port or (DEFAULT_TLS_PORT if source.protocol == "tls" else DEFAULT_PORT)
        if source.protocol == "udp" and (uri.parameters.get("transport") or "").lower() == "tcp":
            return replace(source, protocol="tcp", host=host, port=port, connection=0)
        return replace(source, host=host, port=port)

    def request(self, method: str, *, via: str, seq: int | None = None, body: bytes = b"") -> Request:
        """A request inside the dialog (section 12.2.1.1).

        Args:
            via: ``UDP host:port``, what the top Via says before its branch.
            seq: the number of the INVITE for its ACK; None counts up.
        """
        if seq is None:
            self.local_seq = min(self.local_seq + 1, MAX_SEQ)
        uri, routes = self._way()
        request = Request(method, uri, body)
        request.headers.set("Via", f"SIP/2.0/{via};rport;branch={new_branch()}")
        request.headers.set("Max-Forwards", MAX_FORWARDS)
        if routes:
            request.headers.setlist("Route", list(routes))
        request.headers.set("From", self.local)
        request.headers.set("To", self.remote)
        request.headers.set("Call-ID", self.call_id)
        request.headers.set("CSeq", f"{self.local_seq if seq is None else seq} {method}")
        request.head = read_head(request.headers)
        return request

    def next_uri(self) -> URI:
        """Whom a request is handed to: the first route, or the target (RFC 3261 section 8.1.2)."""
        return parse_uri(NameAddr.parse(self.routes[0]).uri) if self.routes else self.target

    def _way(self) -> tuple[URI, tuple[str, ...]]:
        """Request-URI and Route; a first route without ``lr`` is a strict router's and goes into the URI."""
        if not self.routes:
            return self.target, ()
        first = self.next_uri()
        if "lr" in first.parameters:
            return self.target, self.routes
        return first, (*self.routes[1:], f"<{self.target}>")


def key_of(request: Request) -> Key:
    """What a request that comes in says of its dialog."""
    head = request.head
    return (head.call_id, head.to.tag, head.from_.tag)


def cancel_of(invite: Request) -> Request:
    """The CANCEL of an INVITE of ours: its own branch, number and route (section 9.1)."""
    cancel = Request("CANCEL", invite.uri)
    for name in ("Via", "Max-Forwards", "From", "To", "Call-ID"):
        cancel.headers.set(name, invite.headers[name])
    if invite.headers.getlist("Route"):
        cancel.headers.setlist("Route", list(invite.headers.getlist("Route")))
    cancel.headers.set("CSeq", f"{invite.head.seq} CANCEL")
    cancel.head = read_head(cancel.headers)
    return cancel


def _caller_of(invite: Request, hop: Hop) -> URI:
    """The Contact of an INVITE; From where a client of RFC 2543, known by its branch, has none. Raises SipError 400."""
    if invite.headers.get("Contact") or invite.head.vias[0].branch.startswith(MAGIC):
        return contact_of(invite, hop)
    uri = parse_uri(invite.head.from_.uri.partition("?")[0])
    if uri.scheme != "sip":
        raise SipError(400, "No Contact, And No SIP URI In From")
    return uri


def contact_of(message: Request | Response, hop: Hop) -> URI:
    """The one URI of Contact, without the headers it may carry; sips only where `hop` is TLS. Raises SipError 400."""
    values = message.headers.getlist("Contact")
    try:
        contacts = [item for value in values for item in split_list(value)]
        if len(contacts) != 1:
            raise SipError(400, "Exactly One Contact Wanted")
        uri = parse_uri(NameAddr.parse(contacts[0]).uri.partition("?")[0])
    except ValueError:
        raise SipError(400, "Malformed Contact") from None
    except SipError as error:
        raise SipError(400, "Unusable Contact") from error
    if uri.scheme not in ("sip", "sips") or (uri.scheme == "sips" and hop.protocol != "tls"):
        raise SipError(400, "Contact Of Another Scheme")
    return uri


def _tokens(message: Request | Response, name: str) -> list[str] | None:
    values = message.headers.getlist(name)
    found = [item.strip() for value in values for item in value.split(",")][:MAX_TOKENS]
    return [item for item in found if is_token(item)] if values else None


def _routes(message: Request | Response) -> tuple[str, ...]:
    """Record-Route, one value an element, each checked. Raises SipError 400."""
    try:
        routes = [item for value in message.headers.getlist("Record-Route") for item in split_list(value)]
        for route in routes:
            parse_uri(NameAddr.parse(route).uri)
    except (ValueError, SipError):
        raise SipError(400, "Malformed Record-Route") from None
    if len(routes) > MAX_ROUTES:
        raise SipError(400, "Too Many Routes")
    return tuple(routes)


def via_of(protocol: str, host: str, port: int) -> str:
    """The fixed part of our Via."""
    return f"{protocol.upper()} {bracketed(host)}:{port}"
