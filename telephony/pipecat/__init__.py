"""SIP calls for Pipecat bots. Needs pipecat-ai, which nothing else in telephony does.

A bot gets a `SipTransport` and builds its pipeline between `input()` and `output()`::

    async with serving(calls_to(bot), AgentConfig("127.0.0.1", 5060)):
        await stop_signal()

Touch `transport` for what a bot sees, `input` and `output` for frames of audio and keys either way, `transport_call`
for the call beneath. Written against pipecat-ai 1.14. May import all other packages, and ``agent.py``.
"""

from __future__ import annotations

try:
    import pipecat as _pipecat  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "pipecat":
        raise
    raise ImportError("telephony.pipecat needs Pipecat: pip install 'pipecat-ai>=1.14,<2'") from error

from .frames import SipTransferFrame
from .transport import Bot, SipTransport, calls_to, sip_params

__all__ = ["Bot", "SipTransferFrame", "SipTransport", "calls_to", "sip_params"]
