"""``voicebot call``: a real SIP caller that speaks, listens, and measures voice-to-voice from packets."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser(
        "call",
        help="call a SIP address, speak, and measure the answers",
        description="A real SIP caller: waits for the greeting, says one thing after another, and prints what it heard"
        " and the voice-to-voice time of each turn, measured from packets.",
    )
    cmd.add_argument("uri", help="who is called: sip:127.0.0.1:5060")
    for name, shown, words in (
        ("wav", "FILE", "play a recording"),
        ("say", "TEXT", "say a sentence (espeak-ng)"),
        ("keys", "KEYS", 'press keys, such as "471102#"'),
    ):
        cmd.add_argument(
            f"--{name}",
            dest="lines",
            action="append",
            metavar=shown,
            type=partial(_named, name),
            help=f"{words}; the next turn, in the order given",
        )
    cmd.add_argument("--script", type=Path, metavar="FILE", help="turns from a YAML file instead")
    cmd.add_argument("--barge-in", action="store_true", help="begin each turn while the prompt is playing")
    cmd.add_argument("--no-transcript", action="store_true", help="do not recognise what is heard")
    cmd.add_argument("--ring", type=float, default=20.0, metavar="SECONDS", help="wait so long for an answer (20)")
    cmd.add_argument("--json", action="store_true", help="machine-readable, one object")
    cmd.set_defaults(func=main)


def _named(name: str, value: str) -> tuple[str, str]:
    return name, value


def main(args: argparse.Namespace) -> int:
    """Call once. Returns 0 when every turn was answered, otherwise 1."""
    from voicebot.bench.call_run import run  # engines take a second to import: not for `--help`

    return run(args)
