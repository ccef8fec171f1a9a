"""Recognition under load: what is counted."""

from __future__ import annotations

import time

import numpy as np

from voicebot import config
from voicebot.asr.recogniser import Audio, Cancelled, Transcript
from voicebot.bench.asr.load import Utterance, as_text, kept, run_at_rate
from voicebot.errors import EngineFailed
from voicebot.messages import Expect

SAID = [Utterance(np.zeros(800, np.int16), Expect("yesno"))] * 30


class Engine:
    """Takes `each_s` for an utterance; breaks when `broken`, but not before `spared` utterances."""

    name = "test"

    def __init__(self, each_s: float = 0.0, spared: int = 1000) -> None:
        self._each_s = each_s
        self._left = spared

    def recognise(self, audio: Audio, expect: Expect, cancelled: Cancelled) -> Transcript:
        assert audio.size == 1600, "recognition is at 16 000 Hz"
        self._left -= 1
        if self._left < 0:
            raise EngineFailed("broken")
        time.sleep(self._each_s)
        return Transcript("yes", 1.0)

    def close(self) -> None:
        pass


def test_all_that_arrives_is_heard() -> None:
    found = run_at_rate(Engine(), SAID, 1000, config.AsrSettings())
    assert (found["n"], found["refused"], found["failed"]) == (30, 0, 0)
    assert found["whole_ms"]["max"] >= found["whole_ms"]["p95"] >= found["whole_ms"]["p50"] > 0
    assert found["queue_ms"]["max"] <= found["whole_ms"]["max"]
    assert kept(found) == (found["whole_ms"]["p95"] <= 400)


def test_what_the_queue_has_no_place_for_is_counted() -> None:
    found = run_at_rate(Engine(each_s=0.02), SAID, 1000, config.AsrSettings(threads=1, queue=1))
    assert found["refused"] > 0
    assert not kept(found)
    assert str(found["refused"]) in as_text(found).splitlines()[-1]


def test_faults_are_counted() -> None:
    found = run_at_rate(Engine(spared=1), SAID, 1000, config.AsrSettings())
    assert found["failed"] == 30
    assert found["whole_ms"] is None
    assert not kept(found)
