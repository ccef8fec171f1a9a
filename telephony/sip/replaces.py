"""The Replaces header (RFC 3891): which dialog an INVITE wants to take the place of."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote as unescape

from .dialog import Key
from .grammar import parse_params
from .message import Request, SipError

EXTENSION = "replaces"


@dataclass(frozen=True, slots=True)
class Replaces:
    """One dialog, named by a stranger to it."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    @classmethod
    def of(cls, request: Request) -> Replaces | None:
        """What an INVITE wants to replace, None when nothing. Raises SipError 400 (section 3).

        Join (RFC 3911) asks for a conference, which we have not; beside Replaces it is an error.
        """
        values = request.headers.getlist("Replaces")
        if not values:
            return None
        if len(values) > 1 or request.headers.getlist("Join"):
            raise SipError(400, "More Than One Replaces")
        return cls.parse(values[0])

    @classmethod
    def parse(cls, value: str) -> Replaces:
        """Read a header's value. Raises SipError 400."""
        call_id, separator, rest = value.partition(";")
        call_id = call_id.strip()
        try:
            params = parse_params(separator + rest)
        except ValueError:
            params = {}
        to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
        if not call_id or " " in call_id or "," in value or not to_tag or not from_tag:
            raise SipError(400, "Malformed Replaces")
        return cls(call_id, to_tag, from_tag, "early-only" in params)

    @classmethod
    def from_uri(cls, headers: str) -> Replaces | None:
        """What stands in the header part of a Refer-To URI (``Replaces=…``, escaped). Raises SipError 400."""
        for item in headers.split("&"):
            name, _, value = item.partition("=")
            if name.lower() == "replaces":
                return cls.parse(unescape(value))
        return None

    @property
    def keys(self) -> tuple[Key, ...]:
        """The dialog as our table names it (section 3: to-tag is ours); RFC 2543 peers' missing tag is ``0``."""
        key = (self.call_id, self.to_tag, self.from_tag)
        return (key, (self.call_id, self.to_tag, "")) if self.from_tag == "0" else (key,)

    def __str__(self) -> str:
        tail = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{tail}"
