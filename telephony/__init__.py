"""Telephony by itself: SIP and WebRTC legs with audio both ways. Imports nothing of voicebot.

The names that most programs need, loaded when they are first used: ``from telephony import IncomingCall, serving``.
docs/telephony-by-itself.md shows how they go together.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent import UserAgent
    from .agent_config import AgentConfig
    from .call.dialog.sipleg import SipLeg
    from .call.inbound.incoming import IncomingCall
    from .call_policy import Terms
    from .leg import Leg, LegError
    from .media.engine import MediaEngine
    from .server import serving, stop_signal
    from .trunk.registry import TrunkRegistry

__all__ = [
    "AgentConfig",
    "IncomingCall",
    "Leg",
    "LegError",
    "MediaEngine",
    "SipLeg",
    "Terms",
    "TrunkRegistry",
    "UserAgent",
    "serving",
    "stop_signal",
]

_HOMES = {
    "AgentConfig": "agent_config",
    "IncomingCall": "call.inbound.incoming",
    "Leg": "leg",
    "LegError": "leg",
    "MediaEngine": "media.engine",
    "SipLeg": "call.dialog.sipleg",
    "Terms": "call_policy",
    "TrunkRegistry": "trunk.registry",
    "UserAgent": "agent",
    "serving": "server",
    "stop_signal": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
