"""Whisper in CTranslate2 (faster-whisper's models): one encoding of a 30 s window, several readings of it.

The grammar cannot be searched step by step as Moonshine's is: each step would attend to the whole window anew. So the
model gives its n best texts freely and under a mask (only tokens that the grammar could hold), short lists of phrases
join them, and what is a sentence of the grammar is scored by the model's own log-probabilities in one batch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from rapidfuzz import fuzz

from voicebot.asr import rejection
from voicebot.asr.confidence import confidence, logit
from voicebot.asr.decoding_graph import WRITTEN
from voicebot.asr.grammar_match import GrammarMatcher
from voicebot.asr.recogniser import NOTHING, RATE_HZ, Audio, Cancelled, Transcript
from voicebot.errors import EngineFailed, ModelMissing
from voicebot.languages.en.recogniser_hints import STYLE
from voicebot.messages import Expect, Word

WINDOW_S = 30
"""What the model was trained on: shorter audio is padded, longer is cut where it is quiet."""
CUT_FROM_S = 20
BEAM = 5
PATIENCE = 2.0
"""The search goes on until BEAM times this many texts have ended: with 1, five bad short ones end it before a good long
one is done."""
MASKED = 3
"""Of the texts found under the mask so many are scored: each costs a pass of the decoder over the whole window."""
TOKENS_PER_S, SPARE_TOKENS = 9.0, 12
"""Bound against endless repetition."""
CANDIDATES = 4
"""Of listed answers so many are scored, those most like what was heard."""
HINT_TOKENS = 60
"""Of the prompt; the model's own limit is 223, and each makes every step dearer."""
NO_SPEECH, NO_SPEECH_LOG = 0.6, -1.0
"""OpenAI's rule: no speech where the model says so and is not sure of its text either."""
PARTIAL_LEAD = 1.0
"""So much likelier (nats) an unfinished answer must be than a whole one."""
_KINDS = {"digits": "alnum"}
"""Whose table of confidences another kind takes: digits have one judge here. The tables are those of Moonshine, as no
recordings were heard with Whisper's weights yet: with them, `voicebot bench asr --engine whisper --calibrate` says how
far they hold."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One text and how likely it is."""

    text: str
    tokens: tuple[int, ...]
    score: float
    """Sum of log-probabilities, end of text included."""
    logs: tuple[float, ...] = ()
    """Log-probability of each token, of the freely found text only."""

    @property
    def confidence(self) -> float:
        return float(np.exp(self.score / (len(self.tokens) + 1)))


class Whisper:
    """The engine. Threads share it; each recognition uses one core, or the GPU.

    Args:
        model: loaded.
        name: for people.
        language: what is spoken.
    """

    def __init__(self, model: WhisperModel, name: str, language: str = "en") -> None:
        self.name = name
        self._features = model.feature_extractor
        self._model = model.model
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
        self._tokens = tokenizer
        self._start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        pieces = [tokenizer.tokenizer.decode([token]) for token in range(tokenizer.eot)]
        self._unwritten = [t for t, piece in enumerate(pieces) if not piece or not WRITTEN.issuperset(piece.lower())]
        self._special = [
            -1,
            *range(tokenizer.eot + 1, tokenizer.tokenizer.get_vocab_size()),
        ]  # -1: the model's own list
        self._readings = GrammarMatcher()

    @classmethod
    def load(cls, folder: Path, name: str, device: str, compute: str, language: str, threads: int) -> Whisper:
        """Load a converted model. Nothing is downloaded.

        Args:
            name: for people.
            device, compute: where and in which numbers it computes, in CTranslate2's words.
            threads: recognitions under way at once.

        Raises:
            ModelMissing: the model is damaged, or this machine cannot run it so.
        """
        try:
            model = WhisperModel(
                str(folder),
                device=device,
                compute_type=compute,
                cpu_threads=1,
                num_workers=threads,
                local_files_only=True,
            )
            return cls(model, name, language)
        except (RuntimeError, ValueError) as error:
            remedy = "fetch it again, or set device and compute to what this machine has"
            raise ModelMissing(f"{folder} cannot be loaded: {error}", remedy) from error

    def close(self) -> None:
        """See `Recogniser.close`."""
        self._model.unload_model()

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        """See `Recogniser.recognise`. Tones and silence come back as an empty transcript."""
        if rejection.is_silence_or_tone(audio, RATE_HZ):
            return NOTHING
        try:
            parts = [self._window(part, expect, cancelled) for part in windows(audio)]
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"{self.name} failed: {error}") from error
        heard = [part for part in parts if part is not None]
        if len(heard) < len(parts):
            return None
        if len(heard) == 1:
            return heard[0]
        spoken = [part for part in heard if part.text]
        text = " ".join(part.text for part in spoken)
        timings = {name: sum(part.timings_ms[name] for part in heard) for name in heard[0].timings_ms}
        words = tuple(word for part in spoken for word in part.words)
        return Transcript(text, min((part.confidence for part in spoken), default=0.0), words, timings_ms=timings)

    def _window(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        began = time.perf_counter()
        if cancelled():
            return None
        mel = self._features(audio)[:, : WINDOW_S * 100]
        mel = np.pad(mel, ((0, 0), (0, WINDOW_S * 100 - mel.shape[1])))[None].astype(np.float32)
        encoded = self._model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel)), to_cpu=True)
        prompt = self._prompt(expect)
        limit = int(audio.size / RATE_HZ * TOKENS_PER_S) + SPARE_TOKENS
        if cancelled():
            return None
        (said,), silent = self._texts(encoded, prompt, limit, self._special, 1)
        text = rejection.without_hallucination(said.text, len(said.tokens), audio.size / RATE_HZ)
        if silent > NO_SPEECH and said.score / (len(said.tokens) + 1) < NO_SPEECH_LOG:
            text = ""
        asr_ms = (time.perf_counter() - began) * 1000
        free = NOTHING if not text else Transcript(text, said.confidence, self._words(said))
        free = replace(free, timings_ms={"asr": asr_ms, "grammar": 0.0})
        if cancelled():
            return None
        if not text or not self._readings.expected(expect):
            return free
        found = [said, *self._texts(encoded, prompt, limit, self._special + self._unwritten, BEAM)[0][:MASKED]]
        if cancelled():
            return None
        texts = _unlike([*(s.text for s in found), *self._listed(found, expect)])
        scored = self._score(encoded, prompt, texts, cancelled)
        if scored is None:
            return None
        best = max(said.score for said in scored)
        grammar_ms = (time.perf_counter() - began) * 1000 - asr_ms
        return self._judge(free, best, scored, expect, {"asr": asr_ms, "grammar": grammar_ms})

    def _prompt(self, expect: Expect) -> list[int]:
        """What was said before, as the model believes: style, listed words; then the start of the transcript."""
        hints = ", ".join(dict.fromkeys([*filter(None, [STYLE.get(expect.kind)]), *expect.phrases, *expect.boost]))
        if not hints:
            return self._start
        return [self._tokens.sot_prev, *self._tokens.encode(" " + hints)[:HINT_TOKENS], *self._start]

    def _texts(
        self, encoded: Any, prompt: list[int], limit: int, banned: list[int], best: int
    ) -> tuple[list[_Said], float]:
        """The `best` texts without the `banned` tokens, best first, and the probability that nobody speaks."""
        (result,) = self._model.generate(
            encoded,
            [prompt],
            beam_size=best,
            patience=PATIENCE if best > 1 else 1,
            num_hypotheses=best,
            max_length=2 * (len(prompt) + limit),  # CTranslate2 takes half of it for what is new
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=banned,
            length_penalty=1,
            return_logits_vocab=best == 1,
        )
        texts = []
        for number, (ids, score) in enumerate(zip(result.sequences_ids, result.scores, strict=True)):
            tokens = tuple(token for token in ids[:limit] if token < self._tokens.eot)
            logs = _logs(result.logits[number], tokens) if best == 1 else ()
            texts.append(_Said(self._tokens.decode(list(tokens)).strip(), tokens, score * (len(tokens) + 1), logs))
        return texts, float(result.no_speech_prob)

    def _words(self, said: _Said) -> tuple[Word, ...]:
        """Words of a text, each with the geometric mean of its tokens' probabilities; marks do not count."""
        spoken: list[tuple[list[int], list[float]]] = []
        for token, log in zip(said.tokens, said.logs, strict=True):
            piece = self._tokens.decode([token])
            if not spoken or piece.startswith(" "):
                spoken.append(([], []))
            spoken[-1][0].append(token)
            if not piece.strip() or any(char.isalnum() for char in piece):  # a part of a character counts, too
                spoken[-1][1].append(log)
        return tuple(
            Word(self._tokens.decode(tokens).strip(), math.exp(sum(logs) / len(logs)))
            for tokens, logs in spoken
            if logs
        )

    def _listed(self, found: Sequence[_Said], expect: Expect) -> list[str]:
        """Of the answers that can be listed those that are most like what was heard."""
        heard = [said.text.lower() for said in found]
        likely = sorted(
            self._readings.sentences(expect),
            key=lambda sentence: -max(fuzz.ratio(sentence.lower(), text) for text in heard),
        )
        return likely[:CANDIDATES]

    def _score(self, encoded: Any, prompt: list[int], texts: Iterable[str], cancelled: Cancelled) -> list[_Said] | None:
        """Each text with the log-probability that the model would have said it, end of text included.

        None when cancelled.
        """
        by_length: dict[int, dict[tuple[int, ...], str]] = {}
        for text in texts:
            tokens = tuple(self._tokens.encode(" " + text.strip()))
            by_length.setdefault(len(tokens), {})[tokens] = text
        found = []
        for length, same in by_length.items():
            if cancelled():
                return None
            rows = list(same)
            results = self._model.generate(
                ctranslate2.StorageView.from_array(np.repeat(np.asarray(encoded), len(rows), 0)),
                [[*prompt, *row] for row in rows],
                beam_size=1,
                max_length=2 * (len(prompt) + length) + 2,
                return_logits_vocab=True,
                suppress_blank=False,
                suppress_tokens=[],
            )
            for row, result in zip(rows, results, strict=True):
                found.append(_Said(same[row], row, sum(_logs(result.logits[0], (*row, self._tokens.eot)))))
        return found

    def _judge(
        self, free: Transcript, best: float, scored: list[_Said], expect: Expect, timings: dict[str, float]
    ) -> Transcript:
        """The in-grammar result beside the free one."""
        read = [(said, self._readings.read(said.text, expect)) for said in sorted(scored, key=lambda s: -s.score)]
        whole = [(said, reading.content) for said, reading in read if reading is not None and not reading.partial]
        begun = [(said, reading.content) for said, reading in read if reading is not None and reading.partial]
        gap = best - whole[0][0].score if whole else float("inf")
        lead = begun[0][0].score - (whole[0][0].score if whole else -np.inf) if begun else 0.0
        partial = bool(begun) and lead > PARTIAL_LEAD and self._near(begun[0][0], best, expect)
        weights: dict[str, float] = {}
        for said, content in whole:
            weights[content] = weights.get(content, 0.0) + float(np.exp(said.score - whole[0][0].score))
        accepted = bool(weights) and self._near(whole[0][0], best, expect)
        choices = tuple(weights)
        evidence: dict[str, float] = {}
        if weights:
            share = weights[choices[0]] / sum(weights.values())
            evidence = {"sure": logit(share), "gap": gap, "token": whole[0][0].score / (len(whole[0][0].tokens) + 1)}
        return Transcript(
            free.text,
            free.confidence,
            free.words,
            expected=choices[0] if accepted else "",
            expected_confidence=confidence(_KINDS.get(expect.kind, expect.kind), evidence) if accepted else 0.0,
            alternatives=choices if accepted else (),
            partial=partial,
            begun=begun[0][1] if partial else "",
            lead=lead if partial else 0.0,
            gap=gap,
            timings_ms=timings,
            evidence=evidence,
        )

    def _near(self, said: _Said, best: float, expect: Expect) -> bool:
        """Whether it is close enough to the best reading to be what was said."""
        return best - said.score <= self._readings.max_gap(said.text, expect)


def windows(audio: Audio) -> list[Audio]:
    """Pieces of at most `WINDOW_S`, cut at the quietest tenth of a second after `CUT_FROM_S`."""
    pieces = []
    while audio.size > WINDOW_S * RATE_HZ:
        frame = RATE_HZ // 10
        late = audio[CUT_FROM_S * RATE_HZ : WINDOW_S * RATE_HZ].reshape(-1, frame)
        at = CUT_FROM_S * RATE_HZ + int(np.square(late).sum(1).argmin()) * frame + frame // 2
        pieces.append(audio[:at])
        audio = audio[at:]
    return [*pieces, audio]


def _unlike(texts: Iterable[str]) -> list[str]:
    """Each text once; those that differ in case and marks only are one."""
    kept: dict[str, str] = {}
    for text in texts:
        kept.setdefault("".join(c for c in text.lower() if c.isalnum()), text)
    kept.pop("", None)
    return list(kept.values())


def _logs(steps: Sequence[Any], tokens: Sequence[int]) -> tuple[float, ...]:
    """Log-probability of each token, from the logits of each step, the end of text's left out."""
    if not tokens:
        return ()
    logits = np.stack([np.asarray(step, np.float32).reshape(-1) for step in steps[: len(tokens)]])
    top = logits.max(-1)
    chosen = logits[np.arange(len(tokens)), list(tokens)]
    return tuple((chosen - top - np.log(np.exp(logits - top[:, None]).sum(-1))).tolist())
