"""(signatures first; filled in next)"""

from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voicebot.mind.schema import Intent


@dataclass(frozen=True, slots=True)
class Guess:
    intent: str
    confidence: float


class Understanding:
    @classmethod
    def train(cls, intents: Mapping[str, Intent], models_dir: Path) -> Understanding:
        raise NotImplementedError

    def classify(self, text: str) -> list[Guess]:
        raise NotImplementedError
