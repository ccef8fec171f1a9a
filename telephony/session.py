"""The media of one call: what a leg plays, hears and counts. `telephony.engine` drives it from its thread."""

from __future__ import annotations

import socket
from collections.abc import Callable

from .codecs import RATE_HZ, Codec, Pcm
from .dtmf import SLOT_SAMPLES
from .receiver import Heard, Receiver
from .rtcp import INTERVAL_NS, Reporter
from .rtp import Address
from .sdp import Agreed
from .sender import Sender
from .stats import MediaStats
from .udp import BATCH, Udp

NO_MEDIA_MS = 20_000.0
"""Silence of the network after which a call is given up."""
AUDIO_PACKET_BYTES = 12 + SLOT_SAMPLES
MAX_READS = 16
"""Batches read from one socket at a time, so that a flood of one call does not hold up the others."""

Tap = Callable[[bool, int, bytes], None]


class MediaSession:
    """One RTP stream both ways. Made by `MediaEngine.open`; methods and callbacks belong to the event loop.

    Before `connect` everything that arrives is dropped and nothing is sent; what is played waits.
    """

    rate_hz = RATE_HZ

    def __init__(
        self, udp: Udp, rtp_socket: socket.socket, rtcp_socket: socket.socket, leave: Callable[[MediaSession], None]
    ) -> None:
        self.port: int = rtp_socket.getsockname()[1]
        """Of RTP, even; RTCP has the next one."""
        self.on_audio: Callable[[Pcm], None] | None = None
        self.on_dtmf: Callable[[str], None] | None = None
        self.on_timeout: Callable[[], None] | None = None
        self.tap: Tap | None = None
        """Called in the engine's thread with (sent, monotonic ns, G.711 payload) for each audio packet."""
        self.sockets = (rtp_socket, rtcp_socket)
        self.closed = False
        self._leave = leave
        self._udp = udp
        self._sender = Sender()
        self._receiver: Receiver | None = None
        self._reporter = Reporter()
        self._report_due_ns = 0
        self._shunned = False
        self._rtcp_remote: Address | None = None
        self._terms: tuple[Agreed, str | None] | None = None
        self._alive_ms: float | None = None
        self._holding = True
        self._last_sent_ns = 0
        self._max_gap_ns = 0

    # ── for the leg, on the event loop ──

    def connect(self, agreed: Agreed, source_host: str | None = None) -> None:
        """Send and receive on these terms; again after a re-INVITE (SSRC and sequence go on).

        `source_host` is the address that the peer's signalling comes from, if known: RTP from there with the agreed
        port is the peer's, too (see `rtp.SourceLock`).
        """
        self._sender.agree(agreed)
        self._terms = agreed, source_host

    def play(self, pcm: Pcm) -> None:
        """Append audio (int16, mono, 8000 Hz) to what is being sent."""
        self._sender.play(pcm)

    def flush(self) -> int:
        """Drop what is queued at once. Returns the number of samples dropped."""
        return self._sender.flush()

    @property
    def codec(self) -> Codec:
        """Of both directions, and of what `tap` gets."""
        return self._sender.codec

    @property
    def queued_samples(self) -> int:
        """Played and not sent yet."""
        return self._sender.queued_samples

    @property
    def played_samples(self) -> int:
        """Handed to the network so far, without silence."""
        return self._sender.played_samples

    def send_dtmf(self, keys: str) -> None:
        """Press keys: RFC 4733 events, or tones for a peer without them. Raises ValueError for other characters."""
        self._sender.press(keys)

    def stats(self) -> MediaStats:
        """The counters of now."""
        sender, receiver = self._sender, self._receiver
        if receiver is None:
            return MediaStats()
        buffer, reporter = receiver.buffer, self._reporter
        return MediaStats(
            packets_sent=sender.packets,
            bytes_sent=sender.bytes,
            packets_received=buffer.received,
            bytes_received=receiver.bytes,
            lost=buffer.lost,
            late=buffer.late,
            duplicates=buffer.duplicates,
            malformed=receiver.malformed,
            wrong_source=receiver.wrong_source,
            concealed_ms=receiver.concealed_samples * 1000 / RATE_HZ,
            jitter_ms=buffer.jitter_ms,
            max_gap_out_ms=self._max_gap_ns / 1e6,
            peer_lost_percent=reporter.peer_lost_percent,
            peer_jitter_ms=reporter.peer_jitter_ms,
            round_trip_ms=reporter.round_trip_ms,
        )

    def close(self) -> None:
        """Send and receive nothing more; no callback comes after this. The ports are free within a tick."""
        if not self.closed:
            self.closed = True
            self._leave(self)

    def deliver(self, heard: Heard | None) -> None:
        """Hand on a block, a key, or (None) that the caller's media has stopped."""
        if self.closed:
            return
        if heard is None:
            if self.on_timeout is not None:
                self.on_timeout()
        elif isinstance(heard, str):
            if self.on_dtmf is not None:
                self.on_dtmf(heard)
        elif self.on_audio is not None:
            self.on_audio(heard)

    # ── for the engine, in its thread ──

    def send(self, now_ns: int) -> None:
        """Use this call's 20 ms slot."""
        self._agree(now_ns / 1e6)
        if now_ns >= self._report_due_ns:
            self._report(now_ns)
        packet = self._sender.next_packet()
        if packet is None or self._receiver is None:
            self._last_sent_ns = 0
            return
        self._udp.send(self.sockets[0], packet, self._receiver.lock.target)
        if self._last_sent_ns:
            self._max_gap_ns = max(self._max_gap_ns, now_ns - self._last_sent_ns)
        self._last_sent_ns = now_ns
        if self.tap is not None and len(packet) == AUDIO_PACKET_BYTES:  # events are shorter
            self.tap(True, now_ns, packet[12:])

    def skip(self, slots: int) -> None:
        """Slots went by unused."""
        self._sender.skip(slots)

    def read(self, now_ns: int) -> None:
        """Take in what has arrived."""
        self._agree(now_ns / 1e6)
        now_ms, receiver = now_ns / 1e6, self._receiver
        for _ in range(MAX_READS):
            datagrams = self._udp.receive(self.sockets[0])
            for data, source in datagrams:
                payload = None if receiver is None else receiver.datagram(data, source, now_ms)
                if payload is not None and self.tap is not None:
                    self.tap(False, now_ns, payload)
            if len(datagrams) < BATCH:
                return

    def take(self, now_ns: int) -> list[Heard | None]:
        """What has become ready for `deliver`."""
        now_ms = now_ns / 1e6
        self._agree(now_ms)
        receiver = self._receiver
        if receiver is None:
            return []
        heard: list[Heard | None] = [*receiver.take(now_ms)]
        if self._alive_ms is not None and not self._holding:
            alive_ms = max(self._alive_ms, receiver.last_packet_ms or 0.0)
            if now_ms - alive_ms > NO_MEDIA_MS:
                self._alive_ms = None
                heard.append(None)
        return heard

    def read_rtcp(self, now_ns: int) -> None:
        """Take in the peer's reports. Only its host is heard, and nothing but statistics depends on them."""
        for data, source in self._udp.receive(self.sockets[1]):
            if self._receiver is not None and source[0] == self._receiver.lock.target[0]:
                self._reporter.read(data, now_ns, self._sender.ssrc)

    def part(self, now_ns: int) -> None:
        """Say goodbye and close the sockets."""
        if self._receiver is not None:
            self._report(now_ns, bye=True)
        for one in self.sockets:
            one.close()

    def _report(self, now_ns: int, bye: bool = False) -> None:
        if self._receiver is None:
            return
        if (self._report_due_ns or bye) and not self._shunned:
            host, port = self._receiver.lock.target
            report = self._reporter.write(now_ns, self._sender, self._receiver.buffer, bye)
            self._udp.send(self.sockets[1], report, self._rtcp_remote or (host, min(port + 1, 65535)))
        self._report_due_ns = now_ns + INTERVAL_NS

    def _agree(self, now_ms: float) -> None:
        terms, self._terms = self._terms, None
        if terms is None:
            return
        agreed, source_host = terms
        if self._receiver is None:
            self._receiver = Receiver(agreed, source_host)
        else:
            self._receiver.agree(agreed, source_host)
        self._rtcp_remote = agreed.rtcp_remote
        # The address of an old hold is 0.0.0.0, which would be this machine.
        self._shunned = agreed.direction == "inactive"
        self._holding = agreed.direction != "sendrecv"
        self._alive_ms = now_ms
