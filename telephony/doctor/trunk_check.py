"""``trunk check``: what can be found wrong without sending a SIP message to any peer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from sipmessage import URI

from telephony.routing.lint import lint
from telephony.routing.rules import Router
from telephony.sip.resolve import DnsClient, Resolver
from telephony.sip.tls import ReloadingContext, TlsClient, TlsError, TlsServer, names_of
from telephony.trunk.load import load
from telephony.trunk.model import Trunk
from telephony.trunk.next_hops import with_transport
from telephony.yaml_problems import Problem, SourceError

from .advertised_address import advertised
from .findings import Finding, Stopwatch, of_problem
from .port_check import sip_ports, voice_ports
from .server_config import ServerConfig

EXPIRES_SOON = timedelta(days=30)
RENEW = "renew it, and keep the file's name: it is read again by itself"


async def check(site: ServerConfig, now: datetime | None = None) -> list[Finding]:
    """Look at everything. `now` with time zone; the present when None."""
    now = now or datetime.now(UTC)
    found: list[Finding] = []
    trunks = _trunks(site, found)
    _routes(site, trunks, found)
    found += _certificates(site, trunks or {}, now)
    found += await sip_ports(site.listening)
    found += voice_ports(site)
    resolved, names = await look_up(site, trunks or {})
    found += names
    for trunk in (trunks or {}).values():
        found += advertised(site.listening, trunk, resolved.get(trunk.name, []))
    return found


def _trunks(site: ServerConfig, found: list[Finding]) -> dict[str, Trunk] | None:
    """Read the folder; None when that is not possible."""
    if site.trunks is None:
        found.append(Finding("ok", "trunks", "none are configured: callers come by their address alone"))
        return {}
    try:
        trunks = load(site.trunks)
    except SourceError as error:
        found += map(of_problem, error.problems)
        return None
    names = ", ".join(trunks) or "none"
    found.append(Finding("ok", "trunks", f"{len(trunks)} in {site.trunks}: {names}"))
    return trunks


def _routes(site: ServerConfig, trunks: dict[str, Trunk] | None, found: list[Finding]) -> None:
    if site.routes is None:
        found.append(Finding("ok", "routes", "none are configured: every call goes to the first dialog"))
        return
    known = None if trunks is None else trunks.keys()
    trusted = None if trunks is None else [name for name, trunk in trunks.items() if trunk.trusted]
    try:
        router = Router.load(site.routes)
    except SourceError as error:
        found += map(of_problem, error.problems)
        return
    problems: list[Problem] = lint(router, site.flows, site.targets, known, trusted)
    found += map(of_problem, problems)
    if not problems:
        found.append(Finding("ok", "routes", f"{len(router.rules)} rules and else in {site.routes}"))


# ── certificates ──


def _certificates(site: ServerConfig, trunks: dict[str, Trunk], now: datetime) -> Iterator[Finding]:
    own = site.listening.tls
    if own is not None:
        yield from _usable("our TLS port", own)
        yield from _dates("our certificate", own.cert, now)
        yield from _names(own.cert, site.listening.advertise)
        if own.ca is not None:
            yield from _dates("authorities of callers", own.ca, now)
    for name, trunk in trunks.items():
        tls = trunk.tls
        if tls.ca or tls.cert:
            yield from _usable(f"trunk {name}", TlsClient(tls.ca, tls.cert, tls.key, tls.verify))
        for what, path in (("client certificate", tls.cert), ("authority", tls.ca)):
            if path is not None:
                yield from _dates(f"trunk {name}, {what}", path, now)
        if not tls.verify:
            words = "any certificate of the peer is believed (tls.verify: false)"
            yield Finding("warning", f"trunk {name}", words, "for a laboratory only: give tls.ca instead")


def _usable(subject: str, settings: TlsServer | TlsClient) -> Iterator[Finding]:
    try:
        ReloadingContext(settings).get(0.0)
    except TlsError as error:
        yield Finding("problem", subject, str(error), "give PEM files that the server may read, key without passphrase")


def _dates(subject: str, path: Path, now: datetime) -> Iterator[Finding]:
    try:
        certificates = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "no PEM certificate in it"
        yield Finding("problem", subject, f"{path}: {words}", "correct the path, or make it readable")
        return
    for certificate in certificates:
        yield of_certificate(subject, certificate, now)


def of_certificate(subject: str, certificate: x509.Certificate, now: datetime) -> Finding:
    """Whether a certificate holds now, and for how long."""
    name = certificate.subject.rfc4514_string() or "(no name)"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begin > now:
        return Finding("problem", subject, f"{name} is valid only from {begin:%Y-%m-%d %H:%M} UTC on",
                       "wait, or correct this machine's clock")  # fmt: skip
    if end < now:
        return Finding("problem", subject, f"{name} expired on {end:%Y-%m-%d}", RENEW)
    if end - now < EXPIRES_SOON:
        return Finding("warning", subject, f"{name} expires on {end:%Y-%m-%d}, in {(end - now).days} days", RENEW)
    return Finding("ok", subject, f"{name} is valid until {end:%Y-%m-%d}")


def _names(path: Path, advertise: str | None) -> Iterator[Finding]:
    try:
        names = names_of(x509.load_pem_x509_certificates(path.read_bytes())[0])
    except (OSError, ValueError):
        return  # said already
    if not names:
        yield Finding("problem", "our certificate", "names no host", "have one made with a SubjectAltName")
    elif advertise and advertise.lower() not in names:
        words = f"is for {', '.join(names[:6])}, but we are advertised as {advertise}"
        yield Finding(
            "warning", "our certificate", words, "peers that check it will hang up: advertise one of its names"
        )
    else:
        yield Finding("ok", "our certificate", f"is for {', '.join(names[:6])}")


# ── names ──


async def look_up(site: ServerConfig, trunks: dict[str, Trunk]) -> tuple[dict[str, list[str]], list[Finding]]:
    """The addresses of every trunk's servers, and what was found of their names."""
    resolver = Resolver(DnsClient(site.listening.nameservers), site.listening.families)
    jobs = [(trunk, text) for trunk in trunks.values() for text in places_of(trunk)]
    jobs += [(trunk, f"sip:{peer.name}") for trunk in trunks.values() for peer in trunk.peers if peer.name]
    results = await asyncio.gather(*(_resolve(resolver, trunk, text) for trunk, text in jobs))
    addresses: dict[str, list[str]] = {}
    for (trunk, _), (hosts, _) in zip(jobs, results, strict=True):
        addresses.setdefault(trunk.name, []).extend(hosts)
    return addresses, [finding for _, finding in results]


def places_of(trunk: Trunk) -> list[str]:
    """The URIs of the servers that a trunk's requests go to, each once."""
    return list(dict.fromkeys(filter(None, (trunk.outbound_proxy, *trunk.registrars, *trunk.targets))))


async def _resolve(resolver: Resolver, trunk: Trunk, text: str) -> tuple[list[str], Finding]:
    stopwatch = Stopwatch()
    uri: URI = with_transport(trunk, text)
    subject = f"trunk {trunk.name}"
    try:
        hops = await resolver.hops(uri)
    except OSError as error:
        remedy = "correct the name, or the nameservers of this machine; a name of IPv6 only needs an IPv6 listener"
        return [], stopwatch.finding("problem", subject, f"{uri.host}: {error}", remedy)
    shown = ", ".join(f"{hop.protocol} {hop.host} port {hop.port}" for hop in hops[:6])
    return [hop.host for hop in hops], stopwatch.finding("ok", subject, f"{uri.host} → {shown}")
