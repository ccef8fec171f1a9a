"""What must not be taken for an answer: other speech inside a grammar, noise and music; and what recognition costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot.asr.recogniser import Transcript
from voicebot.bench.asr.cases import RecordingRecogniser, seed
from voicebot.bench.asr.line_conditions import LineConditions, Recording, load, received
from voicebot.bench.asr.score import THRESHOLD, rate
from voicebot.bench.asr.tasks import TODAY, tasks
from voicebot.messages import Expect, Heard
from voicebot.nlu.slots.dates import find_dates
from voicebot.nlu.slots.digits import find_digits
from voicebot.nlu.slots.extract import find_heard
from voicebot.nlu.slots.letters import find_codes
from voicebot.nlu.slots.numbers import find_amounts
from voicebot.nlu.slots.thresholds import ASK
from voicebot.nlu.slots.tokens import tokens
from voicebot.nlu.slots.yesno import find_yesno
from voicebot.nlu.specs import Slot

EXPECTED: dict[str, tuple[Expect, Callable[[str], bool]]] = {
    "digits4": (Expect("digits", (4,)), lambda t: bool(find_digits(tokens(t), lambda v: len(v) == 4))),
    "yesno": (Expect("yesno"), lambda t: bool(find_yesno(tokens(t)))),
    "amount": (Expect("amount"), lambda t: bool(find_amounts(tokens(t)))),
    "digits6": (Expect("digits", (6,)), lambda t: bool(find_digits(tokens(t), lambda v: len(v) == 6))),
    "date": (Expect("date"), lambda t: bool(find_dates(tokens(t), TODAY.date()))),
    "alnum6": (Expect("alnum", (6,)), lambda t: bool(find_codes(tokens(t), lambda v: len(v) == 6))),
}
"""Answers that are waited for, and whether a sentence holds one after all."""
_OTHER = ("sentence", "request", "long", "word", "coffee")
_EACH = 3
"""Of `EXPECTED`, so many are tried on each recording, in turn."""
PIECE_S, PIECE_HOP_S = 4.0, 2.0
_LISTENED = (
    Expect(), Expect("digits", (4,)), Expect("yesno"), Expect("time"),
    Expect("phrases", phrases=("billing", "opening hours", "technical support", "an agent", "cancel my order")),
)  # fmt: skip
"""What is awaited while nothing but noise comes."""
_TRIED, _COSTED, _COST_S = 200, 24, 2.0


def out_of_grammar(
    recordings: Sequence[Recording], folder: Path, line: LineConditions, recogniser: RecordingRecogniser
) -> tuple[dict[str, Any], list[tuple[str, dict[str, float]]]]:
    """Sentences where an answer is expected that they do not hold: figures; kind and evidence of each answer."""
    tried: list[tuple[str, Recording, float]] = []
    noticed: list[tuple[str, dict[str, float]]] = []
    taken: list[bool] = []
    names = list(EXPECTED)
    for at, recording in enumerate([r for r in recordings if r.task in _OTHER]):
        pcm = received(load(folder / recording.path), line, seed(recording.path))
        for name in (names * 2)[(at * _EACH) % len(names) :][:_EACH]:
            expect, held = EXPECTED[name]
            if not held(recording.transcript):
                found = recogniser.hear(pcm, expect)[0]
                noticed += [(expect.kind, t.evidence) for t in found]
                sure = max((t.expected_confidence for t in found if t.expected), default=0.0)
                tried.append((name, recording, sure))
                taken.append(any(_taken(expect, t) for t in found))
    return {
        "accepted": rate([sure >= THRESHOLD for _, _, sure in tried], [r.speaker for _, r, _ in tried]),
        "answered": rate([sure > 0 for _, _, sure in tried]),
        "in_dialog": rate(taken),
        "by_kind": {n: rate([sure > 0 for name, _, sure in tried if name == n]) for n in names},
        "answers": [[name, r.path, round(sure, 3)] for name, r, sure in tried if sure > 0],
    }, noticed


def _taken(expect: Expect, said: Transcript) -> bool:
    """Whether a dialog that asked for it would find a value in a turn, by free recognition too, and read it back."""
    slot = Slot.model_validate({"type": expect.kind, "prompt": "?", "lengths": list(expect.lengths)})
    heard = Heard(said.text, said.confidence, said.expected, said.expected_confidence, said.alternatives)
    return any(found.heard >= ASK for found in find_heard(slot, heard, TODAY))


def noise(noises: Mapping[str, Pcm], recogniser: RecordingRecogniser) -> dict[str, Any]:
    """Noise and music alone, in pieces of `PIECE_S` every `PIECE_HOP_S`, each with every one of `_LISTENED`: how many
    give text, through the VAD and past it.
    """
    through, past, texts, by_kind = [], [], [], {expect.kind: [0, 0] for expect in _LISTENED}
    size, hop = int(PIECE_S * RATE_HZ), int(PIECE_HOP_S * RATE_HZ)
    for name, pcm in noises.items():
        for at in range(0, max(1, len(pcm) - size // 2), hop):
            piece = received(pcm[at : at + size], LineConditions(), at)
            for number, expect in enumerate(_LISTENED):
                found = [t.expected or t.text for t in recogniser.hear(piece, expect)[0]]
                through.append(any(found))
                by_kind[expect.kind][0] += any(found)
                by_kind[expect.kind][1] += 1
                texts += [[name, at / RATE_HZ, expect.kind, text] for text in found if text]
                if (at // hop + number) % len(_LISTENED) == 0:
                    raw = recogniser.recognise(pcm[at : at + size], expect)
                    past.append(bool(raw.text or raw.expected))
    kinds = {kind: {"texts": given, "n": n} for kind, (given, n) in by_kind.items()}
    return {"through_vad": rate(through), "by_kind": kinds, "without_vad": rate(past), "texts": texts}


def cost(recordings: Sequence[Recording], folder: Path, recogniser: RecordingRecogniser) -> dict[str, Any]:
    """CPU time of answers of about two seconds, read freely and in the grammar of their task.

    One after the other in one thread; the first is not counted.
    """
    known = tasks(recordings)
    asked = [r for r in recordings if r.task in known and known[r.task].expect(r).kind != "free"]
    spans = []
    for recording in asked[:: max(1, len(asked) // _TRIED)]:
        pcm = received(load(folder / recording.path), LineConditions(), 0)
        spans += [(pcm[a:b], known[recording.task].expect(recording)) for a, b in recogniser.spans(pcm)[:1]]
    chosen = sorted(spans, key=lambda span: abs(len(span[0]) / RATE_HZ - _COST_S))[:_COSTED]
    if not chosen:
        return {}
    taken: dict[str, list[float]] = {"free": [], "grammar": []}
    for pcm, inside in [chosen[0], *chosen]:
        for name, expect in (("free", Expect()), ("grammar", inside)):
            began = time.process_time()
            recogniser.recognise(pcm, expect)
            taken[name].append((time.process_time() - began) * 1000)
    return {
        "n": len(chosen),
        "seconds": round(float(np.mean([len(pcm) / RATE_HZ for pcm, _ in chosen])), 2),
        **{f"{name}_ms": round(float(np.median(ms[1:])), 1) for name, ms in taken.items()},
        **{f"{name}_p95_ms": round(float(np.percentile(ms[1:], 95)), 1) for name, ms in taken.items()},
    }
