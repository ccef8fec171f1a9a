"""``python -m voicebot.models pull``: as ``voicebot models``, without loading the other commands (for set-up)."""

from __future__ import annotations

import argparse
import sys

from voicebot.errors import SourceError, VoicebotError
from voicebot.models import register


def main() -> int:
    """Run one verb. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="voicebot")
    register(parser.add_subparsers())
    try:
        args = parser.parse_args(["models", *sys.argv[1:]])
        return int(args.func(args))
    except (SourceError, VoicebotError) as error:
        print(f"voicebot: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
