"""The keys that a peer presses, as events (agreed or not) or as tones in its audio, each once (no I/O)."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from ..call_policy import Terms
from .codecs import Pcm
from .dtmf_detector import DtmfDetector
from .key_presses import MAX_BLOCKS, KeyPresses
from .rtp import RtpPacket
from .unagreed_events import UnagreedEvents

LONGEST_BYTES = 4 * MAX_BLOCKS
"""Of a payload of events. What is longer need not be looked at."""
TWICE_MS = 300.0
"""So long after its tone may the events of a press begin: gateways let the tone's beginning through."""
PAUSE_MS = 1000.0
"""So long after an event no tone counts: the tone of the same press may come behind it, and last longer."""
BETWEEN_MS = 50.0
"""Packets of one press are mostly sent every 20 to 50 ms."""
MAX_HELD_MS = 2000.0
"""So long is a key taken to be held of which nothing more is heard: some phones say nothing between first and last."""


class UnagreedEventType(NamedTuple):
    """News: a peer sends telephone events of a payload type that was not agreed."""

    payload_type: int


class KeyReception:
    """Of one call.

    Args:
        rate_hz: of the audio, 8000 or 16000.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._presses = KeyPresses()
        self._types: Set[int] = frozenset()
        self._codec_types: Set[int] = frozenset()
        self._clock_hz = 8000
        self._unagreed = UnagreedEvents()
        self._detector: DtmfDetector | None = None
        self._tones_only = False
        self._event_ms = float("-inf")
        self._tone: tuple[str, float] | None = None
        """The last key that was heard as a tone, and when."""

    @property
    def unagreed_type(self) -> int | None:
        """The payload type of events that came without having been agreed."""
        return min(self._unagreed.types, default=None)

    def agree(self, types: Set[int], codec_types: Set[int], clock_hz: int, terms: Terms) -> None:
        """Go on with these terms.

        Args:
            types: payload types of events.
            codec_types: those of the agreed codec.
            clock_hz: of events.
            terms: how keys travel in this call.
        """
        self._types, self._codec_types, self._clock_hz = types, codec_types, clock_hz
        self._tones_only = terms.keys == "inband"
        # Tones are looked for only where no events can come, so that no key counts twice.
        if self._tones_only or (terms.keys == "auto" and not types):
            self._detector = self._detector or DtmfDetector(self._rate_hz)
        else:
            self._detector = None

    def restarted(self) -> None:
        """The stream began anew: its sequence numbers are others now."""
        self._presses.restarted()

    def may_be_event(self, payload_type: int, payload: bytes) -> bool:
        """Whether a packet is one of events, or may be; a payload type can be that of the codec as well."""
        if payload_type in self._types:
            return payload_type not in self._codec_types or len(payload) == 4
        return payload_type not in self._codec_types and self._unagreed.is_like_event(payload_type, payload)

    def is_event(self, packet: RtpPacket) -> bool:
        """Whether a packet that `may_be_event` is known to be one."""
        return packet.payload_type in self._types or packet.payload_type in self._unagreed.types

    def event(self, packet: RtpPacket, now_ms: float) -> list[str | UnagreedEventType]:
        """Take a packet that `may_be_event` when it arrives, in any order; what is new by it."""
        news: list[str | UnagreedEventType] = []
        if packet.payload_type not in self._types:
            known = packet.payload_type in self._unagreed.types
            if not self._unagreed.learn(packet, now_ms):
                return []
            if not known:
                news.append(UnagreedEventType(packet.payload_type))
        self._event_ms = now_ms
        keys = self._presses.packet(packet, now_ms, self._clock_hz)
        if not self._tones_only:
            news += [key for key in keys if not self._is_tone_again(key, now_ms)]
        return news

    def audio(self, pcm: Pcm, now_ms: float) -> str:
        """The keys that begin in the next samples of the audio; none while the peer presses keys by events."""
        keys = "" if self._detector is None else self._detector.feed(pcm)
        if not keys or (now_ms - self._event_ms < PAUSE_MS and not self._tones_only):
            return ""
        self._tone = keys[-1], now_ms
        return keys

    def lasts_until_ms(self, now_ms: float) -> float:
        """Until when, after an event at `now_ms`, the peer sends that instead of audio."""
        return now_ms + (MAX_HELD_MS if self._presses.held else BETWEEN_MS)

    def _is_tone_again(self, key: str, now_ms: float) -> bool:
        tone, self._tone = self._tone, None
        return tone is not None and tone[0] == key and now_ms - tone[1] <= TWICE_MS
