"""What the test call makes of tones, packets and keys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from telephony.doctor.selftest_verdict import MeasuredCall, MeasuredEnd, judge
from telephony.doctor.sine_tone import HeardTone, measure, tone
from telephony.media.stats import MediaStats

GOOD = MediaStats(packets_sent=250, packets_received=250, jitter_ms=2)
HEARD = HeardTone(tone_s=2.5, level_dbm0=-10.0)
END = MeasuredEnd(GOOD, "PCMA", HEARD, "159#")
LOOP = MeasuredCall(0.2, END, END, -10.0, "159#", ("PCMA", "PCMU"))
ECHO = replace(LOOP, far=None)
DEAF = replace(END, stats=replace(GOOD, packets_received=0), sound=HeardTone(), keys="")


def said(seen: MeasuredCall, level: str) -> str:
    return "\n".join(f"{f.subject}: {f.words}" for f in judge(seen) if f.level == level)


@pytest.mark.parametrize("seen", [LOOP, ECHO])
def test_a_good_call_has_only_good_findings(seen: MeasuredCall) -> None:
    assert {finding.level for finding in judge(seen)} == {"ok"}


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (replace(LOOP, near=DEAF, far=DEAF), "problem", "no audio in either direction"),
        (replace(LOOP, near=DEAF), "problem", "one-way audio: the way there works, on the way back no RTP"),
        (replace(LOOP, far=DEAF), "problem", "one-way audio: the way back works, on the way there no RTP"),
        (replace(LOOP, far=replace(END, sound=HeardTone())), "problem", "audio there: packets arrive, but they carry"),
        (replace(LOOP, far=replace(END, keys="15")), "problem", "keys there: 159# was pressed, 15 arrived"),
        (replace(LOOP, near=replace(END, sound=HeardTone(0, None, 3, 2008))), "problem", "mostly 2008 Hz"),
        (replace(LOOP, near=replace(END, sound=HeardTone(0.4, -10))), "problem", "broken: the tone is heard for 0.4 s"),
        (replace(LOOP, near=replace(END, sound=HeardTone(2.5, -25))), "warning", "quieter by 15 dB"),
        (replace(LOOP, near=replace(END, sound=HeardTone(2.5, 2))), "warning", "louder by 12 dB"),
        (replace(LOOP, near=replace(END, stats=replace(GOOD, lost=20))), "warning", "7.4 % lost"),
        (replace(LOOP, near=replace(END, stats=replace(GOOD, jitter_ms=45))), "warning", "45 ms jitter"),
        (replace(LOOP, far=replace(END, stats=replace(GOOD, unagreed_event_type=101))), "warning",
         "keys: keys come as telephone events of payload type 101, which was not agreed"),
        (replace(LOOP, set_up_s=6), "warning", "came back to us"),
        (replace(LOOP, wished=("G722", "PCMA")), "warning", "PCMA was agreed, though the trunk would rather have G722"),
        (replace(LOOP, ended="no-media"), "problem", "ended by itself: no-media"),
        (replace(LOOP, near=replace(END, refused_security="wrong fingerprint")), "problem", "wrong fingerprint"),
        (replace(ECHO, near=DEAF), "problem", "not one RTP packet came, and no report"),
        (replace(ECHO, near=replace(DEAF, stats=replace(DEAF.stats, peer_lost_percent=0.0))), "problem",
         "one-way audio: the peer reports that it gets our packets, but none"),
        (replace(ECHO, near=replace(DEAF, stats=replace(DEAF.stats, malformed=200))), "problem",
         "200 of a payload type that was not agreed"),
        (replace(ECHO, near=replace(DEAF, stats=replace(DEAF.stats, wrong_source=9))), "problem", "9 from another"),
        (replace(ECHO, near=replace(DEAF, stats=replace(DEAF.stats, forged=7))), "problem", "7 with a wrong SRTP tag"),
        (replace(ECHO, near=replace(END, sound=HeardTone())), "problem", "one-way audio: we hear the peer"),
        (replace(ECHO, near=replace(END, sound=HeardTone(), stats=replace(GOOD, peer_lost_percent=0.0))), "problem",
         "it gets our packets"),
        (replace(ECHO, near=replace(END, sound=HeardTone(0, None, 2.0, 300))), "problem",
         "not our tone: mostly 300 Hz"),
        (replace(ECHO, near=replace(END, keys="")), "warning", "none came back"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_own_words(seen: MeasuredCall, level: str, words: str) -> None:
    assert words in said(seen, level), list(map(str, judge(seen)))
    assert all(finding.remedy for finding in judge(seen) if finding.level == "problem" or "not agreed" in finding.words)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(("hz", "level"), [(1004.0, -10.0), (620.0, -30.0)])
def test_a_tone_is_measured_as_it_was_made(hz: float, level: float, rate_hz: int) -> None:
    rng = np.random.default_rng(1)
    noisy = tone(hz, 2.0, level, rate_hz) + rng.normal(0, 5, 2 * rate_hz).astype(np.int16)
    heard = measure(noisy, hz, rate_hz)
    assert heard.level_dbm0 == pytest.approx(level, abs=0.3) and heard.tone_s == pytest.approx(2.0, abs=0.11)
    other = measure(noisy, 820.0, rate_hz)
    assert other.tone_s == 0 and other.other_s == pytest.approx(2.0, abs=0.11)
    assert other.strongest_hz == pytest.approx(hz, abs=6)


def test_beside_a_running_server_the_remedy_is_to_stop_it() -> None:
    talking = replace(ECHO, near=replace(END, sound=HeardTone(0, None, 2.0, 300)), beside_server=True)
    assert any("stop it" in finding.remedy for finding in judge(talking))


def test_speed_noise_and_silence_are_no_tone() -> None:
    rng = np.random.default_rng(1)
    assert measure(tone(2008.0, 1.0, -10, 8000), 1004.0, 8000).strongest_hz == pytest.approx(2008, abs=6)
    noise = measure(rng.normal(0, 3000, 8000).astype(np.int16), 1004.0, 8000)
    assert noise.tone_s == 0 and noise.other_s > 0.9
    assert measure(np.zeros(8000, np.int16), 1004.0, 8000) == HeardTone()
    assert measure(np.zeros(3, np.int16), 1004.0, 8000) == HeardTone()
