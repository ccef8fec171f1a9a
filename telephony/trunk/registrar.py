"""Phones and PBXs that register with us (RFC 3261 section 10.3, RFC 3327). No I/O; bindings live in memory only.

Whoever gets here has proved by digest to be the user he registers. A device is called at the address that its REGISTER
came from, not at the one in its Contact, so it is reached behind a NAT; the Contact is the Request-URI.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate

from sipmessage import URI

from ..sip.grammar import NameAddr, split_list
from ..sip.hop import Hop
from ..sip.message import Request, SipError, parse_uri
from .model import AcceptRegistrations
from .next_hops import NextHop

MAX_CONTACTS = 10
"""In one request."""
MAX_PATHS = 10


@dataclass(frozen=True, slots=True)
class RegisterAnswer:
    """What a REGISTER is answered with."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a device of a user is."""

    contact: NameAddr
    uri: URI
    hop: Hop
    paths: tuple[str, ...]
    expires_at_s: float
    call_id: str
    seq: int

    @property
    def instance(self) -> str:
        """What the device is known by when its address changes (RFC 5626), or empty."""
        return self.contact.params.get("+sip.instance") or ""

    def same(self, other: Binding) -> bool:
        """Whether both are of one device."""
        return str(self.uri) == str(other.uri) or bool(self.instance and self.instance == other.instance)


User = tuple[str, str]
"""Trunk and user name."""


class Registrar:
    """The bindings of all trunks; at most `max_contacts` for each user in a trunk file."""

    def __init__(self) -> None:
        self._bindings: dict[User, list[Binding]] = {}
        self._sources: dict[tuple[str, str, int], User] = {}

    def register(
        self, trunk: str, user: str, rules: AcceptRegistrations, request: Request, source: Hop, now_s: float
    ) -> RegisterAnswer:
        """Deal with the REGISTER of a user who has proved himself; all of it is done, or nothing."""
        key = (trunk, user)
        if _user_of(request.head.to.uri) != user:
            return RegisterAnswer(403, reason="Not Your Address Of Record")
        try:
            kept = list(self._live(key, now_s))
            for wanted, expires_s in _contacts(request, rules, source, now_s):
                kept = _changed(kept, wanted, expires_s)
        except SipError as error:
            return RegisterAnswer(error.status, reason=error.reason)
        except _TooBrief:
            return RegisterAnswer(423, (("Min-Expires", str(rules.min_expires_s)),), "Interval Too Brief")
        if len(kept) > rules.max_contacts:
            return RegisterAnswer(403, reason="Too Many Contacts")
        self._store(key, kept)
        contacts = tuple(("Contact", _shown(binding, now_s)) for binding in kept)
        paths = tuple(("Path", path) for path in request.headers.getlist("Path"))
        return RegisterAnswer(200, (*contacts, *paths, ("Date", formatdate(usegmt=True))))

    def next_hops(self, trunk: str, user: str, now_s: float) -> list[NextHop]:
        """Where the user's devices are, the one that registered last first."""
        found = sorted(self._live((trunk, user), now_s), key=lambda binding: -binding.expires_at_s)
        return [NextHop(binding.uri, binding.hop, binding.paths) for binding in found]

    def trunk_at(self, source: Hop, now_s: float) -> str:
        """The trunk that a device at this address is registered on, or empty."""
        key = self._sources.get(_place(source))
        if key is None:
            return ""
        return key[0] if any(_place(binding.hop) == _place(source) for binding in self._live(key, now_s)) else ""

    def registered(self, now_s: float) -> dict[User, list[Binding]]:
        """Everybody who is registered."""
        found = {key: list(self._live(key, now_s)) for key in self._bindings}
        return {key: bindings for key, bindings in found.items() if bindings}

    def forget(self, keep: frozenset[User]) -> None:
        """Drop the bindings of users who are in no trunk file any more."""
        for key in [key for key in self._bindings if key not in keep]:
            self._store(key, [])

    def _live(self, key: User, now_s: float) -> Iterator[Binding]:
        return (binding for binding in self._bindings.get(key, ()) if binding.expires_at_s > now_s)

    def _store(self, key: User, bindings: list[Binding]) -> None:
        for binding in self._bindings.pop(key, []):
            if self._sources.get(_place(binding.hop)) == key:
                del self._sources[_place(binding.hop)]
        if bindings:
            self._bindings[key] = bindings
            self._sources.update((_place(binding.hop), key) for binding in bindings)


class _TooBrief(Exception):
    """423."""


def _contacts(
    request: Request, rules: AcceptRegistrations, source: Hop, now_s: float
) -> Iterator[tuple[Binding | None, int]]:
    """Each binding asked for with its seconds; None means all (``Contact: *``). Raises SipError, _TooBrief."""
    try:
        values = [item for value in request.headers.getlist("Contact") for item in split_list(value)]
        paths = [item for value in request.headers.getlist("Path") for item in split_list(value)]
        contacts = [NameAddr.parse(value) for value in values if value != "*"]
        for path in paths:
            NameAddr.parse(path)
    except ValueError:
        raise SipError(400, "Malformed Contact Or Path") from None
    if len(values) > MAX_CONTACTS or len(paths) > MAX_PATHS:
        raise SipError(403, "Too Many Contacts")
    default_s = _seconds(request.headers.get("Expires") or str(rules.max_expires_s))
    if "*" in values:
        if len(values) > 1 or default_s != 0:
            raise SipError(400, "Contact * Needs Expires 0 And Nothing Else")
        yield None, 0
        return
    for contact in contacts:
        uri = parse_uri(contact.uri)
        if uri.scheme not in ("sip", "sips"):
            raise SipError(416, "Contact Of Another Scheme")
        expires_s = _seconds(contact.params.get("expires") or str(default_s))
        if 0 < expires_s < rules.min_expires_s:
            raise _TooBrief
        expires_s = min(expires_s, rules.max_expires_s)
        head = request.head
        yield (
            Binding(contact, uri, source, tuple(paths), now_s + expires_s, head.call_id, head.seq),
            expires_s,
        )


def _changed(bindings: list[Binding], wanted: Binding | None, expires_s: int) -> list[Binding]:
    """The bindings after one Contact. Raises SipError 500 for a request that is older than what it would change."""
    if wanted is None:
        return []
    for binding in bindings:
        if binding.same(wanted) and binding.call_id == wanted.call_id and wanted.seq <= binding.seq:
            raise SipError(500, "CSeq Out Of Order")
    others = [binding for binding in bindings if not binding.same(wanted)]
    return [*others, wanted] if expires_s else others


def _seconds(text: str) -> int:
    """An expiry; what cannot be read counts as 3600 (RFC 3261 section 10.2.1.1)."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 3600


def _shown(binding: Binding, now_s: float) -> str:
    left_s = max(round(binding.expires_at_s - now_s), 1)
    return f"<{binding.uri}>;expires={left_s}"


def _user_of(uri: str) -> str:
    try:
        return parse_uri(uri).user or ""
    except SipError:
        return ""


def _place(hop: Hop) -> tuple[str, str, int]:
    return (hop.protocol, hop.host, hop.port)
