"""``voicebot``: the command line. Each command lives in its own file; this one only lists them."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from voicebot.errors import SourceError, VoicebotError

COMMANDS = {
    "serve": "voicebot.commands.serve",
    "demo": "voicebot.commands.demo",
    "call": "voicebot.bench.call",
    "chat": "voicebot.commands.chat",
    "say": "voicebot.commands.say",
    "check": "voicebot.commands.check",
    "calls": "voicebot.commands.calls",
    "events": "voicebot.commands.events",
    "records": "voicebot.commands.records",
    "trunk": "voicebot.commands.trunk",
    "bench": "voicebot.bench.command",
    "cache": "voicebot.commands.cache",
    "models": "voicebot.models.command",
}
"""Command → the module that registers it, imported when it is needed: some of them load every engine."""


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """All commands with their help texts, or one of them."""
    top = argparse.ArgumentParser(
        prog="voicebot",
        description="A self-hosted voice front door: answers the phone, gets requests done, hands over.",
    )
    sub = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        if only not in COMMANDS or name == only:
            importlib.import_module(module).register(sub)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns its exit status: 0 done, 1 not done, 2 wrong usage or input."""
    # Small matrices only: more threads than one would take cores from the calls.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if argv is None else argv
    args = parser(words[0] if words else None).parse_args(words)
    try:
        return int(args.func(args))
    except SourceError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print(f"{len(error.problems)} problem(s), nothing was started", file=sys.stderr)
        return 2
    except VoicebotError as error:
        print(f"voicebot: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
