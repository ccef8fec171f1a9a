"""The work of ``voicebot bench bargein``: chooses the cases, plays them, tells the figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from telephony.media.codecs import Pcm
from voicebot import config
from voicebot.asr.moonshine import Moonshine
from voicebot.bench.asr.line_conditions import Recording, read_manifest
from voicebot.bench.bargein import wire
from voicebot.bench.bargein.cases import KINDS, BargeInCase, all_cases
from voicebot.bench.bargein.run import BargeInOutcome, as_text, figures, play_all, rows
from voicebot.bench.caller_audio import synthesised
from voicebot.bench.turns.report import ReportPlot, ReportTable, write
from voicebot.bench.turns.simulated_call import InstantVad
from voicebot.errors import VoicebotError
from voicebot.paths import models_dir, speech_dir
from voicebot.tts.synthesizer import Synthesizer

PROMPT = (
    "Your order was shipped on Tuesday the third of March, and it should be with you by the end of this week. If you"
    " like, I can send you a message when it has left the warehouse, or change the address for you, or connect you with"
    " a colleague of mine."
)


def run(args: argparse.Namespace) -> int:
    """See `command.main`. Raises VoicebotError: recordings cannot be read, or there is no such task."""
    unknown = set(args.task) - set(KINDS)
    if unknown:
        raise VoicebotError(f"no task is called {', '.join(sorted(unknown))}", "choose of: " + ", ".join(KINDS))
    folder = args.speech or speech_dir()
    everything = read_manifest(folder)
    if args.wire is not None:
        return _wire(args, folder, everything)
    prompt, cases = asyncio.run(_prepare(args, folder, everything))
    if not cases:
        print("no recording of what was asked for", file=sys.stderr)
        return 1
    outcomes = play_all(cases, prompt, InstantVad(), Moonshine(models_dir() / "moonshine-tiny-en"))
    found = figures(outcomes)
    if args.out is not None:
        _report(args.out, found, outcomes)
    _tell(args, as_text(found), found)
    return 0


async def _prepare(
    args: argparse.Namespace, folder: Path, everything: list[Recording]
) -> tuple[Pcm, list[BargeInCase]]:
    synthesizer = Synthesizer.load(config.TtsSettings(voice="espeak"))
    synthesizer.start()
    try:
        kinds, speakers = args.task or KINDS, args.speaker
        cases = await all_cases(folder, everything, kinds, speakers, args.limit, synthesizer)
        return await synthesised(synthesizer, PROMPT), cases
    finally:
        synthesizer.stop()


def _wire(args: argparse.Namespace, folder: Path, everything: list[Recording]) -> int:
    own = [r for r in everything if not args.speaker or r.speaker in args.speaker]
    found = asyncio.run(wire.run(folder, own, args.wire))
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "bargein-wire.json").write_text(json.dumps(found, indent=1) + "\n")
    _tell(args, wire.as_text(found), found)
    return 0 if found["stopped"] else 1


def _tell(args: argparse.Namespace, text: str, found: dict[str, Any]) -> None:
    if not args.json:
        print(text)
    print(json.dumps(found), flush=True)


def _report(folder: Path, found: dict[str, Any], outcomes: list[BargeInOutcome]) -> None:
    """Write ``report.html``, ``bargein.json`` and ``bargein.jsonl``. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bargein.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "bargein.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(outcomes)))
    stops = [o.stop_ms for o in outcomes if o.kind == "caller" and o.stop_ms is not None]
    pauses: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.kind != "caller":
            pauses.setdefault(outcome.kind, []).append(max(outcome.pauses_s, default=0.0))
    plots = [
        ReportPlot(
            "The prompt stops after a caller's first voiced sample", "milliseconds", "callers (%)", {"callers": stops}
        ),
        ReportPlot("Longest pause of a prompt without a caller", "seconds", "prompts (%)", pauses),
    ]
    lines = [
        (kind, *(_share(row[key]) for key in ("paused", "false_stops")), f"{row['pause_s_max']:.2f}")
        for kind, row in found["no_caller"].items()
    ]
    groups = {"all": found["caller"], **found["words"], **found["caller"]["speakers"]}
    speakers = [
        (
            name,
            *(f"{row['stop_ms'].get(p, 0):.0f}" for p in ("p50", "p95")),
            *(_share(row[key]) for key in ("missed", "resumed_over", "nervous")),
        )
        for name, row in groups.items()
        if row["missed"]["of"]
    ]
    heads = ("speaker", "p50 ms", "p95 ms", "missed", "talked over again", "talked over in between")
    tables = [
        ReportTable("Callers", heads, speakers),
        ReportTable("No caller", ("kind", "paused at all", "false stops", "longest pause s"), lines),
    ]
    write(folder / "report.html", "voicebot bench bargein", plots, tables)


def _share(share: dict[str, Any]) -> str:
    return f"{share['percent']:.1f} % of {share['of']} ({share['low']:.1f}–{share['high']:.1f})"
