"""Recorded prompts: ``<folder>/<prompt name>.wav`` wins over synthesis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from telephony.leg import Pcm
from voicebot import log
from voicebot.errors import EngineFailed
from voicebot.tts.mastering import gain_for, master_clip

MAX_S = 120.0
_log = log.get(__name__)


class RecordedPrompts:
    """The recorded prompts of one folder, looked up by the names found there and never by path.

    Args:
        folder: None for no recordings. Files that are no audio, or longer than two minutes, are left out and logged.
    """

    def __init__(self, folder: Path | None) -> None:
        self._files: dict[str, Path] = {}
        if folder is not None and not folder.is_dir():
            _log.warning("the folder with recorded prompts is not there", extra={"folder": str(folder)})
        for path in sorted(folder.glob("*.wav")) if folder is not None else []:
            try:
                length_s = soundfile.info(path).duration
            except (soundfile.SoundFileError, OSError) as error:
                _log.warning("recorded prompt not usable", extra={"file": path.name, "error": str(error)})
                continue
            if 0 < length_s <= MAX_S:
                self._files[path.stem] = path
            else:
                _log.warning("recorded prompt not usable", extra={"file": path.name, "seconds": length_s})

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __len__(self) -> int:
        return len(self._files)

    def read(self, name: str, rate_hz: int) -> Pcm:
        """One prompt, mono, resampled and levelled like the voice; blocks.

        Raises:
            EngineFailed: the file became unreadable since start.
        """
        try:
            audio, from_hz = soundfile.read(self._files[name], dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise EngineFailed(f"recorded prompt {name!r} cannot be read: {error}") from None
        mono = np.nan_to_num(audio.mean(axis=1)).clip(-1, 1)
        return master_clip((mono * 32767).astype(np.int16), from_hz, rate_hz, gain_for(mono, from_hz))
