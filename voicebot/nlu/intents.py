"""What a caller wants: guesses with a calibrated confidence, in three bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from voicebot import log
from voicebot.cache.cache_folder import CacheFolder, code_version, file_name
from voicebot.nlu.bands import Band
from voicebot.nlu.classifier import Hybrid
from voicebot.nlu.commands import EXAMPLES
from voicebot.nlu.encoder import SentenceEncoder, shared_encoder
from voicebot.nlu.normalise import normal
from voicebot.nlu.out_of_scope_examples import BANK
from voicebot.nlu.specs import Command, Intent

ACCEPT = 0.6
"""From this confidence on the dialog goes ahead."""
CONFIRM = 0.3
"""From this on it asks whether that was meant; below, it did not understand."""
_log = log.get(__name__)
_COMMAND = "command:"
"""In the classifier's labels, in front of the built-in commands."""


@dataclass(frozen=True, slots=True)
class Guess:
    intent: str
    """An intent of the flow; ``command:person`` and the like where `command` is given."""
    confidence: float
    """Chance that this is what was meant, 0..1."""
    command: Command | None = None
    """The built-in command that it is."""

    @property
    def band(self) -> Band:
        return band(self.confidence)


def band(confidence: float) -> Band:
    """accept, confirm or reject."""
    return "accept" if confidence >= ACCEPT else "confirm" if confidence >= CONFIRM else "reject"


class Understanding:
    """A classifier for one flow's intents and the built-in commands. Safe to call from several threads."""

    def __init__(self, hybrid: Hybrid) -> None:
        self._hybrid = hybrid

    @classmethod
    def train(
        cls,
        intents: Mapping[str, Intent],
        models_dir: Path,
        off_topic: Sequence[str] = (),
        trained: CacheFolder | None = None,
    ) -> Understanding:
        """Learn a flow's intents; a second or so for an ordinary flow, where it was not learnt before.

        Args:
            intents: name → intent, as in the flow.
            models_dir: the folder with the weights.
            off_topic: sentences that are none of them.
            trained: where what was learnt is kept.

        Raises:
            ModelMissing: the encoder's weights are not there.
        """
        texts: list[str] = []
        labels: list[str] = []
        for name, intent in intents.items():
            label = f"{_COMMAND}{intent.command}" if intent.command else name
            said = [*intent.examples, name.replace("_", " ")]
            texts += [normal(example) for example in said]
            labels += [label] * len(said)
        for command, examples in EXAMPLES.items():
            texts += [normal(example) for example in examples]
            labels += [f"{_COMMAND}{command}"] * len(examples)
        outside = [normal(text) for text in (*BANK, *off_topic)]
        with threadpool_limits(1):  # many small matrices: more threads only wait for each other (24 s instead of 0.8)
            return cls(_hybrid(shared_encoder(models_dir), texts, labels, outside, trained))

    def classify(self, text: str) -> list[Guess]:
        """The three likeliest intents of a text, best first; empty for a text without words."""
        said = normal(text)
        if said == "nothing":
            return []
        chances, sure = self._hybrid([said])
        best = chances[0].argsort()[::-1][:3]
        scale = float(sure[0]) / max(float(chances[0][best[0]]), 1e-9)
        return [
            _guess(
                str(self._hybrid.intents[i]),
                min(float(sure[0]), float(chances[0][i]) * scale) if rank else float(sure[0]),
            )
            for rank, i in enumerate(best)
        ]


def _hybrid(
    encoder: SentenceEncoder, texts: list[str], labels: list[str], outside: list[str], trained: CacheFolder | None
) -> Hybrid:
    """The classifier of these examples: the one that was kept, or a new one."""
    if trained is None:
        return Hybrid.trained(encoder, texts, labels, outside)
    name = file_name(texts, labels, outside, encoder.version, np.__version__, code_version(Path(__file__).parent))
    payload = trained.read(name)
    if payload is not None:
        try:
            return Hybrid.restored(encoder, payload)
        except ValueError as error:  # written whole, by code that wrote something else
            _log.warning("trained anew", extra={"error": str(error)})
    hybrid = Hybrid.trained(encoder, texts, labels, outside)
    trained.write(name, hybrid.saved())
    return hybrid


def _guess(label: str, confidence: float) -> Guess:
    command: Any = label.removeprefix(_COMMAND) if label.startswith(_COMMAND) else None
    return Guess(label, confidence, command)
