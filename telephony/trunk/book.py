"""All trunks of a server, as the user agent asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sipmessage import URI

from ..problems import Problem
from ..sip.endpoint import Endpoint
from ..sip.hop import Hop
from ..sip.message import Request
from ..terms import Terms
from .dress import Caller, Dress, allowed, dress
from .limits import Limits, Refusal, Ticket
from .model import Trunk

__all__ = ["Answer", "Caller", "Dress", "Refusal", "Ticket", "Trunk", "TrunkBook", "Trunks", "Way"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to reach a called party."""

    uri: URI
    """Request-URI and To."""
    hop: Hop
    """Where the request is sent."""
    routes: tuple[str, ...] = ()
    """Route values."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a REGISTER is answered with."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


class Trunks(Protocol):
    """What the user agent asks about trunks. Times are in seconds of the event loop's clock."""

    async def start(self, endpoint: Endpoint) -> None:
        """Register, watch health; called once the endpoint listens."""

    async def stop(self) -> None:
        """Unregister; the endpoint still works. Ends within 2 s."""

    @property
    def closed(self) -> bool:
        """Whether a caller that no trunk knows is to be refused (403). False without any trunk: everybody may call."""

    def get(self, name: str) -> Trunk | None:
        """The trunk of that name."""

    def of_uri(self, uri: URI) -> Trunk | None:
        """The trunk that a URI to call names in its host part: ``sip:+4930123@acme`` is trunk acme."""

    def identify(self, source: Hop, request: Request) -> Trunk | None:
        """The trunk that a request out of the blue comes over, None when it comes over none."""

    def passwords(self, trunk: Trunk) -> Mapping[str, str]:
        """User name → password of callers on this trunk; not empty: the caller has to answer a challenge."""

    def admit(self, trunk: Trunk, now_s: float) -> Ticket | Refusal:
        """A place for one more call, incoming or outgoing; release the ticket when it is over."""

    def terms(self, trunk: Trunk | None) -> Terms:
        """The wishes for its calls; a live call keeps those it began with."""

    def allowed(self, trunk: Trunk, uri: URI) -> bool:
        """Whether this may be called over the trunk, by us, by a transfer or by a redirect; otherwise 403."""

    async def ways(self, trunk: Trunk | None, uri: URI) -> list[Way]:
        """How to reach a URI over the trunk, in order of preference, never empty. Raises OSError with words."""

    def dress(self, trunk: Trunk | None, caller: Caller, hop: Hop) -> Dress:
        """From, identity headers and credentials for an INVITE of ours."""

    def register(self, request: Request, source: Hop, now_s: float) -> Answer:
        """Deal with a REGISTER; the caller sends the answer."""

    def reload(self) -> list[Problem]:
        """Read the folder again; with problems the trunks stay as they are."""


class TrunkBook:
    """The trunks of a server."""

    def __init__(self, trunks: Mapping[str, Trunk] | None = None) -> None:
        self._trunks: Mapping[str, Trunk] = dict(trunks or {})
        self._limits: dict[str, Limits] = {}
        self._endpoint: Endpoint | None = None

    async def start(self, endpoint: Endpoint) -> None:
        """See `Trunks`."""
        self._endpoint = endpoint

    async def stop(self) -> None:
        """See `Trunks`."""

    @property
    def closed(self) -> bool:
        """See `Trunks`."""
        return bool(self._trunks)

    def get(self, name: str) -> Trunk | None:
        """See `Trunks`."""
        return self._trunks.get(name)

    def of_uri(self, uri: URI) -> Trunk | None:
        """See `Trunks`."""
        return self._trunks.get(uri.host)

    def identify(self, source: Hop, request: Request) -> Trunk | None:
        """See `Trunks`."""
        for trunk in self._trunks.values():
            for peer in trunk.peers:
                if peer.matches(source):
                    return trunk
        return None

    def passwords(self, trunk: Trunk) -> Mapping[str, str]:
        """See `Trunks`."""
        return {user: secret.reveal() for user, secret in trunk.users.items()}

    def admit(self, trunk: Trunk, now_s: float) -> Ticket | Refusal:
        """See `Trunks`."""
        return self._limits.setdefault(trunk.name, Limits()).admit(trunk, now_s)

    def terms(self, trunk: Trunk | None) -> Terms:
        """See `Trunks`."""
        return trunk.terms if trunk is not None else Terms()

    def allowed(self, trunk: Trunk, uri: URI) -> bool:
        """See `Trunks`."""
        return allowed(trunk, uri)

    async def ways(self, trunk: Trunk | None, uri: URI) -> list[Way]:
        """See `Trunks`."""
        if self._endpoint is None:
            raise OSError("the trunks are not started")
        hops = await self._endpoint.resolve(uri)
        return [Way(uri, hop) for hop in (hops if isinstance(hops, list) else [hops])]

    def dress(self, trunk: Trunk | None, caller: Caller, hop: Hop) -> Dress:
        """See `Trunks`."""
        local_host = self._endpoint.local_host(hop) if self._endpoint is not None else "invalid"
        return dress(trunk, caller, local_host)

    def register(self, request: Request, source: Hop, now_s: float) -> Answer:
        """See `Trunks`."""
        return Answer(405)

    def reload(self) -> list[Problem]:
        """See `Trunks`."""
        return []
