"""The counters of one call's media, as records and metrics get them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaStats:
    """Counters of a session since it was opened."""

    codec: str = ""
    """Of what we send: ``PCMU``, ``PCMA``, ``G722``, ``opus``."""
    packets_sent: int = 0
    bytes_sent: int = 0
    """Payload only, as `bytes_received`."""
    packets_received: int = 0
    """Of the caller, in order or put in order."""
    bytes_received: int = 0
    lost: int = 0
    """Given up waiting for; those that came later all the same are in `late`, too."""
    late: int = 0
    """Came when their time was over."""
    reordered: int = 0
    """Came after a later one, and in time."""
    longest_burst: int = 0
    """Packets lost in one run, at most."""
    duplicates: int = 0
    malformed: int = 0
    """Datagrams that are no RTP, or of a payload type that was not agreed."""
    stray: int = 0
    """Keepalives: STUN requests, which are not answered, and empty datagrams."""
    wrong_source: int = 0
    concealed_ms: float = 0.0
    """Audio made up for packets that were lost or not sent; not for the time of key presses."""
    jitter_ms: float = 0.0
    """Interarrival jitter (RFC 3550 §6.4.1)."""
    max_gap_out_ms: float = 0.0
    """Longest time between two packets sent."""
    peer_lost_percent: float | None = None
    """Of our packets, as the peer last reported (RTCP); None when it never did."""
    peer_jitter_ms: float | None = None
    round_trip_ms: float | None = None
    mos: float | None = None
    """Mean opinion score of what we hear, 1 to 4.5, by the E-model (see `quality`); None: too little came."""
    peer_mos: float | None = None
    """Of what the peer hears, by its reports; None when it sent none."""
    unagreed_event_type: int | None = None
    """Of telephone events that came though none of this payload type were agreed; None: all is as agreed."""
    srtp: str = ""
    """The suite that protects the stream now; empty: it is plain, or the handshake is not done."""
    forged: int = 0
    """SRTP datagrams with a bad tag, and what else came where only SRTP may."""
    replayed: int = 0
    """SRTP packets that had come before."""
