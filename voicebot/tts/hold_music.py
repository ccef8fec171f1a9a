"""Hold music, computed: a slow electric piano over soft chords, without an end, made for the telephone's band."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from telephony.leg import Pcm

LEVEL_DBFS = -27.0
"""RMS; well below speech, so that it does not tire and the voice afterwards does not whisper."""
BEAT_S = 0.6
BEATS_A_CHORD = 4

# MIDI notes. The lowest is 196 Hz, whose second harmonic is inside 300–3400 Hz.
_CHORDS = (
    (55, 62, 66, 71),  # Gmaj7
    (57, 62, 66, 69),  # D
    (59, 64, 67, 71),  # Em
    (55, 60, 64, 71),  # Cmaj7
    (57, 60, 64, 67),  # Am7
    (57, 62, 66, 72),  # D7
    (55, 59, 66, 74),  # Gmaj7
    (57, 62, 67, 69),  # Dsus4
)
_MELODY = (  # (chord, beat, note) in half-beats, sparse
    (0, 0.0, 78), (0, 2.5, 74), (1, 1.0, 76), (1, 3.0, 69), (2, 0.0, 71), (2, 2.0, 79), (3, 1.5, 76), (3, 3.0, 74),
    (4, 0.0, 72), (4, 2.5, 76), (5, 1.0, 74), (5, 3.0, 66), (6, 0.0, 71), (6, 2.0, 74), (7, 1.0, 76), (7, 2.5, 69),
)  # fmt: skip

_Wave = NDArray[np.float64]


@lru_cache(maxsize=4)
def hold_music(rate_hz: int) -> Pcm:
    """One round (19.2 s) that may be repeated without a seam. Blocks for some tens of milliseconds, once a rate."""
    chord_s = BEAT_S * BEATS_A_CHORD
    round_ = np.zeros(int(len(_CHORDS) * chord_s * rate_hz))
    for number, chord in enumerate(_CHORDS):
        for voice, note in enumerate(chord):
            _add(round_, _pad(_hz(note), chord_s, rate_hz), number * chord_s, 0.16, rate_hz)
            _add(round_, _key(_hz(note + 12), rate_hz), number * chord_s + voice * BEAT_S, 0.3, rate_hz)
    for number, beat, note in _MELODY:
        _add(round_, _key(_hz(note), rate_hz), number * chord_s + beat * BEAT_S, 0.5, rate_hz)
    round_ *= 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(np.square(round_)))
    pcm = (np.clip(round_, -0.9, 0.9) * 32767).astype(np.int16)
    pcm.setflags(write=False)
    return pcm


def _hz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _key(hz: float, rate_hz: int) -> _Wave:
    """A struck note of two seconds: three harmonics, the higher ones dying sooner, a soft attack."""
    t = np.arange(2 * rate_hz) / rate_hz
    tone = sum(
        share * np.exp(-t * (1.6 + 1.8 * n)) * np.sin(2 * np.pi * hz * n * t)
        for n, share in ((1, 1.0), (2, 0.35), (3, 0.12))
        if hz * n < 3400
    )
    return np.asarray(tone * np.minimum(1, t / 0.008) * np.minimum(1, (2.0 - t) / 0.1))


def _pad(hz: float, length_s: float, rate_hz: int) -> _Wave:
    """A held note that swells into the next chord's: raised-cosine ends as long as the overlap."""
    overlap_s = 0.5
    t = np.arange(int((length_s + overlap_s) * rate_hz)) / rate_hz
    edge = np.clip(np.minimum(t, t[-1] - t) / overlap_s, 0, 1)
    slow = 1 + 0.08 * np.sin(2 * np.pi * 0.4 * t)
    return np.asarray((np.sin(2 * np.pi * hz * t) + 0.5 * np.sin(4 * np.pi * hz * t)) * slow * np.sin(edge * np.pi / 2))


def _add(round_: _Wave, note: _Wave, at_s: float, share: float, rate_hz: int) -> None:
    """Mix a note in; what goes over the end comes in at the beginning, which makes the seam vanish."""
    places = (int(at_s * rate_hz) + np.arange(len(note))) % len(round_)
    round_[places] += share * note
