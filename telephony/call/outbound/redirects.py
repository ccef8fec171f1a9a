"""Where a call goes next: its target, and those that 3xx answers name (RFC 3261 section 8.1.3.4). No I/O."""

from __future__ import annotations

from collections.abc import Callable

from sipmessage import URI

from ...sip.grammar import NameAddr, split_list
from ...sip.message import Response, SipError, parse_uri

MAX_CONTACTS = 10
"""Of one 3xx that are looked at."""
FOLLOWED = frozenset({300, 301, 302})
"""305 would let a peer choose our proxy, 380 names no address to call."""


class Redirects:
    """The targets of one call.

    Args:
        first: whom to call.
        limit: how many 3xx answers to follow.
        allowed: whether a target may be called.
    """

    def __init__(self, first: URI, limit: int, allowed: Callable[[URI], bool]) -> None:
        self.redirected = False
        self._secure = first.scheme == "sips"
        self._left = limit
        self._allowed = allowed
        self._targets = [first]
        self._seen = {_same(first)}

    def next(self) -> URI | None:
        """The target to try now; None when there is no other."""
        return self._targets.pop(0) if self._targets else None

    def follow(self, response: Response) -> bool:
        """Take the Contacts of a 3xx, the preferred first. Returns whether there is a new one that may be called."""
        if response.code not in FOLLOWED or self._left <= 0:
            return False
        self._left -= 1
        found: list[tuple[float, URI]] = []
        for q, uri in _contacts(response):
            key = _same(uri)
            fit = uri.scheme in (("sips",) if self._secure else ("sip", "sips"))
            if key in self._seen or not fit or not self._allowed(uri):
                continue
            self._seen.add(key)
            found.append((q, uri))
        found.sort(key=lambda one: -one[0])
        self._targets = [uri for _, uri in found] + self._targets
        self.redirected = self.redirected or bool(found)
        return bool(found)


def _contacts(response: Response) -> list[tuple[float, URI]]:
    contacts: list[tuple[float, URI]] = []
    for value in response.headers.getlist("Contact"):
        try:
            items = split_list(value)
        except ValueError:
            continue
        for item in items[: MAX_CONTACTS - len(contacts)]:
            try:
                address = NameAddr.parse(item)
                uri = parse_uri(address.uri.partition("?")[0])  # headers of a stranger's choice are not sent
            except (ValueError, SipError):
                continue
            contacts.append((_quality(address.params.get("q")), uri))
    return contacts


def _quality(text: str | None) -> float:
    """0 to 1; 1 without one (RFC 3261 section 20.10 leaves it open)."""
    try:
        return min(max(float(text), 0.0), 1.0) if text else 1.0
    except ValueError:
        return 1.0


def _same(uri: URI) -> tuple[str, str, str, int | None, str]:
    """What makes two URIs one target, enough of it to find loops."""
    transport = (uri.parameters.get("transport") or "").lower()
    return uri.scheme, uri.user or "", uri.host.lower(), uri.port, transport
