"""Searching a decoder's output: greedily, with a small beam towards listed words, and with one inside a grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voicebot.asr.decoding_graph import Grammar
from voicebot.asr.moonshine_vocabulary import EOS
from voicebot.asr.recogniser import Cancelled
from voicebot.asr.word_bias import WordBias

BEAM, WIDE = 4, 8
"""Hypotheses at once, inside a grammar and towards listed words. Of 75 orders all slots are right with 4 of these in 63
on a clean line and in 46 with noise at 10 dB, with 8 in 64 and 50, for a sixth more processor time."""
FREE_TOKENS_PER_S = 6.5
"""Moonshine's own bound against endless repetition."""
GRAMMAR_TOKENS_PER_S = 14.0
"""Inside a grammar words may be spelled in pieces."""
_SPARE_TOKENS = 6
_CIRCLE, _ROUNDS = 4, 7
"""So few tokens said so often in a row are a decoder going in circles."""
_KEEP = 8
"""Finished hypotheses that are kept."""
_LIKELY, _CHOICES = 9.0, 12
"""Towards listed words, tokens so far (nats) below the likeliest are tried, at most so many of each hypothesis."""
_BEHIND = 4.5
"""A hypothesis so far (nats, bonus counted) behind the best living one is given up."""
_FAR_BEHIND = 6.0
"""The same inside a grammar, where the other readings are wanted too: a check digit may choose one."""


class StepDecoder(Protocol):
    """A decoder bent over one utterance."""

    seconds: float

    @property
    def first(self) -> tuple[NDArray[np.float32], Any]:
        """What the first step gives, before any text: as `step`."""
        ...

    def step(self, tokens: list[int], rows: list[int], cache: Any) -> tuple[NDArray[np.float32], Any]: ...


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A way to read the utterance."""

    score: float
    """Sum of log-probabilities, end of text included, less the grammar's prices."""
    tokens: tuple[int, ...]
    partial: bool = False
    """Ends where the grammar allows a pause only."""
    state: int = 0
    """Of the grammar, while the hypothesis grows."""
    log: float = 0.0
    """Sum of log-probabilities, the grammar's prices not taken off."""
    text: str = ""
    """In lower case, each run of separators one space (see `grammar.Step.texts`)."""
    greedy: bool = True
    """Every token was the model's first choice: `decode_freely` would find the same."""

    logs: tuple[float, ...] = ()
    """Log-probability of each token, the grammar's prices not taken off."""

    @property
    def confidence(self) -> float:
        """Geometric mean of the tokens' probabilities."""
        return float(np.exp(self.score / (len(self.tokens) + 1)))


def decode_freely(decoding: StepDecoder, cancelled: Cancelled) -> Hypothesis | None:
    """Greedy search. None when cancelled."""
    score, tokens, each = 0.0, [], []
    logs, cache = decoding.first
    for _ in range(int(decoding.seconds * FREE_TOKENS_PER_S) + _SPARE_TOKENS):
        best = int(logs[0].argmax())
        score += float(logs[0, best])
        if best == EOS:
            break
        if cancelled():
            return None
        tokens.append(best)
        each.append(float(logs[0, best]))
        if _circles(tokens):
            break
        logs, cache = decoding.step([best], [0], cache)
    return Hypothesis(score, tuple(tokens), logs=tuple(each))


def _circles(tokens: Sequence[int]) -> bool:
    """Whether the decoder says the same few tokens over and over ("1, 1, 1, …")."""
    for size in range(1, _CIRCLE + 1):
        if len(tokens) >= size * _ROUNDS and tuple(tokens[-size:]) * _ROUNDS == tuple(tokens[-size * _ROUNDS :]):
            return True
    return False


def decode_biased(decoding: StepDecoder, boost: WordBias, cancelled: Cancelled) -> Hypothesis | None:
    """Beam search that favours listed words. None when cancelled.

    The score of what it returns is the model's own, so that confidences compare with those of `decode_freely`.
    """
    live, best = [_Leaning(0.0, 0.0, (), boost.START)], None
    logs, cache = decoding.first
    for _ in range(int(decoding.seconds * FREE_TOKENS_PER_S) + _SPARE_TOKENS):
        grown: list[tuple[int, _Leaning]] = []
        for row, hypothesis in enumerate(live):
            ended = hypothesis.rank + float(logs[row, EOS]) + boost.end(hypothesis.state)
            if best is None or ended > best.rank:
                best = replace(hypothesis, rank=ended, score=hypothesis.score + float(logs[row, EOS]))
            grown.extend((row, h) for h in _leaning(hypothesis, boost, logs[row]))
        grown.sort(key=lambda g: -g[1].rank)
        if not grown or (best is not None and grown[0][1].rank <= best.rank) or _circles(grown[0][1].tokens):
            break
        if cancelled():
            return None
        grown = [g for g in grown[:WIDE] if g[1].rank > grown[0][1].rank - _BEHIND]
        live = [h for _, h in grown]
        logs, cache = decoding.step([h.tokens[-1] for h in live], [row for row, _ in grown], cache)
    return Hypothesis(best.score, best.tokens, logs=best.logs) if best is not None else Hypothesis(0.0, ())


@dataclass(frozen=True, slots=True)
class _Leaning:
    rank: float
    """`score` and what listed words have earned."""
    score: float
    tokens: tuple[int, ...]
    state: int
    logs: tuple[float, ...] = ()


def _leaning(hypothesis: _Leaning, boost: WordBias, logs: NDArray[np.float32]) -> list[_Leaning]:
    likely = np.flatnonzero(logs > logs.max() - _LIKELY)
    grown = []
    for token in likely[np.argsort(-logs[likely])[:_CHOICES]].tolist():
        if token == EOS:
            continue
        state, gain = boost.after(hypothesis.state, token)
        log = float(logs[token])
        tokens = (*hypothesis.tokens, token)
        each = (*hypothesis.logs, log)
        grown.append(_Leaning(hypothesis.rank + log + gain, hypothesis.score + log, tokens, state, each))
    return grown


def decode_in_grammar(decoding: StepDecoder, grammar: Grammar, cancelled: Cancelled) -> list[Hypothesis] | None:
    """Beam search in `grammar`: finished hypotheses, whole and partial, best first. None when cancelled.

    It goes on until no living hypothesis can beat the best whole one any more.
    """
    live, done = [Hypothesis(0.0, ())], []
    reached: dict[str, float] = {}
    logs, cache = decoding.first
    for _ in range(int(decoding.seconds * GRAMMAR_TOKENS_PER_S) + _SPARE_TOKENS):
        grown: list[tuple[int, Hypothesis]] = []
        for row, hypothesis in enumerate(live):
            first = int(logs[row].argmax())
            done.extend(_ended(hypothesis, grammar, float(logs[row, EOS]), first))
            grown.extend((row, h) for h in _grown(hypothesis, grammar, logs[row], first))
        grown = _leading(grown, reached)
        whole = max((h.score for h in done if not h.partial), default=-np.inf)
        if not grown or grown[0][1].score <= whole:
            break
        if cancelled():
            return None
        grown = [g for g in grown[:BEAM] if g[1].score > grown[0][1].score - _FAR_BEHIND]
        live = [h for _, h in grown]
        logs, cache = decoding.step([h.tokens[-1] for h in live], [row for row, _ in grown], cache)
    return sorted(done, key=lambda h: -h.score)[: 4 * _KEEP]


def _leading(grown: list[tuple[int, Hypothesis]], reached: dict[str, float]) -> list[tuple[int, Hypothesis]]:
    """Best first, without those whose text another one has already reached at a better score.

    So the beam holds different answers instead of one as "Four, two", "four two" and "42". `reached` is kept up.
    """
    kept: dict[str, tuple[int, Hypothesis]] = {}
    for row, hypothesis in sorted(grown, key=lambda g: -g[1].score):
        text = hypothesis.text
        if text in kept:
            continue
        if text.endswith(" "):  # the same reading as before its separator
            kept[text] = (row, hypothesis)
        elif hypothesis.score > reached.get(text, -np.inf):
            reached[text] = hypothesis.score
            kept[text] = (row, hypothesis)
    return list(kept.values())


def _ended(hypothesis: Hypothesis, grammar: Grammar, log: float, first: int) -> list[Hypothesis]:
    step = grammar.step(hypothesis.state)
    price = min(step.final, step.partial)
    if price == np.inf:
        return []
    return [
        Hypothesis(
            hypothesis.score + log - price,
            hypothesis.tokens,
            partial=step.final == np.inf,
            log=hypothesis.log + log,
            greedy=hypothesis.greedy and first == EOS,
            logs=hypothesis.logs,
        )
    ]


def _grown(hypothesis: Hypothesis, grammar: Grammar, logs: NDArray[np.float32], first: int) -> list[Hypothesis]:
    step = grammar.step(hypothesis.state)
    if not step.tokens.size:
        return []
    allowed = logs[step.tokens] - step.prices
    best = np.argsort(-allowed)[: 2 * BEAM]
    return [
        Hypothesis(
            hypothesis.score + float(allowed[i]),
            (*hypothesis.tokens, int(step.tokens[i])),
            state=int(step.states[i]),
            log=hypothesis.log + float(allowed[i] + step.prices[i]),
            text=(hypothesis.text + step.texts[i]).replace("  ", " "),
            greedy=hypothesis.greedy and int(step.tokens[i]) == first,
            logs=(*hypothesis.logs, float(allowed[i] + step.prices[i])),
        )
        for i in best
    ]
