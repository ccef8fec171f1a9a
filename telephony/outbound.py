"""A call that we place: INVITE, digest, ringing, CANCEL, and the 2xx that may cross it (RFC 3261 section 13.2)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sipmessage import URI

from . import sdp
from .engine import MediaSession
from .leg import LegError
from .negotiation import Negotiation
from .sip import digest
from .sip.dialog import Dialog
from .sip.digest import Credentials
from .sip.endpoint import Endpoint
from .sip.grammar import is_token, quote
from .sip.hop import Hop, bracketed
from .sip.message import Request, Response, SipError, encode, new_branch, new_tag, read_head
from .sipleg import ALLOW, SDP_TYPE, SipLeg
from .terms import Terms

MAX_UDP_BYTES = 1300
"""Larger requests go by TCP first (RFC 3261 section 18.1.1)."""
MAX_TRIES = 4
_OURS = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type", "route"}
    | {"record-route", "allow", "authorization", "proxy-authorization", "user-agent"}
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be called, and how."""

    uri: URI
    from_name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """More headers of the INVITE. Values lose their control characters."""
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        for name in self.headers:
            if not is_token(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} cannot be set on a call")


class Outbound:
    """One attempt to call. `result` gets the leg, or a LegError."""

    def __init__(
        self,
        endpoint: Endpoint,
        media: MediaSession,
        wish: Wish,
        hop: Hop,
        on_leg: Callable[[SipLeg], None],
        on_over: Callable[[SipLeg], None],
    ) -> None:
        self.result: asyncio.Future[SipLeg] = asyncio.get_running_loop().create_future()
        self._endpoint = endpoint
        self._media = media
        self._wish = wish
        self._hop = hop
        self._on_leg = on_leg
        self._on_over = on_over
        self._call_id = secrets.token_hex(16)
        self._tag = new_tag()
        self._seq = 0
        self._tries = 0
        self._terms = Terms()
        self._negotiation = Negotiation(media, endpoint.local_host(hop), self._terms, hop.host)
        self._invite: Request | None = None
        self._authorization: tuple[str, str] | None = None
        self._ringing = False
        self._given_up = False
        self._cancelled = False
        self._legs: dict[str, SipLeg] = {}

    def start(self) -> None:
        """Send the INVITE."""
        invite = self._make_invite()
        if self._hop.protocol == "udp" and len(encode(invite)) > MAX_UDP_BYTES:
            self._hop = replace(self._hop, protocol="tcp")
            invite = self._make_invite()
        self._send(invite)

    def give_up(self) -> None:
        """Nobody wants the call any more: CANCEL, or BYE when it has just been answered."""
        if self._given_up:
            return
        self._given_up = True
        for leg in self._legs.values():
            leg.end("local")
        self._media.close()
        if self._ringing and not self._legs:
            self._cancel()

    def unreachable(self, reason: str) -> None:
        """The peer's machine says that there is nobody; the timers need not run out."""
        if not self._ringing and not self._legs:
            self._fail(503, reason)
            self.give_up()

    def _make_invite(self) -> Request:
        host = self._endpoint.local_host(self._hop)
        body = self._negotiation.again()
        self._seq += 1
        request = Request("INVITE", self._wish.uri, body)
        headers = request.headers
        headers.set("Via", f"SIP/2.0/{self._endpoint.via(self._hop)};rport;branch={new_branch()}")
        headers.set("Max-Forwards", "70")
        headers.set("From", f"{quote(self._wish.from_name)} <sip:voicebot@{bracketed(host)}>;tag={self._tag}")
        headers.set("To", f"<{self._wish.uri}>")
        headers.set("Call-ID", self._call_id)
        headers.set("CSeq", f"{self._seq} INVITE")
        headers.set("Contact", self._endpoint.contact(self._hop))
        headers.set("Allow", ALLOW)
        headers.set("Content-Type", SDP_TYPE)
        if self._authorization is not None:
            headers.set(*self._authorization)
        for name, value in self._wish.headers.items():
            headers.set(name, value)
        request.head = read_head(headers)
        return request

    def _send(self, invite: Request) -> None:
        self._invite = invite
        self._tries += 1
        self._ringing = False
        self._endpoint.request(invite, self._hop, lambda event: self._on_event(invite, event))

    # ── what comes back ──

    def _on_event(self, invite: Request, event: Response | int) -> None:
        if isinstance(event, Response) and 200 <= event.code < 300:
            self._on_answered(invite, event)
        elif invite is not self._invite or self._legs:
            return
        elif isinstance(event, int):
            self._on_failure(event)
        elif event.code < 200:
            self._ringing = True
            if self._given_up:
                self._cancel()
        elif event.code in (401, 407) and not self._given_up and self._authorize(event):
            self._send(self._make_invite())
        else:
            self._fail(event.code, event.phrase)

    def _on_failure(self, status: int) -> None:
        asked_for_tcp = (self._wish.uri.parameters.get("transport") or "").lower() == "tcp"
        if status == 503 and self._hop.protocol == "tcp" and not asked_for_tcp and not self._given_up:
            self._hop = replace(self._hop, protocol="udp")  # it was TCP only for its size
            self._send(self._make_invite())
            return
        self._fail(status, "No Answer" if status == 408 else "Unreachable")

    def _authorize(self, response: Response) -> bool:
        """Prepare credentials for a challenge. Returns whether another try makes sense."""
        credentials = self._wish.credentials
        challenge_name, answer_name = (
            ("WWW-Authenticate", "Authorization")
            if response.code == 401
            else ("Proxy-Authenticate", "Proxy-Authorization")
        )
        if credentials is None or self._tries >= MAX_TRIES:
            return False
        try:
            challenge = digest.choose(response.headers.getlist(challenge_name))
        except ValueError:
            return False
        if self._authorization is not None and self._authorization[0] == answer_name and not challenge.stale:
            return False
        value = digest.authorization(challenge, credentials, "INVITE", str(self._wish.uri))
        self._authorization = (answer_name, value)
        return True

    def _on_answered(self, invite: Request, response: Response) -> None:
        known = self._legs.get(response.head.to.tag)
        if known is not None:
            known.acknowledge()
            return
        try:
            dialog = Dialog.as_client(invite, response, self._hop)
        except SipError as error:
            self._fail(500, error.reason)
            return
        wanted = not self._given_up and not self._legs
        negotiation = self._negotiation.fork()
        leg = SipLeg(self._endpoint, dialog, negotiation, self._terms, str(self._wish.uri), self._on_over)
        self._legs[dialog.remote_tag] = leg
        self._on_leg(leg)
        if not wanted:  # crossed our CANCEL, or a second branch of a fork
            leg.media.on_timeout = None
            leg.refuse(response, invite)
            return
        try:
            leg.answered(response, invite)
        except sdp.SdpError as error:
            self._fail(error.status, str(error))
            return
        if not self.result.done():
            self.result.set_result(leg)

    def _fail(self, status: int, reason: str) -> None:
        self._media.close()
        if not self.result.done():
            self.result.set_exception(LegError(status, reason))
            self.result.exception()  # whoever gave up does not come for it

    def _cancel(self) -> None:
        """RFC 3261 section 9.1: only after a provisional response, with the INVITE's own branch."""
        if self._cancelled or self._invite is None:
            return
        self._cancelled = True
        invite = self._invite
        cancel = Request("CANCEL", invite.uri)
        for name in ("Via", "Max-Forwards", "From", "To", "Call-ID"):
            cancel.headers.set(name, invite.headers[name])
        cancel.headers.set("CSeq", f"{invite.head.seq} CANCEL")
        cancel.head = read_head(cancel.headers)
        self._endpoint.request(cancel, self._hop, None)
