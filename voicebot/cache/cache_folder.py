"""A folder of files that may be lost at any time: written whole or not at all, checked when read, bounded in bytes.

A file is ``voicebot cache 1\\n``, a BLAKE2b digest (32 bytes) of its name and its payload, and the payload. So a torn
file, a renamed one, and one that something else has written are found out; they are removed and made again. The folder
is its owner's alone (0700), since who can write there chooses what callers hear.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Collection
from functools import cache
from pathlib import Path

from telephony import descriptors
from voicebot import log
from voicebot.journal import metrics

_HEAD = b"voicebot cache 1\n"
_DIGEST_BYTES = 32
OVERHEAD = len(_HEAD) + _DIGEST_BYTES
"""Bytes of a file beside its payload."""
_BEGUN = ".begun-"
"""What files are called until they are whole. One that a crash has left is removed at the next start."""

_log = log.get(__name__)


class CacheFolder:
    """The folder. Blocks on the disk; threads may share it, and so may processes that keep the same things.

    Args:
        folder: made when it is not there.
        max_bytes: of all files together. The oldest of those that this process has not asked for make room for new
            ones; what does not fit then is not kept.

    Raises:
        OSError: it cannot be made or looked through, or others could write to it (PermissionError).
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder, self._max = folder, max_bytes
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            raise PermissionError(f"{folder} can be written to by others; run: chmod 700 {folder}")
        self._wanted: set[str] = set()
        self._sizes: dict[str, int] = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(_BEGUN):
                    Path(entry.path).unlink(missing_ok=True)
                elif entry.is_file(follow_symlinks=False):
                    self._sizes[entry.name] = entry.stat(follow_symlinks=False).st_size

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(self._sizes.values())

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file, which may still turn out to be torn."""
        return name in self._sizes

    def read(self, name: str) -> bytes | None:
        """The payload; None when there is none, or what is there is not what was written (it is removed then)."""
        if name not in self._sizes:
            return None
        self._wanted.add(name)
        try:
            with open(os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                content = file.read(self._max + OVERHEAD)
        except OSError as error:
            self._forget(name, str(error))
            return None
        payload = content[OVERHEAD:]
        if content[: len(_HEAD)] != _HEAD or content[len(_HEAD) : OVERHEAD] != _digest(name, payload):
            self._forget(name, "not what was written")
            return None
        metrics.cache_files.labels(self.folder.name, "read").inc()
        return payload

    def write(self, name: str, payload: bytes) -> bool:
        """Keep it, if there is room; what cannot be written is logged and not kept. Returns whether it was."""
        size = len(payload) + OVERHEAD
        with self._lock:
            self._wanted.add(name)
            if not self._room(size - self._sizes.get(name, 0)):
                metrics.cache_files.labels(self.folder.name, "full").inc()
                return False
            try:
                self._write(name, payload)
            except OSError as error:
                if descriptors.is_exhaustion(error):
                    descriptors.tell()
                else:
                    _log.warning("not kept on disk", extra={"folder": str(self.folder), "error": str(error)})
                return False
            self._sizes[name] = size
        metrics.cache_files.labels(self.folder.name, "written").inc()
        return True

    def keep_only(self, names: Collection[str]) -> int:
        """Remove every other file. Returns how many there were."""
        self._wanted |= set(names)
        stale = [name for name in self._sizes if name not in names]
        for name in stale:
            self._remove(name)
        return len(stale)

    def _room(self, size: int) -> bool:
        """Remove what is old until there is room for so many bytes. Returns whether there is."""
        if size <= self._max - self.size:
            return True
        old = [(self._written(name), name) for name in self._sizes if name not in self._wanted]
        for _, name in sorted(old):
            self._remove(name)
            if size <= self._max - self.size:
                return True
        return False

    def _written(self, name: str) -> float:
        try:
            return (self.folder / name).stat().st_mtime
        except OSError:
            return 0.0

    def _write(self, name: str, payload: bytes) -> None:
        number, begun = tempfile.mkstemp(prefix=_BEGUN, dir=self.folder)  # 0600
        try:
            with open(number, "wb") as file:
                file.write(_HEAD + _digest(name, payload))
                file.write(payload)
            os.replace(begun, self.folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(begun)
            raise

    def _forget(self, name: str, why: str) -> None:
        _log.warning("cache file removed", extra={"file": str(self.folder / name), "why": why})
        metrics.cache_files.labels(self.folder.name, "broken").inc()
        self._remove(name)

    def _remove(self, name: str) -> None:
        self._sizes.pop(name, None)
        with contextlib.suppress(OSError):
            os.unlink(self.folder / name)


def file_name(*key: object) -> str:
    """A name for what these make: 40 hexadecimal digits."""
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


@cache
def code_version(folder: Path) -> str:
    """Which code lies in a folder: other code may make something else of the same things."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def file_version(path: Path) -> str:
    """Which file this is, by size and time."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _digest(name: str, payload: bytes) -> bytes:
    digest = hashlib.blake2b(name.encode(), digest_size=_DIGEST_BYTES)
    digest.update(payload)
    return digest.digest()


def open_cache(folder: Path, max_bytes: int) -> CacheFolder | None:
    """The folder, or None, with a line in the log, where it cannot be used: then each start makes all of it anew."""
    if not max_bytes:
        return None
    try:
        return CacheFolder(folder, max_bytes)
    except OSError as error:
        _log.warning("nothing is kept on disk: starts take longer", extra={"folder": str(folder), "error": str(error)})
        return None
