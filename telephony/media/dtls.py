"""The handshake of DTLS-SRTP over a media port (RFC 5763, RFC 5764): two certificates in, SRTP keys out.

OpenSSL does it, between two queues of datagrams. Its arithmetic takes milliseconds, which the engine's ticker has not
got, so that `Association` hands it to a worker and looks for the result at its next turn.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from ..sdp.agreement import Handshake
from .rtp import Address
from .srtp import Keys, Suite

MTU_BYTES = 1200
MAX_DATAGRAMS = 400
"""Taken in for one handshake; a long one over a bad line needs some thirty."""
MAX_FOREIGN = 50
"""Of those, from addresses that were not signalled (a peer behind a NAT, or a stranger who spends our time)."""
MAX_WAITING = 32
TURN_MS = 50.0
"""How often OpenSSL is asked whether something must be sent again; its own timer begins at a second."""
PATIENCE_MS = 30_000.0

_DTLS_1_2 = 0xFEFD
"""DTLS1_2_VERSION of OpenSSL."""
_LABEL = b"EXTRACTOR-dtls_srtp"
_RECORD_HEADER_BYTES = 13
_PROFILES: dict[bytes, tuple[Suite, int, int]] = {
    b"SRTP_AES128_CM_SHA1_80": ("AES_CM_128_HMAC_SHA1_80", 16, 14),
    b"SRTP_AEAD_AES_256_GCM": ("AEAD_AES_256_GCM", 32, 12),
    b"SRTP_AEAD_AES_128_GCM": ("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AES128_CM_SHA1_32": ("AES_CM_128_HMAC_SHA1_32", 16, 14),
}
"""Suite, bytes of key and of salt (RFC 5764 section 4.1.2, RFC 7714 section 14.2)."""
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES"

Submit = Callable[[Callable[[], None]], object]
"""Has something done by another thread, soon."""

log = logging.getLogger(__name__)


class DtlsIdentity(NamedTuple):
    """What we show to peers: nobody signed it, its fingerprint in the SDP proves it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    fingerprint: str
    """As in ``a=fingerprint``."""


@cache
def identity() -> DtlsIdentity:
    """This process's, made at first use. It names nobody (RFC 8827 section 6.5)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "voice")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=365))
    certificate = builder.sign(key, hashes.SHA256())
    return DtlsIdentity(key, certificate, f"sha-256 {_digest(certificate, 'sha-256')}")


@cache
def _context() -> SSL.Context:
    ours = identity()
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_min_proto_version(_DTLS_1_2)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_RENEGOTIATION)
    # No authority signs these: the fingerprint is checked instead.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(ours.certificate)
    context.use_privatekey(ours.key)
    context.set_cipher_list(_CIPHERS)
    context.set_tlsext_use_srtp(b":".join(_PROFILES))
    return context


def _digest(certificate: x509.Certificate, hash_name: str) -> str:
    der = certificate.public_bytes(Encoding.DER)
    return hashlib.new(hash_name.replace("-", ""), der).digest().hex(":").upper()


class _Failure(Exception):
    """The handshake came to nothing, and why."""


class DtlsConnection:
    """One DTLS connection without a network. For one thread at a time."""

    def __init__(self, handshake: Handshake) -> None:
        self.keys: Keys | None = None
        self.failed = ""
        self._handshake = handshake
        self._ssl = SSL.Connection(_context(), None)
        self._ssl.set_ciphertext_mtu(MTU_BYTES)
        if handshake.active:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()

    def step(self, datagrams: list[bytes]) -> list[bytes]:
        """Take in what arrived, or (nothing) look at the clock; returns what is to be sent."""
        try:
            for datagram in datagrams:
                self._ssl.bio_write(datagram)
                self._advance()
            if not datagrams:
                self._ssl.DTLSv1_handle_timeout()
                self._advance()
        except SSL.Error as error:
            self.failed = self.failed or f"DTLS: {error}"
        except _Failure as error:
            self.failed = self.failed or str(error)
        return _datagrams(self._waiting())

    def _advance(self) -> None:
        try:
            if self.keys is not None:
                self._ssl.recv(MTU_BYTES)  # has the last flight sent again when the peer missed it
                return
            self._ssl.do_handshake()
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return
        self._check_certificate()
        self.keys = self._export()

    def _check_certificate(self) -> None:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise _Failure("the peer showed no certificate")
        for hash_name, wanted in self._handshake.fingerprints:
            if _digest(certificate, hash_name) == wanted:
                return
        raise _Failure("the peer's certificate is not the one of its SDP")

    def _export(self) -> Keys:
        """RFC 5764 section 4.2."""
        profile = _PROFILES.get(self._ssl.get_selected_srtp_profile())
        if profile is None:
            raise _Failure("the peer does no SRTP profile of ours")
        suite, key, salt = profile
        material = self._ssl.export_keying_material(_LABEL, 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        return Keys(suite, client, server) if self._handshake.active else Keys(suite, server, client)

    def _waiting(self) -> bytes:
        written = b""
        try:
            while True:
                written += self._ssl.bio_read(65536)
        except SSL.Error:
            return written


def _datagrams(records: bytes) -> list[bytes]:
    """OpenSSL writes a flight in one piece; no record may be cut (RFC 6347 section 4.1.1)."""
    datagrams: list[bytes] = []
    current = b""
    while len(records) >= _RECORD_HEADER_BYTES:
        end = _RECORD_HEADER_BYTES + int.from_bytes(records[11:13], "big")
        record, records = records[:end], records[end:]
        if current and len(current) + len(record) > MTU_BYTES:
            datagrams.append(current)
            current = b""
        current += record
    return [*datagrams, current] if current else datagrams


class Association:
    """One handshake on one socket. The methods are for the engine's thread; OpenSSL works elsewhere.

    Args:
        handshake: what was agreed.
        remote: where the peer said it is.
        submit: has OpenSSL's work done.
    """

    def __init__(self, handshake: Handshake, remote: Address, submit: Submit) -> None:
        self.handshake = handshake
        self.remote = remote
        self._connection = DtlsConnection(handshake)
        self._submit = submit
        self._arrived: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._leaving: deque[list[bytes]] = deque()
        self._target = remote
        self._left, self._left_foreign = MAX_DATAGRAMS, MAX_FOREIGN
        self._busy = threading.Event()
        self._due_ms = 0.0
        self._until_ms: float | None = None

    @property
    def keys(self) -> Keys | None:
        """Once the handshake is done and the peer has proved to be the one of the SDP."""
        return self._connection.keys

    @property
    def failed(self) -> str:
        """Why there will be no keys."""
        return self._connection.failed

    def arrived(self, datagram: bytes, source: Address) -> None:
        """A DTLS record came. Only one who was not signalled before and none else is answered elsewhere."""
        if source != self.remote:
            if self._left_foreign <= 0 or self.keys is not None:
                return
            self._left_foreign -= 1
        elif self._left_foreign > 0:
            self._left_foreign = 0  # the signalled address works: no other one is needed
        if self._left > 0 and not self.failed:
            self._left -= 1
            self._target = source
            self._arrived.append(datagram)
            self._due_ms = 0.0

    def turn(self, now_ms: float) -> list[tuple[bytes, Address]]:
        """Go on; returns what is to be sent, and where."""
        sent = [(datagram, self._target) for flight in self._taken() for datagram in flight]
        if self._until_ms is None:
            self._until_ms = now_ms + PATIENCE_MS
        over = self.failed or (self.keys is not None and not self._arrived) or now_ms > self._until_ms
        if not over and now_ms >= self._due_ms and not self._busy.is_set():
            self._due_ms = now_ms + TURN_MS
            self._busy.set()
            datagrams = [self._arrived.popleft() for _ in range(len(self._arrived))]
            self._submit(lambda: self._work(datagrams))
        return sent

    def _taken(self) -> list[list[bytes]]:
        return [self._leaving.popleft() for _ in range(len(self._leaving))]

    def _work(self, datagrams: list[bytes]) -> None:
        had = bool(self.failed)
        try:
            self._leaving.append(self._connection.step(datagrams))
        finally:
            self._busy.clear()
        if self.failed and not had:
            log.warning("no media: %s", self.failed)
