"""``voicebot events``: what happened to the server and belongs to no call: deployments, stops, blocked addresses."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from pathlib import Path

from voicebot.commands.calls import database
from voicebot.errors import VoicebotError
from voicebot.journal.events import KINDS
from voicebot.record import show
from voicebot.record.records import Records


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("events", help="what happened to the server, outside calls", description=__doc__)
    cmd.add_argument("-c", "--config", type=Path, help="configuration that names the database (default: the demo's)")
    cmd.add_argument("--database", metavar="URL", help="SQLAlchemy URL, instead of the configuration's")
    cmd.add_argument("--kind", default="", metavar="KIND", help="deployed, stopped, blocked … (docs/events.md)")
    cmd.add_argument("--limit", type=int, default=20, metavar="N", help="the newest N (20)")
    cmd.add_argument("--json", action="store_true", help="machine-readable, one event a line")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Print them, the oldest first."""
    if args.kind and args.kind not in KINDS:
        raise VoicebotError(f"no event is called {args.kind!r}", f"one of: {', '.join(KINDS)}")
    rows = asyncio.run(Records.open(database(args)).server_events(args.limit, args.kind))
    if args.json:
        for row in rows:
            print(json.dumps(dataclasses.asdict(row), ensure_ascii=False))
    else:
        print(show.server_events_text(rows), end="")
    return 0
