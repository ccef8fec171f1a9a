"""Which source address is the caller's, and where to send (RFC 3550 section 8.2; no I/O, the clock is an argument).

a packet from                            nobody is believed yet              somebody is believed, and silent
───────────────────────────────────────  ──────────────────────────────────  ───────────────────────────────────────────
the signalled address                    believed                            believed
the host of signalling, signalled port   believed                            if the stream goes on
the host of signalling, another port     after `NEAR_PROBE_MS`; till then    if the stream goes on
                                         `PROBE_PACKETS` are let through
another host of the call                 no                                  if the stream goes on
anywhere else                            no                                  no
anywhere else, ``symmetric``             after `PROBE_MS`                    if the stream goes on, after `PROBE_MS`
anywhere, authenticated (SRTP)           believed                            believed

Who is believed is sent to. As long as he sends, only the signalled address can take his place: the peer itself knows
that it works, and a stranger cannot have it. *Silent* means for `SILENT_MS`. A stream *goes on* when it has the SSRC of
the last packet and a sequence number a little further: a stranger who has not seen the call guesses 48 bits. So does
one caller sound behind a NAT that forgot its port, or over a relay that took the place of another.

The *host of signalling* is the address that requests and responses really come from, not what Via or Contact say. Once
it is another one (a telephone that went from Wi-Fi to LTE), the first column holds beside the second for it: whoever
moved may have begun its stream anew. Other *hosts of the call* are that of the signalled address and that of the
source believed last.

Where packets are authenticated the address proves nothing and the key everything. Still nobody is left who goes on
sending: somebody on the way could send the caller's own packets on from another address, to have ours sent there.
"""

from __future__ import annotations

from .rtp import Address, RtpPacket

PROBE_PACKETS = 5
PROBE_MS = 250.0
NEAR_PROBE_MS = 100.0
"""Until then the peer hears nothing."""
SILENT_MS = 50.0
"""Two packets of 20 ms: so many are lost of a stream that moves, and whoever goes on sending is not pushed aside."""
_AHEAD = 50
_AHEAD_PER_MS = 0.1
"""How far a stream may have gone on while nothing of it came: packets of 10 ms."""
_MAX_AHEAD = 3000


class _Probe:
    """One source at a time and how long it has been sending one stream.

    Packets of one stream may be lost or overtake one another on their way; a stranger's guesses lie all over.
    """

    AHEAD = 50
    BEHIND = 20

    def __init__(self) -> None:
        self._source: Address | None = None
        self._sequence = 0
        self._since_ms = 0.0
        self._run = 0

    def passes(self, source: Address, sequence: int, now_ms: float, patience_ms: float) -> bool:
        """Take note of a packet. Returns whether this stream has lasted so long, with `PROBE_PACKETS` at least."""
        step = (sequence - self._sequence + self.BEHIND) & 0xFFFF
        if source != self._source or step > self.BEHIND + self.AHEAD:
            self._source, self._since_ms, self._run = source, now_ms, 0
            self._sequence = sequence
        elif step > self.BEHIND:
            self._sequence = sequence
        self._run += 1
        return self._run >= PROBE_PACKETS and now_ms - self._since_ms >= patience_ms


class SourceLock:
    """Of one signalled address.

    Args:
        signalled: where the peer said that it is.
        signalling_host: where its signalling comes from; None: unknown, the signalled host is taken for it.
        symmetric: whether another host may turn out to be the peer's, see `Terms.symmetric`.
        before: the lock of the address signalled before, whose stream may go on.
    """

    def __init__(
        self,
        signalled: Address,
        signalling_host: str | None = None,
        *,
        symmetric: bool = False,
        before: SourceLock | None = None,
    ) -> None:
        self.signalled = signalled
        self.locked: Address | None = None
        """Who is believed: his packets are not asked about, but noted in `last` and `last_ms`."""
        self.last: RtpPacket | None = None if before is None else before.last
        """Of the source that is, or was, believed."""
        self.last_ms: float | None = None if before is None else before.last_ms
        """When it came."""
        self.refused: Address | None = None
        """The last one who was not believed."""
        self.signalling_host = signalling_host or signalled[0]
        self.authenticated = False
        """Only packets that the peer's key has written come here."""
        self._symmetric = symmetric
        self._moved = False
        """Signalling comes from another host since somebody was believed."""
        self._near, self._far = _Probe(), _Probe()
        """Strangers cannot disturb the probe of those at the host of signalling."""
        self._admitted = 0

    @property
    def target(self) -> Address:
        """Where to send."""
        return self.locked or self.signalled

    def is_of_call(self, host: str) -> bool:
        """Whether the call has to do with that host."""
        return host in (self.signalling_host, self.signalled[0]) or (self.locked is not None and host == self.locked[0])

    def signalling_moved(self, host: str) -> None:
        """Signalling comes from there now, and names the same address as before."""
        self.signalling_host = host
        self._moved = self.locked is not None
        self._near, self._admitted = _Probe(), 0

    def accepts(self, source: Address, packet: RtpPacket, now_ms: float) -> bool:
        """Whether a valid packet from `source`, who is not `locked`, is the caller's."""
        if source == self.signalled:
            if not self._straggles(packet):
                self._believe(source, packet, now_ms)
            return True
        silent_ms = SILENT_MS if self.last_ms is None else now_ms - self.last_ms
        if self.locked is None or silent_ms >= SILENT_MS:
            if self.authenticated or self._goes_on(source, packet, silent_ms):
                self._believe(source, packet, now_ms)
                return True
            if self.locked is None or self._moved:
                return self._probe(source, packet, now_ms)
        self.refused = source
        return False

    def _believe(self, source: Address, packet: RtpPacket, now_ms: float) -> None:
        self.locked, self._moved = source, False
        self.last, self.last_ms = packet, now_ms

    def _straggles(self, packet: RtpPacket) -> bool:
        """It was sent before the stream went on elsewhere, and overtaken on its way."""
        last = self.last
        if self.locked is None or last is None or packet.ssrc != last.ssrc:
            return False
        return 0 < ((last.sequence - packet.sequence) & 0xFFFF) <= _Probe.BEHIND

    def _goes_on(self, source: Address, packet: RtpPacket, silent_ms: float) -> bool:
        last = self.last
        if last is None or packet.ssrc != last.ssrc:
            return False
        elsewhere = self._symmetric and self.locked is not None and silent_ms >= PROBE_MS
        ahead = (packet.sequence - last.sequence) & 0xFFFF
        goes_on = 0 < ahead <= min(_AHEAD + silent_ms * _AHEAD_PER_MS, _MAX_AHEAD)
        return goes_on and (elsewhere or self.is_of_call(source[0]))

    def _probe(self, source: Address, packet: RtpPacket, now_ms: float) -> bool:
        """Who is at the host of signalling is heard while he is on probation, but not sent to."""
        near = source[0] == self.signalling_host
        if near:
            proved = source[1] == self.signalled[1] or self._near.passes(source, packet.sequence, now_ms, NEAR_PROBE_MS)
        else:
            proved = self._symmetric and self._far.passes(source, packet.sequence, now_ms, PROBE_MS)
        if proved:
            self._believe(source, packet, now_ms)
            return True
        self.refused = source
        self._admitted += near
        return near and self._admitted <= PROBE_PACKETS
