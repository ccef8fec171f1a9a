"""``voicebot bench bargein``: when a prompt stops, and for whom."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """Prompts play with their echo (15 to 30 dB down, 20 to 250 ms late, reflections of a room) while a
caller begins to speak, or while something else comes in: noise, music, side talk, backchannels, coughs, line faults.
Told are how long after the caller's first voiced sample the prompt stops, callers that are missed or talked over again
(sentences, short answers that are asked for, words that the dialog listens for unasked), and prompts that stop for what
is no caller and do not go on. --wire places real SIP calls instead and reads the stop from packets. The last line is
JSON."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``bargein`` to the suites of ``bench``."""
    cmd = sub.add_parser("bargein", help="when prompts stop, and for whom", description=_DESCRIPTION)
    add = cmd.add_argument
    add("--speech", type=Path, metavar="DIR", help="a folder with a manifest.csv (default: VOICEBOT_SPEECH)")
    add(
        "--task", action="append", default=[], metavar="NAME",
        help="only this: caller, short, unasked, echo, noise, music, side-talk, backchannel, cough, line (repeatable)",
    )  # fmt: skip
    add("--speaker", action="append", default=[], metavar="NAME", help="only this speaker (repeatable)")
    add("--limit", type=int, metavar="N", help="at most N recordings of each task, spread over it")
    add("--wire", type=int, metavar="CALLS", help="so many real calls to a demo server; each interrupts its prompts")
    add("--json", action="store_true", help="print no table, only the last line")
    add("--out", type=Path, metavar="DIR", help="write report.html, bargein.json and every prompt (jsonl) here")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when prompts were played, 1 when nothing of what was asked for is there."""
    from voicebot.bench.bargein.suite import run  # engines take a second to import: not for `--help`

    return run(args)
