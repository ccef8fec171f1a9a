"""The offers and answers of one dialog (RFC 3264): who has offered what, what is agreed, who holds whom.

No I/O: bodies go in and out, and what they come to is handed to the media session. A dialog has one negotiation; a fork
of the same INVITE gets its own with `fork`.
"""

from __future__ import annotations

import secrets
from typing import Protocol

from ..call_policy import Terms
from . import audio_line
from . import local_description as sdp
from .agreement import Agreed, agree, choose, held
from .description import Direction, MediaDescription, SdpError, parse

__all__ = ["Negotiation", "SdpError", "check_offer"]


class Media(Protocol):
    """What a negotiation needs of `telephony.media.session.MediaSession`."""

    port: int
    terms: Terms

    def connect(self, agreed: Agreed, source_host: str | None = None) -> None:
        """Send and receive on these terms from now on."""
        ...


class Negotiation:
    """The state of one dialog's media.

    Args:
        media: gets what is agreed.
        ip: our media address for this peer, a literal.
        terms: what may be agreed.
        source_host: where the peer's signalling comes from, if known (see `media.source_lock`).
    """

    def __init__(self, media: Media, ip: str, terms: Terms, source_host: str | None = None) -> None:
        self.media = media
        media.terms = terms
        self.ip = ip
        self.terms = terms
        self.source_host = source_host
        self.offering = False
        """Our offer is out and has no (final) answer yet."""
        self.held = False
        """The peer does not want to hear us."""
        self.agreed: Agreed | None = None
        self._direction: Direction = "sendrecv"
        self._session_id = secrets.randbelow(2**31)
        self._version = 0
        self._said = b""
        self._said_streams: list[list[str]] = []
        self._streams: list[MediaDescription] = []
        """The peer's last, whose number and order no later body may change (RFC 3264 section 8)."""
        self._index = 0
        self._line: audio_line.AudioLine | None = None
        """Ours, as said last."""
        self._settled: tuple[Direction, list[list[str]], audio_line.AudioLine | None] = "sendrecv", [], None
        """Direction, streams and line of the last exchange that came to something."""
        self._heard: bytes | None = None
        """The peer's last body, when `_said` answers it."""

    @property
    def holding(self) -> bool:
        """We do not want to hear the peer."""
        return self._direction in ("sendonly", "inactive")

    def offer(self, direction: Direction | None = None) -> bytes:
        """Our next offer, the first one or a changed one: ``sendonly`` and ``inactive`` put the peer on hold.

        None: the direction stays what we wanted last, ``sendrecv`` at first.
        """
        direction = direction or self._direction
        self._direction = direction
        self._line = sdp.offer_line(self.terms, self.media.port, direction, past=self.agreed)
        streams = [audio_line.refusal(stream) for stream in self._streams] or [[]]
        streams[self._index] = self._line.lines()
        self.offering = True
        self._heard = None
        return self._say(streams)

    def again(self) -> bytes:
        """Our last description once more, unchanged: a refresh, or the same INVITE with credentials.

        Its o= line is the same (RFC 3264 section 8), so the peer has nothing to do.
        """
        streams = self._said_streams
        if self._settled[2] is not None:
            self._direction, streams, self._line = self._settled
        if not streams:
            return self.offer(self._direction)
        self.offering = True
        self._heard = None
        return self._say(streams)

    def accept(self, answer: bytes, *, early: bool = False, what: str = "response") -> Agreed:
        """The peer's answer to our offer.

        Args:
            answer: its body; empty when nothing came where it was due.
            early: in an unreliable provisional response, so another may follow.
            what: the message that it should have come in, for people.

        Raises SdpError, and nothing is agreed anew, when it cannot be used. Without an offer of ours it changes
        nothing.
        """
        if not self.offering or self._line is None:
            if self.agreed is None:
                raise SdpError(400, "an answer to nothing")
            return self.agreed
        if not answer:
            raise SdpError(400, f"the {what} brought no answer to our offer")
        streams = parse(answer).streams
        if len(streams) <= self._index:
            raise SdpError(488, "the answer has fewer streams than the offer")
        agreed = agree(streams[self._index], self.terms, None, self._direction, ours=self._line, past=self.agreed)
        if agreed is None:
            raise SdpError(488, "the answer refuses the audio stream")
        self.offering = early
        self._streams = streams
        if self._direction in ("sendrecv", "sendonly"):
            self.held = agreed.direction in ("recvonly", "inactive")
        self._apply(agreed)
        return agreed

    def answer(self, offer: bytes) -> bytes:
        """Answer the peer's offer, the first one or a later one.

        One that is word for word the last one gets the last answer, and nothing is done (RFC 3264 section 8); one with
        other words but the same version is followed all the same, as some forget to count.
        Raises SdpError when it cannot be answered; nothing has changed then.
        """
        if offer == self._heard and not self.offering:
            return self._said
        described = parse(offer)
        direction = self._settled[0]
        index, agreed = choose(described, self.ip, self.terms, direction, self.agreed)
        line = sdp.answer_line(described.streams[index], agreed, self.media.port)
        streams = [audio_line.refusal(stream) for stream in described.streams]
        streams[index] = line.lines()
        self._streams, self._index, self._line = described.streams, index, line
        self.offering = False
        self._direction = direction
        self._heard = offer
        self.held = held(described.streams[index])
        body = self._say(streams, described.time)
        self._apply(agreed)
        return body

    def signalled_from(self, host: str) -> None:
        """A request of the peer came from there: its media may, too, from now on."""
        if host != self.source_host:
            self.source_host = host
            if self.agreed is not None:
                self.media.connect(self.agreed, host)

    def abandon(self) -> None:
        """Our offer was refused: what was agreed before still holds (RFC 3261 section 14.1)."""
        self.offering = False
        self._direction, _, self._line = self._settled

    def fork(self) -> Negotiation:
        """The same offer in another early dialog: whoever of them answers, answers for itself."""
        other = Negotiation(self.media, self.ip, self.terms, self.source_host)
        other.offering = True
        other._direction = self._direction
        other._session_id, other._version = self._session_id, self._version
        other._said, other._said_streams, other._line = self._said, self._said_streams, self._line
        return other

    def describe(self) -> str:
        """What is agreed, for people: ``PCMA 20 ms, events 101, they hold``."""
        if self.agreed is None:
            return "nothing agreed"
        agreed = self.agreed
        words = [f"{agreed.codec} {agreed.ptime_ms} ms"]
        if agreed.dtmf_payload_type is not None:
            words.append(f"events {agreed.dtmf_payload_type}")
        if agreed.keys is not None:
            words.append(f"SRTP {agreed.keys.suite}")
        if agreed.dtls is not None:
            words.append("DTLS-SRTP")
        if self.held:
            words.append("they hold")
        if self.holding:
            words.append("we hold")
        return ", ".join(words)

    def _say(self, streams: list[list[str]], time: str = "0 0") -> bytes:
        """The version goes up by one with each change, and only then (RFC 3264 section 8)."""
        if self._said and streams == self._said_streams:
            return self._said
        self._version += 1
        self._said = audio_line.compose(self.ip, self._session_id, self._version, time, streams)
        self._said_streams = streams
        return self._said

    def _apply(self, agreed: Agreed) -> None:
        self._settled = self._direction, self._said_streams, self._line
        if agreed != self.agreed:
            self.agreed = agreed
            self.media.connect(agreed, self.source_host)


def check_offer(body: bytes, ip: str, terms: Terms) -> None:
    """Raise SdpError at once for an offer that could not be answered later."""
    choose(parse(body), ip, terms)
