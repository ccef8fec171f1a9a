"""Plays prompts to a listener that hears their echo and what comes in, on a clock of samples; see `simulated_call`."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.asr.recogniser import Recogniser
from voicebot.bench.bargein.cases import SPOKEN, BargeInCase, BargeInKind
from voicebot.bench.caller_audio import through_line
from voicebot.bench.turns.intervals import delays, share
from voicebot.bench.turns.simulated_call import PACKET, InstantVad, SimulatedCall
from voicebot.listening.events import FalseAlarm, Interrupt, ListeningEvent, TurnHeard
from voicebot.listening.turn_timing import TurnTiming

AHEAD_S = 0.3
"""A player gives a leg that much in advance, and tells the listener of it then."""
AFTER_S = 2.5
"""Prompt that is left after the sound."""
RESUME_S = 1.2
"""A prompt that stopped for a sound that was no caller must go on after this."""
ECHO_ONLY_S = 8.0
EARLIER_S = 2.0
"""Quiet line between the caller's earlier turn and the prompt."""
ROOM_TAPS = 240
"""30 ms of reflections after the echo's delay: a handset or a small room."""
_HISS_RMS = 8.0
_PROGRESS_S = 10.0


def _room(chance: np.random.Generator) -> NDArray[np.float32]:
    """An echo path of energy 1: the direct sound, and reflections that fade within `ROOM_TAPS`, latest first."""
    taps = chance.normal(0, 0.3, ROOM_TAPS) * np.exp(-np.arange(ROOM_TAPS) / (ROOM_TAPS / 5))
    taps[0] = 1.0
    return np.asarray(taps[::-1] / np.sqrt(np.square(taps).sum()), np.float32)


@dataclass(frozen=True, slots=True)
class BargeInOutcome:
    """What became of one prompt."""

    name: str
    kind: BargeInKind
    speaker: str
    stop_ms: float | None
    """First voiced sample of the caller to the `Interrupt`, 0 when it was silent by then; None when there was none."""
    early: bool
    """It stopped before anything but its echo came in."""
    pauses_s: tuple[float, ...]
    """How long it was silent, each time; the last one may have no end."""
    turn_taken: bool
    """What came in became a turn of the caller."""
    heard: str

    @property
    def paused(self) -> bool:
        """It stopped, if only for a moment."""
        return bool(self.pauses_s)

    @property
    def lost(self) -> bool:
        """It stopped and did not go on within `RESUME_S`."""
        return self.turn_taken or any(s > RESUME_S for s in self.pauses_s)


class PromptUnderTest:
    """A prompt that plays, and an ear on the same line."""

    def __init__(
        self, case: BargeInCase, prompt: Pcm, vad: InstantVad, engine: Recogniser, timing: TurnTiming | None
    ) -> None:
        self.line = SimulatedCall(vad, engine, case.expect, timing, self._on_ear)
        self.stopped_at: list[float] = []
        self.resumed_at: list[float] = []
        self._case, self._prompt = case, prompt
        self._at = self._told = 0
        self.begin_s = 0.0
        """When the prompt began."""
        self._paused = False
        self._chance = np.random.default_rng(zlib.crc32(case.name.encode()))
        self._echo = np.zeros(int(case.echo_delay_s * RATE_HZ) + PACKET + ROOM_TAPS - 1, np.float32)
        self._room = _room(self._chance) * np.float32(10 ** (case.echo_db / 20))

    def run(self) -> None:
        """The whole case."""
        case, listener = self._case, self.line.listener
        length_s = case.begin_s + len(case.sound) / RATE_HZ + AFTER_S if len(case.sound) else ECHO_ONLY_S
        incoming = np.zeros(int(length_s * RATE_HZ), np.float32)
        begin = int(case.begin_s * RATE_HZ)
        incoming[begin : begin + len(case.sound)] = case.sound
        incoming += self._chance.normal(0, _HISS_RMS, len(incoming)).astype(np.float32)
        self._earlier_turn()
        listener.prompt_started(True)
        for at in range(0, len(incoming) - PACKET + 1, PACKET):
            heard = incoming[at : at + PACKET] + self._echo_now()
            self.line.hear(through_line(np.clip(heard, -32768, 32767).astype(np.int16)))
        listener.close()

    def _earlier_turn(self) -> None:
        """The caller said something before, so that his level is known; events of that are not counted."""
        line = self.line
        line.hear_silence(0.5, _HISS_RMS, self._chance)
        line.hear_all(through_line(self._case.earlier))
        line.hear_silence(EARLIER_S, _HISS_RMS, self._chance)
        line.events.clear()
        self.begin_s = line.now_s

    def _echo_now(self) -> NDArray[np.float32]:
        """20 ms go out; what of earlier ones comes back."""
        if self._paused:
            out = np.zeros(PACKET, np.float32)
        else:
            ahead = self._at + PACKET + int(AHEAD_S * RATE_HZ)
            self.line.listener.played(self._part(self._told, ahead))
            self._told = ahead
            out = self._part(self._at, self._at + PACKET).astype(np.float32)
            self._at += PACKET
        self._echo = np.concatenate([self._echo[PACKET:], out])
        return np.convolve(self._echo[: PACKET + ROOM_TAPS - 1], self._room, "valid")

    def _part(self, begin: int, end: int) -> Pcm:
        return np.take(self._prompt, np.arange(begin, end), mode="wrap")

    def _on_ear(self, event: ListeningEvent) -> None:
        if isinstance(event, Interrupt) and not self._paused:
            self._paused = True
            self.line.listener.unplayed(self._told - self._at)
            self._told = self._at
            self.stopped_at.append(self.line.pool.now)
        elif isinstance(event, FalseAlarm) and self._paused:
            self._paused = False
            self.resumed_at.append(self.line.pool.now)


def play(
    case: BargeInCase, prompt: Pcm, vad: InstantVad, engine: Recogniser, timing: TurnTiming | None = None
) -> BargeInOutcome:
    """One case."""
    room = PromptUnderTest(case, prompt, vad, engine, timing)
    room.run()
    onset_s = room.begin_s + case.begin_s + case.voice_s
    ends = [*room.resumed_at, room.line.now_s][: len(room.stopped_at)]
    own_s = room.begin_s + case.begin_s  # a breath before the first word may have stopped it already
    after = [max(at, onset_s) for at, end in zip(room.stopped_at, ends, strict=True) if at >= own_s and end > onset_s]
    turns = [event.heard for _, event in room.line.events if isinstance(event, TurnHeard)]
    return BargeInOutcome(
        case.name, case.kind, case.speaker,
        stop_ms=round((after[0] - onset_s) * 1000, 1) if after else None,
        early=any(at < own_s for at in room.stopped_at),
        pauses_s=tuple(round(end - begin, 3) for begin, end in zip(room.stopped_at, ends, strict=True)),
        turn_taken=bool(turns),
        heard=" | ".join(heard.expected_text or heard.text for heard in turns),
    )  # fmt: skip


def play_all(
    cases: Sequence[BargeInCase], prompt: Pcm, vad: InstantVad, engine: Recogniser, timing: TurnTiming | None = None
) -> list[BargeInOutcome]:
    """All cases, one after the other; progress goes to standard error."""
    found: list[BargeInOutcome] = []
    shown = time.monotonic()
    for case in cases:
        found.append(play(case, prompt, vad, engine, timing))
        if time.monotonic() - shown > _PROGRESS_S:
            shown = time.monotonic()
            print(f"{len(found)} of {len(cases)} prompts", file=sys.stderr, flush=True)
    return found


def figures(outcomes: Sequence[BargeInOutcome]) -> dict[str, Any]:
    """As JSON data: callers, and by kind what stopped a prompt that should have gone on."""
    callers = [o for o in outcomes if o.kind == "caller"]
    others = [o for o in outcomes if o.kind not in SPOKEN]
    kinds = {kind: [o for o in others if o.kind == kind] for kind in dict.fromkeys(o.kind for o in others)}
    return {
        "prompts": len(outcomes),
        "caller": {**_callers(callers), "speakers": {s: _callers(of) for s, of in _by_speaker(callers).items()}},
        "words": {kind: _callers([o for o in outcomes if o.kind == kind]) for kind in SPOKEN[1:]},
        "no_caller": {**{kind: _false(of) for kind, of in kinds.items()}, "all": _false(others)},
    }


def _callers(outcomes: Sequence[BargeInOutcome]) -> dict[str, Any]:
    waits = {s: [o.stop_ms for o in of if o.stop_ms is not None] for s, of in _by_speaker(outcomes).items()}
    return {
        "stop_ms": delays(waits),
        "missed": share(sum(o.stop_ms is None for o in outcomes), len(outcomes)),
        "resumed_over": share(sum(o.stop_ms is not None and not o.turn_taken for o in outcomes), len(outcomes)),
        "nervous": share(sum(o.turn_taken and len(o.pauses_s) > 1 for o in outcomes), len(outcomes)),
        "early": share(sum(o.early for o in outcomes), len(outcomes)),
    }


def _false(outcomes: Sequence[BargeInOutcome]) -> dict[str, Any]:
    paused = [o for o in outcomes if o.paused]
    return {
        "paused": share(len(paused), len(outcomes)),
        "false_stops": share(sum(o.lost for o in outcomes), len(outcomes)),
        "resumed_of_paused": share(sum(not o.lost for o in paused), len(paused)),
        "pause_s_max": max((s for o in outcomes for s in o.pauses_s), default=0.0),
    }


def _by_speaker(outcomes: Sequence[BargeInOutcome]) -> dict[str, list[BargeInOutcome]]:
    found: dict[str, list[BargeInOutcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.speaker, []).append(outcome)
    return found


def as_text(found: dict[str, Any]) -> str:
    """A table for people."""
    caller = found["caller"]
    stop = caller["stop_ms"]
    taken = {"callers": caller, "short answers": found["words"]["short"], "words unasked": found["words"]["unasked"]}
    lines = [
        f"{name}: {_share(row['missed'])} missed, {_share(row['resumed_over'])} talked over again,"
        f" {_share(row['nervous'])} talked over in between"
        for name, row in taken.items()
        if row["missed"]["of"]
    ]
    if stop["n"]:
        ms = ", ".join(f"{p} {stop[p]:.0f}" for p in ("p50", "p90", "p95", "max"))
        lines.append(f"prompt stops after the first voiced sample: {ms} ms (p95 {stop['p95_interval']})")
    lines.append(f"{'no caller':14}{'paused at all':>26}{'false stops':>26}{'longest s':>11}")
    for kind, row in found["no_caller"].items():
        lines.append(f"{kind:14}{_share(row['paused']):>26}{_share(row['false_stops']):>26}{row['pause_s_max']:11.2f}")
    return "\n".join(lines)


def _share(share_of: dict[str, Any]) -> str:
    return f"{share_of['percent']:.1f} % of {share_of['of']} ({share_of['low']:.0f}–{share_of['high']:.0f})"


def rows(outcomes: Sequence[BargeInOutcome]) -> list[dict[str, Any]]:
    """Every prompt as JSON data."""
    return [asdict(outcome) for outcome in outcomes]
