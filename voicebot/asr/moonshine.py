"""Moonshine tiny-en in onnxruntime: one pair of networks for all calls, free and in-grammar decoding."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicebot.asr import grammars, rejection
from voicebot.asr.beam_search import Hypothesis, decode_biased, decode_freely, decode_in_grammar
from voicebot.asr.confidence import REJECTED, confidence, logit
from voicebot.asr.decoding_graph import Grammar
from voicebot.asr.digit_acoustic_model import DigitAcousticModel
from voicebot.asr.digit_fusion import fuse_digits, too_few_digits
from voicebot.asr.moonshine_session import FILES, FRAME, MoonshineSession, UtteranceDecoder
from voicebot.asr.moonshine_vocabulary import Vocabulary
from voicebot.asr.recogniser import NOTHING, RATE_HZ, Audio, Cancelled, Transcript
from voicebot.asr.word_bias import WordBias
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.messages import Expect

PAD_S = 0.2
"""Silence put on either side: the model loses words that begin with the first sample."""
SHORTEST_S = 1.4
"""Shorter utterances get more silence: of single digits 90 % are understood at 0.8 s, 93.6 % at 1.4 s."""
PARTIAL_LEAD = 1.0
"""So much likelier (in nats) the beginning of a sentence must be than a whole one to be taken for unfinished."""
GAP_TOKENS, GAP_PER_TOKEN = 8, 0.5
"""Readings of more tokens may be so much (nats) further from the free one: each word adds to both."""
UNLIKELY = -2.0
"""Of `rejection.WORDS`, an answer whose tokens are less likely than this (mean log-probability: one in seven) is none:
a long murmur costs any reading much, and the shortest the least. Of 164 right answers, a third each on a clean line, at
10 and at 5 dB, it costs 1; of 64 that noise and many voices gave at more than 0.5 it leaves 7, and
`rejection.is_unvoiced` finds most of those."""
_FAR = 99.0
"""A gap as large as any, where nothing was read inside the grammar."""
_LEVEL = 0.06
"""Root mean square that utterances are scaled to, so that faint callers are heard as loud ones are."""
_BOOSTS = 64
"""Word lists that are kept; a flow has one."""


class Moonshine:
    """The engine. Threads share it; each recognition uses one core.

    Args:
        folder: with ``encoder_model.ort``, ``decoder_model_merged.ort`` and ``tokenizer.bin``.

    Raises:
        ModelMissing: a file is not there or damaged.
    """

    name = "moonshine"

    def __init__(self, folder: Path) -> None:
        for name in (*FILES, "tokenizer.bin"):
            if not (folder / name).is_file():
                raise ModelMissing(f"no recognition model: {folder / name} is not there", "run: voicebot models pull")
        try:
            self._session = MoonshineSession(folder)
        except (RuntimeError, ValueError) as error:
            raise ModelMissing(f"{folder} is damaged: {error}", "fetch it again: voicebot models pull") from error
        self.vocabulary = Vocabulary(folder / "tokenizer.bin")
        self._grammars = grammars.GrammarCache(self.vocabulary.trie)
        self.digits = DigitAcousticModel.find(folder.parent)
        """Exchanged by `voicebot bench asr` for one that has not heard the speaker; None where none was learnt."""
        self._boost = lru_cache(_BOOSTS)(lambda words: WordBias(words, self.vocabulary.texts))

    def close(self) -> None:
        """See `Recogniser.close`; the sessions hold nothing but memory."""

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        """See `Recogniser.recognise`. Tones and silence come back as an empty transcript."""
        if rejection.is_silence_or_tone(audio, RATE_HZ):
            return NOTHING
        try:
            found = self._recognise(prepare(audio), expect, cancelled)
        except RuntimeError as error:  # onnxruntime's exceptions derive from it
            raise EngineFailed(f"recognition failed: {error}") from error
        if found is None or not found.text or found.expected or found.begun:
            return found
        room = rejection.is_murmur(found.confidence, audio, RATE_HZ)
        return replace(found, text="", confidence=0.0, words=()) if room else found

    def frames(self, audio: Audio) -> NDArray[np.float32]:
        """What the encoder makes of prepared audio: (1, T, 288), a frame of 24 ms each. Raises RuntimeError."""
        return self._session.frames(audio)[None]

    def _recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        began = time.perf_counter()
        decoding = self._session.decoding(audio)
        compiled = self._grammars.get(expect)
        if compiled is None:
            said = self._freely(decoding, expect, cancelled)
            if said is None:
                return None
            asr_ms = (time.perf_counter() - began) * 1000
            return replace(self._written(said, decoding), timings_ms={"asr": asr_ms, "grammar": 0.0})
        asr_ms = (time.perf_counter() - began) * 1000
        if expect.brief and expect.kind == "digits" and self.digits is not None:
            begun = too_few_digits(self.digits, decoding.frames, expect.lengths)
            if begun:
                return Transcript("", 0.0, partial=True, begun=begun, begun_only=True, timings_ms={"asr": asr_ms})
        found = decode_in_grammar(decoding, compiled.grammar, cancelled)
        said = _first_choice(found) or decode_freely(decoding, cancelled)
        if found is None or said is None:
            return None
        judged = self._judge(said, self._written(said, decoding), found, compiled, expect, decoding.frames)
        if judged.text and not judged.expected and expect.boost:
            otherwise = self._freely(decoding, expect, cancelled)
            if otherwise is None:
                return None
            freely = self._written(otherwise, decoding)
            judged = replace(judged, text=freely.text, confidence=freely.confidence, words=freely.words)
        timings = {"asr": asr_ms, "grammar": (time.perf_counter() - began) * 1000 - asr_ms}
        return replace(judged, timings_ms=timings)

    def _freely(self, decoding: UtteranceDecoder, expect: Expect, cancelled: Cancelled) -> Hypothesis | None:
        if not expect.boost:
            return decode_freely(decoding, cancelled)
        return decode_biased(decoding, self._boost(expect.boost), cancelled)

    def _written(self, said: Hypothesis, decoding: UtteranceDecoder) -> Transcript:
        """The free text, if it can have been said."""
        text = rejection.without_hallucination(
            self.vocabulary.text(said.tokens), len(said.tokens), decoding.seconds - 2 * PAD_S
        )
        return Transcript(text, said.confidence, self.vocabulary.words(said.tokens, said.logs)) if text else NOTHING

    def _judge(
        self,
        said: Hypothesis,
        freely: Transcript,
        found: list[Hypothesis],
        compiled: grammars.CompiledGrammar,
        expect: Expect,
        frames: NDArray[np.float32],
    ) -> Transcript:
        whole = [h for h in found if not h.partial]
        gap = max(said.score, found[0].score) - whole[0].score if whole else float("inf")
        lead = found[0].score - whole[0].score if whole else float("inf")
        partial = (
            lead > PARTIAL_LEAD
            and bool(found)
            and _sayable(found[0], expect)
            and said.score - found[0].score <= _allowed(compiled, found[0], self.vocabulary.text)
        )
        read: dict[str, float] = {}
        for hypothesis in whole:
            content = compiled.content(self.vocabulary.text(hypothesis.tokens))
            read[content] = float(np.logaddexp(read.get(content, -np.inf), hypothesis.score))
        near = bool(whole) and gap <= _allowed(compiled, whole[0], self.vocabulary.text)
        accepted = near and _sayable(whole[0], expect) and bool(freely.text)
        shares, evidence = _shares(read), {"gap": min(gap, _FAR)}
        if whole:
            evidence["token"] = _token(whole[0])
        if shares:
            evidence["sure"] = logit(next(iter(shares.values())))
        kind = expect.kind
        if kind == "digits" and (self.digits is None or expect.also):
            kind = "alnum"  # one judge only: his confidences are those of codes
        elif self.digits is not None and kind == "digits":
            both = fuse_digits(self.digits, frames, read, expect.lengths, gap, compiled.grammar.accepts)
            if both is not None and not (partial and both.shorter):
                shares, evidence = both.shares, evidence | both.evidence
                accepted = accepted or confidence("digits", evidence) >= REJECTED
                partial = partial and not accepted
        best = tuple(shares)
        accepted = accepted and bool(best)
        return replace(
            freely,
            expected=best[0] if accepted else "",
            expected_confidence=confidence(kind, evidence) if accepted else 0.0,
            alternatives=best if accepted else (),
            partial=partial,
            begun=compiled.content(self.vocabulary.text(found[0].tokens)) if partial else "",
            lead=lead if partial else 0.0,
            gap=gap,
            evidence=evidence,
        )


def _shares(read: Mapping[str, float]) -> dict[str, float]:
    """Readings by their share of the probability, best first; nothing but a carrier phrase takes its share."""
    best = max(read.values(), default=0.0)
    weights = {content: float(np.exp(score - best)) for content, score in read.items()}
    total = sum(weights.values())
    return {content: weights[content] / total for content in sorted(weights, key=lambda c: -weights[c]) if content}


def _allowed(compiled: grammars.CompiledGrammar, reading: Hypothesis, write: Callable[[tuple[int, ...]], str]) -> float:
    """How far below the free reading this one may be."""
    limit = compiled.max_gap if compiled.gap_of is None else compiled.gap_of(write(reading.tokens))
    return limit + GAP_PER_TOKEN * max(0, len(reading.tokens) - GAP_TOKENS)


def _token(reading: Hypothesis) -> float:
    """Mean log-probability of its tokens, the grammar's prices taken off."""
    return reading.score / (len(reading.tokens) + 1)


def _sayable(reading: Hypothesis, expect: Expect) -> bool:
    """Whether the model would say it at all."""
    return expect.kind not in rejection.WORDS or _token(reading) >= UNLIKELY


def _first_choice(found: list[Hypothesis] | None) -> Hypothesis | None:
    """What `decode_freely` would find, where the search inside the grammar has come by it."""
    return next((Hypothesis(h.log, h.tokens, logs=h.logs) for h in found or () if h.greedy), None)


def prepare(audio: Audio) -> Audio:
    """Level and padding: a copy scaled to a common loudness with silence on either side."""
    rms = float(np.sqrt(np.mean(np.square(audio)))) if audio.size else 0.0
    peak = float(np.abs(audio).max()) if audio.size else 0.0
    gain = min(_LEVEL / rms, 0.95 / peak) if rms > 0 else 1.0
    pad_s = max(PAD_S, (SHORTEST_S - audio.size / RATE_HZ) / 2)
    pad = np.zeros(int(pad_s * RATE_HZ), np.float32)
    return np.concatenate([pad, audio * np.float32(gain), pad])


__all__ = ["FRAME", "Grammar", "Moonshine", "prepare"]
