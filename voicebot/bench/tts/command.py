"""``voicebot bench tts``: how soon, how loud and how clearly the voice speaks."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = """Prompts (short and long, with numbers, dates, amounts, codes, e-mail addresses and names, and all
that a flow says; or the lines of a file) are spoken by one voice or by several: time and processor time from the text
to the first and to the last sample, fresh and remembered; words a minute; loudness of each and its spread; what our own
recognition understands of each over a µ-law line, clean and with noise at 10 dB; and the opinion score that distillmos
or speechmos predicts, where one is installed. The last line is JSON. Exit status 1 when the first sample comes too
late."""


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``tts`` to the suites of ``bench``."""
    cmd = sub.add_parser("tts", help="how soon, how loud, how clearly prompts are spoken", description=_DESCRIPTION)
    add = cmd.add_argument
    add(
        "--text-file",
        type=Path,
        metavar="FILE",
        help="prompts to speak, one a line (default: a set of our own, and the demo's flow)",
    )
    add("--voice", action="append", default=[], metavar="NAME",
        help="as in `tts: voice:`: auto, hibari, espeak, or a Piper voice (auto); repeated: side by side")  # fmt: skip
    add("--flow", type=Path, action="append", default=[], metavar="FILE",
        help="a flow, whose sentences are spoken with values filled in (repeatable; default: the demo's)")  # fmt: skip
    add("--repeat", type=int, default=5, metavar="N", help="speak each prompt N times fresh and N times again (5)")
    add("--speech", type=Path, metavar="DIR", help="a folder with recordings and noises (default: VOICEBOT_SPEECH)")
    add("--task", action="append", default=[], metavar="NAME",
        help="a kind of ours (short, long, numbers, dates, times, amounts, codes, phones, emails, names), shipped for "
        "what flows say, or a task of --speech, whose texts are spoken (repeatable)")  # fmt: skip
    add("--no-recognition", action="store_true", help="do not measure how well it is understood")
    add("--json", action="store_true", help="print no table, only the last line")
    add("--out", type=Path, metavar="DIR", help="write report.html, tts.json and every prompt as WAV here")
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when the first sample comes in time, otherwise 1."""
    from voicebot.bench.tts.suite import run  # engines take a second to import: not for `--help`

    return run(args)
