"""The actions of a flow, read from ``<flow>.actions.yaml`` and ready to run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy.exc import ArgumentError
from yarl import URL

from telephony import yamlfile
from voicebot.actions.guard import Allow, address_of
from voicebot.actions.schema import ActionSpec, CatalogSpec, HttpSpec, SqlSpec
from voicebot.actions.templates import ArgumentTemplate, UrlTemplate, expand, json_names
from voicebot.errors import Problem, SourceError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpCall:
    """An HTTP request, complete but for its arguments."""

    method: str
    url: UrlTemplate
    host: str
    port: int
    query: tuple[tuple[str, ArgumentTemplate], ...]
    headers: Mapping[str, str]
    body: Any

    @property
    def backend(self) -> str:
        return self.url.origin


@dataclass(frozen=True, slots=True)
class SqlCall:
    """One statement on one database."""

    database: sqlalchemy.URL
    statement: sqlalchemy.TextClause
    max_rows: int

    @property
    def backend(self) -> str:
        return self.database.render_as_string(hide_password=False)


@dataclass(frozen=True, slots=True)
class PythonCall:
    """``module:function``."""

    function: str

    @property
    def backend(self) -> str:
        return self.function


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that flows can do; see `ActionSpec` for the meaning of the fields."""

    name: str
    call: HttpCall | SqlCall | PythonCall
    args: frozenset[str]
    secret: frozenset[str]
    write: bool
    idempotent: bool
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Catalog:
    """All actions of one file."""

    actions: Mapping[str, Action]
    allow: Allow
    max_concurrent: int
    max_answer_bytes: int

    @property
    def names(self) -> dict[str, frozenset[str]]:
        """Action → the arguments that it takes (all of them are required)."""
        return {name: action.args for name, action in self.actions.items()}

    @classmethod
    def empty(cls) -> Catalog:
        """For a dialog that does nothing in backends."""
        return cls({}, Allow(), 1, 0)

    @classmethod
    def load(cls, path: Path, secrets: Mapping[str, str] = os.environ) -> Catalog:
        """Read an actions file.

        Args:
            path: the YAML file.
            secrets: what ``${NAME}`` stands for.

        Raises:
            SourceError: unreadable or wrong, with the line of each problem. Messages never hold a secret's value.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError([Problem(str(path), 0, f"cannot be read: {error}")]) from None
        data, lines = yamlfile.parse(text, str(path))
        return _Builder(str(path), lines, secrets).catalog(yamlfile.build(CatalogSpec, data, lines, str(path)))


class _Builder:
    """Fills in secrets and reads templates, and collects what is wrong on the way."""

    def __init__(self, file: str, lines: yamlfile.Lines, secrets: Mapping[str, str]) -> None:
        self._file, self._lines, self._secrets = file, lines, secrets
        self._problems: list[Problem] = []
        self._allow = Allow()

    def catalog(self, spec: CatalogSpec) -> Catalog:
        for i, entry in enumerate(spec.allow):
            allow = self._try(("allow", i), partial(self._listed, entry))
            self._allow = Allow(self._allow.entries | (allow.entries if allow else frozenset()))
        actions = {name: self._action(name, one) for name, one in spec.actions.items()}
        if self._problems:
            raise SourceError(self._problems)
        kept = {name: action for name, action in actions.items() if action is not None}
        return Catalog(kept, self._allow, spec.max_concurrent, spec.max_answer_kb * 1024)

    def _problem(self, path: yamlfile.Path_, message: str, remedy: str = "") -> None:
        self._problems.append(Problem(self._file, yamlfile.line_of(self._lines, path), message, remedy))

    def _try(self, path: yamlfile.Path_, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except ValueError as error:
            self._problem(path, f"{'.'.join(map(str, path))}: {error}")
            return None

    def _listed(self, entry: str) -> Allow:
        return Allow.parse([expand(entry, self._secrets)])

    def _header(self, text: str) -> str:
        value = expand(text, self._secrets)
        if not value.isprintable() or not value.isascii():
            raise ValueError("must be printable ASCII")
        return value

    def _action(self, name: str, spec: ActionSpec) -> Action | None:
        where: yamlfile.Path_ = ("actions", name)
        call: HttpCall | SqlCall | PythonCall | None
        if spec.http is not None:
            call, args = self._http((*where, "http"), spec.http, frozenset(spec.secret))
        elif spec.sql is not None:
            call, args = self._sql((*where, "sql"), spec.sql)
        elif spec.python is not None:
            call, args = PythonCall(spec.python.function), frozenset(spec.python.args)
        else:
            return None  # the schema allows no such action
        for secret in spec.secret:
            if secret not in args:
                self._problem((*where, "secret"), f"{name}: secret {secret!r} is no argument of this action")
        if call is None:
            return None
        return Action(name, call, args, frozenset(spec.secret), spec.writes, spec.idempotent, spec.timeout_s)

    def _http(
        self, where: yamlfile.Path_, spec: HttpSpec, secret: frozenset[str]
    ) -> tuple[HttpCall | None, frozenset[str]]:
        url = self._try((*where, "url"), lambda: _url(spec.url, self._secrets))
        query = [(key, self._try((*where, "query", key), partial(_query, value))) for key, value in spec.query.items()]
        headers = {
            key: self._try((*where, "headers", key), partial(self._header, value))
            for key, value in spec.headers.items()
        }
        names = self._try((*where, "json"), lambda: json_names(spec.body))
        if url is None or names is None:
            return None, frozenset()
        shown = url.path.names.union(*(template.names for _, template in query if template))
        for arg in sorted(shown & secret):
            self._problem(where, f"secret {arg!r} stands in the URL, which servers write to logs", "send it in json")
        parsed = URL(url.origin)
        host, port = parsed.host or "", parsed.port or 0
        address = address_of(host)
        if address is not None and not self._allow.permits(host, port, address):
            self._problem(
                (*where, "url"),
                f"{host}:{port} is not a public address",
                f"add '{host}:{port}' to allow if it is meant",
            )
        call = HttpCall(
            spec.method,
            url,
            host,
            port,
            tuple((key, template) for key, template in query if template),
            {key: value for key, value in headers.items() if value is not None},
            spec.body,
        )
        return call, shown | names

    def _sql(self, where: yamlfile.Path_, spec: SqlSpec) -> tuple[SqlCall | None, frozenset[str]]:
        database = self._try((*where, "database"), lambda: _database(expand(spec.database, self._secrets)))
        statement = sqlalchemy.text(spec.statement)
        names = frozenset(statement.compile().params)
        return (SqlCall(database, statement, spec.max_rows) if database is not None else None), names


def _url(text: str, secrets: Mapping[str, str]) -> UrlTemplate:
    full = expand(text, secrets)
    if full.count("{") + full.count("}") != text.count("{") + text.count("}") - 2 * text.count("${"):
        raise ValueError("an environment variable in it holds braces")
    scheme, mark, rest = full.partition("://")
    if scheme not in ("http", "https") or not mark:
        raise ValueError("must begin with http:// or https://")
    if not full.isascii() or not full.isprintable() or " " in full or "#" in full:
        raise ValueError("must be plain ASCII without blanks and '#'; percent-encode the rest")
    cut = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
    authority, path = rest[:cut], rest[cut:]
    if "{" in authority or "}" in authority:
        raise ValueError("an argument must not stand in the host")
    if "@" in authority:
        raise ValueError("must not hold a user and password; send an Authorization header")
    if not path.startswith("/"):
        path = "/" + path
    url = URL(f"{scheme}://{authority}")
    if not url.host:
        raise ValueError("has no host")
    return UrlTemplate(f"{scheme}://{authority}", ArgumentTemplate.parse(path))


def _query(value: str | int | float | bool) -> ArgumentTemplate:
    if isinstance(value, str):
        return ArgumentTemplate.parse(value)
    return ArgumentTemplate(((str(value).lower() if isinstance(value, bool) else str(value), None),))


def _database(text: str) -> sqlalchemy.URL:
    try:
        url = sqlalchemy.make_url(text)
        url.get_dialect().import_dbapi()
    except ImportError as error:
        remedy = 'write postgresql+psycopg://… and run: pip install "voicebot[postgres]"'
        raise ValueError(
            f"needs a driver that is not installed: {error.name or url.drivername}"
            + (f"; {remedy}" if url.get_backend_name() == "postgresql" else "")
        ) from None
    except (ArgumentError, ValueError):
        raise ValueError("is not a database URL such as postgresql+psycopg://user:${PASSWORD}@host/name") from None
    return url
