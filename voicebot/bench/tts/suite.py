"""The work of ``voicebot bench tts``: speaks, measures, and tells the figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from telephony.media.codecs import RATE_HZ
from telephony.media.engine import SWITCH_INTERVAL_S
from voicebot import config
from voicebot.asr.moonshine import Moonshine
from voicebot.bench.asr.line_conditions import read_noises
from voicebot.bench.tts.prompts import PROMPTS, BenchPrompt, of_tasks, read
from voicebot.bench.tts.run import NOISE_DB, MeasuredPrompt, SynthesisRun, speak_all, understand, words, wrong
from voicebot.bench.turns.report import ReportPlot, ReportTable, write
from voicebot.errors import VoicebotError
from voicebot.paths import models_dir, speech_dir
from voicebot.tts.synthesizer import Synthesizer

FIRST_MS, AGAIN_MS = 60.0, 10.0
"""In which the first sample of 95 of 100 prompts must come: fresh, and remembered."""
_FIGURES = (
    "first_ms_p50", "first_ms_p95", "first_cpu_ms_p50", "first_cpu_ms_p95", "whole_cpu_ms_p50", "real_time_factor",
    "again_ms_p95", "level_dbfs", "wrong_words", "wrong_words_in_noise",
)  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """See `tts.main`. Raises VoicebotError: no such voice, no such file; ModelMissing; EngineFailed."""
    if args.repeat < 1:
        raise VoicebotError("each prompt must be spoken at least once", "give --repeat 1 or more")
    speech = args.speech or speech_dir()
    prompts = of_tasks(args.task, speech)
    if args.text_file is not None:
        prompts += read(args.text_file)
    prompts = prompts or PROMPTS
    voice, done = asyncio.run(_speak(args.voice, prompts, args.repeat))
    if not args.no_recognition:
        understand(done, Moonshine(models_dir() / "moonshine-tiny-en"), read_noises(speech))
    found = figures(voice, done)
    if args.out is not None:
        report(args.out, found, done)
    if not args.json:
        print(as_text(found))
    print(json.dumps(found, ensure_ascii=False), flush=True)
    return 0 if found["ok"] else 1


async def _speak(voice: str, prompts: Sequence[BenchPrompt], repeat: int) -> tuple[str, list[MeasuredPrompt]]:
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as in a server: with Python's 5 ms a block waits for that more
    synthesizer = Synthesizer.load(config.TtsSettings(voice=voice))
    synthesizer.start()
    try:
        async for _ in synthesizer.speak(
            "Hello.", RATE_HZ, secret=True
        ):  # threads and tables: a server has them long before
            pass
        return synthesizer.voice_name, await speak_all(synthesizer, prompts, repeat)
    finally:
        synthesizer.stop()


def figures(voice: str, done: Sequence[MeasuredPrompt]) -> dict[str, Any]:
    """Figures over all prompts and by kind; times in milliseconds."""
    kinds = list(dict.fromkeys(s.prompt.kind for s in done))
    found: dict[str, Any] = {"bench": "tts", "voice": voice, "prompts": len(done)}
    found |= _of(done)
    found["kinds"] = {kind: _of([s for s in done if s.prompt.kind == kind]) for kind in kinds}
    levels = [s.level_dbfs for s in done]
    found["level_spread_db"] = round(float(np.std(levels)), 2)
    found["level_range_db"] = round(max(levels) - min(levels), 2)
    found["peak_dbfs"] = round(max(s.peak_dbfs for s in done), 2)
    found["missed"] = [
        f"{name}: p95 is {found[key]} ms, more than {limit:.0f}"
        for name, key, limit in (("fresh", "first_ms_p95", FIRST_MS), ("remembered", "again_ms_p95", AGAIN_MS))
        if found[key] > limit
    ] + [f"nothing was heard of {s.prompt.text!r}" for s in done if not s.seconds]
    found["ok"] = not found["missed"]
    return found


def _of(done: Sequence[MeasuredPrompt]) -> dict[str, Any]:
    fresh, again = [r for s in done for r in s.fresh], [r for s in done for r in s.again]
    found: dict[str, Any] = {
        "n": len(done),
        **_spread("first_ms", [r.first_ms for r in fresh]),
        **_spread("first_cpu_ms", [r.first_cpu_ms for r in fresh]),
        **_spread("whole_ms", [r.whole_ms for r in fresh]),
        **_spread("whole_cpu_ms", [r.cpu_ms for r in fresh]),
        **_spread("again_ms", [r.first_ms for r in again]),
        "real_time_factor": round(sum(map(_cpu_s, done)) / max(1e-9, sum(s.seconds for s in done)), 5),
        "level_dbfs": round(float(np.mean([s.level_dbfs for s in done])), 2),
    }
    if any(s.heard for s in done):
        found["wrong_words"] = round(wrong(done, noise=False), 4)
    if any(s.heard_in_noise for s in done):
        found["wrong_words_in_noise"] = round(wrong(done, noise=True), 4)
    return found


def _cpu_s(spoken: MeasuredPrompt) -> float:
    """Processor seconds of one fresh synthesis, as a rule."""
    return float(np.median([r.cpu_ms for r in spoken.fresh])) / 1000


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {
        f"{name}_p50": round(float(np.percentile(values, 50)), 2),
        f"{name}_p95": round(float(np.percentile(values, 95)), 2),
        f"{name}_max": round(max(values), 2),
    }


def as_text(found: dict[str, Any]) -> str:
    """A table for people."""
    names = (*_FIGURES,)
    rows = [("", *found["kinds"], "all")]
    for name in names:
        cells = [kind.get(name) for kind in (*found["kinds"].values(), found)]
        rows.append((name, *("-" if cell is None else f"{cell:g}" for cell in cells)))
    lines = [f"{row[0]:22}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows]
    lines.append(
        f"{found['voice']}, {found['prompts']} prompts: levels spread by {found['level_spread_db']} dB (standard"
        f" deviation), {found['level_range_db']} dB between the softest and the loudest, peak {found['peak_dbfs']} dBFS"
    )
    lines.append("met" if found["ok"] else "MISSED: " + "; ".join(found["missed"]))
    return "\n".join(lines)


def report(folder: Path, found: dict[str, Any], done: Sequence[MeasuredPrompt]) -> None:
    """``report.html``, ``tts.json`` and the prompts as WAV. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tts.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for number, spoken in enumerate(done):
        soundfile.write(folder / f"{number:03d}.wav", spoken.pcm, RATE_HZ, "PCM_16")

    def plot(title: str, x: str, value: str, runs: str) -> ReportPlot:
        return ReportPlot(title, x, "prompts (%)", {
            kind: [getattr(r, value) for s in done if s.prompt.kind == kind for r in _runs(s, runs)]
            for kind in found["kinds"]
        })  # fmt: skip

    plots = [
        plot(f"First sample, fresh (at most {FIRST_MS:.0f} ms)", "ms", "first_ms", "fresh"),
        plot(f"First sample, remembered (at most {AGAIN_MS:.0f} ms)", "ms", "first_ms", "again"),
        plot("Processor time to the last sample", "ms", "cpu_ms", "fresh"),
        ReportPlot("Loudness", "RMS of speech (dBFS)", "prompts (%)", {
            kind: [s.level_dbfs for s in done if s.prompt.kind == kind] for kind in found["kinds"]
        }),
    ]  # fmt: skip
    kinds = [("", *found["kinds"], "all")] + [
        (name, *(f"{kind.get(name, '-')}" for kind in (*found["kinds"].values(), found))) for name in _FIGURES
    ]
    head = ("WAV", "kind", "text", "first ms", "cpu ms", "s", "dBFS", "understood", f"at {NOISE_DB:.0f} dB noise")
    write(
        folder / "report.html",
        f"Synthesis: {found['voice']}",
        plots,
        [
            ReportTable("Figures", kinds[0], kinds[1:]),
            ReportTable("Prompts", head, [_line(i, s) for i, s in enumerate(done)]),
        ],
    )


def _runs(spoken: MeasuredPrompt, which: str) -> list[SynthesisRun]:
    return spoken.fresh if which == "fresh" else spoken.again


def _line(number: int, spoken: MeasuredPrompt) -> tuple[str, ...]:
    right = spoken.words == words(spoken.heard)
    return (
        f"{number:03d}", spoken.prompt.kind, spoken.prompt.text,
        f"{np.median([r.first_ms for r in spoken.fresh]):.1f}", f"{1000 * _cpu_s(spoken):.1f}",
        f"{spoken.seconds:.2f}", f"{spoken.level_dbfs:.1f}", "✓" if right else spoken.heard, spoken.heard_in_noise,
    )  # fmt: skip
