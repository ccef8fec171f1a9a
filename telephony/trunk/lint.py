"""What one field of a trunk file alone cannot tell: combinations that contradict themselves, and files it names."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from sipmessage import URI

from ..yamlfile import Path_
from .model import Trunk

Complaint = tuple[Path_, str, str]
"""Path of the value, what is wrong, what to do."""
MIN_TIMER_S = 90
"""RFC 4028 section 4."""
_NEED_TARGET = ("outbound_proxy", "destinations", "redirects", "options_every_s", "caller_id", "headers", "login")


def complaints(trunk: Trunk, given: frozenset[str]) -> Iterator[Complaint]:
    """Everything wrong with a trunk whose fields are right one by one. `given` are the keys of its file."""
    yield from _use(trunk, given)
    yield from _transport(trunk)
    yield from _registering(trunk)
    yield from _call(trunk)
    yield from _tls(trunk, given)


def _use(trunk: Trunk, given: frozenset[str]) -> Iterator[Complaint]:
    if not (trunk.peers or trunk.users or trunk.targets or trunk.registration):
        yield (), "nobody can call over this trunk, and it leads nowhere", "add peers, users, register or to"
    if not trunk.targets and trunk.accept_registrations is None:
        for key in _NEED_TARGET:
            if key in given:
                yield (key,), f"{key}: has no effect without a place to call", "add `to`, or remove it"
    for i, peer in enumerate(trunk.peers):
        if str(peer) in map(str, trunk.peers[:i]):
            yield ("peers", i), f"peers: {peer} is listed twice", "remove one"
    if trunk.verstat and not trunk.trusted:
        yield ("verstat",), "verstat: results of a peer that is not trusted are never believed", "add `trusted: true`"
    if trunk.caller_id.private and not (trunk.caller_id.user or trunk.registration):
        yield ("caller_id",), "caller_id: private without a number to assert", "add caller_id.user"


def _transport(trunk: Trunk) -> Iterator[Complaint]:
    named: list[tuple[Path_, str]] = [(("to", i), uri) for i, uri in enumerate(trunk.to)]
    if trunk.outbound_proxy is not None:
        named.append((("outbound_proxy",), trunk.outbound_proxy))
    if trunk.registration is not None:
        named += [(("register", "registrars", i), uri) for i, uri in enumerate(trunk.registration.registrars)]
    for path, text in named:
        uri = URI.parse(text)
        asked = (uri.parameters.get("transport") or "").lower()
        if uri.scheme == "sips" and "udp" in (asked, trunk.transport):
            yield path, f"{path[0]}: a sips URI over UDP does not exist", "take transport tls, or a sip URI"
        elif uri.scheme == "sips" and trunk.transport == "tcp":
            yield path, f"{path[0]}: a sips URI is never taken down to plain TCP", "take transport tls, or a sip URI"
        elif asked and trunk.transport not in (None, asked):
            yield path, f"{path[0]}: asks for {asked}, the trunk for {trunk.transport}", "remove one of the two"


def _registering(trunk: Trunk) -> Iterator[Complaint]:
    if trunk.registration is not None and not trunk.registrars:
        yield ("register",), "register: no registrar", "add register.registrars, or `to`"
    accepting = trunk.accept_registrations
    if accepting is None:
        return
    if not trunk.users:
        yield ("accept_registrations",), "accept_registrations: nobody could register", "add users with passwords"
    if accepting.min_expires_s > accepting.max_expires_s:
        path = ("accept_registrations", "min_expires_s")
        yield path, "accept_registrations: min_expires_s is above max_expires_s", "exchange the two"


def _call(trunk: Trunk) -> Iterator[Complaint]:
    if len(set(trunk.codecs)) < len(trunk.codecs):
        yield ("codecs",), "codecs: one is listed twice", "keep the first of the two"
    if trunk.symmetric and trunk.srtp in ("sdes", "dtls"):
        words = f"symmetric: has no effect with srtp {trunk.srtp}, where the caller is known by the key"
        yield ("symmetric",), words, "remove it"
    timer = trunk.session_timer
    if timer.min_s < MIN_TIMER_S or 0 < timer.expires_s < MIN_TIMER_S:
        yield ("session_timer",), f"session_timer: less than {MIN_TIMER_S} s is forbidden by RFC 4028", "write more"
    elif 0 < timer.expires_s < timer.min_s:
        yield ("session_timer",), "session_timer: expires_s is below min_s", "exchange the two"


def _tls(trunk: Trunk, given: frozenset[str]) -> Iterator[Complaint]:
    tls = trunk.tls
    if "tls" in given and trunk.transport in ("udp", "tcp"):
        yield ("tls",), f"tls: has no effect with transport {trunk.transport}", "take transport tls, or remove it"
    if tls.ca is not None:
        yield from _certificates(("tls", "ca"), tls.ca)
    if (tls.cert is None) != (tls.key is None):
        missing = "key" if tls.key is None else "cert"
        yield ("tls",), f"tls: {missing} is missing", "a client certificate needs cert and key"
    elif tls.cert is not None and tls.key is not None:
        broken = list(_certificates(("tls", "cert"), tls.cert))
        yield from broken or _pair(tls.cert, tls.key)


def _certificates(path: Path_, file: Path) -> Iterator[Complaint]:
    name = ".".join(map(str, path))
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes())
    except OSError as error:
        yield path, f"{name}: {file} cannot be read: {error.strerror}", "correct the path, or make it readable"
        return
    except ValueError:
        yield path, f"{name}: {file} holds no certificate", "give a PEM file (BEGIN CERTIFICATE)"
        return
    ended = found[0].not_valid_after_utc
    if ended < datetime.datetime.now(datetime.UTC):
        yield path, f"{name}: {file} expired on {ended:%Y-%m-%d}", "renew it"


def _pair(cert: Path, key: Path) -> Iterator[Complaint]:
    path = ("tls", "key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError:
        yield path, f"tls.key: {key} is not the key of {cert}, or has a passphrase", "give the plain PEM key"
    except OSError as error:
        yield path, f"tls.key: {key} cannot be read: {error.strerror}", "correct the path, or make it readable"
