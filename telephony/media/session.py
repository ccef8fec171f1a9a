"""The media of one call: what a leg plays, hears and counts. `telephony.media.engine` drives it from its thread."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..call_policy import Terms
from ..sdp.agreement import Agreed
from . import mos
from .codecs import Codec, Pcm
from .dtls import Submit
from .key_reception import UnagreedEventType
from .life_signs import LifeSigns
from .receiver import Heard, Receiver
from .rtcp import FIRST_TYPE, INTERVAL_NS, LAST_TYPE, Reporter, shows_life
from .rtp import Address
from .sender import Sender
from .session_security import UNSPECIFIED, SessionSecurity
from .stats import MediaStats
from .udp import BATCH, Udp

MAX_READS = 16
"""Batches read from one socket at a time, so that a flood of one call does not hold up the others."""
_HEADER_BYTES = 12

Tap = Callable[[bool, int, bytes], None]


class Captured(NamedTuple):
    """One datagram as it was on the wire."""

    at_ns: int
    """Monotonic."""
    sent: bool
    local_port: int
    remote: Address
    datagram: bytes


class MediaSession:
    """One RTP stream both ways. Made by `MediaEngine.open`; methods and callbacks belong to the event loop.

    Before `connect` everything that arrives is dropped and nothing is sent; what is played waits.

    Args:
        udp: reads and writes both sockets.
        leave: told when the session is closed.
        repace: told, in the engine's thread, when packets are of another length than before.
        submit: has the work of a DTLS handshake done by another thread.
        capture: how many datagrams to keep for `capture`; 0: none.
    """

    def __init__(
        self,
        udp: Udp,
        rtp_socket: socket.socket,
        rtcp_socket: socket.socket,
        leave: Callable[[MediaSession], None],
        *,
        repace: Callable[[MediaSession], None] = lambda _: None,
        submit: Submit = lambda work: work(),
        capture: int = 0,
    ) -> None:
        self.port: int = rtp_socket.getsockname()[1]
        """Of RTP, even; RTCP has the next one."""
        self.on_audio: Callable[[Pcm], None] | None = None
        self.on_dtmf: Callable[[str], None] | None = None
        self.on_unagreed_events: Callable[[int], None] | None = None
        """Told once when keys come as events of a payload type that was not agreed."""
        self.on_timeout: Callable[[], None] | None = None
        self.tap: Tap | None = None
        """Called in the engine's thread with (sent, monotonic ns, payload of `codec`) for each audio packet."""
        self.terms = Terms()
        """How keys travel, how silence sounds, and after how long without a sign of life `on_timeout` is called (see
        `life_signs`; a failed DTLS handshake calls it at once). To be set before `connect`."""
        self.capture: deque[Captured] | None = deque(maxlen=capture) if capture else None
        """The last datagrams both ways, encrypted where they are."""
        self.sockets = (rtp_socket, rtcp_socket)
        self.closed = False
        self.ptime_ms = 20
        """Of the packets sent."""
        self._leave = leave
        self._repace = repace
        self._udp = udp
        self._sender = Sender()
        self._receiver: Receiver | None = None
        self._reporter = Reporter()
        self.context = contextvars.copy_context()
        """Of whoever opened it; what is logged about it elsewhere is logged in a copy."""
        self._protection = SessionSecurity(lambda work: submit(functools.partial(self.context.copy().run, work)))
        self._screening = False
        """There is more than plain RTP on the port: SRTP, DTLS or RTCP."""
        self._report_due_ns = 0
        self._agreed: Agreed | None = None
        self._news: tuple[Agreed, str | None] | None = None
        self._life = LifeSigns()
        self._gave_up = False
        """It was told that SRTP does not come about."""
        self._last_sent_ns = 0
        self._max_gap_ns = 0

    # ── for the leg, on the event loop ──

    def connect(self, agreed: Agreed, source_host: str | None = None) -> None:
        """Send and receive on these terms; again after a re-INVITE (SSRC and sequence go on).

        `source_host` is the address that the peer's signalling comes from, if known: RTP from there with the agreed
        port is the peer's, too (see `SourceLock`).
        """
        self._sender.agree(agreed, self.terms)
        self._news = agreed, source_host

    def play(self, pcm: Pcm) -> None:
        """Append audio (int16, mono, at `rate_hz`) to what is being sent."""
        self._sender.play(pcm)

    def flush(self) -> int:
        """Drop what is queued at once. Returns the number of samples dropped."""
        return self._sender.flush()

    @property
    def codec(self) -> Codec:
        """Of both directions, and of what `tap` gets."""
        return self._sender.codec

    @property
    def rate_hz(self) -> int:
        """Of `play` and `on_audio`: 8000, or 16000 when the first codec agreed on was a wideband one."""
        return self._sender.rate_hz

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

    def show_life(self) -> None:
        """The peer's signalling has: no RTP is needed for a while."""
        self._life.shown = True

    @contextlib.contextmanager
    def silence_excused(self) -> Iterator[None]:
        """As long as this lasts, nothing has to come from the peer."""
        self._life.excuses += 1
        try:
            yield
        finally:
            self._life.excuses -= 1
            self._life.shown = True

    @property
    def refused_source(self) -> Address | None:
        """Who sent RTP and was not believed, when nobody has been; None otherwise."""
        lock = None if self._receiver is None else self._receiver.lock
        return None if lock is None or lock.locked is not None else lock.refused

    @property
    def refused_security(self) -> str:
        """Why SRTP that was agreed does not come about (a DTLS handshake that failed); empty when all is well."""
        return self._protection.failed

    def stats(self) -> MediaStats:
        """The counters of now."""
        sender, receiver, protection = self._sender, self._receiver, self._protection
        if receiver is None:
            return MediaStats()
        buffer, reporter = receiver.buffer, self._reporter
        return MediaStats(
            codec=sender.codec,
            packets_sent=sender.packets,
            bytes_sent=sender.bytes,
            packets_received=buffer.received,
            bytes_received=receiver.bytes,
            lost=buffer.lost,
            late=buffer.late,
            reordered=buffer.reordered,
            longest_burst=buffer.longest_burst,
            duplicates=buffer.duplicates,
            malformed=receiver.malformed,
            stray=receiver.stray,
            wrong_source=receiver.wrong_source,
            concealed_ms=receiver.concealed_samples * 1000 / self.rate_hz,
            jitter_ms=buffer.reception.jitter_ms,
            max_gap_out_ms=self._max_gap_ns / 1e6,
            peer_lost_percent=reporter.peer_lost_percent,
            peer_jitter_ms=reporter.peer_jitter_ms,
            round_trip_ms=reporter.round_trip_ms,
            mos=mos.received_mos(receiver.codec, buffer, reporter),
            peer_mos=mos.reported_mos(sender, reporter),
            unagreed_event_type=receiver.keys.unagreed_type,
            srtp=protection.suite or "",
            forged=protection.forged,
            replayed=protection.replayed,
        )

    def close(self) -> None:
        """Send and receive nothing more; no callback comes after this. The ports are free within a tick."""
        if not self.closed:
            self.closed = True
            # Whoever is called usually keeps the session: as a circle, audio would stay until the next full collection.
            self.on_audio = self.on_dtmf = self.on_timeout = self.on_unagreed_events = None
            self._sender.flush()
            self._leave(self)

    def deliver(self, heard: Heard | None) -> None:
        """Hand on what was heard, or (None) that the peer's media has stopped or cannot come (`refused_security`)."""
        if self.closed:
            return
        if heard is None:
            if self.on_timeout is not None:
                self.on_timeout()
        elif isinstance(heard, str):
            if self.on_dtmf is not None:
                self.on_dtmf(heard)
        elif isinstance(heard, UnagreedEventType):
            if self.on_unagreed_events is not None:
                self.on_unagreed_events(heard.payload_type)
        elif self.on_audio is not None:
            self.on_audio(heard)

    # ── for the engine, in its thread ──

    def send(self, now_ns: int) -> None:
        """Use this call's slot."""
        if self._news is not None:
            self._agree(now_ns / 1e6)
        receiver = self._receiver
        if receiver is None:
            return
        if now_ns >= self._report_due_ns:
            self._report(now_ns)
        if self._screening:
            for component, datagram, address in self._protection.turn(now_ns / 1e6):
                self._put(component, datagram, address, now_ns)
        packet = wire = self._sender.next_packet()
        if packet is not None and self._screening and self._protection.demanded:
            wire = self._protection.seal(packet)
        if packet is None or wire is None:
            self._last_sent_ns = 0
            return
        lock = receiver.lock
        address = lock.locked or lock.signalled
        if self.capture is None:
            self._udp.send(self.sockets[0], wire, address)
        else:
            self._put(0, wire, address, now_ns)
        last_ns, self._last_sent_ns = self._last_sent_ns, now_ns
        if last_ns and now_ns - last_ns > self._max_gap_ns:
            self._max_gap_ns = now_ns - last_ns
        if self.tap is not None and self._agreed is not None and packet[1] & 0x7F == self._agreed.payload_type:
            self.tap(True, now_ns, packet[_HEADER_BYTES:])

    def _put(self, component: int, datagram: bytes, address: Address, now_ns: int) -> None:
        self._udp.send(self.sockets[component], datagram, address)
        if self.capture is not None:
            self.capture.append(Captured(now_ns, True, self.port + component, address, datagram))

    def skip(self, slots: int) -> None:
        """Slots went by unused."""
        self._sender.skip(slots)

    def read(self, now_ns: int) -> None:
        """Take in what has arrived."""
        if self._news is not None:
            self._agree(now_ns / 1e6)
        now_ms, receiver = now_ns / 1e6, self._receiver
        for _ in range(MAX_READS):
            datagrams = self._udp.receive(self.sockets[0])
            for data, source in datagrams:
                if self.capture is not None:
                    self.capture.append(Captured(now_ns, False, self.port, source, data))
                if receiver is None:
                    continue
                packet = self._screen(data, source, now_ns) if self._screening else data
                if packet is None:
                    continue
                payload = receiver.datagram(packet, source, now_ms)
                if payload is None:
                    if len(packet) > 1 and FIRST_TYPE <= packet[1] <= LAST_TYPE and not self._protection.demanded:
                        self._reported(packet, source, now_ns)  # some share the port without having asked
                elif self.tap is not None:
                    self.tap(False, now_ns, payload)
            if len(datagrams) < BATCH:
                return

    def _screen(self, data: bytes, source: Address, now_ns: int) -> bytes | None:
        """The RTP packet in a datagram; all else goes where it belongs (RFC 7983, RFC 5761 section 4)."""
        if not data or not 128 <= data[0] <= 191:
            if data and 20 <= data[0] <= 63:
                self._protection.handshake(0, data, source)
                return None
            return data  # STUN, keepalives, noise: no RTP, and the receiver counts what it is
        if len(data) <= _HEADER_BYTES:
            return None if self._protection.demanded else data
        if 192 <= data[1] <= 223 and self._agreed is not None and self._agreed.rtcp_mux:
            self._reported(data, source, now_ns)
            return None
        return self._protection.open(data) if self._protection.demanded else data

    def take(self, now_ns: int) -> Sequence[Heard | None]:
        """What has become ready for `deliver`."""
        now_ms = now_ns / 1e6
        if self._news is not None:
            self._agree(now_ms)
        receiver = self._receiver
        if receiver is None:
            return []
        heard = receiver.take(now_ms)
        if self._screening and not self._gave_up and self._protection.failed:
            self._gave_up = True
            return [*heard, None]
        if receiver.keepalive_ms is not None:
            self._life.sign(receiver.keepalive_ms)
            receiver.keepalive_ms = None
        return [*heard, None] if self._life.is_gone(now_ms, receiver.lock.last_ms) else heard

    def read_rtcp(self, now_ns: int) -> None:
        """Take in the peer's reports. Statistics depend on them, and whether it lives."""
        for data, source in self._udp.receive(self.sockets[1]):
            if self.capture is not None:
                self.capture.append(Captured(now_ns, False, self.port + 1, source, data))
            if data and 20 <= data[0] <= 63:
                self._protection.handshake(1, data, source)
            elif data and 128 <= data[0] <= 191:
                self._reported(data, source, now_ns)

    def _reported(self, data: bytes, source: Address, now_ns: int) -> None:
        """Without encryption only hosts of the call are heard."""
        if self._receiver is None:
            return
        if self._protection.demanded:
            report = self._protection.open_rtcp(data)
        else:
            report = data if self._receiver.lock.is_of_call(source[0]) else None
        if report is not None:
            if shows_life(report):
                self._life.sign(now_ns / 1e6)
            self._reporter.read(report, now_ns, self._sender.ssrc, self._sender.clock_hz)

    def part(self, now_ns: int) -> None:
        """Say goodbye and close the sockets."""
        if self._receiver is not None:
            self._report(now_ns, bye=True)
        for one in self.sockets:
            one.close()

    def _report(self, now_ns: int, bye: bool = False) -> None:
        if self._receiver is None or self._agreed is None:
            return
        # The address of an old hold is 0.0.0.0, which would be this machine.
        shunned = self._agreed.direction == "inactive" or self._agreed.remote[0] in UNSPECIFIED
        if (self._report_due_ns or bye) and not shunned:
            host, port = self._receiver.lock.target
            report: bytes | None = self._reporter.write(now_ns, self._sender, self._receiver.buffer, bye)
            if report is not None and self._protection.demanded:
                report = self._protection.seal_rtcp(report)
            if report is not None and self._agreed.rtcp_mux:
                self._put(0, report, (host, port), now_ns)
            elif report is not None:
                self._put(1, report, self._agreed.rtcp_remote or (host, min(port + 1, 65535)), now_ns)
        # The first comes sooner (RFC 3550 section 6.2), so that short calls have a round trip, too.
        self._report_due_ns = now_ns + (INTERVAL_NS if self._report_due_ns else INTERVAL_NS // 2)

    def _agree(self, now_ms: float) -> None:
        news, self._news = self._news, None
        if news is None:
            return
        agreed, source_host = news
        self._agreed = agreed
        self._gave_up = False
        self._protection.agree(agreed)
        self._screening = self._protection.demanded or agreed.rtcp_mux
        if self._receiver is None:
            self._receiver = Receiver(agreed, source_host, self.terms, self._sender.rate_hz)
        else:
            self._receiver.agree(agreed, source_host, self.terms)
        self._life.agree(now_ms, self.terms.no_media_s * 1000, holds=agreed.direction != "sendrecv")
        if agreed.ptime_ms != self.ptime_ms:
            self.ptime_ms = agreed.ptime_ms
            self._repace(self)
