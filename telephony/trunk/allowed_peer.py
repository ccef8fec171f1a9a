"""Who may call: one entry of ``peers`` in a trunk file."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic_core import CoreSchema, core_schema

from .secret import wrong

Transport = Literal["udp", "tcp", "tls"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ENTRY = re.compile(r"(?:(udp|tcp|tls)\s+)?(?:\[([0-9A-Fa-f:.]+)\]|([^\s\[\]]*?))(?::([0-9]{1,5}))?")
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9\-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9\-]*[A-Za-z0-9])?)+")
_REMEDY = (
    "write 203.0.113.7, 203.0.113.0/28, [2001:db8::7]:5080, tls 203.0.113.7, or a host name such as sbc.example.net"
)


@dataclass(frozen=True, slots=True)
class AllowedPeer:
    """An address, a mask or a name that calls may come from; optionally one transport or one source port only."""

    network: Network | None
    """None for a host name, which is looked up when the server runs."""
    name: str = ""
    port: int | None = None
    transport: Transport | None = None

    @classmethod
    def parse(cls, text: str) -> AllowedPeer:
        """Read ``[transport ]address[/mask][:port]``. Raises ValueError with words, see also `_REMEDY`."""
        bare = _network(text)
        if bare is not None:  # IPv6 without brackets would lose its last group to the port
            return cls(bare)
        match = _ENTRY.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no address")
        transport: Any = match[1]
        host, port = match[2] or match[3], int(match[4]) if match[4] else None
        if port is not None and not 0 < port < 65536:
            raise ValueError(f"{text!r} has a port out of range")
        network = _network(host)
        if network is not None:
            return cls(network, "", port, transport)
        if _NAME.fullmatch(host) is None or host.replace(".", "").isdigit():
            raise ValueError(f"{text!r} is neither an address, a mask, nor a host name")
        return cls(None, host.lower(), port, transport)

    def __str__(self) -> str:
        host = self.name if self.network is None else _short(self.network)
        if self.port is not None and ":" in host:
            host = f"[{host}]"
        return f"{self.transport + ' ' if self.transport else ''}{host}{f':{self.port}' if self.port else ''}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read)

    @classmethod
    def _read(cls, value: Any) -> AllowedPeer:
        if isinstance(value, AllowedPeer):
            return value
        if not isinstance(value, str):
            raise wrong("must be an address", _REMEDY)
        try:
            return cls.parse(value)
        except ValueError as error:
            raise wrong(str(error), _REMEDY) from None


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _short(network: Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)
