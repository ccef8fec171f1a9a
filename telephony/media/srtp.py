"""SRTP: keys as SDP carries them (RFC 4568, RFC 6188), and packets made unreadable and readable again (RFC 3711).

The work is done by libsrtp, in the build that pylibsrtp ships. It is called through `ctypes.PyDLL` for two reasons:
pylibsrtp has no AES-256 in counter mode, and it gives the interpreter's lock up around each packet, which costs the
engine's thread up to a switch interval each time the event loop is busy (see `telephony.media.udp`).
"""

from __future__ import annotations

import base64
import binascii
import ctypes
import re
import secrets
import struct
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

from pylibsrtp import _binding

Suite = Literal[
    "AES_CM_128_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_32",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
]


class _Form(NamedTuple):
    key_bytes: int
    """Master key and salt together."""
    rtp: str
    """libsrtp's function that sets it up."""
    rtcp: str
    """RTCP keeps its 80-bit tag where RTP has 32 (RFC 4568 section 6.2.2)."""


_SET = "srtp_crypto_policy_set_"
_FORMS: dict[Suite, _Form] = {
    "AES_CM_128_HMAC_SHA1_80": _Form(30, f"{_SET}rtp_default", f"{_SET}rtcp_default"),
    "AES_256_CM_HMAC_SHA1_80": _Form(46, f"{_SET}aes_cm_256_hmac_sha1_80", f"{_SET}aes_cm_256_hmac_sha1_80"),
    "AES_CM_128_HMAC_SHA1_32": _Form(30, f"{_SET}aes_cm_128_hmac_sha1_32", f"{_SET}rtcp_default"),
    "AES_256_CM_HMAC_SHA1_32": _Form(46, f"{_SET}aes_cm_256_hmac_sha1_32", f"{_SET}aes_cm_256_hmac_sha1_80"),
    "AEAD_AES_128_GCM": _Form(28, f"{_SET}aes_gcm_128_16_auth", f"{_SET}aes_gcm_128_16_auth"),
    "AEAD_AES_256_GCM": _Form(44, f"{_SET}aes_gcm_256_16_auth", f"{_SET}aes_gcm_256_16_auth"),
}
SDES_SUITES: tuple[Suite, ...] = (
    "AES_CM_128_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_32",
)
"""Offered in this order: first what everybody must have (RFC 4568 section 6.2)."""

MAX_DATAGRAM_BYTES = 2048
MAX_TRAILER_BYTES = 16 + 4
"""Tag and SRTCP index."""
MAX_SOURCES = 64
"""SSRCs of one peer under one key; each has its own state in libsrtp."""


# ── keys in SDP ──


class Crypto(NamedTuple):
    """One usable ``a=crypto`` line."""

    tag: int
    suite: Suite
    key: bytes
    """Master key and salt of whoever wrote it, for what it sends."""


_CRYPTO = re.compile(
    r"([0-9]{1,9}) +([A-Za-z0-9_]{1,40}) +inline:([A-Za-z0-9+/]{1,80}={0,2})([^ ;]*)((?: .*)?)", re.ASCII
)
_LIFETIME = re.compile(r"\|(?:2\^([0-9]{1,2})|([0-9]{1,15}))", re.ASCII)
_MAX_LIFETIME = 2**48
"""Packets under one key (RFC 3711 section 9.2)."""
_WINDOW_HINT = re.compile(r"-?WSH=[0-9]{1,4}", re.ASCII)


def read_crypto(value: str) -> Crypto | None:
    """Read the value of an ``a=crypto`` line; None when it must be left out (RFC 4568 sections 5.1.2, 6.1 and 7.1).

    That is: another suite, several keys or an MKI (we would have to send and find it in each packet), session
    parameters other than the window size hint, a lifetime that cannot be, a key of the wrong length.
    """
    match = _CRYPTO.fullmatch(value)
    if match is None:
        return None
    tag, name, inline, more, parameters = match.groups()
    suite = next((suite for suite in SDES_SUITES if suite == name), None)
    if suite is None or (more and not _is_lifetime(more)):
        return None
    # "-" marks what may be ignored (section 6.3.7); the rest would change what is on the wire.
    if any(not one.startswith("-") and not _WINDOW_HINT.fullmatch(one) for one in parameters.split()):
        return None
    try:
        key = base64.b64decode(inline + "=" * (-len(inline) % 4), validate=True)  # some leave the padding out
    except (binascii.Error, ValueError):
        return None
    return Crypto(int(tag), suite, key) if len(key) == _FORMS[suite].key_bytes else None


def _is_lifetime(text: str) -> bool:
    """It bounds what its sender sends; renewing the key in time is that one's business."""
    match = _LIFETIME.fullmatch(text)
    if match is None:
        return False
    power, number = match.groups()
    return 0 < (2 ** int(power) if power else int(number)) <= _MAX_LIFETIME


def write_crypto(crypto: Crypto) -> str:
    """The value of an ``a=crypto`` line."""
    return f"{crypto.tag} {crypto.suite} inline:{base64.b64encode(crypto.key).decode('ascii')}"


def new_key(suite: Suite) -> bytes:
    """Master key and salt nobody else has."""
    return secrets.token_bytes(_FORMS[suite].key_bytes)


@dataclass(frozen=True, slots=True)
class Keys:
    """What both sides encrypt with. The keys are not shown when it is printed."""

    suite: Suite
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)


# ── packets ──


class _CryptoPolicy(ctypes.Structure):
    """srtp_crypto_policy_t, srtp.h of libsrtp 2."""

    _fields_ = (
        ("cipher_type", ctypes.c_uint32),
        ("cipher_key_len", ctypes.c_int),
        ("auth_type", ctypes.c_uint32),
        ("auth_key_len", ctypes.c_int),
        ("auth_tag_len", ctypes.c_int),
        ("sec_serv", ctypes.c_int),
    )


class _Policy(ctypes.Structure):
    """srtp_policy_t, srtp.h of libsrtp 2."""

    _fields_ = (
        ("ssrc_type", ctypes.c_int),
        ("ssrc_value", ctypes.c_uint),
        ("rtp", _CryptoPolicy),
        ("rtcp", _CryptoPolicy),
        ("key", ctypes.c_char_p),
        ("keys", ctypes.c_void_p),
        ("num_master_keys", ctypes.c_ulong),
        ("deprecated_ekt", ctypes.c_void_p),
        ("window_size", ctypes.c_ulong),
        ("allow_repeat_tx", ctypes.c_int),
        ("enc_xtn_hdr", ctypes.c_void_p),
        ("enc_xtn_hdr_count", ctypes.c_int),
        ("next", ctypes.c_void_p),
    )


_INBOUND, _OUTBOUND = 2, 3
_REPLAYED = (9, 10)
"""srtp_err_status_replay_fail and _old."""
_SSRC = struct.Struct("!I")


@cache
def _library() -> Any:
    library: Any = ctypes.PyDLL(_binding.__file__)
    if ctypes.sizeof(_Policy) != _binding.ffi.sizeof("srtp_policy_t"):
        raise ImportError("this build of libsrtp has another srtp_policy_t")
    library.srtp_create.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(_Policy)]
    library.srtp_dealloc.argtypes = [ctypes.c_void_p]
    for name in ("srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    return library


class _Context:
    """One direction under one key."""

    def __init__(self, suite: Suite, key: bytes, direction: int) -> None:
        form = _FORMS[suite]
        if len(key) != form.key_bytes:
            raise ValueError(f"{suite} has keys of {form.key_bytes} bytes, not {len(key)}")
        self.key = suite, key
        self._library = _library()
        policy = _Policy(ssrc_type=direction, key=key)
        getattr(self._library, form.rtp)(ctypes.byref(policy.rtp))
        getattr(self._library, form.rtcp)(ctypes.byref(policy.rtcp))
        self._context = ctypes.c_void_p()
        status = self._library.srtp_create(ctypes.byref(self._context), ctypes.byref(policy))
        if status:
            raise ValueError(f"libsrtp refuses {suite} (status {status})")
        self._buffer = bytearray(MAX_DATAGRAM_BYTES + MAX_TRAILER_BYTES)
        self._at = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._length = ctypes.c_int()
        self._length_at = ctypes.addressof(self._length)

    def _work(self, function: Any, datagram: bytes) -> int:
        """Leaves the result in the buffer; returns libsrtp's status."""
        size = len(datagram)
        self._buffer[:size] = datagram
        self._length.value = size
        status: int = function(self._context, self._at, self._length_at)
        return status

    def _result(self) -> bytes:
        return bytes(self._buffer[: self._length.value])

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self._library.srtp_dealloc(self._context)


class Protector(_Context):
    """Encrypts what we send. For one thread. Raises ValueError for a key that does not fit."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        super().__init__(suite, key, _OUTBOUND)

    def rtp(self, packet: bytes) -> bytes | None:
        """The SRTP packet; None when libsrtp cannot (nothing may be sent then)."""
        return None if self._work(self._library.srtp_protect, packet) else self._result()

    def rtcp(self, packet: bytes) -> bytes | None:
        """The SRTCP packet."""
        return None if self._work(self._library.srtp_protect_rtcp, packet) else self._result()


class Unprotector(_Context):
    """Checks and decrypts what a peer sends. For one thread. Raises ValueError for a key that does not fit."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        super().__init__(suite, key, _INBOUND)
        self._sources: set[int] = set()

    def rtp(self, datagram: bytes) -> bytes | Literal["forged", "replayed"]:
        """The RTP packet. Forged is also what is no SRTP at all, or the 65th SSRC."""
        return self._open(self._library.srtp_unprotect, datagram, 8)

    def rtcp(self, datagram: bytes) -> bytes | Literal["forged", "replayed"]:
        """The RTCP packet."""
        return self._open(self._library.srtp_unprotect_rtcp, datagram, 4)

    def _open(self, function: Any, datagram: bytes, ssrc_at: int) -> bytes | Literal["forged", "replayed"]:
        if not ssrc_at + 4 <= len(datagram) <= MAX_DATAGRAM_BYTES:
            return "forged"
        source = _SSRC.unpack_from(datagram, ssrc_at)[0]
        if source not in self._sources and len(self._sources) >= MAX_SOURCES:
            return "forged"
        status = self._work(function, datagram)
        if status:
            return "replayed" if status in _REPLAYED else "forged"
        self._sources.add(source)
        return self._result()
