"""``voicebot bench turns``: when a caller's turn is taken to be over."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """Recordings with their own pauses, and numbers dictated in groups with pauses of up to 1.2 s, go
through an 8 kHz µ-law line into the listener of a call, on a clock that counts samples: turns that were over before the
speaker's last word, turns that were missed, and how long after the last voiced sample (by the recording's energy) the
others were over. A recognition arrives after the processor time that it took here. The last line is JSON."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``turns`` to the suites of ``bench``."""
    cmd = sub.add_parser("turns", help="who is cut off, who waits how long", description=_DESCRIPTION)
    add = cmd.add_argument
    add("--speech", type=Path, metavar="DIR", help="a folder with a manifest.csv (default: VOICEBOT_SPEECH)")
    add("--task", action="append", default=[], metavar="NAME", help="only this task, dictation or story too (repeat)")
    add("--speaker", action="append", default=[], metavar="NAME", help="only this speaker (repeatable)")
    add("--noise", type=float, metavar="DB", help="mix in the folder's noises at this signal-to-noise ratio")
    add("--loss", type=float, default=0.0, metavar="PERCENT", help="lose packets of 20 ms, concealed as in a call")
    add("--smart-turn", action="store_true", help="ask Smart Turn whether free speech sounds over")
    add("--limit", type=int, metavar="N", help="at most N recordings of each task, spread over it")
    add("--json", action="store_true", help="print no table, only the last line")
    add("--out", type=Path, metavar="DIR", help="write report.html, turns.json and every turn (turns.jsonl) here")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when turns were played, 1 when nothing of what was asked for is there."""
    from voicebot.bench.turns.suite import run  # engines take a second to import: not for `--help`

    return run(args)
