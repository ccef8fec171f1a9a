"""All phrases are equally loud, whatever a voice does with them."""

from __future__ import annotations

import numpy as np
import pytest

from voicebot.tts.leveller import LEVEL_DBFS, MOST_DB, Leveller, Samples, active_rms

RATE_HZ = 8000


def buzz(seconds: float, dbfs: float) -> Samples:
    """Words of a quarter of a second with gaps, at this RMS while there is a word."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    word = (t % 0.35) < 0.25
    return np.asarray(np.sqrt(2) * 10 ** (dbfs / 20) * np.sin(2 * np.pi * 200 * t) * word, np.float32)


def levelled(audio: Samples, quick: bool, block: int = 1000) -> tuple[Samples, list[int]]:
    """What comes out, and how many samples after each block."""
    leveller = Leveller(RATE_HZ, quick)
    out = [leveller.push(audio[i : i + block]) for i in range(0, len(audio), block)]
    out.append(leveller.push(audio[:0], last=True))
    return np.concatenate(out), [len(o) for o in out]


def level_dbfs(audio: Samples) -> float:
    return 20 * float(np.log10(active_rms(audio, RATE_HZ)))


@pytest.mark.parametrize("dbfs", [-25.0, -20.0, -16.0])
@pytest.mark.parametrize("seconds", [0.3, 1.5, 8.0])
def test_a_quick_voice_is_levelled_from_its_first_word(dbfs: float, seconds: float) -> None:
    out, _ = levelled(buzz(seconds, dbfs), quick=True)
    assert len(out) == int(seconds * RATE_HZ)
    assert level_dbfs(out) == pytest.approx(LEVEL_DBFS, abs=0.3)
    assert level_dbfs(out[:2000]) == pytest.approx(LEVEL_DBFS, abs=0.5)


def test_a_voice_that_comes_as_it_is_spoken_does_not_wait_and_changes_slowly() -> None:
    audio = buzz(6.0, -25.0)
    out, sizes = levelled(audio, quick=False)
    assert sizes == [1000] * 48 + [0]
    assert level_dbfs(out[:2000]) == pytest.approx(-25.0, abs=1.6)
    assert level_dbfs(out[-16000:]) == pytest.approx(LEVEL_DBFS, abs=0.3)
    at = np.flatnonzero(np.abs(audio) > 0.01)
    steps = np.abs(np.diff(out[at] / audio[at]))[np.diff(at) == 1]
    assert steps.max() < 0.001


def test_a_whisper_is_not_made_a_shout_and_silence_stays() -> None:
    assert level_dbfs(levelled(buzz(1.0, -40.0), quick=True)[0]) == pytest.approx(-40.0 + MOST_DB, abs=0.3)
    assert not levelled(np.zeros(9000, np.float32), quick=True)[0].any()


def test_the_blocks_do_not_matter_to_a_quick_voice() -> None:
    audio = buzz(1.0, -24.0)
    assert np.allclose(levelled(audio, True, 160)[0], levelled(audio, True, 8000)[0], atol=1e-6)
