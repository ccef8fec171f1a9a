"""The prompt's own echo is told from a caller."""

import numpy as np
import pytest
from numpy.typing import NDArray

from voicebot.listening.echo import EXPLAINED, SEGMENT, WINDOWS, EchoReference

RATE = 8000


def voice(seed: int, pitch_hz: float, seconds: float = 2.0) -> NDArray[np.int16]:
    """Something like a vowel that wanders: harmonics of a moving pitch under a moving envelope."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    pitch = pitch_hz * (1 + 0.2 * np.interp(np.arange(n), np.arange(0, n + 800, 800), rng.normal(0, 1, n // 800 + 1)))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    weights = rng.uniform(0.2, 1, 14)
    wave = sum(w * np.sin(k * phase) for k, w in enumerate(weights, 1))
    return (1500 * np.asarray(wave)).astype(np.int16)


def room(seed: int, pcm: NDArray[np.int16], down_db: float) -> NDArray[np.float64]:
    """What a room gives back: the sound itself and 20 ms of fading reflections."""
    taps = np.random.default_rng(seed).normal(0, 0.3, 160) * np.exp(-np.arange(160) / 30)
    taps[0] = 1.0
    return np.asarray(np.convolve(pcm, taps)[: len(pcm)] * 10 ** (-down_db / 20), np.float64)


def line(sound: NDArray[np.float64]) -> NDArray[np.int16]:
    return (sound + np.random.default_rng(2).normal(0, 5, len(sound))).astype(np.int16)


@pytest.mark.parametrize("down_db", [15, 30])
@pytest.mark.parametrize("delay", [0, 160, 2000])
def test_what_a_room_gives_back_is_echo(down_db: int, delay: int) -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt)
    heard = line(np.concatenate([np.zeros(delay), room(5, prompt, down_db)])[: 6000 + delay])
    assert reference.is_echo(heard, len(heard))


def test_a_known_path_tells_the_next_windows_and_takes_them_away() -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt)
    heard = line(np.concatenate([np.zeros(400), room(5, prompt, 20)]))
    assert not reference.covers(heard[3000 - WINDOWS : 3000], 3000)
    assert reference.is_echo(heard[:3000], 3000)
    part = heard[8000:8512]
    assert reference.covers(part, 8512)
    left = reference.cancelled(part, 8512)
    assert np.square(left.astype(float)).sum() < 0.2 * np.square(part.astype(float)).sum()
    caller = voice(3, 170)[8000:8512]
    assert not reference.covers((part + caller).astype(np.int16), 8512)


def test_another_voice_is_none_even_over_the_echo() -> None:
    prompt, caller = voice(1, 110), voice(3, 170)
    reference = EchoReference()
    reference.add(prompt)
    assert reference.fit(caller, len(caller)) < EXPLAINED
    assert not reference.is_echo((caller + prompt * 0.05).astype(np.int16), len(caller))


def test_nothing_played_means_no_echo() -> None:
    heard = voice(1, 110)
    assert EchoReference().fit(heard, len(heard)) == 0.0
    reference = EchoReference()
    reference.add(np.zeros(RATE, np.int16))
    assert not reference.is_echo(heard, len(heard))
    reference.add(heard)
    assert not reference.is_echo(np.zeros(SEGMENT - 1, np.int16), len(heard))
    assert np.array_equal(reference.cancelled(heard, len(heard)), heard)


def test_a_call_that_has_just_begun_may_be_shorter_than_what_is_compared() -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt)
    heard = line(np.concatenate([np.zeros(160), room(5, prompt, 15)])[:1100])
    assert reference.is_echo(heard, len(heard))


def test_what_was_stopped_before_it_went_out_is_not_taken_from_what_the_caller_says_then() -> None:
    prompt, sent = voice(1, 110), 5600
    heard = line(np.concatenate([room(5, prompt[:sent], 20), np.zeros(8000)]))
    reference = EchoReference()
    reference.add(prompt[: sent + 2400])
    assert reference.is_echo(heard[:sent], sent)
    caller, at = voice(3, 170)[:2000], sent + 2400
    assert not np.array_equal(reference.cancelled(caller, at), caller), "it is thought to be on its way"
    reference.gap(unsent=2400)
    assert np.array_equal(reference.cancelled(caller, at), caller)
    assert reference.covers(heard[sent - WINDOWS : sent], sent), "what did go out still comes back"


def test_after_a_gap_the_way_back_is_found_again() -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt[:6000])
    first = line(room(5, prompt[:6000], 20))
    assert reference.is_echo(first, 6000)
    reference.gap()
    reference.add(prompt[6000:])
    rest = line(room(5, prompt, 20)[6000:])
    assert not reference.covers(rest[2000 - WINDOWS : 2000], 6000 + 3111 + 2000), "nothing is known of it"
    assert reference.is_echo(rest[:2000], 6000 + 3111 + 2000)
    assert reference.covers(rest[4000 - WINDOWS : 4000], 6000 + 3111 + 4000)


def test_what_would_be_louder_than_the_prompt_is_no_echo() -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add((prompt / 10).astype(np.int16))
    heard = line(room(5, prompt, 10))
    assert not reference.is_echo(heard[:6000], 6000)
    reference = EchoReference()
    reference.add(prompt)
    assert reference.is_echo(heard[:6000], 6000)


def test_a_prediction_that_is_louder_than_what_is_heard_covers_nothing() -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt)
    heard = line(room(5, prompt, 15))
    assert reference.is_echo(heard[:6000], 6000)
    softly = (0.02 * voice(3, 170).astype(float)).astype(np.int16)[:WINDOWS]
    assert not reference.covers(softly, 7000)


def test_only_the_last_seconds_are_remembered() -> None:
    reference = EchoReference()
    first = voice(1, 110)
    reference.add(first)
    for seed in range(4, 8):
        reference.add(voice(seed, 150))
    assert not reference.is_echo(first, len(first))


def test_where_little_but_echo_is_left_it_grows_softer_and_a_caller_stays_as_loud() -> None:
    prompt = voice(1, 110)
    reference = EchoReference()
    reference.add(prompt)
    heard = line(room(5, prompt, 20))
    assert reference.is_echo(heard[:6000], 6000)
    echo = heard[7000:9000]
    left = np.square(reference.cancelled(echo, 9000).astype(float)).sum()
    assert left < 0.05 * np.square(echo.astype(float)).sum()
    caller = voice(3, 170)[7000:9000]
    both = reference.cancelled((echo + caller).astype(np.int16), 9000).astype(float)
    assert np.square(both).sum() == pytest.approx(np.square(caller.astype(float)).sum(), rel=0.1)
