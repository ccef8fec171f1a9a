"""A browser as a leg: ICE, DTLS-SRTP and the data channel by aiortc, audio by `incoming_audio` and
`outgoing_audio`.

The server only answers offers, with host candidates and no STUN or TURN: the browser must reach one of this machine's
addresses over UDP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcconfiguration import RTCBundlePolicy

from ..leg import AudioHandler, DtmfHandler, Leg, LegError, Pcm
from ..media import dtmf
from ..media.stats import MediaStats
from ..sip_trace import TraceEntry
from . import MAX_OFFER
from .incoming_audio import RATE_HZ, IncomingAudio, OpusPacket
from .outgoing_audio import OutgoingTrack

MAX_CANDIDATES = 32
MAX_MEDIA = 2
"""Sections of an offer: audio, and the data channel."""
CONNECT_S = 8.0
"""From the answer to the first packet; ICE and DTLS take a few hundred milliseconds where they work at all. Until then
anybody holds a line who can send an offer."""
NO_MEDIA_S = 15.0
"""Without a packet from the browser for this long, it is gone. A muted one goes on sending."""
LINGER_S = 0.5
"""Kept open after the end of a call, so that its last messages still reach the page."""
MAX_WAITING = 64
"""Messages kept for a data channel that is not open yet."""
MAX_BUFFERED = 65536
"""Bytes that may wait in the data channel of a page that does not read."""
_CHECK_S = 2.5

_log = logging.getLogger(__name__)

_REFUSALS = (InternalError, InvalidAccessError, InvalidStateError, OperationError)
_PARSE_ERRORS = (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError)
"""aiortc's SDP parser checks little: what is wrong in an offer comes out as any of these."""


class _Tap:
    """Stands where aiortc's receiver has its jitter buffer, and hands packets to us instead of its decoder thread."""

    def __init__(self, arrived: Callable[[OpusPacket], None]) -> None:
        self._arrived = arrived

    def add(self, packet: Any) -> tuple[bool, None]:
        self._arrived(OpusPacket(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload))
        return False, None


class WebRtcLeg:
    """One browser; see `telephony.leg.Leg`. Made by `accept`."""

    rate_hz = RATE_HZ
    peer = "browser"

    def __init__(self, pc: RTCPeerConnection, on_data: Callable[[str], None] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.id = f"web-{secrets.token_hex(8)}"
        self.on_audio: AudioHandler | None = None
        self.on_dtmf: DtmfHandler | None = None
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._connected = asyncio.Event()
        self._pc, self._on_data = pc, on_data
        self._track, self._incoming_audio = OutgoingTrack(), IncomingAudio()
        self._channel: RTCDataChannel | None = None
        self._waiting: deque[str] = deque(maxlen=MAX_WAITING)
        self._excuses = 0
        self._last_packet_s = self._loop.time()
        self._timer = self._loop.call_later(CONNECT_S, self._watch)
        self._closing: asyncio.Task[None] | None = None
        self._listen()

    # ── the leg ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def played_samples(self) -> int:
        """Samples of `play` audio handed to the network so far."""
        return self._track.played_samples

    @property
    def queued_samples(self) -> int:
        """Samples given to `play` and not sent yet."""
        return self._track.queue.samples

    def play(self, pcm: Pcm) -> None:
        """Append audio, int16 mono at 16 kHz. What is played before the browser is connected waits for it."""
        if not self.closed.done():
            self._track.queue.put(pcm)

    def flush(self) -> int:
        """Drop what is queued at once. Returns the number of samples dropped."""
        return self._track.queue.clear()

    def send_dtmf(self, keys: str) -> None:
        """Let the person at the browser hear the keys as tones: browsers take no RFC 4733. Raises ValueError."""
        tones = dtmf.tones(keys)
        positions = np.arange(2 * len(tones)) / 2
        self.play(np.interp(positions, np.arange(len(tones)), tones).astype(np.int16) if len(tones) else tones)

    @contextlib.contextmanager
    def silence_excused(self) -> Iterator[None]:
        """See `Leg`."""
        self._excuses += 1
        try:
            yield
        finally:
            self._excuses -= 1
            self._last_packet_s = self._loop.time()

    async def hang_up(self, reason: str = "local") -> None:
        """End the leg: audio stops at once, the page is told, and the connection closes `LINGER_S` later."""
        self._end(reason, LINGER_S)

    async def connect_to(self, other: Leg) -> bool:
        """See `Leg`: a browser cannot be sent elsewhere."""
        return False

    def stats(self) -> MediaStats:
        """See `Leg`: what came from the browser; aiortc keeps the rest to itself."""
        audio = self._incoming_audio
        return MediaStats(
            "opus",
            packets_received=audio.received,
            bytes_received=audio.received_bytes,
            lost=audio.lost,
            malformed=audio.undecodable,
        )

    def captured(self) -> list[TraceEntry] | None:
        """See `Leg`: nothing is kept of a browser's packets."""
        return None

    # ── what only a browser has ──────────────────────────────────────────────────────────────────────────────────

    async def connected(self) -> bool:
        """Wait until audio can flow. Returns False when the leg was closed before."""
        waiting = asyncio.ensure_future(self._connected.wait())
        either: set[asyncio.Future[Any]] = {waiting, self.closed}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return not self.closed.done()

    def send_data(self, message: str) -> None:
        """Send text to the page; kept until its channel opens, dropped when that is closed or does not drain."""
        channel = self._channel
        if channel is None or channel.readyState == "connecting":
            self._waiting.append(message)
        elif channel.readyState == "open" and channel.bufferedAmount < MAX_BUFFERED:
            channel.send(message)

    def end(self, reason: str) -> None:
        """`hang_up` for a place that cannot wait, such as the handler of the page's own goodbye."""
        self._end(reason, LINGER_S)

    async def gone(self) -> None:
        """Wait until everything of a closed leg is released: sockets, tasks, the decoder thread."""
        if self._closing is not None:
            await asyncio.shield(self._closing)

    def press(self, key: str) -> None:
        """The page's keypad was pressed: one of ``0-9*#A-D``."""
        if self.on_dtmf is not None and not self.closed.done():
            self.on_dtmf(key)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        transceiver = self._pc.addTransceiver(self._track, direction="sendrecv")
        opus = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType.lower() == "audio/opus"]
        transceiver.setCodecPreferences(opus)
        receiver = transceiver.receiver
        if not hasattr(receiver, "_RTCRtpReceiver__jitter_buffer"):
            raise LegError(500, "this aiortc has no jitter buffer to take the place of")
        receiver._RTCRtpReceiver__jitter_buffer = _Tap(self._arrived)
        self._receiver = receiver
        self._pc.on("connectionstatechange", self._state_changed)
        self._pc.on("datachannel", self._channel_opened)

    def _watch_transport(self) -> None:
        """After the answer: bundling has chosen the one transport by then."""
        transport = self._receiver.transport
        transport.on("statechange", lambda: self._end("caller") if transport.state == "closed" else None)

    def _state_changed(self) -> None:
        state = self._pc.connectionState
        if state == "connected":
            self._last_packet_s = self._loop.time()
            self._connected.set()
        elif state == "failed":
            self._end("no-media" if self._connected.is_set() else "failed: no connection")

    def _watch(self) -> None:
        quiet_s = self._loop.time() - self._last_packet_s
        if not self._connected.is_set():
            self._end("failed: no connection")
        elif quiet_s > NO_MEDIA_S and not self._excuses:
            self._end("no-media")
        else:
            self._timer = self._loop.call_later(_CHECK_S, self._watch)

    def _arrived(self, packet: OpusPacket) -> None:
        self._last_packet_s = now_s = self._loop.time()
        for block in self._incoming_audio.add(packet, now_s):
            # Not called from here: an error in a handler must not end aiortc's receiving task.
            self._loop.call_soon(self._deliver, block)

    def _deliver(self, block: Pcm) -> None:
        if self.on_audio is not None and not self.closed.done():
            self.on_audio(block)

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._data_arrived)
        channel.on("close", lambda: self._end("caller"))
        while self._waiting:
            self.send_data(self._waiting.popleft())

    def _data_arrived(self, message: str | bytes) -> None:
        if isinstance(message, str) and self._on_data is not None and not self.closed.done():
            self._on_data(message)

    def _end(self, reason: str, linger_s: float = 0.0) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self._timer.cancel()
        self._track.queue.clear()
        self._closing = self._loop.create_task(self._release(linger_s))

    async def _release(self, linger_s: float) -> None:
        await asyncio.sleep(linger_s)
        await self._pc.close()
        self._track.stop()
        _log.debug(
            "browser leg closed",
            extra={"leg": self.id, "lost": self._incoming_audio.lost, "undecodable": self._incoming_audio.undecodable},
        )


async def accept(offer_sdp: str, *, on_data: Callable[[str], None] | None = None) -> tuple[str, WebRtcLeg]:
    """Answer a browser's offer. The leg is there at once; `WebRtcLeg.connected` tells when audio flows.

    Args:
        offer_sdp: the page's offer, complete with its candidates; hostile until checked.
        on_data: called with each text message of the page's data channel.

    Returns:
        The SDP answer, with this machine's host candidates, and the leg.

    Raises:
        LegError: 400 when it is no SDP, 488 when there is no audio in it that we speak, 503 without a network address.
    """
    offer = _checked(offer_sdp)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    leg = WebRtcLeg(pc, on_data)
    try:
        await pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await pc.setLocalDescription(await pc.createAnswer())
    except _REFUSALS as error:
        await _abandon(leg)
        raise LegError(488, "the offer has no audio that this server speaks (Opus)") from error
    except _PARSE_ERRORS as error:
        await _abandon(leg)
        raise LegError(400, "the offer is not usable SDP") from error
    answer: str = pc.localDescription.sdp
    if "a=candidate" not in answer:
        await _abandon(leg)
        raise LegError(503, "this machine has no network address that a browser could reach")
    leg._watch_transport()
    return answer, leg


async def _abandon(leg: WebRtcLeg) -> None:
    leg._end("failed: no connection")
    await leg.gone()


def _checked(sdp: str) -> str:
    """The offer without what we do not follow: mDNS names, TCP candidates, and the end of the candidates.

    Behind an mDNS name (``….local``) is an address that the browser hides; its own checks show it to us as a peer
    reflexive candidate (RFC 8445 §7.3.1.3), so there is nothing to look up. With the end-of-candidates mark gone, ICE
    waits for them even when no candidate is left.
    """
    if len(sdp) > MAX_OFFER or not sdp.startswith("v=0"):
        raise LegError(400, "the offer is not usable SDP")
    lines = sdp.splitlines()
    kinds = [line[2:].split(" ", 1)[0] for line in lines if line.startswith("m=")]
    if kinds.count("audio") != 1 or len(kinds) > MAX_MEDIA or not set(kinds) <= {"audio", "application"}:
        raise LegError(488, "one audio section and at most one data channel are offered to this server")
    kept = [line for line in lines if line and not _skipped(line)]
    if sum(line.startswith("a=candidate:") for line in kept) > MAX_CANDIDATES:
        raise LegError(400, "too many candidates")
    return "\r\n".join(kept) + "\r\n"


def _skipped(line: str) -> bool:
    if line.startswith("a=end-of-candidates"):
        return True
    if not line.startswith("a=candidate:"):
        return False
    fields = line.split()
    return len(fields) < 6 or fields[2].lower() != "udp" or fields[4].lower().endswith(".local")
