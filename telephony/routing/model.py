"""What a routes file may say. `rules.Router.load` reads it and checks what one field alone cannot tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from telephony.sip.grammar import is_token
from telephony.sip.message import SipError, parse_uri
from telephony.yamlfile import Section

from .opening_hours import Days, parse_days, parse_times, zone_of
from .patterns import compile_pattern

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")]
TARGETS = ("flow", "transfer", "queue", "answer", "redirect")
FIXED = frozenset(
    {"caller_number", "caller_name", "caller_private", "caller_verified", "attestation", "verification"}
    | {"called_number", "trunk", "diverted_from", "diversion_reason", "user_to_user"}
)
"""Variables that every dialog has; routes may not replace them."""
_ANSWER = re.compile(r"([3-6][0-9]{2})(?: ([\x20-\x7e]{1,80}))?")


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _texts(value: Any) -> Any:
    """A text or several; numbers are taken as they are written."""
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in _listed(value)]


def _country(value: str) -> str:
    if value and value not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{value!r} is no country; write two capital letters such as DE, GB or US")
    return value


def _zone(value: str) -> str:
    return zone_of(value).key


def _header(value: str) -> str:
    if not is_token(value):
        raise ValueError(f"{value!r} is no header name")
    return value


def _weekdays(value: str) -> str:
    parse_days(value)
    return value


def _day(value: str) -> str:
    Days.parse(value)
    return value


def _times(value: list[str]) -> list[str]:
    for entry in value:
        parse_times(entry)
    return value


def _variable(value: str) -> str:
    if value in FIXED:
        raise ValueError(f"{value} is set by the server; choose another name")
    return value


Variable = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,39}$"), AfterValidator(_variable)]
Country = Annotated[str, AfterValidator(_country)]
Zone = Annotated[str, AfterValidator(_zone)]
Header = Annotated[str, AfterValidator(_header)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_listed)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Field(max_length=1000)]
Day = Annotated[str, AfterValidator(_day)]
Weekdays = Annotated[str, AfterValidator(_weekdays)]
Times = Annotated[
    list[str], BeforeValidator(lambda value: [] if value == "closed" else _listed(value)), AfterValidator(_times)
]


class HoursEntry(Section):
    """When somebody is there."""

    zone: Zone | None = None
    """IANA name; the file's when missing."""
    open: dict[Weekdays, Times]
    """``mon-fri: 09:00-17:30``, ``sat: [09:00-12:00, 13:00-15:00]``, ``daily: 22:00-06:00``."""
    special: dict[Name, Times] = Field(default_factory=dict)
    """Calendar → ``closed``, or the times on its days instead of the week's; the first that has the day counts."""


class HeaderTest(Section):
    """What a header has to say. Any of its values will do; letters' case does not matter."""

    equals: str | None = None
    contains: str | None = None
    pattern: str | None = None
    """The whole value; a regular expression of a kind that cannot run long."""
    present: bool | None = None
    """True: it is there; false: it is not."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"equals": str(value)} if isinstance(value, (str, int)) and not isinstance(value, bool) else value

    @field_validator("pattern")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        if value is not None:
            compile_pattern(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> HeaderTest:
        if len(self.model_fields_set) != 1:
            raise ValueError("write one of equals, contains, pattern, present")
        return self


class When(Section):
    """All that is given must hold; of a list, one entry is enough."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    to: Texts = ()
    """Called number: ``+4930123456``, ``+4930*``, ``+4930100..+4930199``, ``/\\+49(30|40).*/``, or a name."""
    from_: Texts = Field(default=(), alias="from")
    """Calling number, likewise."""
    trunk: Names = ()
    """Name of the trunk; ``none`` for calls without one."""
    headers: dict[Header, HeaderTest] = Field(default_factory=dict)
    """Believed from trusted trunks only: from others the rule does not match."""
    during: Names = ()
    """Inside one of these hours."""
    outside: Names = ()
    """Outside all of these hours."""
    verified: bool | None = None
    """Whether the caller's number is verified (STIR/SHAKEN)."""
    attestation: Annotated[tuple[Literal["A", "B", "C", "none"], ...], BeforeValidator(_listed)] = ()
    private: bool | None = None
    """Whether the caller hides his number."""


class RouteTarget(Section):
    """Where a call goes: exactly one of these."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    flow: Name | None = None
    """The dialog of that name answers."""
    transfer: Name | None = None
    """Straight to that handover target."""
    queue: Name | None = None
    """To that handover target, with music while nobody is free."""
    answer: str | None = None
    """A SIP refusal: ``486 Busy Here``."""
    redirect: str | None = None
    """302 to that SIP URI."""
    variables: dict[Variable, Header] = Field(default_factory=dict)
    """Dialog variable → header, beside the file's own."""
    set_: dict[Variable, str] = Field(default_factory=dict, alias="set")
    """Dialog variable → fixed text."""

    @field_validator("answer", mode="before")
    @classmethod
    def _refusal(cls, value: Any) -> Any:
        text = str(value) if isinstance(value, int) else value
        if text is not None and (not isinstance(text, str) or _ANSWER.fullmatch(text) is None):
            raise ValueError("write a status from 300 to 699 and its words, such as 486 Busy Here")
        return text

    @field_validator("redirect")
    @classmethod
    def _uri(cls, value: str | None) -> str | None:
        if value is not None:
            if any(ch in value for ch in '\r\n\t <>"'):
                raise ValueError("must be a SIP URI such as sip:desk@10.0.0.5")
            try:
                parse_uri(value)
            except SipError:
                raise ValueError("must be a SIP URI such as sip:desk@10.0.0.5") from None
        return value

    @model_validator(mode="after")
    def _one(self) -> RouteTarget:
        if sum(getattr(self, name) is not None for name in TARGETS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(TARGETS)}")
        return self

    @property
    def kind(self) -> Literal["flow", "transfer", "queue", "answer", "redirect"]:
        """Which of them it is."""
        if self.flow is not None:
            return "flow"
        if self.transfer is not None:
            return "transfer"
        if self.queue is not None:
            return "queue"
        return "answer" if self.answer is not None else "redirect"

    @property
    def value(self) -> str:
        """What is written there."""
        return str(getattr(self, self.kind))

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and words of ``answer``; 302 for ``redirect``, 0 for targets that take the call."""
        match = _ANSWER.fullmatch(self.answer or "")
        if match is not None:
            return int(match[1]), match[2] or ""
        return (302, "Moved Temporarily") if self.redirect is not None else (0, "")

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class Route(RouteTarget):
    """One rule."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    when: When


class RoutesFile(Section):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    country: Country = ""
    """For numbers that callers bring without ``+``: DE, GB, US …"""
    countries: dict[Name, Country] = Field(default_factory=dict)
    """Trunk → its own country."""
    zone: Zone = "UTC"
    """Time zone of hours without one."""
    calendars: dict[Name, list[Day]] = Field(default_factory=dict)
    """Name → ``2026-12-24``, ``2026-12-24..2027-01-01``, ``12-25`` for every year."""
    hours: dict[Name, HoursEntry] = Field(default_factory=dict)
    variables: dict[Variable, Header] = Field(default_factory=dict)
    """Dialog variable → header, read from trusted trunks only."""
    certificates: Path | None = None
    """PEM file, relative to this one: when given, a caller is verified only by a signature of one of these (ES256), and
    a trunk with ``verstat: true`` need not have checked it. Their chain is not looked at."""
    routes: Annotated[tuple[Route, ...], Field(max_length=2000)] = ()
    """The first that matches is taken."""
    else_: RouteTarget = Field(alias="else")
    """For calls that no rule matches."""

    @field_validator("routes")
    @classmethod
    def _unique(cls, value: tuple[Route, ...]) -> tuple[Route, ...]:
        seen: set[str] = set()
        for route in value:
            if route.name in seen:
                raise ValueError(f"two routes are called {route.name!r}")
            seen.add(route.name)
        return value
