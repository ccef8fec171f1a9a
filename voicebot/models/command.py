"""``voicebot models``: bring the weights, list them, check them."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import assert_never

from voicebot.errors import ModelMissing, VoicebotError
from voicebot.models import manifest
from voicebot.models.manifest import AfterPull, ModelEntry
from voicebot.models.progress import MEGA, DownloadProgress
from voicebot.models.pull import pull
from voicebot.models.weights_folder import has, state, whole
from voicebot.paths import models_dir


def register(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    cmd = sub.add_parser(
        "models", help="bring and check the model weights", description="The weights: bring, list and check them."
    )
    verbs = cmd.add_subparsers(title="verbs", metavar="VERB", required=True)
    verb = verbs.add_parser("pull", help="bring the default models, or those that are named")
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.add_argument(
        "--try",
        dest="limit_s",
        type=float,
        metavar="SECONDS",
        help="give up quietly after so long (exit status 0); what has come is gone on with next time",
    )
    verb.set_defaults(func=main_pull)
    verbs.add_parser("list", help="what there is and what is here").set_defaults(func=main_list)
    verb = verbs.add_parser("verify", help="check each byte of what is here")
    verb.add_argument("names", nargs="*", metavar="NAME")
    verb.set_defaults(func=main_verify)


def main_pull(args: argparse.Namespace) -> int:
    """Bring models. Returns 1 when one could not be brought, unless it was only a try."""
    models, root, progress = manifest.load().pick(args.names), models_dir(), DownloadProgress()
    try:
        pull(models, root, progress, args.limit_s)
        for name, model in models.items():
            finish(name, model, root, progress)
    except ModelMissing:
        raise
    except VoicebotError as error:
        if args.limit_s is None:
            progress.say(f"voicebot: {error}")
            return 1
        progress.say(f"not now: {error.message}")
        progress.say(f"to try again: voicebot models pull {' '.join(args.names)}".rstrip())
    return 0


def finish(name: str, model: ModelEntry, root: Path, progress: DownloadProgress) -> None:
    """Make what is made of the files, unless it is there."""
    match model.then:
        case AfterPull.BUILD_ENCODER:
            encoder = importlib.import_module("voicebot.nlu.encoder")
            progress.say(f"{name}: {encoder.build_encoder(root)} is ready")
        case AfterPull.LEARN_DIGITS:
            learn = importlib.import_module("voicebot.asr.learn.digit_acoustic_model")
            progress.say(f"{name}: {learn.learn_digits(root, progress.say)} is ready")
        case None:
            pass
        case _:
            assert_never(model.then)


def made(model: ModelEntry, root: Path) -> bool:
    """Whether what `finish` makes is there."""
    if model.then is AfterPull.LEARN_DIGITS:
        return bool(importlib.import_module("voicebot.asr.learn.digit_acoustic_model").learnt(root))
    return True  # the encoder is made when it is first used, too


def main_list(args: argparse.Namespace) -> int:
    """Print every model of the manifest."""
    root = models_dir()
    print(f"models in {root}")
    for name, model in manifest.load().models.items():
        need = "needed" if model.default else "optional"
        print(f"  {name:18} {state(model, root):8} {model.size / MEGA:6.1f} MB  {need:9} {model.about}")
        print(f"  {'':18} licence {model.licence}")
    return 0


def main_verify(args: argparse.Namespace) -> int:
    """Read all files that are here. Returns 1 when one is damaged or a needed one is missing."""
    root, bad = models_dir(), 0
    for name, model in manifest.load().models.items():
        if args.names and name not in args.names:
            continue
        folder = root / model.folder
        wanted = model.default or name in args.names or state(model, root) == "partly"
        for file in model.files:
            if has(folder, file) and whole(folder, file):
                print(f"ok       {name}/{file.name}")
            elif (folder / file.name).exists():
                bad += 1
                print(f"DAMAGED  {folder / file.name}: voicebot models pull {name} brings it again")
            elif wanted:
                bad += 1
                print(f"MISSING  {folder / file.name}: voicebot models pull {name} brings it")
        if wanted and not made(model, root):
            bad += 1
            print(f"MISSING  what is made of {name}: voicebot models pull {name} makes it")
    return 1 if bad else 0
