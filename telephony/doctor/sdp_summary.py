"""Session descriptions in words: what was offered, what was taken, what changed.

Read leniently, for people: `telephony.sdp.agreement` decides what a call may do, this only says what stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

from telephony.routing.call_facts import clean

MAX_LINES = 400
MAX_STREAMS = 16
_STATIC = {"0": "PCMU", "3": "GSM", "4": "G723", "8": "PCMA", "9": "G722", "13": "CN", "18": "G729"}
_NOWHERE = ("0.0.0.0", "::")
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(slots=True)
class StreamSummary:
    """One m= line."""

    kind: str
    port: int
    profile: str
    formats: list[str]
    address: str = ""
    direction: str = "sendrecv"
    ptime: str = ""
    crypto: int = 0
    """SDES suites offered."""
    dtls: bool = False
    names: dict[str, str] | None = None

    @property
    def codecs(self) -> list[str]:
        """Names of the formats, best first."""
        names = self.names or {}
        return [names.get(one, _STATIC.get(one, f"format {one}")) for one in self.formats]

    @property
    def held(self) -> bool:
        """Whether it asks for silence: not sendrecv, or the unspecified address of RFC 2543."""
        return self.direction != "sendrecv" or self.address in _NOWHERE

    @property
    def security(self) -> str:
        """How it is encrypted."""
        if self.dtls:
            return "DTLS-SRTP"
        if self.crypto or "SAVP" in self.profile:
            return "SRTP by SDES" if self.crypto else "SRTP without a key"
        return "plain RTP"

    def __str__(self) -> str:
        if self.port == 0:
            return f"{self.kind}: refused (port 0)"
        parts = [", ".join(self.codecs), f"at {self.address or '?'} port {self.port}", self.security]
        if self.held:
            parts.append("on hold (address 0.0.0.0)" if self.direction == "sendrecv" else self.direction)
        if self.ptime:
            parts.append(f"{self.ptime} ms")
        return f"{self.kind}: {'; '.join(parts)}"


def read(body: bytes) -> list[StreamSummary]:
    """The streams of a description; an empty list when it is none. Every text in it is one printable line."""
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")[:MAX_LINES]
    top = StreamSummary("", 0, "", [])
    streams: list[StreamSummary] = []
    for line in lines:
        kind, _, value = clean(line, 300).partition("=")
        current = streams[-1] if streams else top
        if kind == "m" and len(streams) < MAX_STREAMS:
            streams.append(_stream(value, top))
        elif kind == "c":
            current.address = value.split(" ")[-1].partition("/")[0]
        elif kind == "a":
            _attribute(current, value)
    return streams


def _stream(value: str, top: StreamSummary) -> StreamSummary:
    parts = value.split()
    port = parts[1].partition("/")[0] if len(parts) > 1 else ""
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    kind, profile = (parts[0] if parts else "?"), (parts[2] if len(parts) > 2 else "")
    return StreamSummary(
        kind, number, profile, parts[3:35], top.address, top.direction, top.ptime, top.crypto, top.dtls, {}
    )


def _attribute(stream: StreamSummary, value: str) -> None:
    name, _, rest = value.partition(":")
    if name in _DIRECTIONS:
        stream.direction = name
    elif name == "ptime":
        stream.ptime = rest[:4]
    elif name == "crypto":
        stream.crypto += 1
    elif name == "fingerprint":
        stream.dtls = True
    elif name == "rtpmap" and stream.names is not None:
        number, _, codec = rest.partition(" ")
        stream.names[number] = codec.removesuffix("/8000").removesuffix("/1")[:40]


def changes(before: list[StreamSummary], after: list[StreamSummary]) -> list[str]:
    """What a later description of the same side changed, in words."""
    words: list[str] = []
    for old, new in zip(before, after, strict=False):
        if old.held != new.held:
            words.append(f"{new.kind}: {'put on hold' if new.held else 'taken off hold'}")
        elif old.direction != new.direction and new.address not in _NOWHERE:
            words.append(f"{new.kind}: now {new.direction}")
        if (old.address, old.port) != (new.address, new.port) and not new.held and new.port:
            words.append(f"{new.kind}: moved to {new.address} port {new.port}")
        if old.codecs != new.codecs:
            words.append(f"{new.kind}: codecs now {', '.join(new.codecs)}")
        if new.port == 0 != old.port:
            words.append(f"{new.kind}: ended")
    if len(after) > len(before):
        words.append(f"{len(after) - len(before)} more stream(s)")
    return words


def outcome(offer: list[StreamSummary], answer: list[StreamSummary]) -> list[str]:
    """What an answer made of an offer, in words."""
    words: list[str] = []
    for index, asked in enumerate(offer):
        if index >= len(answer):
            words.append(f"{asked.kind}: not answered at all (the answer has too few m= lines)")
            continue
        got = answer[index]
        if got.port == 0:
            words.append(f"{asked.kind}: refused (port 0)")
            continue
        common = [codec for codec in got.codecs if codec in asked.codecs]
        voices = [codec for codec in common if not codec.startswith("telephone-event") and codec != "CN"]
        keys = any(codec.startswith("telephone-event") for codec in common)
        text = f"{asked.kind}: agreed on {voices[0]}" if voices else f"{asked.kind}: no codec in common"
        text += f", {got.security}" + (", key presses as events" if keys else ", no events for key presses")
        if asked.security != got.security and "SRTP" in asked.security + got.security:
            text += f"; offered was {asked.security}"
        words.append(text + (f", {got.direction}" if got.direction != "sendrecv" else ""))
    return words
