"""``voicebot calls``: the calls that were recorded, as a list or one in full."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from voicebot import config as configuration
from voicebot.errors import VoicebotError
from voicebot.paths import ROOT
from voicebot.record import show
from voicebot.record.records import Records

DEMO_DATABASE = f"sqlite:///{ROOT}/var/demo/calls.db"


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("calls", help="list recorded calls, or show one", description=__doc__)
    cmd.add_argument("call", nargs="?", help="id of one call, or 'last': show it with every turn")
    cmd.add_argument("-c", "--config", type=Path, help="configuration that names the database (default: the demo's)")
    cmd.add_argument("--database", metavar="URL", help="SQLAlchemy URL, instead of the configuration's")
    cmd.add_argument("--limit", type=int, default=20, metavar="N", help="list the newest N (20)")
    cmd.add_argument("--events", action="store_true", help="of one call: its events, as a table")
    cmd.add_argument("--json", action="store_true", help="machine-readable")
    cmd.set_defaults(func=main)


def database(args: argparse.Namespace) -> str:
    """The URL of the records that are meant."""
    if args.database:
        return str(args.database)
    return configuration.load(args.config).record.database if args.config else DEMO_DATABASE


def main(args: argparse.Namespace) -> int:
    """Print the list or one call. Returns 1 when there is no such call."""
    return asyncio.run(_print(args, Records.open(database(args))))


async def _print(args: argparse.Namespace, records: Records) -> int:
    if args.call is None and args.events:
        raise VoicebotError("--events shows the events of one call", "name the call, or 'last'")
    if args.call is None:
        rows = await records.calls(args.limit)
        print(_json([dataclasses.asdict(row) for row in rows]) if args.json else show.calls_text(rows), end="")
        return 0
    detail = await records.call(args.call)
    if detail is None:
        print(f"no call {args.call!r}; `voicebot calls` lists them", file=sys.stderr)
        return 1
    if args.json:
        events = [dataclasses.asdict(row) for row in await records.events(detail.call.call_id)]
        print(_json({**dataclasses.asdict(detail), "events": events}), end="")
    elif args.events:
        print(show.events_text(await records.events(detail.call.call_id)), end="")
    else:
        print(show.call_text(detail), end="")
    return 0


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=dict) + "\n"
