"""Answering a digest challenge (RFC 3261 section 22, RFC 7616, RFC 8760): MD5 and SHA-256, qop=auth or none."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from .grammar import quote, unquote

_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_PARAM = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^\s,\"]+)\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a carrier."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value that can be answered."""

    realm: str
    nonce: str
    opaque: str | None
    algorithm: str
    qop: bool
    """``auth`` is offered."""
    stale: bool

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Read a challenge. Raises ValueError: no Digest, malformed, or an algorithm or qop that is not ours."""
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() != "digest":
            raise ValueError("no digest challenge")
        params: dict[str, str] = {}
        position = 0
        while position < len(rest):
            match = _PARAM.match(rest, position)
            if match is None:
                raise ValueError("a malformed challenge")
            params.setdefault(match[1].lower(), unquote(match[2]))
            position = match.end()
        algorithm = params.get("algorithm", "MD5").upper()
        qops = {qop.strip().lower() for qop in params.get("qop", "").split(",") if qop.strip()}
        if "nonce" not in params or "realm" not in params or algorithm not in _HASHES or (qops and "auth" not in qops):
            raise ValueError("a challenge that cannot be answered")
        stale = params.get("stale", "").lower() == "true"
        return cls(params["realm"], params["nonce"], params.get("opaque"), algorithm, bool(qops), stale)


def choose(values: list[str]) -> Challenge:
    """The strongest challenge among several (RFC 8760 section 2.4). Raises ValueError when there is none."""
    challenges = []
    for value in values:
        try:
            challenges.append(Challenge.parse(value))
        except ValueError:
            continue
    if not challenges:
        raise ValueError("no challenge that can be answered")
    return max(challenges, key=lambda challenge: challenge.algorithm == "SHA-256")


def authorization(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, *, count: int = 1, cnonce: str = ""
) -> str:
    """The value of Authorization or Proxy-Authorization (RFC 7616 section 3.4).

    `count` is how often this nonce has been used, this time included; `cnonce` is random when empty.
    """
    digest = _HASHES[challenge.algorithm]

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8"))

    secret = hashed(credentials.username, challenge.realm, credentials.password)
    what = hashed(method, uri)
    fields = [
        f"username={quote(credentials.username)}",
        f"realm={quote(challenge.realm)}",
        f"nonce={quote(challenge.nonce)}",
        f"uri={quote(uri)}",
        f"algorithm={challenge.algorithm}",
    ]
    if challenge.qop:
        cnonce = cnonce or secrets.token_hex(8)
        used = f"{count:08x}"
        response = hashed(secret, challenge.nonce, used, cnonce, "auth", what)
        fields += ["qop=auth", f"nc={used}", f"cnonce={quote(cnonce)}"]
    else:
        response = hashed(secret, challenge.nonce, what)
    fields.append(f'response="{response}"')
    if challenge.opaque is not None:
        fields.append(f"opaque={quote(challenge.opaque)}")
    return "Digest " + ", ".join(fields)
