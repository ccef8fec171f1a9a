"""Two sides of a negotiation, and bodies of a peer."""

from __future__ import annotations

from telephony.call_policy import Terms
from telephony.sdp.agreement import Agreed
from telephony.sdp.negotiation import Negotiation

OURS, THEIRS = "192.0.2.9", "192.0.2.1"
G711 = Terms(codecs=("PCMA", "PCMU"))
KEY = "AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)


class Media:
    """What a session would have been told."""

    def __init__(self, port: int = 20000) -> None:
        self.port = port
        self.terms = Terms()
        self.told: list[tuple[Agreed, str | None]] = []

    def connect(self, agreed: Agreed, source_host: str | None = None) -> None:
        self.told.append((agreed, source_host))


def ours(terms: Terms = G711, ip: str = OURS) -> Negotiation:
    return Negotiation(Media(), ip, terms, THEIRS)


def peer(terms: Terms = G711) -> Negotiation:
    return Negotiation(Media(30000), THEIRS, terms)


def told(negotiation: Negotiation) -> list[Agreed]:
    assert isinstance(negotiation.media, Media)
    return [agreed for agreed, _ in negotiation.media.told]


def body(*media: str, version: int = 1, ip: str = THEIRS) -> bytes:
    lines = ("v=0", f"o=- 1 {version} IN IP4 {ip}", "s=-", f"c=IN IP4 {ip}", "t=0 0", *media)
    return "".join(f"{line}\r\n" for line in lines).encode()


def lines(said: bytes, prefix: str) -> list[str]:
    return [line for line in said.decode().split("\r\n") if line.startswith(prefix)]


def origin_version(said: bytes) -> int:
    (line,) = lines(said, "o=")
    return int(line.split()[2])


def settle(first: Negotiation, second: Negotiation) -> None:
    first.accept(second.answer(first.offer()))
