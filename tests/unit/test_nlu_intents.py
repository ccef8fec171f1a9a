"""What callers want, in words that no example has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicebot.cache.cache_folder import CacheFolder
from voicebot.errors import ModelMissing
from voicebot.flows.flow import Flow
from voicebot.nlu.classifier import Hybrid
from voicebot.nlu.commands import plain_command
from voicebot.nlu.encoder import SentenceEncoder, build_encoder
from voicebot.nlu.evaluate import banking77, evaluate
from voicebot.nlu.intents import Understanding
from voicebot.nlu.normalise import normal
from voicebot.paths import DIALOGS, models_dir, speech_dir

models = pytest.mark.models


@pytest.fixture(scope="module")
def flow() -> Flow:
    return Flow.load(DIALOGS / "northwind.yaml")


@pytest.fixture(scope="module")
def understanding(flow: Flow) -> Understanding:
    return Understanding.train(flow.intents, models_dir())


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("Where's my order?", "where is my order"), ("I can't log in!", "i can not log in"),
        ("order 471102", "order number"),
        ("order four seven one one oh two", "order number"), ("um, two lamps", "two lamps"), ("$45", "45 dollars"),
        ("?!", "nothing"),
    ],
)  # fmt: skip
def test_written_and_spoken_forms_become_one(written: str, heard: str) -> None:
    assert normal(written) == heard


@models
@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("did you guys ship my printer", "order_status"),
        ("I was wondering when my things will get here", "order_status"),
        ("um I'm calling because my delivery was supposed to come yesterday", "order_status"),
        ("I would like somebody to come and fix my desk on thursday", "book_appointment"),
        ("I want to set a meeting with an advisor", "book_appointment"),
        ("need to schedule an installation", "book_appointment"),
        ("my computer keeps telling me the password is wrong", "reset_password"),
        ("it won't let me log on", "reset_password"),
        ("are you guys open on sunday", "opening_hours"), ("till what time are you there tonight", "opening_hours"),
        ("somebody real please", "command:person"), ("I'd prefer talking to a human being", "command:person"),
    ],
)  # fmt: skip
def test_wishes_in_other_words_are_accepted(understanding: Understanding, text: str, intent: str) -> None:
    best = understanding.classify(text)[0]
    assert (best.intent, best.band) == (intent, "accept"), best


@models
@pytest.mark.parametrize(
    "text",
    [
        "the weather is terrible today", "who won the world cup", "play some jazz",
        "he was not an ill disposed young man",
        "may I have a noodle soup with milk", "I would like to find an Indian restaurant",
        "my neighbour's dog is barking all night",
        "what is the capital of Spain", "ten of clubs", "how much does a flight cost",
    ],
)  # fmt: skip
def test_what_is_nobodys_wish_is_not_accepted(understanding: Understanding, text: str) -> None:
    assert understanding.classify(text)[0].band != "accept"


@models
def test_guesses_are_ordered_and_between_nought_and_one(understanding: Understanding) -> None:
    guesses = understanding.classify("I want to know when you open and where my order is")
    chances = [g.confidence for g in guesses]
    assert chances == sorted(chances, reverse=True)
    assert all(0 <= c <= 1 for c in chances)
    assert understanding.classify("...") == []


@models
def test_sentence_vectors_have_length_one_and_do_not_depend_on_the_batch() -> None:
    encoder = SentenceEncoder(models_dir())
    alone = encoder(["where is my parcel"])
    together = encoder(
        ["where is my parcel", "a much longer sentence about something else entirely, with many more words"]
    )
    assert alone.shape == (1, 384)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-4)
    assert float(alone[0] @ together[0]) > 0.98


def test_missing_weights_say_which_command_brings_them(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="voicebot models pull"):
        build_encoder(tmp_path)


@models
@pytest.mark.speech
def test_banking_questions_are_told_apart_with_ten_examples_each() -> None:
    """A part of the public set only, so that it stays quick; the benchmark measures the whole."""
    train, test = banking77(speech_dir().parent / "nlu")
    kept = sorted({label for _, label in train})[:20]
    score = evaluate("part", models_dir(), [r for r in train if r[1] in kept], [r for r in test if r[1] in kept][::3])
    assert score.accuracy > 0.87


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("Could I speak to a real person, please?", "person"), ("Operator!", "person"), ("Pardon me?", "repeat"),
        ("Go back.", "back"),
        ("That's all, thank you.", "goodbye"), ("Bye-bye", "goodbye"), ("Never mind.", "cancel"),
        ("Hold on a second.", "wait"),
        ("What can you do?", "help"), ("Start over please", "restart"), ("No, that's everything, thanks", "goodbye"),
    ],
)  # fmt: skip
def test_plain_commands(text: str, command: str) -> None:
    assert plain_command(text) == command


@pytest.mark.parametrize(
    "text",
    [
        "I'd like to go back to school",
        "what time is it",
        "someone stole my parcel",
        "my person is late",
        "yes",
        "four seven one",
        "",
    ],
)
def test_sentences_about_something_else_are_no_commands(text: str) -> None:
    assert plain_command(text) is None


@models
def test_what_was_learnt_once_is_found_again_and_guesses_the_same(tmp_path: Path, flow: Flow) -> None:
    wishes = ["where's my stuff", "can i come in on friday", "i can not get in", "play some jazz", "a human please"]
    learnt = Understanding.train(flow.intents, models_dir(), trained=CacheFolder(tmp_path / "intents", 10_000_000))
    names = [path.name for path in (tmp_path / "intents").iterdir()]
    found = Understanding.train(flow.intents, models_dir(), trained=CacheFolder(tmp_path / "intents", 10_000_000))
    assert [found.classify(wish) for wish in wishes] == [learnt.classify(wish) for wish in wishes]
    assert [path.name for path in (tmp_path / "intents").iterdir()] == names
    assert len(names) == 1


@models
def test_another_example_is_learnt_anew_and_what_is_no_classifier_too(tmp_path: Path, flow: Flow) -> None:
    folder = CacheFolder(tmp_path / "intents", 10_000_000)
    Understanding.train(flow.intents, models_dir(), trained=folder)
    Understanding.train(flow.intents, models_dir(), ["my neighbour's dog barks"], folder)
    assert len(folder) == 2
    with pytest.raises(ValueError, match="no trained classifier"):
        Hybrid.restored(SentenceEncoder(models_dir()), b"something else")
