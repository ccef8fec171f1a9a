"""Plays every case of ``voicebot bench turns`` to a listener and notes when it took the turn to be over."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voicebot.asr.recogniser import Recogniser
from voicebot.bench.turns.cases import TurnCase
from voicebot.bench.turns.intervals import delays, share
from voicebot.bench.turns.simulated_call import InstantVad, SimulatedCall
from voicebot.listening.events import TurnHeard
from voicebot.listening.turn_timing import TurnTiming

_PROGRESS_S = 10.0


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """What became of one turn."""

    name: str
    task: str
    speaker: str
    turns: int
    """Turns that the listener made of it."""
    cut_off: bool
    """One of them was over before the last word of what was said without a long pause (`ground_truth`)."""
    delay_ms: float | None
    """Last voiced sample to the end of the turn; None when no turn ended after it."""
    heard: str
    audio_s: float
    recognitions: int
    recognition_cpu_ms: float
    ahead_ms: float | None = None
    """From when the listener knew what the turn would be to its end: so far ahead a voice may begin."""


def play(case: TurnCase, vad: InstantVad, engine: Recogniser, timing: TurnTiming | None = None) -> TurnOutcome:
    """One case on a clock of its own."""
    line = SimulatedCall(vad, engine, case.expect, timing)
    known: list[float] = []
    line.listener.on_hypothesis = lambda heard: known.append(line.pool.now) if heard is not None else known.clear()
    line.listener.prompt_ended()
    line.hear_all(case.pcm)
    line.listener.close()
    turns = [(at, event.heard) for at, event in line.events if isinstance(event, TurnHeard)]
    after = [at for at, _ in turns if at >= case.last_s]
    cut_off = any(begin < at < end for at, _ in turns for begin, end in case.turns)
    return TurnOutcome(
        case.name, case.task, case.speaker,
        turns=len(turns),
        cut_off=cut_off,
        delay_ms=round((after[0] - case.last_s) * 1000, 1) if after else None,
        heard=" | ".join(heard.expected_text or heard.text for _, heard in turns),
        audio_s=len(case.pcm) / 8000,
        recognitions=line.pool.jobs,
        recognition_cpu_ms=round(line.pool.cpu_s * 1000, 1),
        ahead_ms=round((turns[-1][0] - known[-1]) * 1000, 1) if turns and known and known[-1] < turns[-1][0] else None,
    )  # fmt: skip


def play_all(
    cases: Iterable[TurnCase], vad: InstantVad, engine: Recogniser, timing: TurnTiming | None = None
) -> list[TurnOutcome]:
    """All cases, one after the other; progress goes to standard error."""
    found: list[TurnOutcome] = []
    shown = time.monotonic()
    for case in cases:
        found.append(play(case, vad, engine, timing))
        if time.monotonic() - shown > _PROGRESS_S:
            shown = time.monotonic()
            print(f"{len(found)} turns", file=sys.stderr, flush=True)
    return found


def figures(outcomes: list[TurnOutcome]) -> dict[str, Any]:
    """As JSON data: by task, each with its speakers."""
    return {
        "turns": len(outcomes),
        "tasks": {task: {**_figures(of), "speakers": _speakers(of)} for task, of in _by(outcomes, _task).items()},
        "recognitions_per_turn": round(sum(o.recognitions for o in outcomes) / max(1, len(outcomes)), 2),
        "recognition_cpu_ms_per_turn": round(sum(o.recognition_cpu_ms for o in outcomes) / max(1, len(outcomes)), 1),
    }


def _figures(outcomes: list[TurnOutcome]) -> dict[str, Any]:
    by_speaker = _by(outcomes, lambda o: o.speaker)
    return {
        "cut_off": share(sum(o.cut_off for o in outcomes), len(outcomes)),
        "missed": share(sum(o.delay_ms is None for o in outcomes), len(outcomes)),
        "delay_ms": delays(
            {name: [o.delay_ms for o in of if o.delay_ms is not None] for name, of in by_speaker.items()}
        ),
        "ahead_ms_p50": round(float(np.median([o.ahead_ms or 0.0 for o in outcomes])), 1) if outcomes else 0.0,
    }


def _speakers(outcomes: list[TurnOutcome]) -> dict[str, Any]:
    return {name: _figures(of) for name, of in _by(outcomes, lambda o: o.speaker).items()}


def _task(outcome: TurnOutcome) -> str:
    return outcome.task


def _by(outcomes: list[TurnOutcome], key: Callable[[TurnOutcome], str]) -> dict[str, list[TurnOutcome]]:
    found: dict[str, list[TurnOutcome]] = {}
    for outcome in outcomes:
        found.setdefault(key(outcome), []).append(outcome)
    return found


def as_text(found: dict[str, Any]) -> str:
    """A table for people."""
    lines = [f"{'':16}{'turns':>6}{'cut off %':>18}{'missed %':>10}{'p50 ms':>18}{'p90':>7}{'p95':>7}{'max':>7}"]
    for task, row in found["tasks"].items():
        cut, missed, delay = row["cut_off"], row["missed"], row["delay_ms"]
        ms = [f"{delay[p]:.0f}" if p in delay else "-" for p in ("p50", "p90", "p95", "max")]
        low, high = delay.get("p50_interval", (0, 0))
        lines.append(
            f"{task:16}{cut['of']:6}{cut['percent']:8.1f} ({cut['low']:.0f}–{cut['high']:.0f})".ljust(40)
            + f"{missed['percent']:10.1f}{ms[0]:>7} ({low:.0f}–{high:.0f})".ljust(28)
            + "".join(f"{cell:>7}" for cell in ms[1:])
        )
    lines.append(
        f"{found['recognitions_per_turn']} recognitions and"
        f" {found['recognition_cpu_ms_per_turn']} ms of CPU for them a turn"
    )
    return "\n".join(lines)


def rows(outcomes: list[TurnOutcome]) -> list[dict[str, Any]]:
    """Every turn as JSON data."""
    return [asdict(outcome) for outcome in outcomes]
