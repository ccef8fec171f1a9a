"""``voicebot calls``: the calls that were recorded, as a list or one in full."""

from __future__ import annotations

import argparse
from pathlib import Path

from voicebot import config as configuration
from voicebot.paths import ROOT

DEMO_DATABASE = f"sqlite:///{ROOT}/var/demo/calls.db"


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser("calls", help="list recorded calls, or show one", description=__doc__)
    cmd.add_argument("call", nargs="?", help="id of one call, or 'last': show it with every turn")
    cmd.add_argument("-c", "--config", type=Path, help="configuration that names the database (default: the demo's)")
    cmd.add_argument("--database", metavar="URL", help="SQLAlchemy URL, instead of the configuration's")
    cmd.add_argument("--limit", type=int, default=20, metavar="N", help="list the newest N (20)")
    cmd.add_argument("--json", action="store_true", help="machine-readable")
    cmd.set_defaults(func=main)


def database(args: argparse.Namespace) -> str:
    """The URL of the records that are meant."""
    if args.database:
        return str(args.database)
    return configuration.load(args.config).record.database if args.config else DEMO_DATABASE
