"""What comes in while a prompt plays, in ``voicebot bench bargein``: callers, and all that is none.

Callers, side talk, noises and music are recordings of the folder; `backchannel` and `cough` too where the manifest has
rows of these tasks. Beside them backchannels are spoken by espeak-ng at three pitches, and coughs and line faults are
made of noise: they are no recordings of people, and count as kinds of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import soxr
from numpy.typing import NDArray

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.bench.asr.cases import spread_over
from voicebot.bench.asr.line_conditions import Recording, load, read_noises
from voicebot.bench.asr.tasks import tasks
from voicebot.bench.caller_audio import levels_dbfs, synthesised
from voicebot.bench.turns.ground_truth import voice_ends
from voicebot.messages import Expect
from voicebot.tts.synthesizer import Synthesizer

CALLERS = ("yesno", "digits4", "request", "sentence", "coffee")
"""Tasks of the manifest whose recordings interrupt."""
SHORT = ("yesno", "digit", "nato", "dateword", "ordinal", "number", "word")
"""Tasks of short words: answers that the prompt asks for (``short``), and words that the dialog listens for anyway,
over a prompt that asks for nothing (``unasked``)."""
SHORT_OF_EACH = 12
BargeInKind = Literal[
    "caller", "short", "unasked", "echo", "noise", "music", "side-talk", "backchannel", "cough", "line"
]  # fmt: skip
KINDS: tuple[BargeInKind, ...] = get_args(BargeInKind)
EARLIER = ("request", "sentence", "coffee")
"""The first recording of these is the caller's earlier turn where somebody or something else comes in."""
SPOKEN: tuple[BargeInKind, ...] = ("caller", "short", "unasked")
"""Kinds where the caller takes the turn."""
ECHO_DB = (-15.0, -20.0, -25.0, -30.0)
ECHO_DELAY_S = (0.02, 0.06, 0.13, 0.25)
BEGIN_S = (1.0, 2.5)
"""When in the prompt a sound begins."""
NOISE_DBFS = (-40.0, -30.0)
MUSIC_DBFS = (-35.0, -25.0)
CALLER_DBFS = -26.0
"""The caller's earlier turn, where somebody or something else comes in then: the nominal level of telephone speech."""
SIDE_TALK_DBFS = -45.0
"""A second person in the room: some 20 dB under who holds the telephone."""
LINE_DBFS = (-40.0, -30.0)
LONGEST_S = 8.0
SAID = ("uh-huh", "okay", "yeah", "right", "I see", "aha", "hmm")
_PITCHES = (0.85, 1.0, 1.2)
_HOLD_MUSIC = ("moh_", "music")
_PEOPLE = ("babble", "coffeeshop", "speech", "talk")


_NONE: Pcm = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True)
class BargeInCase:
    """One prompt and what comes in while it plays."""

    name: str
    kind: BargeInKind
    speaker: str
    expect: Expect
    sound: Pcm
    """At 8000 Hz and at its level; empty for echo alone."""
    begin_s: float
    """Seconds of the prompt before it."""
    voice_s: float
    """First voiced moment of `sound`, by energy."""
    echo_db: float
    """The prompt's own echo, always there."""
    echo_delay_s: float
    earlier: Pcm
    """The caller's turn before the prompt: the same recording where it is a caller who interrupts."""


def case(name: str, kind: BargeInKind, speaker: str, expect: Expect, sound: Pcm) -> BargeInCase:
    """A sound at a moment and over an echo that its name chooses."""
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    voice_s = voice_ends(sound)[0] if kind in SPOKEN else 0.0
    return BargeInCase(
        name, kind, speaker, expect, sound, float(chance.uniform(*BEGIN_S)), voice_s,
        float(chance.choice(ECHO_DB)), float(chance.choice(ECHO_DELAY_S)), sound,
    )  # fmt: skip


async def all_cases(
    folder: Path, everything: Sequence[Recording], kinds: Sequence[str], speakers: Sequence[str], limit: int | None,
    synthesizer: Synthesizer,
) -> list[BargeInCase]:  # fmt: skip
    """All cases of `kinds`, at most `limit` recordings of each. Raises VoicebotError: one cannot be read."""
    own = [r for r in everything if not speakers or r.speaker in speakers]
    found = _people(folder, everything, own, limit)
    found += _short(folder, everything, own, limit)
    found += [
        BargeInCase(f"echo {db} {delay_s}", "echo", "", Expect(), _NONE, 0.0, 0.0, db, delay_s, _NONE)
        for db in ECHO_DB
        for delay_s in ECHO_DELAY_S
    ]
    found += _noises(folder)
    if "backchannel" in kinds:
        found += [over for c in await _backchannels(synthesizer) for over in _over_prompts(c, everything)]
    found += [case(f"cough {i}", "cough", "made", Expect(), cough(i)) for i in range(12)]
    found += [
        case(f"line {name} {db}", "line", "made", Expect(), _at(sound, db))
        for name, sound in line_faults().items()
        for db in LINE_DBFS
    ]
    earlier = next((_at(load(folder / r.path), CALLER_DBFS) for r in everything if r.task in EARLIER), _NONE)
    return [c if c.kind in SPOKEN else replace(c, earlier=earlier) for c in found if c.kind in kinds]


def _people(
    folder: Path, everything: Sequence[Recording], own: list[Recording], limit: int | None
) -> list[BargeInCase]:
    known = tasks(everything)
    found = []
    for r in spread_over([r for r in own if r.task in CALLERS], limit):
        found.append(case(r.path, "caller", r.speaker, known[r.task].expect(r), load(folder / r.path)))
    for r in spread_over([r for r in own if r.task in ("sentence", "coffee")], limit):
        side = _at(load(folder / r.path), SIDE_TALK_DBFS)
        found.append(case(f"side talk {r.path}", "side-talk", r.speaker, Expect(), side))
    for r in own:
        if r.task == "cough":
            found.append(case(r.path, "cough", r.speaker, Expect(), load(folder / r.path)))
        elif r.task == "backchannel":
            found += _over_prompts(case(r.path, "backchannel", r.speaker, Expect(), load(folder / r.path)), everything)
    return found


def _short(folder: Path, everything: Sequence[Recording], own: list[Recording], limit: int | None) -> list[BargeInCase]:
    known = tasks(everything)
    chosen = [
        r for task in SHORT for r in spread_over([r for r in own if r.task == task], min(limit or 99, SHORT_OF_EACH))
    ]
    listed = tuple({word for r in everything if r.task in SHORT for word in r.transcript.split()})
    found = []
    for r in chosen:
        said = load(folder / r.path)
        if r.task != "word":
            found.append(case(r.path, "short", r.speaker, known[r.task].expect(r), said))
        if r.task != "yesno":
            found.append(case(f"unasked {r.path}", "unasked", r.speaker, Expect(boost=listed), said))
    return found


def _over_prompts(listening: BargeInCase, everything: Sequence[Recording]) -> list[BargeInCase]:
    """The same sound over prompts that ask for nothing, a number, and one of some phrases."""
    listed = tuple({r.transcript for r in everything if r.task == "dateword"})
    asked = {"": Expect(), " (a number)": Expect("digits", (4,)), " (a word)": Expect("phrases", phrases=listed)}
    return [
        case(listening.name + over, listening.kind, listening.speaker, expect, listening.sound)
        for over, expect in asked.items()
        if listed or expect.kind != "phrases"
    ]


def _noises(folder: Path) -> list[BargeInCase]:
    found = []
    for name, pcm in read_noises(folder).items():
        kind: BargeInKind = "music" if _any(name, _HOLD_MUSIC) else "side-talk" if _any(name, _PEOPLE) else "noise"
        for db in MUSIC_DBFS if kind == "music" else NOISE_DBFS:
            found.append(case(f"{name} {db}", kind, name, Expect(), _at(pcm[: int(LONGEST_S * RATE_HZ)], db)))
    return found


def _any(name: str, parts: Sequence[str]) -> bool:
    return any(part in Path(name).stem for part in parts)


async def _backchannels(synthesizer: Synthesizer) -> list[BargeInCase]:
    found = []
    for said in SAID:
        spoken = (await synthesised(synthesizer, said)).astype(np.float32)
        for pitch in _PITCHES:
            pcm = np.asarray(soxr.resample(spoken, RATE_HZ * pitch, RATE_HZ)).astype(np.int16)
            found.append(case(f"{said} at pitch {pitch}", "backchannel", "espeak", Expect(), _at(pcm, -25.0)))
    return found


def _at(pcm: Pcm, dbfs: float) -> Pcm:
    """The same sound so loud: RMS of its loudest half."""
    levels = levels_dbfs(pcm)
    if not len(levels):
        return pcm
    loud = levels[levels >= np.median(levels)]
    now = 10 * np.log10(np.mean(10 ** (loud / 10)))
    gain = 10 ** ((dbfs - now) / 20)
    return np.asarray(np.clip(pcm.astype(np.float32) * gain, -32768, 32767), np.int16)


def cough(seed: int) -> Pcm:
    """One to three bursts of coloured noise with a sharp beginning, as coughs are; made, not recorded."""
    chance = np.random.default_rng(seed)
    parts = []
    for _ in range(int(chance.integers(1, 4))):
        size = int(chance.uniform(0.12, 0.3) * RATE_HZ)
        burst = _coloured(chance, size, float(chance.uniform(500, 1500)), float(chance.uniform(600, 1800)))
        fall = np.exp(-np.arange(size) / (size / 4)) * np.minimum(1, np.arange(size) / 80)
        parts += [burst * fall, np.zeros(int(chance.uniform(0.05, 0.2) * RATE_HZ))]
    sound = np.concatenate(parts)
    return _at((sound / np.abs(sound).max() * 20000).astype(np.int16), float(chance.uniform(-25, -15)))


def line_faults() -> dict[str, Pcm]:
    """Hum of the mains, crackle, hiss that comes and goes, and clicks; four seconds each."""
    chance, size = np.random.default_rng(7), 4 * RATE_HZ
    t = np.arange(size) / RATE_HZ
    hum = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in range(2, 12))
    crackle = chance.normal(0, 1, size) * (chance.random(size) < 0.003)
    hiss = chance.normal(0, 1, size) * (np.sin(2 * np.pi * 0.7 * t) > 0)
    clicks = np.zeros(size)
    clicks[chance.integers(0, size, 12)] = 1.0
    made = {
        "hum": np.asarray(hum),
        "crackle": crackle,
        "hiss": hiss,
        "clicks": np.convolve(clicks, np.ones(16), "same"),
    }
    return {name: (sound / np.abs(sound).max() * 20000).astype(np.int16) for name, sound in made.items()}


def _coloured(chance: np.random.Generator, size: int, at_hz: float, width_hz: float) -> NDArray[np.float64]:
    """Noise with a hump in its spectrum."""
    spectrum = np.fft.rfft(chance.normal(0, 1, size))
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    shaped = np.fft.irfft(spectrum * (0.05 + np.exp(-(((hz - at_hz) / width_hz) ** 2))), size)
    return np.asarray(shaped, np.float64)
