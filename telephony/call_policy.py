"""What may be agreed in one call: codecs, encryption, keys, timers. A trunk has its own, other calls the default.

Everything that sets up, changes or ends a call reads it here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .media.codecs import Codec

Srtp = Literal["off", "optional", "sdes", "dtls"]
"""``off`` plain RTP only; ``optional`` plain or encrypted as the peer offers, plain in our own offers; ``sdes`` and
``dtls`` demanded: we offer only this, and refuse plain media with 488."""
Keys = Literal["auto", "rfc4733", "info", "inband"]
"""How key presses travel: ``auto`` takes telephone events when both have them, else tones (out) and the detector (in).
INFO is always understood on the way in, and so are events that were not agreed, but with ``inband``."""
Reliable = Literal["off", "supported", "required"]
"""100rel (RFC 3262)."""


@dataclass(frozen=True, slots=True)
class SessionTimerPolicy:
    """RFC 4028: a call whose other end vanished without a word ends by itself."""

    expires_s: int = 1800
    """What we ask for. 0: we neither ask nor refuse; a peer that refreshes is answered as it wishes."""
    min_s: int = 90
    """Less than this gets 422 with Min-SE."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is wanted and allowed in one call."""

    trunk: str = ""
    """Name of the trunk, for records and metrics; empty for a caller without one."""
    codecs: tuple[Codec, ...] = ("PCMU", "PCMA", "G722", "opus")
    """Those allowed, best first: the first of them that the peer has is taken."""
    srtp: Srtp = "optional"
    keys: Keys = "auto"
    ptime_ms: Literal[10, 20, 30] = 20
    """Of our packets, when the peer asks for nothing else that we can do."""
    timer: SessionTimerPolicy = SessionTimerPolicy()
    reliable: Reliable = "supported"
    comfort_noise_dbov: float | None = -68.0
    """Level of the noise sent while nothing is said, so that the line does not sound dead; None: digital silence."""
    no_media_s: float = 20.0
    """No RTP and no other sign of life (`media.life_signs`) for this long, and nobody holds: the call ends with
    ``no-media``."""
    redirects: int = 0
    """How many 3xx answers to follow; 0 treats the first as a refusal."""
    refer_in: bool = False
    """Whether this peer may send us elsewhere (REFER); otherwise 403."""
    symmetric: bool = False
    """RTP may come from a host that neither its SDP nor its signalling has named (a telephone behind a NAT whose proxy
    carries signalling only); it is sent there, too. Otherwise the source has to be one of those."""
