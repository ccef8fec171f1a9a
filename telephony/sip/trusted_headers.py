"""What only a trusted peer may say of a caller (RFC 3325 section 5, RFC 5806, RFC 8224): removed from everybody else's.

This is the one place where it happens. `sip.message` has read names without the white space before their colon, and
compact forms in full, by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .message import Request

_NAMES = frozenset(
    {"remote-party-id", "diversion", "history-info", "identity", "identity-info", "user-to-user"}
    | {"attestation-info", "origination-id", "verification-status", "cc-diversion", "charge"}
)
_PREFIXES = ("p-", "x-")
_VERSTAT = re.compile(r";\s*verstat\s*=\s*[^;@>\s]*", re.IGNORECASE)
"""A parameter of the telephone number (3GPP TS 24.229 section 7.2A.20)."""


def needs_trust(name: str) -> bool:
    """Whether a header of this name is believed from trusted peers only."""
    lower = name.lower()
    return lower in _NAMES or lower.startswith(_PREFIXES)


def without_verstat(uri: str) -> str:
    """A URI without the verification result that its sender may have written into it."""
    return _VERSTAT.sub("", uri)


class HeaderView(Mapping[str, tuple[str, ...]]):
    """A request's headers for the application: lower-case name to all its values; looked up in any case.

    Args:
        request: stays as it is.
        trusted: False leaves out what `needs_trust`.
    """

    def __init__(self, request: Request, *, trusted: bool) -> None:
        self._values: dict[str, tuple[str, ...]] = {}
        for name in request.headers.keys():  # noqa: SIM118 - not a mapping
            if not trusted and needs_trust(name):
                continue
            values = tuple(request.headers.getlist(name))
            self._values[name.lower()] = values if trusted else tuple(map(without_verstat, values))

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def first(self, name: str, default: str = "") -> str:
        """The first value."""
        return self._values.get(name.lower(), (default,))[0]
