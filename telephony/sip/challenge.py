"""Digest authentication of those who call us (RFC 3261 section 22, RFC 7616, RFC 8760): SHA-256 and MD5 with qop=auth.

Nonces carry their time and our signature, so a challenge costs no memory and a flood of requests cannot fill any. What
is remembered is which counts (``nc``) of a nonce have been used, and that only after a right answer.

Lenient where phones and carriers need it, none of which helps an attacker:
    - a digest URI that differs from the Request-URI in parameters, port or the case of the host, or names our realm or
      the host of To (proxies rewrite the Request-URI); its user part has to be the same
    - clients without qop (RFC 2069): each nonce is good for one request of theirs
    - counts that arrive out of order, within 64
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sipmessage import URI

from .digest import HASHES, Hash, hashed, parameters
from .grammar import quote
from .message import Request, SipError, parse_uri

LIFETIME_S = 300.0
MAX_NONCES = 8192
"""Nonces whose counts are remembered; those that were issued before a forgotten one have expired."""
MAX_ANSWERS = 4
"""Credentials looked at in one request."""
_WINDOW = 64
_STAMP = struct.Struct(">d8s")
_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class DigestVerdict:
    """What a request's credentials are worth. Only ``ok`` opens anything."""

    result: Literal["ok", "missing", "wrong", "stale", "replayed"]
    """``missing``: none for our realm: challenge. ``wrong``: unknown user or wrong password, the same to the peer;
    challenge again and tell `Gate.failed`. ``stale``: right, but the nonce has expired, and ``replayed``: right, but
    this use of the nonce has been seen: challenge with stale=true."""
    user: str = ""
    """Who it says it is; believed only with ``ok``."""
    solicited: bool = False
    """It answers a challenge that we sent to this address a short time ago: the address is no forgery."""

    @property
    def ok(self) -> bool:
        """Whether the request may pass."""
        return self.result == "ok"


class Challenger:
    """Challenges and verifies for one realm.

    Args:
        realm: shown to users; a domain name by custom.
        algorithms: offered, the preferred first.
        lifetime_s: how long a nonce is good for.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        realm: str,
        *,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        lifetime_s: float = LIFETIME_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.realm = realm
        self._algorithms = algorithms
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._opaque = secrets.token_hex(8)
        self._nobody = secrets.token_hex(16)
        self._used: OrderedDict[str, tuple[int, int, float]] = OrderedDict()
        """Nonce to its highest count, the 64 counts up to it as bits, and when it was issued."""
        self._forgotten_s = float("-inf")

    def challenge(
        self, stale: bool = False, *, proxy: bool = False, algorithms: tuple[str, ...] = (), source: str = ""
    ) -> list[tuple[str, str]]:
        """The headers of a 401, or with `proxy` of a 407: one per algorithm, as RFC 8760 section 2.3 wants them.

        `algorithms` are those for this peer, instead of all; some read nothing but the first header. `source` is the
        address that this goes to: only from there can it be answered.
        """
        name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
        nonce = self._nonce(source)
        tail = ", stale=true" if stale else ""
        return [
            (
                name,
                f'Digest realm={quote(self.realm)}, nonce="{nonce}", opaque="{self._opaque}", '
                f'algorithm={algorithm}, qop="auth"{tail}',
            )
            for algorithm in algorithms or self._algorithms
        ]

    def verify(
        self,
        request: Request,
        header_name: str,
        passwords: Mapping[str, str],
        algorithms: tuple[str, ...] = (),
        *,
        source: str = "",
    ) -> DigestVerdict:
        """Judge a request's ``Authorization`` or ``Proxy-Authorization`` by the passwords of its users.

        `algorithms` are those that this peer may use, instead of all; `source` is the address that it came from. An
        unknown user costs the same time as a wrong password.
        """
        for value in request.headers.getlist(header_name)[:MAX_ANSWERS]:
            try:
                fields = parameters(value)
            except ValueError:
                continue  # another scheme (RFC 4475 section 3.3.9), or no credentials at all
            if fields.get("realm") == self.realm:
                return self._judge(request, fields, passwords, algorithms or self._algorithms, source)
        return DigestVerdict("missing")

    def _judge(
        self,
        request: Request,
        fields: Mapping[str, str],
        passwords: Mapping[str, str],
        algorithms: tuple[str, ...],
        source: str,
    ) -> DigestVerdict:
        user = fields.get("username", "")
        password = passwords.get(user)
        right = self._matches(request, fields, user, self._nobody if password is None else password, algorithms)
        nonce = fields.get("nonce", "")
        issued_s = self._issued_s(nonce, source)
        # Who had this address when a nonce expired may have lost it since.
        solicited = issued_s is not None and 0 <= self._clock() - issued_s <= self._lifetime_s
        if not right or password is None:
            return DigestVerdict("wrong", user, solicited)
        if issued_s is None or not solicited or issued_s <= self._forgotten_s:
            return DigestVerdict("stale", user, solicited)
        if not self._use(nonce, issued_s, int(fields["nc"], 16) if "qop" in fields else 0):
            return DigestVerdict("replayed", user, solicited)
        return DigestVerdict("ok", user, solicited)

    def _matches(
        self, request: Request, fields: Mapping[str, str], user: str, password: str, algorithms: tuple[str, ...]
    ) -> bool:
        """Whether the response is right; computed in full whatever is wrong, and compared in constant time."""
        name = fields.get("algorithm", "MD5").upper()
        known = name in algorithms
        digest: Hash = HASHES[name if known else algorithms[0]]
        uri, nonce, count = fields.get("uri", ""), fields.get("nonce", ""), fields.get("nc", "")
        secret = hashed(digest, user, self.realm, password)
        what = hashed(digest, request.method, uri)
        formed = known and self._names(request, uri)
        if "qop" in fields:
            formed = formed and fields["qop"].lower() == "auth" and bool(fields.get("cnonce")) and _is_count(count)
            expected = hashed(digest, secret, nonce, count, fields.get("cnonce", ""), fields["qop"], what)
        else:
            expected = hashed(digest, secret, nonce, what)
        given = fields.get("response", "").lower()
        return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")) and formed

    def _names(self, request: Request, text: str) -> bool:
        """Whether the digest URI means this request, see the top of this file."""
        try:
            uri = parse_uri(text)
        except SipError:
            return False
        wanted: URI = request.uri
        if uri.scheme != wanted.scheme or (uri.user or "") != (wanted.user or ""):
            return False
        try:
            to_host = parse_uri(request.head.to.uri).host.lower()
        except SipError:
            to_host = ""
        return uri.host.lower() in (wanted.host.lower(), self.realm.lower(), to_host)

    def _nonce(self, source: str) -> str:
        stamp = _STAMP.pack(self._clock(), secrets.token_bytes(8))
        return urlsafe_b64encode(stamp + self._sign(stamp, source)).decode()

    def _sign(self, stamp: bytes, source: str) -> bytes:
        return hmac.digest(self._key, stamp + source.encode(), hashlib.sha256)[:_SIGNATURE_BYTES]

    def _issued_s(self, nonce: str, source: str) -> float | None:
        """When we made this nonce for this address; None when we did not."""
        try:
            data = urlsafe_b64decode(nonce.encode("ascii"))
        except (UnicodeEncodeError, Base64Error):
            return None
        stamp, signature = data[: _STAMP.size], data[_STAMP.size :]
        if len(stamp) != _STAMP.size or not hmac.compare_digest(signature, self._sign(stamp, source)):
            return None
        return float(_STAMP.unpack(stamp)[0])

    def _use(self, nonce: str, issued_s: float, count: int) -> bool:
        """Mark a count of a nonce as used. Returns whether it was new."""
        highest, seen, _ = self._used.get(nonce, (-1, 0, issued_s))
        if count > highest:
            seen = ((seen << min(count - highest, _WINDOW)) | 1) & ((1 << _WINDOW) - 1)
            highest = count
        else:
            bit = 1 << (highest - count)
            if count <= highest - _WINDOW or seen & bit:
                return False
            seen |= bit
        self._used[nonce] = (highest, seen, issued_s)
        self._used.move_to_end(nonce)
        if len(self._used) > MAX_NONCES:
            _, forgotten = self._used.popitem(last=False)
            self._forgotten_s = max(self._forgotten_s, forgotten[2])
        return True


def _is_count(text: str) -> bool:
    return 0 < len(text) <= 8 and all(ch in "0123456789abcdefABCDEF" for ch in text)
