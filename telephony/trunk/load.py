"""A folder of trunk files, read and refused as a whole when anything in it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import yamlfile
from ..yaml_problems import Problem, SourceError
from . import lint
from .model import Trunk

MAX_TRUNKS = 1000
_NAME = re.compile(r"[a-z]([a-z0-9\-]{0,61}[a-z0-9])?")
"""It stands in the host part of URIs: ``sip:+4930123@acme``."""


@dataclass(frozen=True, slots=True)
class TrunkFile:
    """One file that could be read."""

    trunk: Trunk
    file: str
    lines: yamlfile.Lines

    def problem(self, path: yamlfile.Path_, message: str, remedy: str = "") -> Problem:
        """A complaint about one value of the file."""
        return Problem(self.file, yamlfile.line_of(self.lines, path), message, remedy)


def load(folder: Path) -> dict[str, Trunk]:
    """All trunks of a folder by name, in the order of their names.

    Raises:
        SourceError: with everything wrong in any of the files.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        raise SourceError([Problem(str(folder), 0, f"cannot be read: {error.strerror}", "name a folder")]) from None
    if len(files) > MAX_TRUNKS:
        raise SourceError([Problem(str(folder), 0, f"more than {MAX_TRUNKS} trunks", "split them between servers")])
    problems: list[Problem] = []
    sheets = []
    for path in files:
        try:
            sheets.append(_read(path))
        except SourceError as error:
            problems += error.problems
    problems += _between(sheets)
    if problems:
        raise SourceError(problems)
    return {sheet.trunk.name: sheet.trunk for sheet in sheets}


def signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Changes when a file of the folder does: names, times and sizes. Empty when it cannot be read."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
        stats = [(path.name, path.stat()) for path in files]
    except OSError:
        return ()
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def load_one(path: Path) -> Trunk:
    """One trunk by itself. Raises SourceError."""
    return _read(path).trunk


def _read(path: Path) -> TrunkFile:
    name, file = path.stem, str(path)
    if path.suffix != ".yaml" or _NAME.fullmatch(name) is None:
        remedy = "name it like acme.yaml: small letters, digits and -, a letter first"
        raise SourceError([Problem(file, 0, f"{path.name!r} names no trunk", remedy)])
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SourceError([Problem(file, 0, f"cannot be read: {reason}", "make it readable for the server")]) from None
    data, lines = yamlfile.parse(text, file)
    if not isinstance(data, dict):
        raise SourceError([Problem(file, 1, "no keys and values", "begin with a line such as `title: Acme`")])
    if "name" in data:
        line = yamlfile.line_of(lines, ("name",))
        raise SourceError(
            [Problem(file, line, "name: the name of the file is the name", "remove it, or call it title")]
        )
    trunk = yamlfile.build(Trunk, {**data, "name": name}, lines, file, {"folder": path.parent})
    sheet = TrunkFile(trunk, file, lines)
    problems = [sheet.problem(*complaint) for complaint in lint.complaints(trunk, frozenset(data))]
    if problems:
        raise SourceError(problems)
    return sheet


def _between(sheets: list[TrunkFile]) -> Iterator[Problem]:
    """What contradicts itself between trunks: the same caller, user or registration in two of them."""
    yield from _twice(sheets, "peers", lambda t: {str(peer): i for i, peer in enumerate(t.peers)}, "may call")
    yield from _twice(sheets, "users", lambda t: {} if t.peers else {name: name for name in t.users}, "may call")
    yield from _twice(
        sheets,
        "register",
        lambda t: {f"{t.registration.user}@{t.domain}": "user"} if t.registration else {},
        "is registered",
    )


def _twice(
    sheets: list[TrunkFile], key: str, found: Callable[[Trunk], dict[str, str | int]], does: str
) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for sheet in sheets:
        for value, place in found(sheet.trunk).items():
            owner = owners.setdefault(value, sheet.trunk.name)
            if owner != sheet.trunk.name:
                message = f"{key}: {value} {does} over trunk {owner} already"
                yield sheet.problem((key, place), message, "keep it in one of the two")
