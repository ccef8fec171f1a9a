"""Digits by two judges: the decoder's readings inside the grammar, and the digit layer's string, weighed together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from voicebot.asr.confidence import logit
from voicebot.asr.digit_acoustic_model import DigitAcousticModel, DigitString, Scores, ViterbiSearch
from voicebot.languages.en.digit_training import DIGIT_WORDS

DECODER, LAYER = 0.2, 0.1
"""Weight of each judge's log-likelihoods: most likely on speakers that the layer had not heard; both are too sure."""
_NOT_READ = 2.0
"""A string that the decoder did not come to counts so far (nats) below the worst that it did, …"""
_PRUNED = 6.0
"""… and below what its beam has kept, as far as the best reading was itself in the beam (`decode._FAR_BEHIND`)."""
SURELY_FEWER = 10.0
"""Nats by which fewer digits must be likelier than enough of them: of 119 numbers that were whole none was beyond it,
of 692 pauses inside them 82 in 100 were."""
SURELY_DIGITS = -2.0
"""`DigitString.strange` of digits: 99 of 100 beginnings of numbers are below it. Some dates and amounts are, too: they
wait, and are recognised whole before the turn ends."""
_NEVER = -1e9
_TRIED = 32
"""Strings of each length that the layer may add."""
_DIGIT = {**{word: str(i % 10) for i, word in enumerate(DIGIT_WORDS)}, "o": "0"}


@dataclass(frozen=True, slots=True)
class FusedDigits:
    """What both judges come to."""

    shares: dict[str, float]
    """Answer in words → its share of the probability, best first."""
    evidence: dict[str, float]
    """See `confidence.FEATURES`."""
    shorter: bool
    """The layer would rather have heard fewer digits than any length that is allowed: more will come."""


def fuse_digits(
    layer: DigitAcousticModel,
    frames: Scores,
    read: Mapping[str, float],
    lengths: Sequence[int],
    gap: float,
    accepts: Callable[[str], bool],
) -> FusedDigits | None:
    """Both judges' answers. None when neither has any.

    Args:
        frames: (T, features) of the encoder.
        read: the decoder's readings in words, and their log-likelihoods.
        lengths: numbers of digits allowed; empty for those that the decoder read.
        gap: nats by which the decoder's free reading is likelier than its best inside the grammar.
        accepts: whether an answer in words is inside the grammar.
    """
    written = {_figures(words): words for words in read}
    scores: dict[str, float] = {}
    for words, score in read.items():
        scores[_figures(words)] = float(np.logaddexp(scores.get(_figures(words), -np.inf), score))
    scores.pop("", None)
    allowed = sorted(set(lengths) or {len(digits) for digits in scores})
    if not allowed:
        return None
    search = ViterbiSearch(layer.scores(frames), allowed[-1] + 1)
    by_length = {n: one for n in allowed if (one := search.best(n)) is not None}
    heard = list(by_length.values())
    if not heard:
        return None
    top = max(heard, key=lambda d: d.score)
    decoded = max(scores, key=lambda digits: scores[digits], default="")
    floor = min(*scores.values(), scores[decoded] - max(0.0, _PRUNED - gap)) - _NOT_READ if scores else 0.0
    added = {digits for one in heard for digits in _likeliest(one.places, _TRIED)}
    spoken = {
        digits: written.get(digits) or " ".join(DIGIT_WORDS[int(d)] for d in digits) for digits in {*scores, *added}
    }
    total = {
        digits: DECODER * scores.get(digits, floor) + LAYER * _fit(by_length[len(digits)], digits)
        for digits, words in spoken.items()
        if len(digits) in by_length and (digits in scores or accepts(words))
    }
    if not total:
        return None
    best = max(total.values())
    whole = sum(np.exp(score - best) for score in total.values())
    order = sorted(total, key=lambda digits: -total[digits])
    shares = {spoken[digits]: float(np.exp(total[digits] - best) / whole) for digits in order}
    chosen = by_length[len(order[0])]
    others = {
        n: scored for n in range(1, allowed[-1] + 2) if n not in allowed and (scored := search.score(n)) is not None
    }
    worst = np.sort(chosen.places, axis=1)[:, -2].max()
    evidence = {
        "sure": logit(next(iter(shares.values()))),
        "strange": chosen.strange,
        "agree": float(order[0] == decoded),
        "place": float(-worst),
        "length": chosen.score - max(others.values()) if others else 20.0,
    }
    fewer = [score for n, score in others.items() if n < allowed[0]]
    return FusedDigits(shares, evidence, bool(fewer) and max(fewer) > top.score)


def too_few_digits(layer: DigitAcousticModel, frames: Scores, lengths: Sequence[int]) -> str:
    """The digits said so far, in words, where they surely are fewer than any number of `lengths` has; or nothing.

    It costs a tenth of what the decoder does. What may be other speech, or a whole number, is left to the decoder.
    """
    least = min(lengths, default=1)
    if least == 1:
        return ""
    search = ViterbiSearch(layer.scores(frames), least + 1)
    scores = {n: scored for n in range(1, least + 2) if (scored := search.score(n)) is not None}
    said = max(scores, key=lambda n: scores[n], default=least)
    if said >= least or scores[said] - max((s for n, s in scores.items() if n >= least), default=_NEVER) < SURELY_FEWER:
        return ""
    found = search.best(said)
    return " ".join(DIGIT_WORDS[int(d)] for d in found.digits) if found and found.strange < SURELY_DIGITS else ""


def _figures(words: str) -> str:
    figures = [_DIGIT.get(word, "") for word in words.split()]
    return "".join(figures) if all(figures) else ""


def _fit(heard: DigitString, digits: str) -> float:
    return heard.score + float(heard.places[np.arange(len(digits)), [int(d) for d in digits]].sum())


def _likeliest(places: Scores, count: int) -> list[str]:
    """The best strings, place by place."""
    best = [(0.0, "")]
    for row in places:
        best = sorted(((s + float(v), d + str(i)) for s, d in best for i, v in enumerate(row)), reverse=True)[:count]
    return [digits for _, digits in best]
