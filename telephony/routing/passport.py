"""PASSporTs in Identity headers (RFC 8224, RFC 8225, SHAKEN: RFC 8588): read within bounds, and their signature.

What is read here is only what somebody claims. It counts when a trusted trunk says that it has checked it, or when
`signed_by` has.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import Certificate

MAX_TOKEN_CHARS = 8192
MAX_DEPTH_CHARS = 64
"""Opening brackets in the JSON; a real one has under ten."""
MAX_DEST = 16
"""Called numbers of one token that are looked at."""
ES256_BYTES = 64


@dataclass(frozen=True, slots=True)
class Passport:
    """The claims of one Identity header. Nothing of it is proven."""

    kind: str
    """``ppt``: ``shaken`` for caller attestation, ``div`` for diversions, empty for a bare one."""
    iat: int
    """When it was signed, seconds since 1970."""
    orig: str
    """The calling number, digits."""
    dest: tuple[str, ...]
    """The called numbers, digits."""
    div: str
    """``div`` tokens (RFC 8946): the number that the call was diverted from, digits."""
    attest: str
    """``A``, ``B``, ``C``, or empty."""
    signed: bytes
    """What the signature is over."""
    signature: bytes

    @classmethod
    def parse(cls, header: str) -> Passport:
        """Read an Identity header's value, full form. Raises ValueError for anything that is not one."""
        token = header.partition(";")[0].strip()
        if len(token) > MAX_TOKEN_CHARS:
            raise ValueError("longer than a PASSporT may be")
        parts = token.split(".")
        if len(parts) != 3 or not parts[1]:
            raise ValueError("not the three parts of a PASSporT (the compact form is not read)")
        head, claims = _object(parts[0]), _object(parts[1])
        iat = claims.get("iat")
        if isinstance(iat, bool) or not isinstance(iat, int) or not 0 < iat < 2**40:
            raise ValueError("no time of signing (iat)")
        dest = _telephone(claims, "dest")
        attest = claims.get("attest", "")
        if head.get("alg") != "ES256":
            raise ValueError("not signed with ES256")
        return cls(
            str(head.get("ppt", ""))[:16],
            iat,
            _digits(_telephone(claims, "orig")),
            tuple(_digits(one) for one in (dest if isinstance(dest, list) else [dest])[:MAX_DEST] if _digits(one)),
            _digits(_telephone(claims, "div")),
            attest if attest in ("A", "B", "C") else "",
            f"{parts[0]}.{parts[1]}".encode("ascii"),
            _bytes(parts[2]),
        )

    def signed_by(self, certificate: Certificate) -> bool:
        """Whether the certificate's key made the signature (ES256: P-256 and SHA-256). Its chain is not looked at."""
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or len(self.signature) != ES256_BYTES:
            return False
        r, s = int.from_bytes(self.signature[:32]), int.from_bytes(self.signature[32:])
        try:
            key.verify(encode_dss_signature(r, s), self.signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


def _telephone(claims: dict[str, Any], party: str) -> object:
    """``tn`` of ``orig``, ``dest`` or ``div``."""
    value = claims.get(party)
    return value.get("tn") if isinstance(value, dict) else None


def _digits(number: object) -> str:
    text = number if isinstance(number, str) else ""
    return "".join(ch for ch in text[:40] if ch in "0123456789")


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64url") from None


def _object(part: str) -> dict[str, Any]:
    data = _bytes(part)
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH_CHARS:
        raise ValueError("JSON that is nested too deeply")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value
