"""``voicebot bench kill``: a server's records under kill -9 at random moments, with torn writes (acceptance.md, 22).

A process writes calls as a server does and says each one that is finished: its end was flushed, so it must be there for
good. It is killed, begins anew on the same database, and so on: every fourth one at any moment of its start, the others
once a call is finished. After every other kill half a page of rubbish is appended to the write-ahead log, as a machine
leaves it that loses power in the middle of a write. In the end every finished call is looked for, whole.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from voicebot.errors import VoicebotError

KILLS = 100
LONGEST_S = 0.3
"""A process that has finished a call is killed so long after that at the latest."""
TURNS = 6
WRITER = f"""
import asyncio, sys, uuid
from voicebot.record.records import Records
from voicebot.record.rows import Turn
async def call(records):
    while True:
        name = uuid.uuid4().hex[:12]
        records.call_started(name, "sip", "sip:a@b", "sip:c@d", "northwind")
        for i in range({TURNS}):
            records.turn(name, Turn("caller", "where is my order " * 20, 0.9, timings_ms={{"asr": 40.0}}))
            await asyncio.sleep(0)
        records.call_ended(name, "resolved", "caller", ("order_status",), "Asked for an order.", {{}})
        if await records.flush():
            print(name, flush=True)
async def main():
    records = Records.open(sys.argv[1])
    records.start()
    await asyncio.gather(*(call(records) for _ in range(8)))
asyncio.run(main())
"""


def register(suites: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``kill`` to the suites of ``bench``."""
    cmd = suites.add_parser(
        "kill",
        help="kill -9 while calls are recorded: is a finished one lost?",
        description="Kills a process that records calls (SQLite) at random moments, tears its last write, and looks for"
        " every call that was finished. Exit status 1 when one is lost or incomplete, or the database is broken.",
    )
    cmd.add_argument("--kills", type=int, default=KILLS, metavar="N", help=f"({KILLS})")
    cmd.add_argument("--seed", type=int, default=22, metavar="N", help="of the moments (22)")
    cmd.add_argument("--json", action="store_true", help="JSON only, as one line")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run it. Returns 0 when nothing was lost."""
    with tempfile.TemporaryDirectory(prefix="voicebot-kill-") as folder:
        found = measure(Path(folder) / "calls.db", max(1, args.kills), args.seed)
    if not args.json:
        for name, value in found.items():
            print(f"{name.replace('_', ' '):32}{value}")
    print(json.dumps(found), flush=True)
    return 0 if found["ok"] else 1


def measure(file: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill so often; `file` is a SQLite database, made when it is not there. Returns the figures."""
    rng = random.Random(seed)
    finished: set[str] = set()
    first_s = [1.0]
    torn = 0
    for number in range(kills):
        with _writer(file) as process:
            if number % 4 == 3:
                time.sleep(rng.uniform(0, first_s[-1]))
            else:
                began_s = time.monotonic()
                finished.add(_first(process))
                first_s.append(time.monotonic() - began_s)
                time.sleep(rng.uniform(0, LONGEST_S))
            process.kill()
            said = "" if process.stdout is None else process.stdout.read()
        finished |= {line for line in said.split("\n")[:-1] if line}  # a last line without its end was cut off
        if number % 2:
            torn += _tear(file, rng)
    return {"kills": kills, "torn_writes": torn, "first_call_s_max": round(max(first_s), 1), **look(file, finished)}


def look(file: Path, finished: set[str]) -> dict[str, Any]:
    """What is there of the calls that were finished, after one more start and an ordered stop."""
    from voicebot.record.records import Records

    records = Records.open(f"sqlite:///{file}")
    records.start()
    records.stop()
    with contextlib.closing(sqlite3.connect(file)) as database:
        whole = database.execute("pragma integrity_check").fetchone() == ("ok",)
        outcomes = dict(database.execute("select call_id, outcome from calls").fetchall())
        turns = dict(database.execute("select call_id, count(*) from turns group by call_id").fetchall())
    lost = sum(call not in outcomes for call in finished)
    incomplete = sum(outcomes.get(call) != "resolved" or turns.get(call) != TURNS for call in finished) - lost
    half = sum(turns.get(call) != TURNS for call, outcome in outcomes.items() if outcome == "resolved")
    return {
        "calls": len(outcomes),
        "finished": len(finished),
        "lost": lost,
        "incomplete": incomplete,
        "said_to_be_resolved_but_half": half,
        "database": "whole" if whole else "broken",
        "ok": bool(finished) and whole and not lost and not incomplete and not half,
    }


@contextlib.contextmanager
def _writer(file: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", WRITER, f"sqlite:///{file}"], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _first(process: subprocess.Popen[str]) -> str:
    """The first call that it says is finished. Raises VoicebotError when it ends before."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise VoicebotError("the process did not start on the database that the last one left", "its words are above")
    return line.strip()


def _tear(file: Path, rng: random.Random) -> bool:
    """Half a write at the end of the write-ahead log. False when there is none."""
    log = file.with_name(file.name + "-wal")
    if not log.exists():
        return False
    with log.open("ab") as end:
        end.write(rng.randbytes(rng.randint(1, 4119)))  # a frame has 24 + 4096 bytes
    return True
