"""Where the user agent listens and how much it takes on."""

from __future__ import annotations

from dataclasses import dataclass

from .sip.endpoint import ListenConfig, TlsServer


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """See the sentences of the fields."""

    listen: str | tuple[str, ...] = "127.0.0.1"
    """One address or several (IPv4 and IPv6)."""
    port: int = 5060
    """Of UDP and TCP; 0 for any free one."""
    advertise: str | None = None
    """Our address as peers see it (behind NAT); an address literal."""
    max_calls: int = 50
    """Calls at one time, either way; one more gets 503 with Retry-After. How many of them callers without a
    trunk may have `call.inbound.anonymous_limit` says."""
    user_agent: str = "voicebot"
    max_new_per_s: float = 50.0
    """New incoming calls per second, a second's worth at once; half of it is kept for trunks. More get 503."""
    tls: TlsServer | None = None
    """Certificate and key for callers by TLS; None: no TLS port."""
    tls_port: int = 5061
    nameservers: tuple[str, ...] = ()
    """Asked for NAPTR, SRV and addresses; the system's when empty."""
    open: bool = True
    """Whether callers that belong to no trunk are taken."""
    realm: str = "voicebot"
    """Of the digest challenges to callers on trunks with users."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """All listening addresses."""
        return (self.listen,) if isinstance(self.listen, str) else self.listen

    @property
    def listening(self) -> ListenConfig:
        """The same for the endpoint."""
        return ListenConfig(self.hosts, self.port, self.advertise, self.tls, self.tls_port, self.nameservers)
