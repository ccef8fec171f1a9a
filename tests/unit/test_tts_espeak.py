"""espeak-ng itself, as it comes in the wheel."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from telephony.leg import Pcm
from voicebot.errors import EngineFailed
from voicebot.tts.espeak import Espeak
from voicebot.tts.mastering import active_rms, to_float
from voicebot.tts.voice import Voice

SENTENCE = "Welcome to Northwind, what can I do for you today?"


def spoken(engine: Espeak, text: str) -> list[Pcm]:
    blocks: list[Pcm] = []

    def keep(block: Pcm) -> bool:
        blocks.append(block)
        return True

    engine.synthesize(text, keep)
    return blocks


def test_it_speaks_in_small_blocks() -> None:
    blocks = spoken(Espeak(), SENTENCE)
    seconds = sum(map(len, blocks)) / Espeak().rate_hz
    assert 2 < seconds < 5
    assert max(map(len, blocks)) / Espeak().rate_hz < 0.3


def test_it_stops_when_it_is_told() -> None:
    blocks: list[Pcm] = []

    def two(block: Pcm) -> bool:
        blocks.append(block)
        return len(blocks) < 2

    Espeak().synthesize(SENTENCE * 20, two)
    assert len(blocks) == 2
    assert len(spoken(Espeak(), SENTENCE)) > 5, "and speaks the next text from its beginning"


def test_an_error_of_the_listener_comes_through_and_does_no_harm() -> None:
    def fail(block: Pcm) -> bool:
        raise ValueError("listener")

    with pytest.raises(ValueError, match="listener"):
        Espeak().synthesize(SENTENCE, fail)
    assert len(spoken(Espeak(), SENTENCE)) > 5


def test_words_per_minute_count() -> None:
    slow, fast = (sum(map(len, spoken(Espeak(wpm), SENTENCE))) for wpm in (120, 240))
    assert slow > 1.5 * fast


def test_two_speeds_in_two_threads_do_not_mix() -> None:
    """The library has one global state; each text is spoken with its own settings all the same."""
    lengths: dict[int, list[int]] = {120: [], 240: []}

    def speak(wpm: int) -> None:
        engine = Espeak(wpm)
        for _ in range(10):
            lengths[wpm].append(sum(map(len, spoken(engine, "One two three four five."))))

    threads = [threading.Thread(target=speak, args=(wpm,)) for wpm in lengths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert min(lengths[120]) > max(lengths[240])


def test_an_unknown_voice_is_refused() -> None:
    with pytest.raises(EngineFailed, match="no voice"):
        Espeak(voice="xx-klingon")


@pytest.mark.parametrize(
    "text", ["", " ", "\0\0", "<speak><break time='9s'/></speak>", "[[h@l'oU]]", "é ü ß 日本", "\ud800"]
)
def test_strange_text_is_survived(text: str) -> None:
    assert sum(map(len, spoken(Espeak(), text))) < 10 * 22050


def test_on_the_telephone_it_is_level_clean_and_prompt() -> None:
    out: list[Pcm] = []

    def keep(block: Pcm) -> bool:
        out.append(block)
        return True

    Voice.measured(Espeak()).speak(SENTENCE, 8000, keep)
    audio = to_float(np.concatenate(out))
    assert 20 * np.log10(active_rms(audio, 8000)) == pytest.approx(-20, abs=1)
    assert np.abs(audio).max() < 0.98, "nothing clips"
    first_loud = int(np.flatnonzero(np.abs(audio) > 0.02)[0])
    assert first_loud < 0.1 * 8000, "speech begins at once"
    edges = np.cumsum([len(block) for block in out if len(block)])[:-1]
    jumps = np.abs(np.diff(audio))
    at_edges = [jumps[edge - 1] for edge in edges]
    assert max(at_edges) <= np.quantile(jumps, 0.999), "no click where blocks meet"
    assert len(edges) > 3
