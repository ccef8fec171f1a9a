"""Calls that we place: over which trunk, as whom, on what terms."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypedDict

from sipmessage import URI

from ...call_policy import Terms
from ...clock import now_s
from ...leg import LegError
from ...media.engine import MediaEngine, PortsExhausted
from ...sip.digest import Credentials, DigestClient
from ...sip.endpoint import Endpoint
from ...sip.grammar import is_token
from ...sip.message import SipError, parse_uri
from ...trunk.caller_id import CallingParty, OutgoingIdentity
from ...trunk.limits import ChannelLease, TrunkFull
from ...trunk.model import Trunk
from ...trunk.next_hops import NextHop
from ...trunk.registry import Trunks
from ..accounting import CallAccounting
from ..dialog.sipleg import SipLeg
from ..dialog_table import DialogTable
from .call_request import CallRequest
from .hunt import OutgoingCall

RING_S = 20.0
MAX_LOGINS = 256
"""Accounts whose challenges are remembered."""
_OURS = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type", "route"}
    | {"record-route", "allow", "authorization", "proxy-authorization", "user-agent", "supported", "require"}
    | {"session-expires", "min-se", "rseq", "rack"}
)


class CallOptions(TypedDict, total=False):
    """What may be said of a call of ours; everything may be left out."""

    from_name: str
    """Who calls; the trunk says so when empty."""
    from_user: str
    """The calling number or name; the trunk says so when empty."""
    private: bool
    """Hide that from the called party (RFC 3323)."""
    headers: Mapping[str, str]
    """More of them; values lose their control characters."""
    ring_s: float
    """How long to wait for the answer, `RING_S` seconds without it."""
    credentials: Credentials | None
    """For challenges, instead of the trunk's."""
    trunk: str | None
    """Name of the trunk to call over, instead of the one that the URI names."""
    terms: Terms | None
    """Of this call, instead of the trunk's; its `trunk` is the one called over all the same."""
    late_offer: bool
    """Leave the offer to the called party."""


class Originator:
    """The calling side of one user agent.

    Args:
        endpoint: the SIP port.
        trunks: over which to call.
        engine: opens the media.
        dialogs: get what comes of it.
        accounting: is told of every call.
        on_over: goes to the legs.
        on_change: called when a call has been answered or has failed.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        trunks: Trunks,
        engine: MediaEngine,
        dialogs: DialogTable,
        accounting: CallAccounting,
        on_over: Callable[[SipLeg], None],
        on_change: Callable[[], None],
    ) -> None:
        self.outgoing: set[OutgoingCall] = set()
        """Calls that are neither answered nor failed."""
        self._endpoint = endpoint
        self._trunks = trunks
        self._engine = engine
        self._dialogs = dialogs
        self._accounting = accounting
        self._on_over = on_over
        self._on_change = on_change
        self._logins: OrderedDict[Credentials, DigestClient] = OrderedDict()

    def dial(self, uri: str, options: CallOptions) -> OutgoingCall:
        """Begin to place a call.

        Args:
            uri: ``sip:``, ``sips:`` or ``tel:``; a host that is a trunk's name means that trunk.
            options: see there.

        Raises LegError at once: 403 the trunk may not be used for that, 404 no such trunk, 416 and 400 a URI that
        cannot be called, 503 or 486 the trunk is full, 503 no media port is free; ValueError for a header that is ours
        to set.
        """
        headers = options.get("headers", {})
        for name in headers:
            if not is_token(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} cannot be set on a call")
        target = _parse(uri)
        trunk = self._trunk_for(target, options.get("trunk"))
        terms = self._trunks.terms(trunk)
        wished = options.get("terms")
        if wished is not None:
            terms = replace(wished, trunk=terms.trunk)
        lease = self._admit(trunk)
        try:
            media = self._engine.open()
        except PortsExhausted as error:
            lease.release()
            raise LegError(503, error.reason) from error
        call = CallRequest(
            self._endpoint,
            self._dialogs,
            media,
            target,
            terms,
            call_id=secrets.token_hex(16),
            elsewhere=self._trunks.elsewhere,
            headers=tuple(headers.items()),
            late_offer=options.get("late_offer", False),
            on_over=self._on_over,
        )
        caller = CallingParty(options.get("from_user", ""), options.get("from_name", ""), options.get("private", False))
        credentials = options.get("credentials")

        def identity_for(next_hop: NextHop) -> tuple[OutgoingIdentity, DigestClient | None]:
            identity = self._trunks.outgoing_identity(trunk, caller, next_hop.hop)
            return identity, self._login(credentials or identity.credentials)

        outgoing = OutgoingCall(
            call,
            lambda to: self._trunks.next_hops(trunk, to),
            identity_for,
            lambda to: trunk is None or self._trunks.allowed(trunk, to),
            options.get("ring_s", RING_S),
        )
        self.outgoing.add(outgoing)
        outgoing.on_done(lambda _: self._done(outgoing))
        self._accounting.placed(outgoing, terms.trunk, lease)
        return outgoing

    def _done(self, outgoing: OutgoingCall) -> None:
        self.outgoing.discard(outgoing)
        self._on_change()

    def _trunk_for(self, uri: URI, name: str | None) -> Trunk | None:
        """The trunk to call over. Raises LegError."""
        trunk = self._trunks.of_uri(uri) if name is None else self._trunks.get(name)
        if trunk is None:
            if name is not None:
                raise LegError(404, f"there is no trunk {name!r}")
            if uri.scheme == "tel":
                raise LegError(404, f"{uri} needs a trunk")
        elif not self._trunks.allowed(trunk, uri):
            raise LegError(403, f"{uri} is not among the destinations of trunk {trunk.name}")
        return trunk

    def _admit(self, trunk: Trunk | None) -> ChannelLease:
        """A place on the trunk. Raises LegError."""
        if trunk is None:
            return ChannelLease()
        lease = self._trunks.admit(trunk, now_s())
        if isinstance(lease, TrunkFull):
            raise LegError(lease.status, f"no room on trunk {trunk.name} ({lease.why})")
        return lease

    def _login(self, credentials: Credentials | None) -> DigestClient | None:
        if credentials is None:
            return None
        login = self._logins.pop(credentials, None) or DigestClient(credentials)
        self._logins[credentials] = login
        if len(self._logins) > MAX_LOGINS:
            self._logins.popitem(last=False)
        return login


def _parse(uri: str) -> URI:
    try:
        return parse_uri(uri)
    except SipError as error:
        raise LegError(error.status, f"{uri}: {error.reason}") from error
