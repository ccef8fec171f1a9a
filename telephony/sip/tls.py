"""TLS for SIP: certificates from files that may change, names checked by RFC 5922, failures in words.

TlsError (an OSError)        a certificate file that cannot be used, or a peer that must not be talked to
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

RECHECK_S = 1.0
"""How often the files are looked at, at most."""
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others."""

log = logging.getLogger(__name__)


class TlsError(OSError):
    """TLS cannot be had; the text says why, for the person who runs us."""


@dataclass(frozen=True, slots=True)
class TlsServer:
    """How we show ourselves to callers."""

    cert: Path
    """PEM: our certificate and those between it and the root."""
    key: Path
    """PEM, without passphrase."""
    ca: Path | None = None
    """PEM: authorities; when set, callers have to show a certificate of theirs."""


@dataclass(frozen=True, slots=True)
class TlsClient:
    """How we check servers, and show ourselves to them."""

    ca: Path | None = None
    """PEM: authorities that are believed instead of the system's."""
    cert: Path | None = None
    """PEM: our own certificate, for servers that demand one."""
    key: Path | None = None
    """PEM; None when it is in the file of `cert`."""
    verify: bool = True
    """False believes anybody: only for a PBX with a certificate of its own making, on a network of one's own."""


@dataclass(frozen=True, slots=True)
class TlsSession:
    """What was agreed on a TLS connection, and who the peer says he is."""

    version: str
    cipher: str
    verified: bool
    """Whether an authority vouches for the certificate. False with `TlsClient.verify` off or no certificate shown."""
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    """SIP domains that the certificate speaks for (RFC 5922 section 7.1), lower case; addresses too."""
    not_after: datetime | None = None

    @classmethod
    def of(cls, connection: ssl.SSLObject) -> TlsSession:
        """Read it from a finished handshake. Raises TlsError when the certificate cannot be read."""
        version, cipher = connection.version() or "", (connection.cipher() or ("",))[0]
        der = connection.getpeercert(binary_form=True)
        if der is None:
            return cls(version, cipher, False)
        try:
            cert = x509.load_der_x509_certificate(der)
            return cls(
                version,
                cipher,
                connection.context.verify_mode != ssl.CERT_NONE,
                cert.subject.rfc4514_string(),
                cert.issuer.rfc4514_string(),
                names_of(cert),
                cert.not_valid_after_utc,
            )
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
            raise TlsError(f"the peer's certificate cannot be read: {error}") from error

    def speaks_for(self, wanted: str) -> bool:
        """Whether the certificate names that domain or address.

        RFC 5922 section 7.2 wants names equal as a whole; a star for the leftmost label (RFC 6125 section 6.4.3) is
        taken too, because carriers use such certificates.
        """
        wanted = _plain(wanted)
        parent = wanted.partition(".")[2]
        starred = "." in parent and not parent.replace(".", "").isdigit() and f"*.{parent}" in self.names
        return wanted in self.names or starred


def names_of(cert: x509.Certificate) -> tuple[str, ...]:
    """The SIP domains that a certificate speaks for (RFC 5922 section 7.1): of SIP URIs, DNS names and addresses.

    The common name counts only in a certificate without SubjectAltName. Raises ValueError for a broken extension.
    """
    try:
        extension = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        commons = cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(_plain(str(common.value)) for common in commons)
    found = [_plain(name) for name in extension.get_values_for_type(x509.DNSName)]
    for uri in extension.get_values_for_type(x509.UniformResourceIdentifier):
        scheme, _, rest = uri.partition(":")
        if scheme.lower() in ("sip", "sips") and "@" not in rest:
            found.append(_plain(rest.partition(";")[0].partition("?")[0]))
    found += [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys(found))


def _plain(name: str) -> str:
    name = name.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """The certificate of ours that callers get to see."""

    file: str
    names: tuple[str, ...]
    """Whom it speaks for."""
    not_after: datetime

    @property
    def days_left(self) -> float:
        """Until it expires; negative when it has."""
        return (self.not_after - datetime.now(UTC)).total_seconds() / 86_400

    @classmethod
    def read(cls, file: Path) -> ShownCertificate | None:
        """The first certificate in a PEM file; None when OpenSSL may like it, and we cannot read it."""
        try:
            cert = x509.load_pem_x509_certificate(file.read_bytes())
            return cls(str(file), names_of(cert), cert.not_valid_after_utc)
        except (OSError, ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
            return None


@dataclass(slots=True)
class ReloadingContext:
    """The SSLContext of some files, made anew when one of them has changed; running connections keep the old one."""

    settings: TlsServer | TlsClient
    shown: ShownCertificate | None = None
    """What a server's files hold, once they were read."""
    _made: ssl.SSLContext | None = None
    _state: tuple[int, ...] = ()
    _looked_s: float = field(default=float("-inf"))
    _complaint: str = ""
    """What was wrong with the files when they were looked at last; it is logged once."""

    @property
    def current(self) -> ssl.SSLContext:
        """The one in use, without looking at the files. Raises TlsError before the first `get`."""
        if self._made is None:
            raise TlsError(f"{self.settings.cert} was not read yet")
        return self._made

    def get(self, now_s: float) -> ssl.SSLContext:
        """The context for a new handshake; looks at the files, and reads them if they have changed, so it may block.

        Raises TlsError when the files cannot be used and never could; after that the last good ones stay in use.
        """
        if self._made is not None and now_s - self._looked_s < RECHECK_S:
            return self._made
        self._looked_s = now_s
        try:
            state = _state_of(self.settings)
            if self._made is None or state != self._state:
                self._made, self._state = _build(self.settings), state
                self.shown = ShownCertificate.read(self.settings.cert) if isinstance(self.settings, TlsServer) else None
            self._complaint = ""
        except TlsError as error:
            if self._made is None:
                raise
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("new TLS files cannot be used, the old ones stay", extra={"why": str(error)})
        return self._made


def _state_of(settings: TlsServer | TlsClient) -> tuple[int, ...]:
    marks: list[int] = []
    for path in (settings.cert, settings.key, settings.ca):
        if path is not None:
            try:
                stat = path.stat()
            except OSError as error:
                raise TlsError(f"{path} cannot be read: {error.strerror}") from error
            marks += [stat.st_mtime_ns, stat.st_ino, stat.st_size]
    return tuple(marks)


def _build(settings: TlsServer | TlsClient) -> ssl.SSLContext:
    serving = isinstance(settings, TlsServer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serving else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.check_hostname = False  # OpenSSL does not know SIP URIs: `TlsSession.speaks_for`
    context.verify_mode = ssl.CERT_NONE
    if settings.cert is not None:
        _load_own(context, settings.cert, settings.key)
    if settings.ca is not None:
        _load_authorities(context, settings.ca)
    if serving:
        context.verify_mode = ssl.CERT_REQUIRED if settings.ca is not None else ssl.CERT_NONE
    elif isinstance(settings, TlsClient) and settings.verify:
        context.verify_mode = ssl.CERT_REQUIRED
        if settings.ca is None:
            context.load_default_certs()
    return context


def _load_own(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    def refuse_to_ask() -> str:
        raise TlsError(f"{key or cert} is locked with a passphrase; store the key without one")

    try:
        context.load_cert_chain(cert, key, refuse_to_ask)
    except TlsError:
        raise
    except ssl.SSLError as error:
        both = f"{cert} and {key}" if key else str(cert)
        why = "the key is not that of the certificate" if error.reason == "KEY_VALUES_MISMATCH" else "no PEM pair in it"
        raise TlsError(f"{both} cannot be used: {why}") from error
    except OSError as error:
        raise TlsError(f"{cert} or {key} cannot be read: {error.strerror}") from error


def _load_authorities(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise TlsError(f"{ca} holds no certificates in PEM") from error
    except OSError as error:
        raise TlsError(f"{ca} cannot be read: {error.strerror}") from error


_VERIFY_WORDS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is signed by itself; put it into the trunk's `ca` to believe it",
    19: "the root of its certificate is not believed; put that root into the trunk's `ca`",
    20: "the authority of its certificate is unknown; the trunk's `ca` needs it, or the server's chain is not whole",
    21: "the authority of its certificate is unknown; the server does not send the certificates in between",
    23: "its certificate is revoked",
    26: "its certificate is not one for servers",
}
_REASON_WORDS = {
    "WRONG_VERSION_NUMBER": "the peer does not speak TLS on this port",
    "UNSUPPORTED_PROTOCOL": "the peer knows no TLS from 1.2 on",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the peer refuses our TLS versions (1.2 and 1.3)",
    "NO_PROTOCOLS_AVAILABLE": "the peer and we have no TLS version in common",
    "NO_SHARED_CIPHER": "the peer and we have no cipher in common",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the peer has no cipher in common with us, or wants a certificate of ours",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the peer wants a certificate of ours (`cert` and `key`)",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "the peer showed no certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "the peer does not know the authority of our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the peer says that our certificate has expired",
    "SSLV3_ALERT_BAD_CERTIFICATE": "the peer does not take our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "the peer does not take our certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "the peer does not take our kind of certificate",
    "TLSV1_UNRECOGNIZED_NAME": "the peer has no certificate for the name that was asked for",
    "HTTP_REQUEST": "the peer speaks HTTP",
}


def why(error: BaseException) -> str:
    """A failed connection in words; what to do about it where that is clear."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_WORDS.get(error.verify_code, f"its certificate is not believed: {error.verify_message}")
    if isinstance(error, ssl.SSLError) and error.reason:
        return _REASON_WORDS.get(error.reason, f"TLS failed: {error.reason.replace('_', ' ').lower()}")
    if isinstance(error, TimeoutError):
        return "no answer to the connection in time"
    if isinstance(error, ConnectionAbortedError):
        return "the TLS handshake did not end in time" if "handshake" in str(error) else "the connection was given up"
    if isinstance(error, ConnectionResetError):
        return "the peer closed the connection"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)
