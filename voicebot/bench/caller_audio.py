"""A caller's words as audio: recordings and synthesised sentences, and where the voice in them begins and ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from telephony.media.codecs import RATE_HZ, Pcm, decode, encode
from voicebot.errors import VoicebotError
from voicebot.tts.synthesizer import Synthesizer

FRAME = RATE_HZ // 100
"""Samples of 10 ms, the step of `voiced`."""
BELOW_LOUDEST_DB = 30.0
"""A frame of clean speech is voiced when it is at most so much below the loudest: an "s" is, breath is not."""
FLOOR_DBFS = -45.0
"""A frame below this (RMS) is never voiced; µ-law's own noise and a line's hiss lie below."""
MAX_WAV_S = 120.0
PAUSE_FRAMES = 20
WORD_FRAMES = 8


def load_wav(path: Path) -> Pcm:
    """A recording (any format of libsndfile, any rate, channels mixed) at 8000 Hz, through a µ-law line.

    Raises:
        VoicebotError: unreadable, empty, or longer than `MAX_WAV_S`.
    """
    try:
        with soundfile.SoundFile(path) as sound:
            if sound.frames > MAX_WAV_S * sound.samplerate:
                raise VoicebotError(f"{path} is longer than {MAX_WAV_S:.0f} s", "cut it into utterances")
            audio, rate_hz = sound.read(dtype="float32", always_2d=True), sound.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise VoicebotError(f"{path} cannot be read: {error}", "give a WAV, FLAC or Ogg file") from None
    if not len(audio):
        raise VoicebotError(f"{path} is empty")
    mono = np.ascontiguousarray(audio.mean(axis=1))
    if rate_hz != RATE_HZ:
        mono = soxr.resample(mono, rate_hz, RATE_HZ)
    return through_line((np.clip(mono, -1, 1) * 32767).astype(np.int16))


async def synthesised(synthesizer: Synthesizer, text: str) -> Pcm:
    """`text` spoken by the synthesizer's voice, at 8000 Hz, through a µ-law line. Raises EngineFailed."""
    blocks = [block async for block in synthesizer.speak(text, RATE_HZ, secret=True)]
    return through_line(np.concatenate(blocks))


def through_line(pcm: Pcm) -> Pcm:
    """What is left of 8000 Hz audio after G.711 µ-law, so that the packets on the wire hold exactly this."""
    return decode(encode(pcm, "PCMU"), "PCMU")


def levels_dbfs(pcm: Pcm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """RMS of each whole 10 ms frame in dB below full scale, shape (len // 80,)."""
    frames = pcm[: len(pcm) // FRAME * FRAME].astype(np.float64).reshape(-1, FRAME) / 32768
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    return found


def segments(pcm: Pcm) -> list[Pcm]:
    """Speech cut at its pauses of `PAUSE_FRAMES` and more, without them; what is too short to be a word left out."""
    loud = np.flatnonzero(levels_dbfs(pcm) >= FLOOR_DBFS)
    cuts = np.flatnonzero(np.diff(loud) > PAUSE_FRAMES) + 1
    spans = [(int(part[0]), int(part[-1]) + 1) for part in np.split(loud, cuts) if len(part)]
    return [pcm[max(0, a - 5) * FRAME : (b + 5) * FRAME] for a, b in spans if b - a >= WORD_FRAMES]


def voiced(pcm: Pcm) -> tuple[int, int]:
    """First and last voiced sample of clean speech: of frames above `FLOOR_DBFS` and near the loudest.

    Raises:
        VoicebotError: there is no voice in it.
    """
    levels = levels_dbfs(pcm)
    found = np.flatnonzero(levels >= max(FLOOR_DBFS, levels.max(initial=-120.0) - BELOW_LOUDEST_DB))
    if not len(found):
        raise VoicebotError("no voice in this audio", f"it is quieter than {FLOOR_DBFS:.0f} dBFS throughout")
    return int(found[0]) * FRAME, int(found[-1] + 1) * FRAME - 1
