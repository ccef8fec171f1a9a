"""``voicebot records backup | restore | prune``: the database of the calls, kept, put back and kept small."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from voicebot import log
from voicebot.commands import calls
from voicebot.errors import VoicebotError
from voicebot.record import backup, restore, retention, schema

DAYS = {"d": 1, "w": 7, "y": 365}
TELL_EVERY_S = 2.0


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("records", help="back up, restore or prune the recorded calls", description=__doc__)
    verbs = cmd.add_subparsers(title="commands", metavar="COMMAND", required=True)
    make = verbs.add_parser("backup", help="copy the database whole, while servers run or not")
    make.add_argument("to", nargs="?", type=Path, help="file that is made, or a folder for it (default: beside it)")
    make.set_defaults(func=_backup)
    put = verbs.add_parser("restore", help="put a copy in the place of the database; servers must be stopped")
    put.add_argument("copy", type=Path, help="file that `backup` made, or a server before it migrated")
    put.set_defaults(func=_restore)
    old = verbs.add_parser("prune", help="take out calls that are older than they may be kept")
    old.add_argument("--older-than", required=True, type=age_s, metavar="AGE", help="90d, 12w or 2y; days by default")
    old.add_argument("--dry-run", action="store_true", help="only say what would go")
    old.set_defaults(func=_prune)
    for verb in (make, put, old):
        verb.add_argument("-c", "--config", type=Path, help="names the database (default: the demo's)")
        verb.add_argument("--database", metavar="URL", help="SQLAlchemy URL, instead of the configuration's")


def age_s(text: str) -> float:
    """Seconds of ``90d``, ``12w``, ``2y`` or ``90``. Raises ArgumentTypeError."""
    read = re.fullmatch(r"(\d{1,6})([dwy]?)", text)
    if read is None or int(read[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no age such as 90d, 12w or 2y")
    return int(read[1]) * DAYS[read[2] or "d"] * 86_400.0


def _backup(args: argparse.Namespace) -> int:
    engine = schema.engine_for(calls.database(args))
    file = schema.sqlite_file(engine)
    name = f"{file.name if file else engine.url.database}.backup-{backup.stamp(time.time())}"
    to = args.to or (file.with_name(name) if file else Path(name))
    if to.is_dir():
        to = to / name
    if to.exists():
        raise VoicebotError(f"{to} is there already", "name another file")
    if file is None:
        return _dump(engine.url, to)
    if not file.exists():
        raise VoicebotError(f"there are no call records yet at {file}", "name the database with -c or --database")
    said = Told()
    try:
        backup.copy(file, to, lambda left, total: said(f"{100 * (total - left) // max(1, total)} % copied"))
    except (OSError, sqlite3.Error) as error:
        raise VoicebotError(f"{file} could not be copied to {to}: {error}", "nothing was left there") from None
    version = restore.check(to)
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB, schema version {version}, whole")
    return 0


def _dump(url: sa.URL, to: Path) -> int:
    """PostgreSQL has programs of its own for this; the password goes through the environment, which nobody sees."""
    words = ["pg_dump", "--format=custom", f"--file={to}", "--no-password"]
    where = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGDATABASE": url.database}
    shown = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in where.items() if value is not None)
    if shutil.which("pg_dump") is None:
        raise VoicebotError(
            "PostgreSQL is copied by pg_dump, which is not here",
            f"install postgresql-client, then run: {shown} {shlex.join(words)}",
        )
    given = {name: str(value) for name, value in (where | {"PGPASSWORD": url.password}).items() if value is not None}
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    if subprocess.run(words, env={**os.environ, **given}, check=False).returncode:
        to.unlink(missing_ok=True)
        raise VoicebotError("pg_dump failed; what it said is above", f"the command was: {shown} {shlex.join(words)}")
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB, for pg_restore")
    return 0


def _restore(args: argparse.Namespace) -> int:
    engine = schema.engine_for(calls.database(args))
    file = schema.sqlite_file(engine)
    if file is None:
        raise VoicebotError(
            "PostgreSQL is restored by pg_restore",
            "stop all servers, make an empty database and let record.database name it, then run: "
            f"pg_restore --no-owner --dbname=NAME {shlex.quote(str(args.copy))}",
        )
    try:
        aside = restore.restore(file, args.copy, time.time())
    except (OSError, sqlite3.Error) as error:
        raise VoicebotError(f"{file} could not be restored: {error}", "it is as it was") from None
    print(f"{file} is {args.copy} now" + ("" if aside is None else f"; what was there is {aside}"))
    return 0


def _prune(args: argparse.Namespace) -> int:
    log.setup("warning")
    engine = schema.engine_for(calls.database(args))
    now = time.time()
    before = now - args.older_than
    day = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%d %H:%M UTC")
    try:
        old = retention.count(engine, before)
        words = f"{old.calls} calls that began before {day}, and events of {old.unanswered} that were never answered"
        if args.dry_run:
            print(f"would go: {words}; {old.under_way} are under way and stay")
            return 0
        said, all_ = Told(), old.calls + old.unanswered
        retention.prune(engine, before, now, lambda gone: said(f"{gone} of {all_} are gone"))
    except SQLAlchemyError as error:
        why = getattr(error, "orig", None) or error
        raise VoicebotError(f"the records could not be pruned: {why}", "run it again: what is gone is gone") from None
    finally:
        engine.dispose()
    print(f"gone: {words}; {old.under_way} are under way and stay")
    file = schema.sqlite_file(engine)
    if file is not None:
        print("the file keeps its size and uses the room again")
        kept = sorted(file.parent.glob(f"{file.name}.*"))
        if kept:
            print("copies that still hold older calls: " + ", ".join(str(path) for path in kept))
    return 0


class Told:
    """Says how far it is, on standard error, now and then."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def __call__(self, words: str) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s >= TELL_EVERY_S:
            self._said_s = now_s
            print(words, file=sys.stderr, flush=True)
