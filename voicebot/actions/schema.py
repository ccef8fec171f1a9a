"""What an actions file may say: ``dialogs/<flow>.actions.yaml`` as written."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from telephony.yamlfile import Section

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110 section 5.6.2: a header's name
_CHANGES = re.compile(r"\s*(insert|update|delete|replace|merge|truncate)\b", re.IGNORECASE)
_OWN_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "idempotency-key"}


class HttpSpec(Section):
    """A request to an HTTP backend that answers with JSON."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: str
    """``http(s)://host:port/path/{arg}``; arguments may stand in the path and the query, never in the host."""
    query: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Query parameters; a parameter that is just ``{arg}`` is left out when the argument is null."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Fixed headers; ``${NAME}`` takes a secret from the environment."""
    body: Any = Field(default=None, alias="json")
    """JSON to send, with ``{arg}`` in its strings; a string that is just ``{arg}`` keeps the argument's type."""

    @field_validator("headers")
    @classmethod
    def _headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not _TOKEN.match(name):
                raise ValueError(f"{name!r} is not a header name")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name} is set by voicebot itself; remove it")
        return value


class SqlSpec(Section):
    """One statement on a database."""

    database: str
    """SQLAlchemy URL; ``${NAME}`` takes it, or a part, from the environment."""
    statement: str
    """With ``:arg`` for arguments: they are bound, never pasted in."""
    max_rows: Annotated[int, Field(ge=1, le=1000)] = 50


class PythonSpec(Section):
    """A function of your own, called with the arguments by name."""

    function: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """``package.module:function``; plain (it gets a thread) or ``async``."""
    args: list[Name] = Field(default_factory=list)


class ActionSpec(Section):
    """One thing that flows can do."""

    http: HttpSpec | None = None
    sql: SqlSpec | None = None
    python: PythonSpec | None = None
    write: bool | None = None
    """It changes something: never tried again unless `idempotent`. By default true for HTTP other than GET."""
    idempotent: bool = False
    """The backend honours ``Idempotency-Key``, so that a failed write may be tried once more."""
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 3.0
    """Hard limit for everything: waiting for a free connection, name resolution, both tries, the whole answer."""
    secret: list[Name] = Field(default_factory=list)
    """Arguments that must appear in no log and no record."""

    @property
    def writes(self) -> bool:
        return self.write if self.write is not None else self.http is not None and self.http.method != "GET"

    @model_validator(mode="after")
    def _fits_together(self) -> ActionSpec:
        if sum(kind is not None for kind in (self.http, self.sql, self.python)) != 1:
            raise ValueError("needs exactly one of http, sql and python")
        if self.idempotent and not (self.writes and self.http):
            raise ValueError("idempotent is for HTTP writes only")
        if self.writes and self.http and self.http.method == "GET":
            raise ValueError("a write cannot be a GET; use POST, PUT, PATCH or DELETE")
        if self.sql and not self.writes and _CHANGES.match(self.sql.statement):
            raise ValueError("the statement changes something, but without 'write: true' it is rolled back; add it")
        return self


class CatalogSpec(Section):
    """A whole actions file."""

    allow: list[str] = Field(default_factory=list)
    """``host:port`` of backends that may be on private or loopback addresses."""
    max_concurrent: Annotated[int, Field(ge=1, le=1000)] = 20
    """Requests under way at once to one backend; more wait, within their time limit."""
    max_answer_kb: Annotated[int, Field(ge=1, le=4096)] = 256
    """Answers larger than this are refused."""
    actions: dict[Name, ActionSpec]
