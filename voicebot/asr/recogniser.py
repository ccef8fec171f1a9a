"""What a recogniser is to the rest of the program. Moonshine is one; others come behind the same protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicebot.messages import Expect, Word

Audio = NDArray[np.float32]
"""Mono, -1..1, shape (n,), 16 000 Hz where an engine gets it."""

Cancelled = Callable[[], bool]
"""True once nobody wants the result any more."""

RATE_HZ = 16000


@dataclass(frozen=True, slots=True)
class Transcript:
    """What an engine makes of one utterance."""

    text: str
    """Free recognition; empty when nothing was said."""
    confidence: float
    """Of `text`, 0..1."""
    words: tuple[Word, ...] = ()
    """Those of `text`, each with its confidence; empty where the engine says nothing about them."""
    expected: str = ""
    """Best complete sentence of the grammar, its carrier phrase cut off; empty without one or when rejected."""
    expected_confidence: float = 0.0
    alternatives: tuple[str, ...] = ()
    """In-grammar n-best, best first, `expected` included."""
    partial: bool = False
    """What was said fits the beginning of a sentence of the grammar better than a whole one: more will come."""
    begun: str = ""
    """When `partial`: that beginning, as far as it goes."""
    lead: float = 0.0
    """When `partial`: so much likelier (log-probability) than a whole sentence that beginning is."""
    gap: float = 0.0
    """Log-probability of the best reading minus that of the in-grammar one; large when something else was said."""
    timings_ms: dict[str, float] = field(default_factory=dict)
    """``asr`` and ``grammar``."""
    evidence: dict[str, float] = field(default_factory=dict)
    """What `expected_confidence` was made of, by name: for calibration."""
    end_probability: float | None = None
    """Probability that the turn sounds over, by an end-of-turn model; None where none was asked."""
    begun_only: bool = False
    """For `Expect.brief`: `partial` and `begun` are all that was found out."""


NOTHING = Transcript("", 0.0)
"""Nobody spoke."""


class Recogniser(Protocol):
    """A recogniser shared by all calls; used by several threads at once."""

    name: str
    """For people, logs and metrics."""

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript | None:
        """Recognise a whole utterance, at 16 000 Hz; None when `cancelled` became true underway.

        Raises:
            EngineFailed: the engine broke on this utterance.
        """
        ...

    def close(self) -> None:
        """Let go of threads and connections; called once, when nothing is recognised any more."""
        ...
