"""Where somebody speaks in a recording: the truth that ``voicebot bench turns`` measures by.

Energy says where sound is, to 10 ms; Silero, asked along the whole recording, says which of it is a voice: the click
of a mouse, applause and the hiss after the last word are none. As Silero hears for the listener under test too, what
it is deaf to is missing here too; it is believed on whole stretches only, and `TAIL_S` more at their ends.

A turn is cut off when it is over before the last word of what is said without a pause of more than `TWO_TURNS_S`: who
is silent for longer after a sentence gets an answer on the telephone. With numbers, dates and codes every pause of the
recording belongs to the turn.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.caller_audio import BELOW_LOUDEST_DB, FLOOR_DBFS, FRAME, levels_dbfs
from voicebot.bench.turns.simulated_call import InstantVad
from voicebot.listening.vad import WINDOW

MIN_WORD_FRAMES = 6
"""Sound of less than 60 ms that no voice is near is no word: a click, a lip."""
NEAR_FRAMES = 15
OVER_NOISE_DB = 9.0
LEAST_RANGE_DB = 20.0
VOICE = 0.5
"""Probability that a stretch of sound must have somewhere in it."""
TAIL_S = 0.1
"""Sound that belongs to a voice before its first and after its last window that Silero takes for one: "s", "t"."""
TWO_TURNS_S = 1.0
"""Free speech: who is silent for longer has had his turn."""
Spurt = tuple[float, float]
"""Begin and end of sound without a pause of 150 ms, in seconds."""


def sounds(pcm: Pcm) -> list[Spurt]:
    """Voice of clean speech by energy: frames of 10 ms at most `BELOW_LOUDEST_DB` under the loudest and
    `OVER_NOISE_DB` above the recording's own noise, clicks left out. Raises ValueError: no voice.
    """
    levels = levels_dbfs(pcm)
    loudest = levels.max(initial=-120.0)
    noise = float(np.percentile(levels, 10)) + OVER_NOISE_DB if len(levels) else 0.0
    over_noise = min(noise, loudest - LEAST_RANGE_DB)  # speech without a pause has no frame of noise alone
    loud = np.flatnonzero(levels >= max(FLOOR_DBFS, loudest - BELOW_LOUDEST_DB, over_noise))
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > NEAR_FRAMES) + 1)
    words = [part for part in parts if len(part) >= MIN_WORD_FRAMES]
    if not words:
        raise ValueError("no voice")
    return [(int(word[0]) * FRAME / RATE_HZ, int(word[-1] + 1) * FRAME / RATE_HZ) for word in words]


def voice_ends(pcm: Pcm) -> Spurt:
    """First and last voiced moment by energy, see `sounds`. Raises ValueError: no voice."""
    found = sounds(pcm)
    return found[0][0], found[-1][1]


def spoken(pcm: Pcm) -> list[Spurt]:
    """The sounds that are a voice. Raises ValueError: none is."""
    heard: list[float] = []
    vad = _vad()
    stream = vad.open(heard.append)
    for at in range(0, len(pcm) - WINDOW + 1, WINDOW):
        vad.submit(stream, pcm[at : at + WINDOW])
    window_s = WINDOW / RATE_HZ
    voiced_s = np.flatnonzero(np.array(heard) >= VOICE) * window_s
    found = []
    for begin, end in sounds(pcm):
        voice = voiced_s[(voiced_s > begin - window_s) & (voiced_s < end)]
        if len(voice):
            found.append((max(begin, float(voice[0]) - TAIL_S), min(end, float(voice[-1]) + window_s + TAIL_S)))
    if not found:
        raise ValueError("no voice")
    return found


@cache
def _vad() -> InstantVad:
    return InstantVad()


def turns_of(spurts: list[Spurt], longest_pause_s: float) -> list[Spurt]:
    """Begin and end of each turn, when pauses of more than `longest_pause_s` end one."""
    turns = [spurts[0]]
    for begin, end in spurts[1:]:
        if begin - turns[-1][1] > longest_pause_s:
            turns.append((begin, end))
        else:
            turns[-1] = (turns[-1][0], end)
    return turns
