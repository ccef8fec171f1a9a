"""The work of ``voicebot bench asr``: recordings, noise and cost, their figures, and where they are written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from telephony.media.codecs import Pcm
from voicebot.bench.asr import calibrate, confidence, load, rejection, report, score
from voicebot.bench.asr.cases import (
    AsrCase,
    RecordingRecogniser,
    load_by_name,
    recognise_all,
    settings_by_name,
    spread_over,
)
from voicebot.bench.asr.line_conditions import LineConditions, Recording, read_manifest, read_noises
from voicebot.bench.asr.tasks import NAMES, tasks
from voicebot.errors import VoicebotError
from voicebot.paths import speech_dir

CONDITIONS: tuple[tuple[str, float | None, float], ...] = (
    ("clean", None, 0.0), ("20 dB", 20.0, 0.0), ("10 dB", 10.0, 0.0), ("5 dB", 5.0, 0.0), ("2 % lost", None, 0.02),
)  # fmt: skip
"""Lines of ``--conditions``: name, signal-to-noise ratio, share of packets lost."""
Runs = dict[str, tuple[score.AsrFigures, list[AsrCase]]]
"""Engine and line → figures and answers."""


def run(args: argparse.Namespace) -> int:
    """Run what the arguments ask for. Raises VoicebotError: no recordings, no such engine."""
    folder: Path = args.speech or speech_dir()
    recordings = read_manifest(folder)
    chosen = _chosen(recordings, args)
    if not chosen and args.only in (None, "tasks"):
        print("no recording of the tasks and speakers asked for", file=sys.stderr)
        return 1
    engines: list[str] = args.engine or ["moonshine"]
    if args.load is not None:
        return _under_load(args, engines[0], chosen, folder)
    noises = read_noises(folder)
    if (args.noise is not None or args.conditions) and not noises:
        raise VoicebotError(f"{folder} has no noise_manifest.csv", "leave --noise out, or give another folder")
    lines = _lines(args, noises)
    runs: Runs = {}
    if args.only in (None, "tasks"):
        for engine in engines:
            for name, line in lines.items():
                jobs = args.jobs or os.cpu_count() or 1
                cases = recognise_all(engine, folder, recordings, chosen, line, jobs)
                runs[f"{engine}, {name}"] = score.of_tasks(cases) | confidence.of_cases(cases), cases
    figures: score.AsrFigures = {
        "bench": "asr",
        "engine": engines[0],
        "speech": str(folder),
        "noise_db": args.noise,
        "loss_percent": args.loss,
        "threshold": score.THRESHOLD,
    }
    first, cases = next(iter(runs.values()), ({}, []))
    figures |= first
    if len(runs) > 1:
        figures["runs"] = {name: found for name, (found, _) in runs.items()}
    rest, noticed = _rest(args, engines[0], recordings, folder, next(iter(lines.values())), noises)
    figures |= rest
    if len(engines) > 1 and "cost" in rest:
        figures["costs"] = {engine: _cost(engine, recordings, folder) for engine in engines[1:]}
    if args.calibrate:
        every = [case for _, heard in runs.values() for case in heard]
        print(calibrate.table(every, noticed, tasks(recordings), recordings))
    if args.out is not None:
        _write(args.out, figures, runs)
    if not args.json:
        print(score.table(figures))
    print(json.dumps(figures, ensure_ascii=False))
    return 0


def _lines(args: argparse.Namespace, noises: Mapping[str, Pcm]) -> dict[str, LineConditions]:
    """Name → what happens to every recording."""
    if args.conditions:
        return {name: LineConditions(db, loss, noises if db is not None else {}) for name, db, loss in CONDITIONS}
    line = LineConditions(args.noise, args.loss / 100, noises if args.noise is not None else {})
    noisy = "" if args.noise is None else f"{args.noise:g} dB"
    return {" ".join(filter(None, [noisy, f"{args.loss:g} % lost" if args.loss else ""])) or "clean": line}


def _rest(
    args: argparse.Namespace,
    engine: str,
    recordings: list[Recording],
    folder: Path,
    line: LineConditions,
    noises: Mapping[str, Pcm],
) -> tuple[score.AsrFigures, list[tuple[str, dict[str, float]]]]:
    """What must not be taken for an answer, and cost, where they are asked for; what was noticed of other speech."""
    found: score.AsrFigures = {}
    noticed: list[tuple[str, dict[str, float]]] = []
    if args.only == "tasks" or (args.only is None and (args.task or args.speaker)):
        return found, noticed
    if args.only != "cost":
        recogniser = RecordingRecogniser(load_by_name(engine))
        others = spread_over(recordings, args.limit)
        found["out_of_grammar"], noticed = rejection.out_of_grammar(others, folder, line, recogniser)
        found["noise_text"] = rejection.noise(noises, recogniser)
    if args.only != "rejection":
        found["cost"] = _cost(engine, recordings, folder)
    return found, noticed


def _cost(engine: str, recordings: list[Recording], folder: Path) -> score.AsrFigures:
    return rejection.cost(recordings, folder, RecordingRecogniser(load_by_name(engine)))


def _under_load(args: argparse.Namespace, name: str, chosen: list[Recording], folder: Path) -> int:
    if not (0 < args.load <= 1000 and 0 < args.seconds <= 3600):
        raise VoicebotError("--load must be above 0 and at most 1000, --seconds at most 3600")
    engine = load_by_name(name)
    count = max(1, round(args.load * args.seconds))
    said = load.utterances(chosen, folder, LineConditions(), RecordingRecogniser(engine), count)
    figures = load.run_at_rate(engine, said, args.load, settings_by_name(name))
    if not args.json:
        print(load.as_text(figures))
    print(json.dumps({"bench": "asr", "engine": name, "speech": str(folder), "load": figures}, ensure_ascii=False))
    return 0 if load.kept(figures) else 1


def _chosen(recordings: list[Recording], args: argparse.Namespace) -> list[Recording]:
    known = tasks(recordings)
    for name in args.task:
        if name not in known:
            where = "not in this manifest" if name in NAMES else "unknown; there are " + ", ".join(NAMES)
            print(f"task {name}: {where}", file=sys.stderr)
    unknown = sorted({r.task for r in recordings} - known.keys())
    if unknown:
        print(f"left out, as no dialog would know what to expect: {', '.join(unknown)}", file=sys.stderr)
    return spread_over(
        [
            r
            for r in recordings
            if r.task in known and r.task in (args.task or known) and r.speaker in (args.speaker or [r.speaker])
        ],
        args.limit,
    )


def _write(out: Path, figures: score.AsrFigures, runs: Runs) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "asr.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (out / "cases.jsonl").open("w", encoding="utf-8") as file:
        for name, (_, cases) in runs.items():
            rows = (json.dumps({"run": name} | asdict(c) | {"right": c.right}, ensure_ascii=False) for c in cases)
            file.writelines(row + "\n" for row in rows)
    report.write(out, figures, runs)
