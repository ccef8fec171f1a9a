"""Synthetic callers: every voice, accent, tempo and way of clipping a word that espeak-ng can make.

What is learnt from recordings of people may not be given on under our licence; what is learnt from these voices may,
and it can be learnt anew on any machine. Nobody who calls is among them: accuracy on recordings is that on strangers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from voicebot.asr.recogniser import Audio
from voicebot.errors import EngineFailed
from voicebot.languages.en.digit_training import ACCENTS, DIGIT_WORDS, ENGLISH, SENTENCES
from voicebot.tts.espeak import Espeak

ACCENTED = 0.15
"""Share of callers with an accent; with half of them native speakers were heard worse (a trial by hand)."""
CLIPPED, CLIPPED_S = 0.6, 0.09
"""So many words lose up to so much of their beginning, as with a voice activated microphone: a telephone has little of
an f, an s or a z anyway."""
_UNLIKE_PEOPLE = ("whisper", "croak", "robo", "Robo", "Robot", "Demonic", "Storm", "Tweaky")
_QUIET = 0.02
"""Of the loudest sample: less is silence around a word."""
_TRIES = 20


@dataclass(frozen=True, slots=True)
class SyntheticCaller:
    """A voice, and how it reads."""

    voice: str
    words: tuple[str, ...]
    """How it writes `DIGIT_WORDS`."""
    words_per_minute: int
    pitch: int
    pitch_range: int

    def says(self, text: str) -> Audio:
        """`text` at `rate_hz`, without silence around it; empty where the voice cannot say it. Raises EngineFailed."""
        blocks: list[NDArray[np.int16]] = []

        def keep(block: NDArray[np.int16]) -> bool:
            blocks.append(block.copy())
            return True

        self._engine().synthesize(text, keep)
        sound = np.concatenate(blocks).astype(np.float32) if blocks else np.zeros(0, np.float32)
        loud = np.flatnonzero(np.abs(sound) > np.abs(sound).max(initial=0.0) * _QUIET)
        return sound[loud[0] : loud[-1] + 1] if loud.size else loud.astype(np.float32)

    @property
    def rate_hz(self) -> int:
        """Of all sounds."""
        return self._engine().rate_hz

    def _engine(self) -> Espeak:
        return Espeak(self.words_per_minute, self.voice, self.pitch, self.pitch_range)


class SyntheticCallers:
    """Draws callers by chance. Raises EngineFailed where espeak-ng has no variants of voices."""

    def __init__(self) -> None:
        folder = Path(str(espeakng_loader.get_data_path())) / "voices" / "!v"
        names = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
        self._variants = [n for n in names if " " not in n and not any(odd in n for odd in _UNLIKE_PEOPLE)]
        if not self._variants:
            raise EngineFailed("espeak-ng has no variants of voices", "reinstall espeakng-loader")

    def draw(self, chance: np.random.Generator, accented: float = 0.0) -> SyntheticCaller:
        """Somebody; with this probability he has an accent. Raises EngineFailed."""
        for _ in range(_TRIES):
            caller = self._anybody(chance, accented)
            try:
                _ = caller.rate_hz
            except EngineFailed:  # some variants do not fit some languages
                continue
            return caller
        raise EngineFailed("espeak-ng refuses its voices", "reinstall espeakng-loader")

    def _anybody(self, chance: np.random.Generator, accented: float) -> SyntheticCaller:
        accent = chance.random() < accented
        language = str(chance.choice(list(ACCENTS) if accent else list(ENGLISH)))
        return SyntheticCaller(
            f"{language}+{chance.choice(self._variants)}",
            tuple(ACCENTS[language].split()) if accent else DIGIT_WORDS,
            int(chance.uniform(110, 230)),
            int(chance.uniform(15, 90)),
            int(chance.uniform(20, 90)),
        )


def dictated(caller: SyntheticCaller, words: Sequence[int], chance: np.random.Generator) -> Audio:
    """These words (indices of `DIGIT_WORDS`) in a row: each for itself, clipped at times, or in one breath."""
    texts = [caller.words[word] for word in words]
    if len(texts) > 1 and chance.random() < 0.5:
        return caller.says((", " if chance.random() < 0.4 else " ").join(texts))
    pause_s, pieces = chance.uniform(0, 0.25), []
    for text in texts:
        sound = caller.says(text)
        if chance.random() < CLIPPED:
            sound = sound[int(caller.rate_hz * chance.uniform(0, CLIPPED_S)) :]
        pieces += [sound, np.zeros(int(caller.rate_hz * pause_s * chance.uniform(0.5, 1.5)), np.float32)]
    return np.concatenate(pieces[:-1])


def other_speech(caller: SyntheticCaller, chance: np.random.Generator) -> Audio:
    """Some words of a sentence that holds no digit."""
    words = SENTENCES[chance.integers(len(SENTENCES))].split()
    begin = int(chance.integers(max(1, len(words) - 3)))
    return caller.says(" ".join(words[begin : begin + 6]))
