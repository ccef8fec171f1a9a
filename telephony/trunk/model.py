"""What a trunk file may say. Every field has its default; a file holds only what differs.

A trunk file is ``<folder>/<name>.yaml``; the name of the file is the name of the trunk. `load` reads it and checks what
one field alone cannot tell.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from sipmessage import URI

from ..call_policy import Keys, Reliable, SessionTimerPolicy, Srtp, Terms
from ..media.codecs import Codec
from ..sip.grammar import is_token
from ..sip.message import SipError, parse_uri
from ..yamlfile import Section
from .allowed_peer import AllowedPeer, Transport
from .secret import Secret, wrong

_USER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%]{1,128}")
_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}|\[[0-9A-Fa-f:.]+\]")
_BARE = re.compile(r"(\[[^\]]*\]|[^:;\[]*)(:[0-9]+)?(;.*)?")
"""A host without a scheme."""
_DESTINATION = re.compile(r"[^\s\"<>]{1,256}")
_SET_BY_US = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type", "route"}
    | {"record-route", "allow", "authorization", "proxy-authorization", "user-agent", "supported", "require", "privacy"}
    | {"p-asserted-identity", "session-expires", "min-se", "rack", "rseq", "expires", "path", "service-route"}
)


def _uri(value: Any) -> str:
    """A SIP URI, or a host with an optional port, as a SIP URI's text."""
    if not isinstance(value, str) or any(ch in value for ch in '\r\n\t <>"'):
        raise wrong("must be a SIP URI or a host", "such as sip:sbc.example.net:5060;transport=tcp or sbc.example.net")
    text = f"sip:{value}" if _BARE.fullmatch(value) is not None else value
    try:
        uri = parse_uri(text)
    except SipError as error:
        raise wrong(f"{value!r} cannot be called ({error.reason})", "write sip:HOST, sips:HOST or HOST:PORT") from None
    if uri.scheme not in ("sip", "sips") or _HOST.fullmatch(uri.host) is None:
        raise wrong(f"{value!r} cannot be called", "write sip:HOST, sips:HOST or HOST:PORT")
    if (uri.parameters.get("transport") or "udp").lower() not in ("udp", "tcp", "tls"):
        raise wrong(f"{value!r} asks for a transport that we have not", "use udp, tcp or tls")
    return str(uri)


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _user(value: Any) -> str:
    """The user part of a URI; numbers are taken as they are written."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or _USER.fullmatch(text) is None:
        raise wrong(
            "must be the user part of a SIP URI", 'such as "+4930123456" or bot; quote it when it begins with 0'
        )
    return text


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not is_token(name) or name.lower() in _SET_BY_US:
            raise wrong(f"{name!r} cannot be added", "name another header: this one is ours to set")
        if any(ord(ch) < 32 for ch in text):
            raise wrong(f"{name} has a line break or another control character", "write it on one line")
    return value


def _timer(value: Any) -> Any:
    return {"expires_s": 0} if value == "off" else value


Uri = Annotated[str, BeforeValidator(_uri)]
User = Annotated[str, BeforeValidator(_user)]
Seconds = Annotated[int, Field(ge=1, le=86400)]


def _rooted(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise wrong(f"{text!r} is no IP address", "write the public address itself, such as 203.0.113.20") from None


File = Annotated[Path, AfterValidator(_rooted)]


class Register(Section):
    """We are a phone to this provider: he learns by REGISTER where to find us (RFC 3261 section 10)."""

    user: User
    """Our number or name there: user part of the address of record."""
    password: Secret
    auth_user: str = ""
    """User name of the digest, when it is not `user`."""
    domain: Annotated[str, Field(pattern=r"^([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])?$")] = ""
    """Of the address of record and of our From; the first registrar's host when empty."""
    registrars: Annotated[tuple[Uri, ...], BeforeValidator(_listed)] = ()
    """Where to register, best first; the next is taken when one does not answer. `to` when empty."""
    expires_s: Annotated[int, Field(ge=30, le=86400)] = 3600
    """What we ask for; the registrar decides."""
    contact_user: str = ""
    """User part of our Contact, which most providers call back as Request-URI; `user` when empty."""


class Account(Section):
    """How we prove who we are when our calls are challenged (401, 407)."""

    user: str
    password: Secret


class AcceptRegistrations(Section):
    """Phones or PBXs register with us, as one of `users`."""

    max_contacts: Annotated[int, Field(ge=1, le=100)] = 5
    """Devices of one user at one time; one more gets 403."""
    min_expires_s: Annotated[int, Field(ge=10, le=86400)] = 60
    """Less than this gets 423."""
    max_expires_s: Annotated[int, Field(ge=10, le=86400)] = 3600
    """More than this is cut down to it."""


class TrunkTls(Section):
    """Certificates towards this peer. Paths are relative to the trunk file."""

    ca: File | None = None
    """PEM file of the authorities to believe; the system's when missing."""
    cert: File | None = None
    """Our client certificate with its chain, PEM."""
    key: File | None = None
    """Its private key, PEM, without a passphrase."""
    verify: bool = True
    """False takes any certificate: for a laboratory only."""
    name: str = ""
    """Whom the certificate has to name (and SNI asks for), when it is not the host of `to`."""


class CallerId(Section):
    """As whom we call over this trunk."""

    user: Annotated[str, BeforeValidator(_user)] | None = None
    """Our number as this peer wants to see it. From, unless a call brings its own; always in P-Asserted-Identity."""
    name: str = ""
    """Display name."""
    domain: Annotated[str, Field(pattern=r"^([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])?$")] = ""
    """Host part of From; the registration's domain when empty, else our own address."""
    asserted: bool = False
    """Send P-Asserted-Identity (RFC 3325): the peer trusts us."""
    private: bool = False
    """Hide the number: anonymous From, ``Privacy: id`` (RFC 3323), the number only in P-Asserted-Identity."""


class Trunk(Section):
    """One trunk."""

    name: str
    """Of the file, without ``.yaml``."""
    title: str = ""
    """For people."""

    # Who may call
    peers: Annotated[tuple[AllowedPeer, ...], BeforeValidator(_listed)] = ()
    """Addresses, masks or host names that calls may come from; the longest mask wins between trunks."""
    users: dict[User, Secret] = Field(default_factory=dict)
    """Name → password. Not empty: every caller has to answer a digest challenge as one of them. Without `peers` they
    may call from anywhere."""
    digest: Annotated[tuple[Literal["SHA-256", "MD5"], ...], Field(min_length=1)] = ("SHA-256", "MD5")
    """What `users` may prove themselves with, the preferred first. A peer that looks at the first challenge only and
    knows no SHA-256 (chan_sip, sipp, old phones) needs ``[MD5]``."""
    accept_registrations: AcceptRegistrations | None = None
    trusted: bool = False
    """Believe the peer's P-Asserted-Identity, Diversion and other identity headers; otherwise they are removed."""
    verstat: bool = False
    """Believe the peer's STIR/SHAKEN results (verstat, Attestation-Info); needs `trusted`."""
    refer_in: bool = False
    """Follow a REFER from this peer; otherwise 403."""

    # Whom we call
    to: Annotated[tuple[Uri, ...], BeforeValidator(_listed)] = ()
    """Where calls go: SIP URIs or hosts, best first; names without a port are looked up by NAPTR and SRV."""
    transport: Transport | None = None
    """For `to`, the outbound proxy and the registrars; DNS decides when missing (RFC 3263), UDP without DNS."""
    outbound_proxy: Uri | None = None
    """Every request of ours goes there first; with ``;lr`` it is also named in Route."""
    registration: Register | None = Field(default=None, alias="register")
    """`register` in the file, a name that Python's classes have taken already."""
    login: Account | None = None
    """For challenges to our calls; that of `register` when missing."""
    caller_id: CallerId = CallerId()
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    """Added to each INVITE of ours."""
    destinations: tuple[Annotated[str, Field(pattern=_DESTINATION.pattern)], ...] = ()
    """What may be called over this trunk, also by transfers: numbers or URIs in which ``*`` stands for anything, such
    as ``+49*`` or ``sip:*@pbx.example.net``. Nothing when empty, except registered `users`."""
    redirects: Annotated[int, Field(ge=0, le=5)] = 0
    """How many 3xx answers to follow, to `destinations` only."""

    # The wire
    advertise: Annotated[str, AfterValidator(_address)] = ""
    """Our address as this peer sees it, when it is not the server's own (NAT on the way)."""
    tls: TrunkTls = TrunkTls()
    keepalive_s: Annotated[int, Field(ge=0, le=600)] | None = None
    """CRLF to the registrar this often, to keep a NAT open and to notice a lost connection (RFC 5626); without it 25 s
    over UDP, 120 s over TCP and TLS; 0 never."""
    options_every_s: Annotated[int, Field(ge=0, le=3600)] = 0
    """OPTIONS to each hop this often; one that does not answer is called last. 0 never."""

    # Limits
    max_calls: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """At one time, both directions together; 0 closes the trunk."""
    max_new_per_s: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """New calls per second, both directions together; a second's worth may come at once."""
    when_full: Literal[503, 486] = 503
    """Answer above `max_calls`: 503 with Retry-After lets a carrier try another way (some take the trunk out of service
    for that time), 486 tells the caller that we are busy. `max_new_per_s` always gets 503."""

    # The call
    codecs: Annotated[tuple[Codec, ...], Field(min_length=1)] = Terms().codecs
    srtp: Srtp = "optional"
    keys: Keys = "auto"
    ptime_ms: Literal[10, 20, 30] = 20
    session_timer: Annotated[SessionTimerPolicy, BeforeValidator(_timer)] = SessionTimerPolicy()
    reliable: Reliable = "supported"
    comfort_noise_dbov: Annotated[float, Field(ge=-127, le=-30)] | None = -68.0
    no_media_s: Annotated[float, Field(ge=2, le=3600)] = 20.0
    """A call ends when there was neither RTP nor another sign of life for this long, and nobody holds."""
    symmetric: bool = False
    """Take RTP from a host that neither SDP nor signalling has named, once the named ones have been silent for 250 ms,
    and send there. For proxies that carry the signalling of telephones behind NATs and leave their media alone. Whoever
    finds our port first can talk in then."""

    @property
    def terms(self) -> Terms:
        """What is agreed in its calls."""
        return Terms(
            trunk=self.name,
            codecs=self.codecs,
            srtp=self.srtp,
            keys=self.keys,
            ptime_ms=self.ptime_ms,
            timer=self.session_timer,
            reliable=self.reliable,
            comfort_noise_dbov=self.comfort_noise_dbov,
            no_media_s=self.no_media_s,
            symmetric=self.symmetric,
            redirects=self.redirects,
            refer_in=self.refer_in,
        )

    @property
    def targets(self) -> tuple[str, ...]:
        """Where calls go."""
        return self.to or self.registrars

    @property
    def registrars(self) -> tuple[str, ...]:
        """Where we register; empty when we do not."""
        return () if self.registration is None else self.registration.registrars or self.to

    @property
    def account(self) -> Account | None:
        """What answers challenges to our requests."""
        if self.login is not None or self.registration is None:
            return self.login
        registration = self.registration
        return Account(user=registration.auth_user or registration.user, password=registration.password)

    @property
    def domain(self) -> str:
        """Of our address of record there; empty when we do not register."""
        if self.registration is None:
            return ""
        return self.registration.domain or URI.parse(self.registrars[0]).host
