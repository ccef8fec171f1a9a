"""Latencies are read from packets: which one left with the last voiced sample, which one came with the first."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.media.codecs import Pcm, encode
from voicebot.bench.caller_audio import FRAME, levels_dbfs, segments, through_line, voiced
from voicebot.bench.media_capture import SLOT, MediaCapture
from voicebot.errors import VoicebotError

MS = 1_000_000


def tone(ms: int, dbfs: float = -20.0) -> Pcm:
    """A voice-like tone of this RMS."""
    t = np.arange(ms * 8)
    return (np.sin(t * 0.37) * 32767 * 10 ** ((dbfs + 3.01) / 20)).astype(np.int16)


def silence(ms: int) -> Pcm:
    return np.zeros(ms * 8, np.int16)


def feed(capture: MediaCapture, sent: bool, pcm: Pcm, at_ms: int) -> None:
    """Packets of 20 ms, 20 ms apart, the first at `at_ms`."""
    for i in range(0, len(pcm), SLOT):
        block = np.concatenate([pcm[i : i + SLOT], silence(20)])[:SLOT]
        capture(sent, (at_ms + i // 8) * MS, encode(block, "PCMU"))


def test_the_level_of_a_tone_is_its_rms() -> None:
    assert levels_dbfs(tone(100, -20.0)) == pytest.approx(np.full(10, -20.0), abs=0.5)
    assert levels_dbfs(silence(10)) == pytest.approx([-120.0])


def test_voice_ends_with_its_last_loud_frame() -> None:
    faint_tail = tone(200, -58.0)
    first, last = voiced(through_line(np.concatenate([silence(100), tone(300), faint_tail])))
    assert (first, last) == (800, 3199)


def test_audio_without_voice_is_refused() -> None:
    with pytest.raises(VoicebotError, match="no voice"):
        voiced(tone(500, -60.0))
    with pytest.raises(VoicebotError, match="no voice"):
        voiced(silence(0))


def test_speech_is_cut_at_its_pauses() -> None:
    parts = segments(
        np.concatenate([tone(400), silence(100), tone(400), silence(400), tone(30), silence(400), tone(200)])
    )
    assert [round(len(part) / 8, -2) for part in parts] == [1000, 200]  # 50 ms kept on either side where there is some


def test_the_packet_with_a_sample_is_found_by_its_bytes() -> None:
    capture = MediaCapture()
    pcm = through_line(np.concatenate([silence(50), tone(333), silence(200)]))
    feed(capture, True, silence(200), 1000)
    feed(capture, True, pcm, 1200)
    last = voiced(pcm)[1]
    assert capture.sent_at(pcm, last, 1200 * MS) == (1200 + last // SLOT * 20) * MS
    assert capture.sent_at(pcm, last, 1700 * MS) is None


def test_an_answer_begins_with_voice_not_with_a_click() -> None:
    capture = MediaCapture()
    click = silence(200)
    click[3 * SLOT : 3 * SLOT + FRAME // 2] = 20000
    feed(capture, False, np.concatenate([click, silence(200), tone(100)]), 0)
    assert capture.voiced_at(0) == 400 * MS
    assert capture.voiced_at(450 * MS) == 460 * MS
    assert capture.voiced_at(500 * MS) is None
    assert capture.last_voiced_at() == 480 * MS


def test_voice_that_began_in_the_last_packet_is_not_sure_yet() -> None:
    capture = MediaCapture()
    half = np.concatenate([silence(10), tone(10)])
    feed(capture, False, half, 0)
    assert capture.voiced_at(0) is None
    feed(capture, False, tone(20), 20)
    assert capture.voiced_at(0) == 0


def test_a_prompt_has_stopped_when_a_pause_follows() -> None:
    capture = MediaCapture()
    feed(capture, False, np.concatenate([tone(200), silence(100), tone(100), silence(200)]), 0)
    assert capture.stopped_at(0) is None
    feed(capture, False, silence(200), 600)
    assert capture.stopped_at(0) == 380 * MS


def test_keys_are_no_audio() -> None:
    capture = MediaCapture()
    capture(True, 10, b"\x01\x0a\x00\xa0")
    capture(True, 30, b"\x01\x8a\x03\x20")
    capture(True, 50, encode(silence(20), "PCMU"))
    capture(False, 60, b"\x01\x8a\x03\x20")
    assert capture.last_key_at(0) == 30
    assert capture.voiced_at(0) is None
    assert len(capture.heard(0, 100)) == 0
