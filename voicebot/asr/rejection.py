"""What keeps silence, tones and noise from becoming words."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from voicebot.asr.recogniser import Transcript
from voicebot.languages.en.hallucinations import NOT_SPEECH, SAID_TO_SILENCE
from voicebot.languages.en.number_words import REPEATED
from voicebot.messages import Expect

MAX_TOKENS_PER_S = 9.0
"""Fast talkers stay under 7."""
MAX_REPEATS = 4
"""The same word more often than this in a row is a decoder going in circles; digits may repeat ("zero zero zero")."""
_SPARE_TOKENS = 5
LEAST_CONFIDENCE = 0.5
"""Free text less sure than this is nothing. Callers' words in 27 recordings: 0.66 and more, a babble's 0.4 to 0.7."""
FLAT_DB, FLAT_CONFIDENCE = 12.0, 0.72
"""Where loud and soft frames (95th and 10th percentile) are less than `FLAT_DB` apart, this is needed instead. Callers
on a clean line: 30 dB and more; a coffee shop: 8 to 11 dB, 0.58 to 0.69."""
LEAST_CONFIDENCE_SPELT = 0.3
"""The same for digits, letters and names inside their grammars: of 126 trials with noise one gave as much."""
SURE_VOICE = 0.9
"""Probability of speech that a voice reaches for a fifth of a second somewhere in a turn, in a vowel: all of 278 turns
of callers do, on a clean line and in noise at 10 and 5 dB; of single letters and digits all but 1 of 165 on a clean
line, 6 of 157 at 10 dB. Of 33 turns that noise and music made, 31 stay below."""
WORDS = frozenset(["yesno", "date", "time", "datetime", "amount", "phrases"])
"""Kinds of answers that the model writes as they are said. Of letters, digits and names it often makes other words, and
some are too short for a sure vowel."""
_FRAME_S, _HOP_S = 0.064, 0.032
_TONE_SHARE = 0.97
_TONE_FRAMES = 0.75


def without_hallucination(text: str, tokens: int, seconds: float) -> str:
    """`text`, or nothing where it cannot have been said in `seconds` of audio."""
    said = re.findall(r"[\w']+", text.lower())
    if not said or " ".join(said) in SAID_TO_SILENCE:
        return ""
    if NOT_SPEECH.search(text):
        return ""
    if tokens > seconds * MAX_TOKENS_PER_S + _SPARE_TOKENS or _circling(said):
        return ""
    return text


def _circling(said: list[str]) -> bool:
    for size in (1, 2, 3, 4):
        run = 1
        for i in range(size, len(said) - size + 1, size):
            run = run + 1 if said[i : i + size] == said[i - size : i] else 1
            if run > (MAX_REPEATS if size < 3 else MAX_REPEATS - 1) and not REPEATED.issuperset(said[i : i + size]):
                return True
    return False


def is_murmur(confidence: float, audio: NDArray[np.float32], rate_hz: int) -> bool:
    """Whether free text of this confidence is what a room murmurs rather than what a caller says to us.

    Callers stand out of their line: between words it is quieter by far.
    """
    size = rate_hz // 100
    frames = audio[: audio.size // size * size].reshape(-1, size)
    if confidence < LEAST_CONFIDENCE or not len(frames):
        return True
    levels_db = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    low, high = np.percentile(levels_db, (10, 95))
    return bool(high - low < FLAT_DB and confidence < FLAT_CONFIDENCE)


def is_unvoiced(peak_probability: float, said: Transcript, expect: Expect) -> bool:
    """Whether a turn is something else than a voice, and what was recognised nothing that only a voice gives.

    Rain on a roof becomes "okay", at 0.99 where yes or no is awaited: the words are sure there, the voice is not.

    Args:
        peak_probability: mean over the surest fifth of a second (`TurnEnded.peak_probability`).
    """
    if said.expected and expect.kind not in WORDS and said.expected_confidence >= LEAST_CONFIDENCE_SPELT:
        return False
    return peak_probability < SURE_VOICE and said.confidence < FLAT_CONFIDENCE


def is_silence_or_tone(audio: NDArray[np.float32], rate_hz: int) -> bool:
    """Whether `audio` is silence or a tone of the telephone network (dial, busy, ringing, DTMF, fax).

    Such tones are one or two steady frequencies (ITU-T E.180, Q.23, T.30); speech has harmonics that move. A frame
    counts as tone when two narrow peaks hold nearly all its energy.
    """
    size, hop = int(_FRAME_S * rate_hz), int(_HOP_S * rate_hz)
    if audio.size < size or not np.any(audio):
        return not np.any(audio)
    frames = np.lib.stride_tricks.sliding_window_view(audio, size)[::hop] * np.hanning(size).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    energy = power.sum(1)
    loud = power[energy > 0.05 * energy.max()]
    peaks, held = [], np.zeros(len(loud))
    rest = loud.copy()
    rows = np.arange(len(loud))
    for _ in range(2):
        peak = rest.argmax(1)
        for offset in range(-3, 4):
            at = np.clip(peak + offset, 0, rest.shape[1] - 1)
            held += rest[rows, at]
            rest[rows, at] = 0
        peaks.append(peak)
    tonal = held > _TONE_SHARE * loud.sum(1)
    low = np.minimum(*peaks)
    steady = np.abs(low - np.median(low)) <= 1
    return bool(np.mean(tonal & steady) > _TONE_FRAMES)
