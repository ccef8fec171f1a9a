"""Copies of a SQLite file, made beside it before it is migrated."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

KEPT = 3
"""The newest so many copies of a file stay."""
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
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    whole = file.with_name(f"{file.name}.before-{revision}-{stamp}.bak")
    part = whole.with_name(f"{whole.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(part)) as target:
            source.backup(target)
        _sync(part)
        part.replace(whole)
        _sync(whole.parent)
    except (OSError, sqlite3.Error):
        for left in file.parent.glob(f"{part.name}*"):
            left.unlink(missing_ok=True)
        raise
    return whole


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
