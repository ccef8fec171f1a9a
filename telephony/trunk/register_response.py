"""What a registrar's answer grants: for how long, and by which way calls are to go out (RFC 3261, RFC 3608)."""

from __future__ import annotations

from ..sip.grammar import NameAddr, split_list
from ..sip.message import Response

LONGEST_S = 86_400
"""No registration is asked or believed to hold longer."""
LATE_S = 600
"""Registrations of more than twice this are refreshed so long before they end, shorter ones half-way."""
SOONEST_S = 1.0
"""No registrar makes us come more often than this."""
MAX_CONTACTS = 100
MAX_ROUTES = 10


def refresh_s(granted_s: float) -> float:
    """After which time a registration is refreshed, at the latest: half-way, long ones 600 s before they end."""
    return max(granted_s / 2, SOONEST_S) if granted_s <= 2 * LATE_S else granted_s - LATE_S


def seconds(response: Response, name: str) -> int:
    """A header's seconds, 0 without; a comment or parameters may follow (RFC 3261 section 20.33)."""
    value = (response.headers.get(name) or "").strip()
    digits = value[: len(value) - len(value.lstrip("0123456789"))]
    return min(int(digits), 10 * LONGEST_S) if 0 < len(digits) <= 10 else 0


def granted_s(response: Response, token: str, asked_s: int) -> int:
    """For how long we are registered: our Contact's ``expires``, else Expires, else what was asked."""
    header_s = min(seconds(response, "Expires") or asked_s, LONGEST_S)
    try:
        values = [item for value in response.headers.getlist("Contact") for item in split_list(value)][:MAX_CONTACTS]
        contacts = [NameAddr.parse(value) for value in values]
    except ValueError:
        return header_s
    mine = [contact for contact in contacts if f";line={token}" in contact.uri]
    chosen = mine or (contacts if len(contacts) == 1 else [])
    for contact in chosen:
        text = contact.params.get("expires") or ""
        if text.isascii() and text.isdigit() and len(text) <= 10:
            return min(int(text), LONGEST_S)
    return header_s


def service_route(response: Response) -> tuple[str, ...]:
    """RFC 3608; unusable ones are dropped as a whole."""
    try:
        routes = [item for value in response.headers.getlist("Service-Route") for item in split_list(value)]
        for route in routes:
            NameAddr.parse(route)
    except ValueError:
        return ()
    return tuple(routes) if len(routes) <= MAX_ROUTES else ()
