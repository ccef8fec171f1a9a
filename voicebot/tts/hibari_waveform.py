"""hibari's spectrum as sound, block by block: the first half second is heard before the rest is computed.

What `hibari.dsp.synth` does for a whole sentence (pulses of the voice filtered by the net's harmonic branch, plus
noise, plus a branch with phases of its own; one inverse short-time transform), in the same steps and with the same
constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicebot.tts.hibari_package import dsp

Floats = NDArray[np.float32]
Spectrum = NDArray[Any]
"""complex64, shape (bins, frames)."""
BLOCK_FRAMES = 40
"""Half a second: what a level is judged by (`VoiceEngine.quick`)."""
_OVERLAP = dsp.N_FFT // dsp.HOP
"""Frames that a sample is in."""


def blocks(spectrum: Sequence[Floats], chance: np.random.Generator) -> Iterator[Floats]:
    """The sound of one sentence.

    Args:
        spectrum: what the net gives: five of shape (bins, frames), and the pitch of each frame in Hz.
        chance: of the noise in consonants.

    Yields:
        Sound of 24000 Hz, `BLOCK_FRAMES` × 300 samples or what is left.
    """
    *parts, pitch = spectrum
    frames = len(pitch)
    pulses = dsp.stft(dsp.pulses(pitch), frames)
    norm = dsp._ola_norm(frames)
    open_rows = np.zeros((_OVERLAP - 1, dsp.HOP), np.float32)
    """What frames so far give of rows that later ones add to."""
    skip = _OVERLAP // 2
    """The first window begins half its length before the sound."""
    for at in range(0, frames, BLOCK_FRAMES):
        end = min(at + BLOCK_FRAMES, frames)
        rows = np.zeros((end - at + _OVERLAP - 1, dsp.HOP), np.float32)
        rows[: _OVERLAP - 1] = open_rows
        windows = _windows(pulses[:, at:end], [part[:, at:end] for part in parts], chance)
        for place in range(_OVERLAP):
            rows[place : place + end - at] += windows[:, place]
        open_rows = rows[end - at :]
        ready = rows[: end - at] * norm[at:end]
        yield ready[max(0, skip - at) :].reshape(-1)
    yield (open_rows[:skip] * norm[frames : frames + skip]).reshape(-1)


def _windows(pulses: Spectrum, parts: Sequence[Floats], chance: np.random.Generator) -> Floats:
    """The windowed sound of each frame, shape (frames, `_OVERLAP`, hop)."""
    harmonic, turn, noise, free, phase = parts
    found: Spectrum = pulses * _polar(np.tanh(turn) * np.float32(np.pi), dsp.ex(harmonic))
    drawn = chance.standard_normal((noise.shape[0], 2 * noise.shape[1]), dtype=np.float32).view(np.complex64)
    found += drawn * dsp.ex(noise)
    found += _polar(phase, dsp.ex(free))
    sound = dsp.irfft(found.T, dsp.N_FFT, 1) * dsp.WIN
    return np.asarray(sound, np.float32).reshape(-1, _OVERLAP, dsp.HOP)


def _polar(angle: Floats, size: Floats) -> Spectrum:
    out = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=out.real)
    np.sin(angle, out=out.imag)
    out *= size
    return out
