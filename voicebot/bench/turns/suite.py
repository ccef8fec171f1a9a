"""The work of ``voicebot bench turns``: chooses the cases, plays them, tells the figures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from voicebot.asr.moonshine import Moonshine
from voicebot.asr.recogniser import Recogniser
from voicebot.bench.asr.cases import spread_over
from voicebot.bench.asr.line_conditions import LineConditions, Recording, read_manifest, read_noises
from voicebot.bench.turns.cases import BUILT, NUMBERS, TurnCase, built, recorded
from voicebot.bench.turns.report import ReportPlot, ReportTable, write
from voicebot.bench.turns.run import TurnOutcome, as_text, figures, play_all, rows
from voicebot.bench.turns.simulated_call import InstantVad
from voicebot.errors import VoicebotError
from voicebot.listening.smart_turn import RecogniserWithSmartTurn, SmartTurn, find_model
from voicebot.paths import models_dir, speech_dir

TASKS = (
    "yesno", "digits4", "digits6", "digits10", "digits_real", "code", "date", "amount", "request", "sentence", "long",
    "coffee",
)  # fmt: skip
"""Of the manifest; single words and letters are no turns that anybody cuts."""


def run(args: argparse.Namespace) -> int:
    """See `command.main`. Raises VoicebotError: recordings cannot be read; ModelMissing."""
    folder = args.speech or speech_dir()
    noises = {} if args.noise is None else read_noises(folder)
    if args.noise is not None and not noises:
        raise VoicebotError(f"{folder} has no noise_manifest.csv", "leave --noise out, or give another folder")
    line = LineConditions(args.noise, args.loss / 100, noises)
    cases = choose(folder, read_manifest(folder), tuple(args.task), tuple(args.speaker), args.limit, line)
    if not cases:
        print("no recording of what was asked for", file=sys.stderr)
        return 1
    engine: Recogniser = Moonshine(models_dir() / "moonshine-tiny-en")
    if args.smart_turn:
        engine = RecogniserWithSmartTurn(engine, SmartTurn(find_model()))
    outcomes = play_all(cases, InstantVad(), engine)
    found = {"noise_db": args.noise, "loss_percent": args.loss, "smart_turn": args.smart_turn, **figures(outcomes)}
    if args.out is not None:
        report(args.out, found, outcomes)
    if not args.json:
        print(as_text(found))
    print(json.dumps(found), flush=True)
    return 0


def choose(
    folder: Path,
    everything: list[Recording],
    tasks: tuple[str, ...],
    speakers: tuple[str, ...],
    limit: int | None,
    line: LineConditions,
) -> list[TurnCase]:
    """The turns to play: recordings, then what is built from them. Raises VoicebotError: one cannot be read."""
    wanted = [r for r in everything if r.task in (tasks or TASKS) and (not speakers or r.speaker in speakers)]
    cases = recorded(folder, everything, spread_over(wanted, limit), line)
    if not tasks or set(tasks) & set(BUILT):
        numbers = NUMBERS if limit is None else min(limit, NUMBERS)
        from_parts = built(folder, everything, speakers, line, numbers)
        cases += [case for case in from_parts if not tasks or case.task in tasks]
    return cases


def report(folder: Path, found: dict[str, object], outcomes: list[TurnOutcome]) -> None:
    """Write ``report.html``, ``turns.json`` and ``turns.jsonl``. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "turns.json").write_text(json.dumps(found, indent=1) + "\n")
    (folder / "turns.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(outcomes)))
    by_task: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.delay_ms is not None:
            by_task.setdefault(outcome.task, []).append(outcome.delay_ms)
    plot = ReportPlot("End of turn after the last voiced sample", "milliseconds", "turns over (%)", by_task)
    head = ("task", "speaker", "turns", "cut off", "missed", "p50 ms", "p90 ms", "p95 ms", "max ms")
    write(
        folder / "report.html",
        "voicebot bench turns",
        [plot],
        [ReportTable("By task and speaker", head, _lines(found))],
    )


def _lines(found: dict[str, object]) -> list[tuple[str, ...]]:
    lines = []
    tasks = found["tasks"]
    assert isinstance(tasks, dict)
    for task, row in tasks.items():
        for speaker, figures_of in [("all", row), *row["speakers"].items()]:
            cut, missed, delay = figures_of["cut_off"], figures_of["missed"], figures_of["delay_ms"]
            shares = [f"{s['percent']:.1f} % ({s['low']:.1f}–{s['high']:.1f})" for s in (cut, missed)]
            ms = [f"{delay[p]:.0f}" if p in delay else "–" for p in ("p50", "p90", "p95", "max")]
            if "p50_interval" in delay:
                ms[0] += " ({:.0f}–{:.0f})".format(*delay["p50_interval"])
            lines.append((task, speaker, str(cut["of"]), *shares, *ms))
    return lines
