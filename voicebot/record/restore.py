"""Puts a copy of a SQLite database in the place of the one that is there, when nobody has it open."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from voicebot.errors import VoicebotError
from voicebot.record import backup, lease, process, schema

_LOCK_BYTES = 0x40000000, 512
"""Where SQLite locks a file (``PENDING_BYTE``): every process that uses it holds some of these bytes."""
_PARTS = ("", "-wal", "-shm")


def restore(file: Path, copy: Path, now: float) -> Path | None:
    """Put `copy` in the place of `file`. Blocking.

    Args:
        file: the database that a server would open.
        copy: as `backup.copy` makes it; it stays.
        now: seconds since 1970.

    Returns:
        The database that was there before, moved aside; None where there was none.

    Raises:
        VoicebotError: the copy is none of ours, damaged or of a newer voicebot; somebody uses `file`.
            Nothing is changed.
        OSError, sqlite3.Error: there is no room, or no right to write.
    """
    if copy.resolve() == file.resolve():
        raise VoicebotError(f"{copy} is the database itself", "name a copy of it")
    check(copy)
    _refuse_while_used(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_name(f"{file.name}.restored-{backup.stamp(now)}")
    backup.copy(copy, whole)
    aside = file.with_name(f"{file.name}.replaced-{backup.stamp(now)}")
    try:
        with _nobody_else(file):
            was = [part for part in _PARTS if file.with_name(file.name + part).exists()]
            for part in was:
                file.with_name(file.name + part).rename(f"{aside}{part}")
            whole.rename(file)
    except BaseException:
        whole.unlink(missing_ok=True)
        raise
    return aside if "" in was else None


def check(copy: Path) -> int:
    """The version of the call records in a copy, which is read as a whole. Raises VoicebotError when it is no good."""
    no_good = VoicebotError(f"{copy} holds no call records", "name a file that `voicebot records backup` made")
    if not copy.is_file():
        raise no_good
    try:
        with contextlib.closing(backup.reading(copy)) as db:
            found = [str(row[0]) for row in db.execute("PRAGMA integrity_check")]
            version = db.execute("SELECT version FROM schema_version").fetchone()
            db.execute("SELECT count(*) FROM calls").fetchone()
    except sqlite3.Error as error:
        raise VoicebotError(f"{copy} holds no call records: {error}", no_good.remedy) from None
    if found != ["ok"] or version is None:
        raise VoicebotError(f"{copy} is damaged: {found[0]}", "take another copy")
    schema.refuse_newer(version[0])
    return int(version[0])


def servers(engine: sa.Engine, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Processes of servers that use a database, by their leases; instances where the process is not known.

    A process of this machine is known at once; for others it takes as long as a lease may stand still.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    first, waited_s = _holders(engine), 0.0
    while True:
        found = [name or instance for instance, (_, name) in first.items() if process.lives(name)]
        later = _holders(engine)
        for instance, (beats, name) in later.items():
            if first.get(instance, (beats, name))[0] != beats:
                found.append(name or instance)
        if found or waited_s >= lease.LEASE_S or not later:
            return found
        sleep(1.0)
        waited_s += 1.0


def _holders(engine: sa.Engine) -> dict[str, tuple[int, str]]:
    with engine.connect() as connection:
        found = schema.version(connection)
        known = found is not None and sa.inspect(connection).has_table(schema.leases.name)
        return lease.holders(connection) if known else {}


def _refuse_while_used(file: Path) -> None:
    if not file.exists():
        return
    engine = schema.engine_for(f"sqlite:///{file}")
    try:
        running = servers(engine)
    except SQLAlchemyError:  # it is damaged, which may be why it is restored; the lock of the file tells, too
        return
    finally:
        engine.dispose()
    if running:
        raise _in_use(file, f"a server that writes into it runs (process {_number(running[0])})")


@contextlib.contextmanager
def _nobody_else(file: Path) -> Iterator[None]:
    """Hold what every SQLite connection needs, so that none is open and none is opened. Raises VoicebotError."""
    if not file.exists():
        yield
        return
    handle = os.open(file, os.O_RDWR)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES[1], _LOCK_BYTES[0])
        except OSError:
            raise _in_use(file, "another program has it open") from None
        yield
    finally:
        os.close(handle)


def _in_use(file: Path, why: str) -> VoicebotError:
    return VoicebotError(f"{file} is in use: {why}", "stop it and wait until it has ended, then restore")


def _number(name: str) -> str:
    parts = name.split(" ")
    return parts[1] if len(parts) == 3 else "on another machine"
