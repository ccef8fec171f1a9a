"""What goes out: queued audio, silence and keys to one packet per 20 ms slot (no I/O; slots are the clock)."""

from __future__ import annotations

import random
import threading

from . import rtp
from .codecs import SILENCE, Codec, Pcm, decode, encode
from .dtmf import SLOT_SAMPLES, DtmfSender, check_keys, tones
from .sdp import Agreed


class Sender:
    """The sending half of a session.

    `play`, `flush` and `press` are called on the event loop, `next_packet` in the engine's thread; the lock covers the
    few lines that both touch. Sequence and timestamp go on over re-INVITEs; timestamps count all slots, sent or not.
    """

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.played_samples = 0
        self.ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(16)
        self._timestamp = random.getrandbits(32)
        self._lock = threading.Lock()
        self._queue = bytearray()
        self._codec: Codec = "PCMU"
        self._payload_type = 0
        self._dtmf_payload_type: int | None = None
        self._sending = False
        self._silence = b""
        self._keys = DtmfSender()
        self._talking = False

    @property
    def timestamp(self) -> int:
        """The media clock, 32 bits (for sender reports)."""
        return self._timestamp

    @property
    def codec(self) -> Codec:
        """Agreed last."""
        return self._codec

    @property
    def queued_samples(self) -> int:
        """Not sent yet; one byte of G.711 is a sample."""
        return len(self._queue)

    def agree(self, agreed: Agreed) -> None:
        """Send on these terms from the next packet on; what is queued is kept."""
        with self._lock:
            if agreed.codec != self._codec:
                self._queue = bytearray(encode(decode(bytes(self._queue), self._codec), agreed.codec))
            self._codec = agreed.codec
            self._payload_type = agreed.payload_type
            self._dtmf_payload_type = agreed.dtmf_payload_type
            self._sending = agreed.direction in ("sendrecv", "sendonly")
            self._silence = bytes([SILENCE[agreed.codec]]) * SLOT_SAMPLES

    def play(self, pcm: Pcm) -> None:
        """Append 8000 Hz audio."""
        encoded = encode(pcm, self._codec)
        with self._lock:
            self._queue += encoded

    def flush(self) -> int:
        """Drop what is queued; returns the number of samples."""
        with self._lock:
            dropped = len(self._queue)
            self._queue.clear()
        return dropped

    def press(self, keys: str) -> None:
        """Send keys, as events or else as tones. Raises ValueError for other characters."""
        if self._dtmf_payload_type is None and self._sending:
            self.play(tones(keys))
            return
        keys = check_keys(keys)
        with self._lock:
            self._keys.press(keys)

    def next_packet(self) -> bytes | None:
        """The packet of this slot; None while nothing may be sent. What is queued waits during a hold and a key."""
        with self._lock:
            timestamp = self._timestamp
            self._timestamp = (timestamp + SLOT_SAMPLES) & 0xFFFFFFFF
            if not self._sending:
                self._talking = False
                return None
            payload_type, marker = self._payload_type, False
            if self._keys and self._dtmf_payload_type is not None:
                event = self._keys.next()
                payload, talking = self._silence, False
                if event is not None:
                    payload, marker, payload_type = event.payload, event.marker, self._dtmf_payload_type
                    timestamp = (timestamp - event.offset_samples) & 0xFFFFFFFF
            else:
                payload, talking = self._audio()
                marker = talking and not self._talking
            self._talking = talking
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.bytes += len(payload)
        return rtp.pack(marker, payload_type, self._sequence, timestamp, self.ssrc, payload)

    def skip(self, slots: int) -> None:
        """Let slots pass that could not be used (a stalled machine): the clock goes on, the audio waits."""
        self._timestamp = (self._timestamp + slots * SLOT_SAMPLES) & 0xFFFFFFFF
        self._talking = False

    def _audio(self) -> tuple[bytes, bool]:
        """The payload of this slot, and whether it is more than silence."""
        if not self._queue:
            return self._silence, False
        payload = bytes(self._queue[:SLOT_SAMPLES])
        del self._queue[:SLOT_SAMPLES]
        self.played_samples += len(payload)
        if len(payload) < SLOT_SAMPLES:
            payload += self._silence[len(payload) :]
        return payload, True
