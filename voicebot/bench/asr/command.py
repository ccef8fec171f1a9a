"""``voicebot bench asr``: what recognition makes of a folder of recordings, through a telephone line."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """Every recording goes through an 8 kHz µ-law line, voice activity detection and recognition with what
a dialog would expect there; without --task also noise, and speech where an answer is expected that it does not hold.
The last line is JSON."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``asr`` to the suites of ``bench``."""
    cmd = sub.add_parser("asr", help="what is recognised, how surely, at what cost", description=_DESCRIPTION)
    add = cmd.add_argument
    add("--speech", type=Path, metavar="DIR", help="a folder with a manifest.csv (default: VOICEBOT_SPEECH)")
    add("--task", action="append", default=[], metavar="NAME", help="only recordings of this task (repeatable)")
    add("--speaker", action="append", default=[], metavar="NAME", help="only this speaker (repeatable)")
    add(
        "--engine",
        action="append",
        metavar="NAME",
        help="moonshine (default), whisper, whisper:MODEL (a name or a folder), or a configuration file, whose engines"
        " it takes; repeated: one after the other, compared in the report",
    )
    add("--noise", type=float, metavar="DB", help="mix in the folder's noises at this signal-to-noise ratio")
    add("--loss", type=float, default=0.0, metavar="PERCENT", help="lose packets of 20 ms, concealed as in a call")
    add(
        "--conditions", action="store_true", help="clean, with noise at 20, 10 and 5 dB, and with 2 %% lost, in one run"
    )
    add("--only", choices=("tasks", "rejection", "cost"), help="one part: tasks, rejection of all else, or cost")
    add("--limit", type=int, metavar="N", help="at most N recordings of each task, spread over it")
    add(
        "--load",
        type=float,
        metavar="PER_S",
        help="nothing but this: utterances of all tasks arrive at so many a second, by chance, at a server's threads",
    )
    add("--seconds", type=float, default=20.0, metavar="S", help="of --load (default: 20)")
    add("--jobs", type=int, default=0, metavar="N", help="processes (default: one a core)")
    add("--calibrate", action="store_true", help="fit the confidences on this run and print the table to keep")
    add("--json", action="store_true", help="print no table, only the last line")
    add("--out", type=Path, metavar="DIR", help="write report.html, asr.json and every answer (cases.jsonl) here")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the suite. Returns 1 when nothing of what was asked for is there, or a load was not borne; otherwise 0."""
    from voicebot.bench.asr.suite import run  # engines take a second to import: not for `--help`

    return run(args)
