"""``voicebot cache``: what is kept on disk so that a restart is quick, and how to be rid of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from voicebot.cache.cache_folder import CacheFolder
from voicebot.errors import VoicebotError
from voicebot.paths import cache_dir

_HOLDS = {
    "prompts": "spoken prompts of the dialogs",
    "intents": "trained classifiers",
    "moonshine": "recognition networks",
    "hibari": "where words are in the voice's dictionary",
}
"""Folder → what lies in it, for people."""
_ANY_SIZE = 1 << 40


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser(
        "cache",
        help="show or clear what makes restarts quick",
        description="What a server keeps on disk of what it can make again: prompts of its dialogs as audio, trained"
        " classifiers, converted networks. Nothing of it holds what a caller has said. Without a word after it, the"
        " command lists them; `clear` removes them, also while a server runs: it goes on and makes them again at its"
        " next start.",
    )
    cmd.add_argument("what", nargs="?", choices=("show", "clear"), default="show")
    cmd.add_argument(
        "--folder", type=Path, metavar="DIR", help="default: VOICEBOT_CACHE, or var/cache; of the demo, var/demo/cache"
    )
    cmd.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Show or clear. Returns 0. Raises VoicebotError: a folder cannot be read, or is somebody else's."""
    where = args.folder or cache_dir()
    print(where)
    for name, holds in _HOLDS.items():
        if not (where / name).is_dir():
            continue
        try:
            folder = CacheFolder(where / name, _ANY_SIZE)
        except OSError as error:
            raise VoicebotError(str(error), "run it as the user that the server runs as") from error
        count, megabytes = len(folder), folder.size / 1e6
        if args.what == "clear":
            folder.keep_only(())
        print(f"  {name:10} {count:5} files {megabytes:7.1f} MB  {holds}{', removed' if args.what == 'clear' else ''}")
    return 0
