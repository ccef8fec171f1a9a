"""A leg: one party of a call as the rest of the program sees it, whatever carries it (SIP, WebRTC).

Audio is ``numpy.int16``, mono, at `Leg.rate_hz`. Callbacks run on the event loop; `play`, `flush` and the counters may
be used from the event loop only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .media.stats import MediaStats
from .sip_trace import TraceEntry

Pcm = NDArray[np.int16]
"""Mono 16-bit samples, shape (n,)."""

AudioHandler = Callable[[Pcm], None]
DtmfHandler = Callable[[str], None]

EndCause = Literal["caller", "local", "no-media", "transferred", "failed"]
"""Why a leg is over, of a fixed set: the peer hung up, we did, nothing was heard, it talks on elsewhere, or a fault."""


class LegError(Exception):
    """A leg could not be set up.

    Attributes:
        status: the SIP status that describes it (486 busy, 408 no answer, 503 unreachable …).
        reason: the words that go with it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


class Leg(Protocol):
    """One answered party with audio both ways."""

    id: str
    """Unique for this leg; for SIP the Call-ID (hostile text: never a file name, escape before showing)."""

    peer: str
    """Who is on the other side, for people: ``sip:+15551234@carrier`` or ``browser``."""

    on_audio: AudioHandler | None
    """Called with each decoded block (normally 20 ms) in order; lost packets come as concealed audio."""

    on_dtmf: DtmfHandler | None
    """Called once a key press with one of ``0-9*#A-D``."""

    @property
    def closed(self) -> asyncio.Future[str]:
        """Done when the leg is over, with who ended it or why.

        ``caller``, ``local``, ``no-media``, ``transferred``, ``failed: …``. Whoever waits under a time limit cancels
        it, for the others too; ask for it anew then.
        """
        ...

    @property
    def rate_hz(self) -> int:
        """Sample rate of `on_audio` and `play`: 8000 or 16000."""
        ...

    @property
    def played_samples(self) -> int:
        """Samples of `play` audio handed to the network so far."""
        ...

    @property
    def queued_samples(self) -> int:
        """Samples given to `play` and not sent yet."""
        ...

    def play(self, pcm: Pcm) -> None:
        """Append audio to what is being sent; silence goes out whenever nothing is queued."""
        ...

    def flush(self) -> int:
        """Drop what is queued at once (barge-in). Returns the number of samples dropped."""
        ...

    def send_dtmf(self, keys: str) -> None:
        """Send key presses to the peer (RFC 4733). Raises ValueError for other characters."""
        ...

    def silence_excused(self) -> AbstractContextManager[None]:
        """As long as this lasts, the leg does not end for want of media: its party waits for us, or we for it."""
        ...

    async def hang_up(self, reason: str = "local") -> None:
        """End the leg; returns when the peer has been told. Calling it again does nothing."""
        ...

    async def connect_to(self, other: Leg) -> bool:
        """Ask the peer to talk to `other`'s peer without us; when that has worked, this leg is over (``transferred``).

        Returns False when these two kinds of leg cannot be connected so: nothing was sent. Raises LegError when it was
        refused or has failed: both legs go on as before.
        """
        ...

    def stats(self) -> MediaStats:
        """Counters of its audio so far; what this kind of leg does not count has the default of its field."""
        ...

    def captured(self) -> list[TraceEntry] | None:
        """The RTP packets that were kept of it, as whole datagrams in their order; None when none are kept."""
        ...
