"""Whether a new call may come in: what its trunk allows (`Trunks`), and what this machine can carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from .sip.hop import Hop
from .sip.message import Request
from .terms import Terms


@dataclass(frozen=True, slots=True)
class Wish:
    """What an outgoing call says of its caller; a trunk dresses it with its own numbers and headers."""

    uri: str
    """Whom to call."""
    from_name: str = "voicebot"
    from_user: str = "voicebot"
    from_host: str = ""
    """Of From; our own address when empty."""
    headers: tuple[tuple[str, str], ...] = ()
    """More headers of the INVITE, in order."""


class Trunk(Protocol):
    """What the agent needs to know of a trunk."""

    @property
    def name(self) -> str:
        """Of its file; for records and metrics."""
        ...

    @property
    def trusted(self) -> bool:
        """Whether its P-Asserted-Identity, Diversion, X- headers and verification results are believed."""
        ...


class Ticket(Protocol):
    """One call's place on its trunk."""

    def close(self) -> None:
        """The call is over; the place is free again. Calling it twice does nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A trunk has no room."""

    status: int
    retry_after_s: int | None
    why: str


class Trunks(Protocol):
    """The book of trunks as the agent uses it; `telephony.trunk.book` has the real one."""

    def identify(self, source: Hop, request: Request) -> Trunk | None:
        """Whose request this is, by where it came from."""
        ...

    def admit(self, trunk: Trunk, now_s: float) -> Ticket | Refusal:
        """A place for one more call, either way."""
        ...

    def terms(self, trunk: Trunk) -> Terms:
        """What is agreed on calls of this trunk."""
        ...

    async def hops(self, trunk: Trunk, uri: str) -> list[Hop]:
        """Where a call to `uri` goes, in order. Raises OSError with words."""
        ...

    def passwords(self, trunk: Trunk) -> Mapping[str, str]:
        """Who may call through it, when callers have to prove themselves; empty when the address is enough."""
        ...

    def dress(self, trunk: Trunk, wish: Wish) -> Wish:
        """The same call in the trunk's clothes: its From, P-Asserted-Identity and headers."""
        ...
