"""What stands between a session's packets and the network: SRTP, once agreed, and the handshake that leads to it.

Used in the engine's thread only. A stream that was agreed as SRTP is never sent or heard in plain again.
"""

from __future__ import annotations

from typing import Literal

from ..sdp.agreement import Agreed
from .dtls import Association, Submit
from .rtp import Address
from .srtp import Keys, Protector, Suite, Unprotector

Component = Literal[0, 1]
"""RTP's socket, or RTCP's."""
UNSPECIFIED = ("0.0.0.0", "::")
"""The addresses of an old hold."""


class _Cipher:
    """Both directions on one socket."""

    def __init__(self) -> None:
        self.protector: Protector | None = None
        self.unprotector: Unprotector | None = None
        self.before: Unprotector | None = None
        """Of the peer's last key, until it uses the new one (RFC 4568 section 7.1.4)."""

    def take(self, keys: Keys) -> None:
        """Go on with these; a key that stays keeps its counters."""
        if self.protector is None or self.protector.key != (keys.suite, keys.ours):
            self.protector = Protector(keys.suite, keys.ours)
        if self.unprotector is None or self.unprotector.key != (keys.suite, keys.theirs):
            self.before = self.unprotector
            self.unprotector = Unprotector(keys.suite, keys.theirs)

    def open(self, datagram: bytes, rtcp: bool) -> bytes | Literal["forged", "replayed", "early"]:
        if self.unprotector is None:
            return "early"
        opened = self.unprotector.rtcp(datagram) if rtcp else self.unprotector.rtp(datagram)
        if self.before is not None:
            if isinstance(opened, bytes):
                self.before = None
            else:
                return self.before.rtcp(datagram) if rtcp else self.before.rtp(datagram)
        return opened


class SessionSecurity:
    """The SRTP of one session.

    Args:
        submit: has the work of a handshake done (see `telephony.media.dtls`).
    """

    def __init__(self, submit: Submit) -> None:
        self.demanded = False
        """Nothing is sent or heard without it."""
        self.forged = 0
        """Datagrams that the peer's key did not write."""
        self.replayed = 0
        self._submit = submit
        self._ciphers = (_Cipher(), _Cipher())
        self._associations: dict[Component, Association] = {}

    @property
    def suite(self) -> Suite | None:
        """In use now; None before the handshake is done."""
        protector = self._ciphers[0].protector
        return None if protector is None else protector.key[0]

    @property
    def failed(self) -> str:
        """Why there will be no SRTP."""
        return next((one.failed for one in self._associations.values() if one.failed), "")

    def agree(self, agreed: Agreed) -> None:
        """Take new terms; plain ones change nothing once there was SRTP."""
        if agreed.keys is not None:
            self._associations.clear()
            self._ciphers = (self._ciphers[0], self._ciphers[0])
            self._ciphers[0].take(agreed.keys)
        elif agreed.dtls is not None:
            self._associate(agreed)
        self.demanded = self.demanded or agreed.security != "plain"

    def _associate(self, agreed: Agreed) -> None:
        """A new handshake when the peer is another one or elsewhere; the old keys are good until it is done."""
        if agreed.dtls is None or agreed.remote[0] in UNSPECIFIED:
            return
        if agreed.rtcp_mux:
            self._ciphers = (self._ciphers[0], self._ciphers[0])
        elif self._ciphers[0] is self._ciphers[1]:
            self._ciphers = (self._ciphers[0], _Cipher())
        rtcp = agreed.rtcp_remote or (agreed.remote[0], min(agreed.remote[1] + 1, 65535))
        remotes: dict[Component, Address] = {0: agreed.remote} if agreed.rtcp_mux else {0: agreed.remote, 1: rtcp}
        for component, remote in remotes.items():
            old = self._associations.get(component)
            if old is None or (old.handshake, old.remote) != (agreed.dtls, remote):
                self._associations[component] = Association(agreed.dtls, remote, self._submit)

    def handshake(self, component: Component, datagram: bytes, source: Address) -> None:
        """A datagram that is DTLS came (RFC 7983)."""
        association = self._associations.get(component)
        if association is not None:
            association.arrived(datagram, source)

    def turn(self, now_ms: float) -> list[tuple[Component, bytes, Address]]:
        """Go on with handshakes; returns what they send."""
        sent: list[tuple[Component, bytes, Address]] = []
        for component, association in self._associations.items():
            sent += [(component, datagram, address) for datagram, address in association.turn(now_ms)]
        self._take_keys()
        return sent

    def _take_keys(self) -> None:
        for component, association in self._associations.items():
            if association.keys is not None:
                self._ciphers[component].take(association.keys)

    def seal(self, packet: bytes) -> bytes | None:
        """An RTP packet as it may leave; None when it may not."""
        protector = self._ciphers[0].protector
        return None if protector is None else protector.rtp(packet)

    def seal_rtcp(self, packet: bytes) -> bytes | None:
        """An RTCP packet as it may leave; None when it may not."""
        protector = self._ciphers[1].protector
        return None if protector is None else protector.rtcp(packet)

    def open(self, datagram: bytes) -> bytes | None:
        """The peer's RTP packet; None, and counted, when it is not the peer's or came before."""
        if self._ciphers[0].unprotector is None:
            self._take_keys()  # the handshake may be done since the last turn
        return self._checked(self._ciphers[0].open(datagram, rtcp=False))

    def open_rtcp(self, datagram: bytes) -> bytes | None:
        """The peer's RTCP packet, likewise."""
        return self._checked(self._ciphers[1].open(datagram, rtcp=True))

    def _checked(self, opened: bytes | Literal["forged", "replayed", "early"]) -> bytes | None:
        if isinstance(opened, bytes):
            return opened
        self.forged += opened == "forged"
        self.replayed += opened == "replayed"
        return None
