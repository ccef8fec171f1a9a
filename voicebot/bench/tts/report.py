"""The page that ``voicebot bench tts --out`` writes, and the prompts as WAV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from telephony.media.codecs import RATE_HZ
from voicebot.bench.tts.figures import AGAIN_MS, FIGURES, FIRST_MS, cpu_s
from voicebot.bench.tts.run import NOISE_DB, MeasuredPrompt, SynthesisRun, words
from voicebot.bench.turns.report import ReportPlot, ReportTable, write


def write_report(folder: Path, found: dict[str, Any], done: Sequence[MeasuredPrompt]) -> None:
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
        (name, *(f"{kind.get(name, '-')}" for kind in (*found["kinds"].values(), found))) for name in FIGURES
    ]
    head = (
        "WAV",
        "kind",
        "text",
        "first ms",
        "cpu ms",
        "s",
        "words/min",
        "dBFS",
        "understood",
        f"at {NOISE_DB:.0f} dB noise",
    )
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
        f"{np.median([r.first_ms for r in spoken.fresh]):.1f}", f"{1000 * cpu_s(spoken):.1f}",
        f"{spoken.seconds:.2f}", f"{spoken.words_per_minute:.0f}", f"{spoken.level_dbfs:.1f}",
        "✓" if right else spoken.heard, spoken.heard_in_noise,
    )  # fmt: skip
