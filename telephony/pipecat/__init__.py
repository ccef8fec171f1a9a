"""SIP calls for Pipecat bots. Needs pipecat-ai, which nothing else in telephony does.

A bot gets a `SipTransport` and builds its pipeline between `input()` and `output()`::

    async with serving(calls_to(bot), AgentConfig("127.0.0.1", 5060)):
        await stop_signal()

Written against pipecat-ai 1.14.
"""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("pipecat") is None:
    raise ImportError("telephony.pipecat needs Pipecat: pip install 'pipecat-ai>=1.14,<2'")

from .frames import SipTransferFrame
from .transport import Bot, SipTransport, calls_to, sip_params

__all__ = ["Bot", "SipTransferFrame", "SipTransport", "calls_to", "sip_params"]
