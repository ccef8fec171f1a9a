"""Accuracy on public intent sets, at so many examples an intent: what the classifier is worth beyond one flow."""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from voicebot.nlu.classifier import Hybrid
from voicebot.nlu.encoder import SentenceEncoder
from voicebot.nlu.normalise import normal
from voicebot.nlu.out_of_scope_examples import BANK

Labelled = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Score:
    name: str
    intents: int
    examples: int
    """An intent, for training."""
    accuracy: float
    oos_auroc: float | None
    """How well the confidence tells sentences of no intent from the others; None without such sentences."""


def banking77(folder: Path) -> tuple[Labelled, Labelled]:
    """Training and test sentences of BANKING77 with their intents, from the two CSV files in a folder."""

    def read(name: str) -> Labelled:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            return [(row["text"], row["category"]) for row in csv.DictReader(file)]

    return read("banking77_train.csv"), read("banking77_test.csv")


def clinc150(folder: Path) -> tuple[Labelled, Labelled, list[str]]:
    """Training and test sentences of CLINC150, and its out-of-scope test sentences."""
    data = json.loads((folder / "clinc150_full.json").read_text(encoding="utf-8"))
    rows = {part: [(text, label) for text, label in data[part]] for part in ("train", "test", "oos_test")}
    return rows["train"], rows["test"], [text for text, _ in rows["oos_test"]]


def evaluate(
    name: str,
    models_dir: Path,
    train: Labelled,
    test: Labelled,
    oos: Sequence[str] = (),
    examples: int = 10,
    seed: int = 0,
) -> Score:
    """Train on a random `examples` sentences of each intent and measure on all test sentences."""
    by_intent: dict[str, list[str]] = defaultdict(list)
    for text, label in train:
        by_intent[label].append(text)
    chooser = random.Random(seed)
    chosen = [
        (t, label)
        for label, texts in sorted(by_intent.items())
        for t in chooser.sample(texts, min(examples, len(texts)))
    ]
    chosen += [(label.replace("_", " ").rstrip("?"), label) for label in by_intent]  # an intent's name says much
    with threadpool_limits(1):
        hybrid = Hybrid.trained(
            SentenceEncoder(models_dir),
            [normal(t) for t, _ in chosen],
            [label for _, label in chosen],
            [normal(t) for t in BANK],
        )
    chances, sure = hybrid([normal(t) for t, _ in test])
    right = hybrid.intents[chances.argmax(axis=1)] == np.asarray([label for _, label in test])
    auroc = None
    if oos:
        outside = hybrid([normal(t) for t in oos])[1]
        truth = np.concatenate([np.ones(len(sure)), np.zeros(len(outside))])
        auroc = float(roc_auc_score(truth, np.concatenate([sure, outside])))
    return Score(name, len(by_intent), examples, float(right.mean()), auroc)
