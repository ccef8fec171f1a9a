"""The work of ``voicebot bench asr``: recordings, noise and cost, their figures, and where they are written."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from voicebot import config
from voicebot.bench import asr_calibrate, asr_cases, asr_digits, asr_load, asr_reject, asr_report, asr_score
from voicebot.bench.asr_cases import Case
from voicebot.bench.asr_line import Line, Recording, read_manifest, read_noises
from voicebot.bench.asr_tasks import NAMES, tasks
from voicebot.ears.asr.moonshine import Moonshine
from voicebot.errors import VoicebotError
from voicebot.paths import models_dir, speech_dir


def run(args: argparse.Namespace) -> int:
    """Run what the arguments ask for. Raises VoicebotError: no recordings, no such engine."""
    folder: Path = args.speech or speech_dir()
    recordings = read_manifest(folder)
    chosen = _chosen(recordings, args)
    if not chosen and args.only in (None, "tasks"):
        print("no recording of the tasks and speakers asked for", file=sys.stderr)
        return 1
    if args.load is not None:
        return _under_load(args, chosen, folder)
    noises = read_noises(folder)
    if args.noise is not None and not noises:
        raise VoicebotError(f"{folder} has no noise_manifest.csv", "leave --noise out, or give another folder")
    line = Line(args.noise, args.loss / 100, noises if args.noise is not None else {})
    figures: asr_score.Figures = {
        "bench": "asr",
        "engine": args.engine,
        "speech": str(folder),
        "noise_db": args.noise,
        "loss_percent": args.loss,
        "digit_layer": "without each speaker" if args.unheard is not None else "as installed",
        "threshold": asr_score.THRESHOLD,
    }
    if args.train_digits:
        asr_digits.train(recordings, folder, Moonshine(models_dir() / "moonshine-tiny-en"))
        return 0
    if args.unheard is not None:
        asr_digits.unheard(recordings, folder, Moonshine(models_dir() / "moonshine-tiny-en"), args.unheard)
    cases: list[Case] = []
    noticed: list[tuple[str, dict[str, float]]] = []
    if args.only in (None, "tasks"):
        jobs = args.jobs or os.cpu_count() or 1
        cases = asr_cases.run(args.engine, folder, recordings, chosen, line, jobs, args.unheard)
        figures |= asr_score.of_tasks(cases)
    if args.only in ("rejection", "cost") or (args.only is None and not args.task and not args.speaker):
        ears = asr_cases.Ears(asr_cases.engine(args.engine))
        if args.only != "cost":
            others = recordings if args.unheard is None else asr_digits.other_speech(recordings)[1::2]
            if args.unheard is not None:
                ears.forget(next(r.speaker for r in recordings if r.task in asr_digits.LEFT_OUT), args.unheard)
            others = asr_cases.spread_over(others, args.limit)
            figures["out_of_grammar"], noticed = asr_reject.out_of_grammar(others, folder, line, ears)
            figures["noise_text"] = asr_reject.noise(noises, ears)
        if args.only != "rejection":
            figures["cost"] = asr_reject.cost(recordings, folder, ears)
    if args.calibrate:
        print(asr_calibrate.table(cases, noticed, tasks(recordings), recordings))
    if args.out is not None:
        _write(args.out, figures, cases)
    if not args.json:
        print(asr_score.table(figures))
    print(json.dumps(figures, ensure_ascii=False))
    return 0


def _under_load(args: argparse.Namespace, chosen: list[Recording], folder: Path) -> int:
    if not (0 < args.load <= 1000 and 0 < args.seconds <= 3600):
        raise VoicebotError("--load must be above 0 and at most 1000, --seconds at most 3600")
    engine = asr_cases.engine(args.engine)
    count = max(1, round(args.load * args.seconds))
    said = asr_load.utterances(chosen, folder, Line(), asr_cases.Ears(engine), count)
    load = asr_load.run(engine, said, args.load, config.Ears())
    if not args.json:
        print(asr_load.as_text(load))
    print(json.dumps({"bench": "asr", "engine": args.engine, "speech": str(folder), "load": load}, ensure_ascii=False))
    return 0 if asr_load.kept(load) else 1


def _chosen(recordings: list[Recording], args: argparse.Namespace) -> list[Recording]:
    known = tasks(recordings)
    for name in args.task:
        if name not in known:
            where = "not in this manifest" if name in NAMES else "unknown; there are " + ", ".join(NAMES)
            print(f"task {name}: {where}", file=sys.stderr)
    unknown = sorted({r.task for r in recordings} - known.keys())
    if unknown:
        print(f"left out, as no dialog would know what to expect: {', '.join(unknown)}", file=sys.stderr)
    return asr_cases.spread_over(
        [
            r
            for r in recordings
            if r.task in known and r.task in (args.task or known) and r.speaker in (args.speaker or [r.speaker])
        ],
        args.limit,
    )


def _write(out: Path, figures: asr_score.Figures, cases: list[Case]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "asr.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (out / "cases.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(c) | {"right": c.right}, ensure_ascii=False) + "\n" for c in cases)
    asr_report.write(out, figures, cases)
