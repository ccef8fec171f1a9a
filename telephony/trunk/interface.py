"""What the user agent asks about trunks; `TrunkRegistry` answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sipmessage import URI

from ..call_policy import Terms
from ..sip.endpoint import Endpoint
from ..sip.hop import Hop
from ..sip.message import Request
from ..yaml_problems import Problem
from .caller_id import CallingParty, OutgoingIdentity
from .limits import ChannelLease, TrunkFull
from .model import Trunk
from .next_hops import NextHop
from .registrar import RegisterAnswer


class Trunks(Protocol):
    """What the user agent asks about trunks. Times are in seconds of the event loop's clock."""

    async def start(self, endpoint: Endpoint) -> None:
        """Register, watch health; called once the endpoint listens."""

    async def stop(self) -> None:
        """Unregister; the endpoint still works. Ends within 2 s."""

    def exist(self) -> bool:
        """Whether there are any."""

    def get(self, name: str) -> Trunk | None:
        """The trunk of that name."""

    def of_uri(self, uri: URI) -> Trunk | None:
        """The trunk that a URI to call names in its host part: ``sip:+4930123@acme`` is trunk acme."""

    def identify(self, source: Hop, request: Request) -> Trunk | None:
        """The trunk that a request out of the blue comes over, None when it comes over none."""

    def passwords(self, trunk: Trunk) -> Mapping[str, str]:
        """User name → password of callers on this trunk; not empty: the caller has to answer a challenge."""

    def admit(self, trunk: Trunk, now_s: float) -> ChannelLease | TrunkFull:
        """A place for one more call, incoming or outgoing; release the ticket when it is over."""

    def terms(self, trunk: Trunk | None) -> Terms:
        """What is wanted in its calls; a live call keeps the terms that it began with."""

    def allowed(self, trunk: Trunk, uri: URI) -> bool:
        """Whether this may be called over the trunk, by us, by a transfer or by a redirect; otherwise 403."""

    def elsewhere(self, trunk: str, uri: URI) -> URI | None:
        """Where a peer on the trunk of that name may be sent (REFER), as the peer calls it; None: not there.

        A peer without a trunk ("") may be sent anywhere: whoever asks has to know what he does.
        """

    async def next_hops(self, trunk: Trunk | None, uri: URI) -> list[NextHop]:
        """How to reach a URI over the trunk, in order of preference, never empty. Raises OSError with words."""

    def outgoing_identity(self, trunk: Trunk | None, caller: CallingParty, hop: Hop) -> OutgoingIdentity:
        """From, identity headers and credentials for an INVITE of ours."""

    def register(self, request: Request, source: Hop, now_s: float) -> RegisterAnswer:
        """Deal with a REGISTER; the caller sends the answer."""

    async def reload(self) -> list[Problem]:
        """Read the folder again; with problems the trunks stay as they are."""
