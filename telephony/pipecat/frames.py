"""What a bot can tell a SIP transport beyond Pipecat's own frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipecat.frames.frames import DataFrame


@dataclass
class SipTransferFrame(DataFrame):
    """Have the caller call somebody else (REFER), once all audio before this frame has been heard.

    When that has worked the call ends (``on_client_disconnected``); when not, an ErrorFrame says why and it goes on.
    An interruption does not drop it.
    """

    interruptible: bool = field(default=False, init=False)

    uri: str = ""
    """SIP, SIPS or TEL."""
