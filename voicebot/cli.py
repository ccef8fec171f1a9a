"""``voicebot``: the command line. Each command lives in its own file; this one only lists them."""

from __future__ import annotations

import argparse
import sys

from voicebot.errors import SourceError, VoicebotError


def parser() -> argparse.ArgumentParser:
    """All commands with their help texts."""
    from voicebot import models
    from voicebot.bench import call as call_tool
    from voicebot.bench import latency
    from voicebot.commands import calls, chat, check, demo, serve

    top = argparse.ArgumentParser(
        prog="voicebot",
        description="A self-hosted voice front door: answers the phone, gets requests done, hands over.",
    )
    sub = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (serve, demo, call_tool, chat, check, calls, latency, models):
        command.register(sub)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns its exit status: 0 done, 1 not done, 2 wrong usage or input."""
    args = parser().parse_args(argv)
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
