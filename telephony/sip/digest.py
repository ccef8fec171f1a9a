"""Answering a digest challenge (RFC 3261 section 22, RFC 7616, RFC 8760): MD5 and SHA-256, qop=auth or none.

`DigestClient` is what a user of this module needs: one for each account at a carrier, for all its calls and
registrations.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from .grammar import quote, unquote
from .message import Request, Response

MAX_REALMS = 4
"""Realms that one account answers to at a time: its server and the proxies in front of it."""
MAX_CHAINS = 256
MAX_TRIES = 3
"""A server that finds each answer stale is not answered for ever."""
MAX_VALUE_CHARS = 4096

Hash = Callable[[bytes], str]
HASHES: dict[str, Hash] = {
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
        params = parameters(value)
        algorithm = params.get("algorithm", "MD5").upper()
        qops = {qop.strip().lower() for qop in params.get("qop", "").split(",") if qop.strip()}
        if "nonce" not in params or "realm" not in params or algorithm not in HASHES or (qops and "auth" not in qops):
            raise ValueError("a challenge that cannot be answered")
        stale = params.get("stale", "").lower() == "true"
        return cls(params["realm"], params["nonce"], params.get("opaque"), algorithm, bool(qops), stale)


def parameters(value: str) -> dict[str, str]:
    """The parameters of a Digest challenge or of its answer by lower-case name, the first of a name.

    Raises ValueError: another scheme, malformed, or longer than anyone needs.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest" or len(value) > MAX_VALUE_CHARS:
        raise ValueError("no digest")
    params: dict[str, str] = {}
    position = 0
    while position < len(rest):
        match = _PARAM.match(rest, position)
        if match is None:
            raise ValueError("malformed digest parameters")
        params.setdefault(match[1].lower(), unquote(match[2]))
        position = match.end()
    return params


def hashed(digest: Hash, *parts: str) -> str:
    """The parts joined by colons, hashed (RFC 7616 section 3.4.1)."""
    return digest(":".join(parts).encode("utf-8"))


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
    digest = HASHES[challenge.algorithm]
    secret = hashed(digest, credentials.username, challenge.realm, credentials.password)
    what = hashed(digest, method, uri)
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
        response = hashed(digest, secret, challenge.nonce, used, cnonce, "auth", what)
        fields += ["qop=auth", f"nc={used}", f"cnonce={quote(cnonce)}"]
    else:
        response = hashed(digest, secret, challenge.nonce, what)
    fields.append(f'response="{response}"')
    if challenge.opaque is not None:
        fields.append(f"opaque={quote(challenge.opaque)}")
    return "Digest " + ", ".join(fields)


@dataclass(slots=True)
class _Known:
    """A challenge that later requests are answered for in advance."""

    challenge: Challenge
    count: int = 0


@dataclass(slots=True)
class _Chain:
    """The tries of one request: each has the next CSeq."""

    seq: int = -2
    """Of the try that was challenged last."""
    tries: int = 0
    answered: set[tuple[str, str]] = field(default_factory=set)
    """Header and realm of the challenges that were answered."""


class DigestClient:
    """An account: answers challenges, and remembers them, so that later requests need no second try.

    A request is retried as a new one (RFC 3261 section 22.2): with the next CSeq and another branch, by the caller.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        """By the name of the answer's header, and realm."""
        self._chains: OrderedDict[tuple[str, str], _Chain] = OrderedDict()
        """By Call-ID and method."""

    def answer(self, response: Response, request: Request) -> bool:
        """Answer a 401 or 407.

        Args:
            response: the challenge.
            request: the next try, or the refused request to be made into it; the headers are put in here. Its method
                and URI must be those that go out.

        Returns whether another try makes sense: not when the password was refused or no challenge can be answered.
        """
        challenge_name, answer_name = _names(response.code)
        if not challenge_name:
            return False
        by_realm: dict[str, list[str]] = {}
        for value in response.headers.getlist(challenge_name):
            try:
                by_realm.setdefault(Challenge.parse(value).realm, []).append(value)
            except ValueError:
                continue
        challenges = [choose(values) for values in list(by_realm.values())[:MAX_REALMS]]
        if not challenges or not self._again(response, answer_name, challenges):
            for challenge in challenges:
                self._known.pop((answer_name, challenge.realm), None)
            return False
        for challenge in challenges:
            self._known[(answer_name, challenge.realm)] = _Known(challenge)
            self._known.move_to_end((answer_name, challenge.realm))
        while len(self._known) > MAX_REALMS:
            self._known.popitem(last=False)
        self.add_credentials(request)
        return True

    def add_credentials(self, request: Request) -> None:
        """Put in the answers to all challenges that are known, each with its next count; none: leave it as it is."""
        values: dict[str, list[str]] = {}
        for (name, _), known in self._known.items():
            known.count += 1
            value = authorization(
                known.challenge, self._credentials, request.method, str(request.uri), count=known.count
            )
            values.setdefault(name, []).append(value)
        for name, found in values.items():
            request.headers.setlist(name, found)

    def _again(self, response: Response, name: str, challenges: list[Challenge]) -> bool:
        """Whether somebody asks for the first time, or says that the last answer was only too late."""
        head = response.head
        key = (head.call_id, head.method)
        chain = self._chains.pop(key, None)
        if chain is None or head.seq not in (chain.seq, chain.seq + 1):
            chain = _Chain()
        refused = [one for one in challenges if (name, one.realm) in chain.answered and not one.stale]
        if refused or chain.tries >= MAX_TRIES:
            return False
        chain.seq = head.seq
        chain.tries += 1
        chain.answered.update((name, one.realm) for one in challenges)
        self._chains[key] = chain
        if len(self._chains) > MAX_CHAINS:
            self._chains.popitem(last=False)
        return True


def _names(status: int) -> tuple[str, str]:
    if status == 401:
        return "WWW-Authenticate", "Authorization"
    if status == 407:
        return "Proxy-Authenticate", "Proxy-Authorization"
    return "", ""
