"""What the doctor is told of the server that it examines: the telephone part of its configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from telephony.sip.listen_sockets import ListenConfig


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One server's telephony, as configured."""

    listening: ListenConfig = field(default_factory=ListenConfig)
    trunks: Path | None = None
    """Folder of the trunk files."""
    routes: Path | None = None
    rtp: tuple[int, int] = (20000, 29999)
    """First and last port."""
    max_calls: int = 50
    flows: frozenset[str] | None = None
    """Names of the dialogs that routes may name; None: not known."""
    targets: frozenset[str] | None = None
    """Likewise of handover targets."""
