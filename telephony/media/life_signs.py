"""Whether the peer is still there, and when it is given up for want of a sign of life (no I/O; times are arguments).

what comes                                                                   is a sign of life
───────────────────────────────────────────────────────────────────────────  ─────────────────────────────────────────
RTP from the believed source: audio, comfort noise, events                   yes
RTCP from a host of the call, on its own port or RTP's                       yes, unless it says BYE
what keeps a NAT open (RFC 6263) from a host of the call: an empty           yes
datagram, STUN, RTP without payload or of a payload type not agreed on
a request of the peer inside the dialog, but BYE; a 2xx to a re-INVITE or    yes
UPDATE of ours
anything from other hosts; bytes that are none of these                      no
packets that fail authentication, where there is SRTP                        no

The clock rests while either side holds (`a=sendonly`, `inactive`, `c=0.0.0.0`), and while silence is excused: we let
the caller wait (a queue, music, a transfer), or he has asked us to. It begins anew afterwards, and with each agreement.
A telephone that is muted with silence suppression may send nothing at all: without any of these signs it cannot be told
from one that is gone, and `no_media_s` decides.
"""

from __future__ import annotations

from math import inf


class LifeSigns:
    """Of one session. `shown` and `excuses` belong to the event loop, the rest to the engine's thread."""

    def __init__(self) -> None:
        self.shown = False
        """The peer's signalling has shown that it lives, since `is_gone` was asked last."""
        self.excuses = 0
        """How many reasons there are for which the peer may be silent."""
        self._limit_ms = 0.0
        self._due_ms = inf
        """When it is given up; inf while nobody waits for it."""

    def agree(self, now_ms: float, limit_ms: float, *, holds: bool) -> None:
        """Terms are agreed on (anew); `holds`: by them one side does not want to hear the other."""
        self._limit_ms = limit_ms
        self._due_ms = inf if holds else now_ms + limit_ms

    def sign(self, at_ms: float) -> None:
        """It lived then."""
        if self._due_ms != inf:
            self._due_ms = max(self._due_ms, at_ms + self._limit_ms)

    def is_gone(self, now_ms: float, heard_ms: float | None) -> bool:
        """Whether it has to be given up now; True once.

        `heard_ms`: when the last RTP came, which is asked for rather than told, as most signs are RTP.
        """
        if self.shown or self.excuses:
            self.shown = False
            self.sign(now_ms)
        if now_ms <= self._due_ms:
            return False
        if heard_ms is not None:
            self.sign(heard_ms)
            if now_ms <= self._due_ms:
                return False
        self._due_ms = inf
        return True
