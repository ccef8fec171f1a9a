"""The models folder: what is in it, whether it is whole, and who may write to it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from voicebot.errors import VoicebotError
from voicebot.models import manifest
from voicebot.models.manifest import ModelEntry, ModelFile
from voicebot.paths import models_dir

ModelState = Literal["here", "partly", "missing"]
CHUNK_BYTES = 1 << 20
LOCK_POLL_S = 0.2
PARTS = ".parts"
"""Folder for downloads that are not finished, and the lock."""


def sha256(path: Path) -> str:
    """The checksum of a file, in hex. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def has(folder: Path, file: ModelFile) -> bool:
    """Is the file there, as long as it must be? (Its bytes are `whole`'s business: that takes seconds.)"""
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.size


def whole(folder: Path, file: ModelFile) -> bool:
    """Is the file there, each byte as it must be?"""
    return has(folder, file) and sha256(folder / file.name) == file.sha256


def state(model: ModelEntry, root: Path) -> ModelState:
    """How much of a model is here, by the length of its files."""
    found = [has(root / model.folder, file) for file in model.files]
    return "here" if all(found) else "partly" if any(found) else "missing"


def missing() -> list[str]:
    """What the server needs and has not, in words; empty when all default models are here."""
    root = models_dir()
    return [
        f"model {name} ({model.about}) is not in {root / model.folder}"
        for name, model in manifest.load().models.items()
        if model.default and state(model, root) != "here"
    ]


@contextlib.contextmanager
def lock(root: Path, say: Callable[[str], None], deadline_s: float | None = None) -> Iterator[None]:
    """Keep other pulls out of the folder; they wait. The kernel lets go of it when the process dies.

    Args:
        deadline_s: on the monotonic clock; None waits for ever.

    Raises:
        VoicebotError: the folder cannot be written, or the other pull took longer than `deadline_s`.
    """
    try:
        (root / PARTS).mkdir(parents=True, exist_ok=True)
        stream = (root / PARTS / "lock").open("w")
    except OSError as error:
        raise VoicebotError(f"cannot write to {root}: {error}", "set VOICEBOT_MODELS to a folder of yours") from None
    with stream:
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    say(f"another pull is writing to {root}: waiting for it")
                    told = True
                if deadline_s is not None and time.monotonic() > deadline_s:
                    raise VoicebotError("another pull is still at work", "try again later") from None
                time.sleep(LOCK_POLL_S)
        yield
