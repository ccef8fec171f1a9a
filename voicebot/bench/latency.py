"""``voicebot bench latency``: many real SIP callers at once, and how long each waits for his answers."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``latency`` to the suites of ``bench``."""
    cmd = sub.add_parser(
        "latency",
        help="voice-to-voice of many calls at once",
        description="Real SIP callers talk to the demo company, each about his own business; voice-to-voice comes from"
        " the packets. The last line is JSON. Exit status 1 when a turn stays unanswered or the budget is missed.",
    )
    cmd.add_argument("--calls", type=int, default=20, metavar="N", help="callers at once (20)")
    cmd.add_argument("--rounds", type=int, default=1, metavar="R", help="rounds, one after another (1)")
    cmd.add_argument(
        "--to", metavar="SIP-URI", help="a running server with the demo's dialog (default: starts its own)"
    )
    cmd.add_argument("--out", type=Path, metavar="DIR", help="write latency.json, latency.png and every call here")
    cmd.add_argument("--budget", metavar="LIMITS", help="such as p50=400,p95=700 (milliseconds)")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when every turn was answered within the budget, otherwise 1."""
    from voicebot.bench.latency_run import run  # engines take a second to import: not for `--help`

    return run(args)
