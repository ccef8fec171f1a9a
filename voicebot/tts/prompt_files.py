"""Prompts on disk: audio of what never changes, so that a restart does not speak it again.

What is kept was named before (`keep_only`): the prompts of the flows and the program's own. So nothing that a caller
has said, and no sentence with a value in it, is ever written. Nothing is read before it is spoken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from telephony.leg import Pcm
from voicebot import log
from voicebot.cache.cache_folder import CacheFolder, code_version, file_name
from voicebot.tts.audio_cache import AudioKey

_log = log.get(__name__)


class PromptFiles:
    """The files. Use it on one event loop only; disk and checksums are a thread's.

    Args:
        folder: where they lie.
        versions: `Voice.version` of each voice by name. What a voice without one speaks is not kept: nobody
            could tell when it has changed.
    """

    def __init__(self, folder: CacheFolder, versions: Mapping[str, str]) -> None:
        self._folder, self._versions = folder, versions
        self._kept: dict[AudioKey, str] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prompt files")

    def __contains__(self, key: AudioKey) -> bool:
        """Whether it is on disk."""
        return self._kept.get(key, "") in self._folder

    async def keep_only(self, keys: Iterable[tuple[AudioKey, str]]) -> None:
        """Keep these, each with the name of the voice that speaks it, and remove all others."""
        spoken_by = code_version(Path(__file__).parent)  # levels, pauses and words are this room's own
        self._kept = {
            key: file_name(*key, version, spoken_by) for key, voice in keys if (version := self._versions.get(voice))
        }
        names = set(self._kept.values())
        removed = await asyncio.get_running_loop().run_in_executor(self._thread, self._folder.keep_only, names)
        ready, size = sum(name in self._folder for name in names), self._folder.size
        _log.info(
            "prompts on disk",
            extra={"ready": ready, "of": len(names), "kb": size // 1000, "stale_removed": removed},
        )

    async def read(self, key: AudioKey) -> Pcm | None:
        """The audio; None when it is not kept, not there, or damaged."""
        if key not in self:
            return None
        payload = await asyncio.get_running_loop().run_in_executor(self._thread, self._folder.read, self._kept[key])
        return None if payload is None or len(payload) % 2 else np.frombuffer(payload, "<i2").astype(np.int16)

    def write(self, key: AudioKey, pcm: Pcm) -> None:
        """Keep it in a moment, if it is one of those that are kept."""
        name = self._kept.get(key)
        if name is not None and len(pcm):
            self._thread.submit(self._folder.write, name, pcm.astype("<i2").tobytes())

    def close(self) -> None:
        """Write what waits, and end."""
        self._thread.shutdown(wait=True)
