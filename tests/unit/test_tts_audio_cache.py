"""Audio is remembered within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.leg import Pcm
from voicebot.tts.audio_cache import AudioCache, AudioKey


def clip(samples: int) -> Pcm:
    return np.ones(samples, np.int16)


def key(name: str) -> AudioKey:
    return ("voice", name, 8000)


def test_the_least_used_is_forgotten_first() -> None:
    cache = AudioCache(max_bytes=800)
    for name in "abcd":
        cache.put(key(name), clip(100))
    assert cache.get(key("a")) is not None
    cache.put(key("e"), clip(100))
    assert [name for name in "abcde" if key(name) in cache] == ["a", "c", "d", "e"]
    assert cache.bytes == 800


def test_putting_again_replaces() -> None:
    cache = AudioCache(max_bytes=800)
    cache.put(key("a"), clip(100))
    cache.put(key("a"), clip(50))
    assert (len(cache), cache.bytes) == (1, 100)


def test_one_clip_never_pushes_everything_else_out() -> None:
    cache = AudioCache(max_bytes=800)
    cache.put(key("a"), clip(100))
    cache.put(key("huge"), clip(101))
    assert key("huge") not in cache
    assert key("a") in cache


def test_what_is_remembered_cannot_be_changed() -> None:
    cache, audio = AudioCache(max_bytes=8000), clip(100)
    cache.put(key("a"), audio)
    audio[:] = 0
    kept = cache.get(key("a"))
    assert kept is not None
    assert kept.all()
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 3


def test_some_can_be_forgotten_on_purpose() -> None:
    cache = AudioCache(1000)
    for name in "abc":
        cache.put(key(name), clip(10))
    cache.forget(lambda one: one[1] != "b")
    assert [name for name in "abc" if key(name) in cache] == ["b"]
    assert cache.bytes == 20
