"""Copies of a SQLite file: those made beside it before it is migrated, and those that somebody asks for."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

KEPT = 3
"""The newest so many copies of a file stay."""
_PAGES = 10_000
"""At one time; a writer waits no longer than for so many."""
_ENDING = re.compile(r"\.before-\d{4}-(?P<time>\d{8}T\d{6}Z)\.bak(?P<part>\.part.*)?")


def make(file: Path, revision: str, now: float) -> Path:
    """Copy the database as it stands, for its owner only; a copy that has its name is whole. Blocking.

    Args:
        file: the SQLite file; others may read it meanwhile.
        revision: of the migration that is about to run.
        now: seconds since 1970.

    Returns:
        ``FILE.before-REVISION-TIME.bak``, the time in UTC.

    Raises:
        OSError, sqlite3.Error: there is no room, or no right to write; nothing is left behind.
    """
    whole = file.with_name(f"{file.name}.before-{revision}-{stamp(now)}.bak")
    copy(file, whole)
    return whole


def stamp(now: float) -> str:
    """A time in names of files, UTC."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def copy(file: Path, whole: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Copy a database, which others may be writing, to `whole`; it has that name once all of it is on the disk.

    Args:
        file: the SQLite file.
        whole: the copy, for its owner only.
        progress: told how many pages are left, and of how many.

    Raises:
        OSError, sqlite3.Error: as `make`.
    """
    part = whole.with_name(f"{whole.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(reading(file)) as source, contextlib.closing(sqlite3.connect(part)) as target:
            tell = progress or (lambda left, total: None)
            source.backup(target, pages=_PAGES, progress=lambda _, left, total: tell(left, total))
        _sync(part)
        part.replace(whole)
        _sync(whole.parent)
    except (OSError, sqlite3.Error):
        for left in file.parent.glob(f"{part.name}*"):
            left.unlink(missing_ok=True)
        raise


def reading(file: Path) -> sqlite3.Connection:
    """A connection to a file that is there; also where nothing can be written beside it, as on a mounted backup."""
    how = "mode=rw" if os.access(file.parent, os.W_OK) else "immutable=1"
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?{how}", uri=True)


def prune(file: Path) -> None:
    """Remove all but the newest `KEPT` copies, and what interrupted ones left. Raises OSError."""
    copies: list[tuple[str, Path]] = []
    for path in file.parent.iterdir():
        ending = _ENDING.fullmatch(path.name.removeprefix(file.name)) if path.name.startswith(file.name) else None
        if ending is None:
            continue
        if ending["part"]:
            path.unlink(missing_ok=True)
        else:
            copies.append((ending["time"], path))
    for _, path in sorted(copies)[:-KEPT]:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have the disk keep a file, or the names in a folder, before anything is built on them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
