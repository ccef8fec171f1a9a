"""Has prompts spoken and measures each: time, processor time, loudness, and what is understood."""

from __future__ import annotations

import contextlib
import math
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.asr.recogniser import Recogniser
from voicebot.bench.asr.error_rates import errors
from voicebot.bench.asr.line_conditions import LineConditions, received
from voicebot.bench.caller_audio import FRAME, levels_dbfs, segments, through_line
from voicebot.bench.tts.predicted_mos import MosModel
from voicebot.bench.tts.prompts import BenchPrompt
from voicebot.listening.audio import for_engine
from voicebot.messages import Expect
from voicebot.tts.leveller import active_rms
from voicebot.tts.markup import MarkupError, plain
from voicebot.tts.mastering import to_float
from voicebot.tts.synthesizer import Synthesizer
from voicebot.tts.text_normalisation import speakable

NOISE_DB = 10.0
AUDIBLE_DBFS = -40.0


@dataclass(frozen=True, slots=True)
class SynthesisRun:
    """One time that a prompt was spoken. Milliseconds from the moment when its text is known."""

    first_ms: float
    """To the first sample."""
    first_cpu_ms: float
    """The process's time on all cores until then."""
    whole_ms: float
    cpu_ms: float


@dataclass(slots=True)
class MeasuredPrompt:
    """What came of one prompt."""

    prompt: BenchPrompt
    pcm: Pcm
    """8000 Hz, not yet through a line, as callers hear it."""
    fresh: list[SynthesisRun] = field(default_factory=list)
    again: list[SynthesisRun] = field(default_factory=list)
    heard: str = ""
    heard_in_noise: str = ""
    mos: dict[str, float] = field(default_factory=dict)
    """Predicted, by model; see `predicted_mos`."""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE_HZ

    @property
    def words_per_minute(self) -> float:
        """Speed from the first to the last sound that is 40 dB below full scale or louder, pauses in it included."""
        loud = np.flatnonzero(levels_dbfs(self.pcm) > AUDIBLE_DBFS)
        return 60 * len(self.words) / ((loud[-1] - loud[0] + 1) * FRAME / RATE_HZ) if loud.size else 0.0

    @property
    def level_dbfs(self) -> float:
        """RMS of the 20 ms frames that hold speech."""
        return _db(active_rms(to_float(self.pcm), RATE_HZ))

    @property
    def peak_dbfs(self) -> float:
        return _db(float(np.abs(to_float(self.pcm)).max(initial=0.0)))

    @property
    def words(self) -> list[str]:
        """What is said."""
        return words(self.prompt.text)


def _db(amplitude: float) -> float:
    return 20 * math.log10(max(amplitude, 1e-6))


async def speak_all(synthesizer: Synthesizer, prompts: Sequence[BenchPrompt], repeat: int) -> list[MeasuredPrompt]:
    """Speak each prompt `repeat` times fresh, then `repeat` times from memory. Raises EngineFailed."""
    done = []
    for prompt in prompts:
        runs = [await _speak(synthesizer, prompt.text, remember=False) for _ in range(repeat)]
        done.append(MeasuredPrompt(prompt, runs[0][1], [run for run, _ in runs]))
    for spoken in done:
        if spoken.prompt.ahead:
            await synthesizer.warm([("", spoken.prompt.text)], RATE_HZ)
            _, spoken.pcm = await _speak(synthesizer, spoken.prompt.text, remember=True)
        await _speak(synthesizer, spoken.prompt.text, remember=True)
        spoken.again = [(await _speak(synthesizer, spoken.prompt.text, remember=True))[0] for _ in range(repeat)]
    return done


async def _speak(synthesizer: Synthesizer, text: str, *, remember: bool) -> tuple[SynthesisRun, Pcm]:
    began_s, cpu_s = time.perf_counter(), time.process_time()
    first: tuple[float, float] | None = None
    blocks = []
    async for block in synthesizer.speak(text, RATE_HZ, secret=not remember):
        if first is None and len(block):
            first = time.perf_counter() - began_s, time.process_time() - cpu_s
        blocks.append(block)
    whole = time.perf_counter() - began_s, time.process_time() - cpu_s
    run = SynthesisRun(*(1000 * s for s in (*(first or whole), *whole)))
    return run, np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def understand(done: Sequence[MeasuredPrompt], engine: Recogniser, noises: Mapping[str, Pcm]) -> None:
    """Recognise each prompt, clean over a µ-law line and with noise where there is any. Raises EngineFailed."""
    noisy = LineConditions(NOISE_DB, 0.0, noises)
    for spoken in done:
        parts = segments(through_line(spoken.pcm)) if len(spoken.pcm) else []
        spoken.heard = _heard(parts, engine)
        if noises:
            chance = zlib.crc32(spoken.prompt.text.encode())
            spoken.heard_in_noise = _heard([received(part, noisy, chance) for part in parts], engine)


def judge(done: Sequence[MeasuredPrompt], models: Sequence[MosModel]) -> None:
    """Predict what listeners would say of each prompt."""
    for spoken in done:
        if len(spoken.pcm):
            spoken.mos = {model.name: model.of(spoken.pcm) for model in models}


def _heard(parts: Sequence[Pcm], engine: Recogniser) -> str:
    found = (engine.recognise(for_engine(part), Expect(), lambda: False) for part in parts)
    return " ".join(t.text for t in found if t is not None and t.text)


def words(text: str) -> list[str]:
    """A text as words that can be compared, figures in words."""
    with contextlib.suppress(MarkupError):  # brackets that are no markup are words
        text = plain(text)
    said = speakable(text, date.today()).lower().replace("-", " ").replace("’", "'")
    return ["zero" if word in ("oh", "o") else word for word in re.findall(r"[a-z']+", said)]


def wrong(said: Sequence[MeasuredPrompt], noise: bool) -> float:
    """Share of wrong words over prompts, 0..1 (more with many insertions)."""
    missed = sum(errors(s.words, words(s.heard_in_noise if noise else s.heard)) for s in said)
    return missed / max(1, sum(len(s.words) for s in said))
