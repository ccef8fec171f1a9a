"""Keys as tones: what ITU-T Q.24 asks to be accepted and refused. Recordings are tried in tests/real."""

from __future__ import annotations

import numpy as np
import pytest

from telephony.media.codecs import Pcm, decode, encode
from telephony.media.dtmf import COLUMNS_HZ, KEYS, PAD, ROWS_HZ, ZERO_DBM0, tones
from telephony.media.dtmf_detector import DtmfDetector


def press(
    keys: str,
    tone_ms: int = 50,
    pause_ms: int = 50,
    *,
    low_dbm0: float = -10,
    high_dbm0: float = -10,
    off: float = 0.0,
    noise_db: float | None = None,
    rate_hz: int = 8000,
    seed: int = 0,
) -> Pcm:
    """A line with keys on it, begun at any moment; `noise_db` is how far white noise lies below both tones together."""
    dice = np.random.default_rng(seed)
    parts = [np.zeros(rate_hz // 10 + int(dice.integers(160)))]
    time_s = np.arange(rate_hz * tone_ms // 1000) / rate_hz
    for key in keys:
        row, column = divmod(PAD.index(key), 4)
        tone = np.zeros(len(time_s))
        for hertz, level in ((ROWS_HZ[row], low_dbm0), (COLUMNS_HZ[column], high_dbm0)):
            phase = 2 * np.pi * hertz * (1 + off) * time_s + dice.uniform(0, 6)
            tone += ZERO_DBM0 * 2**0.5 * 10 ** (level / 20) * np.sin(phase)
        parts += [tone, np.zeros(rate_hz * pause_ms // 1000)]
    line = np.concatenate([*parts, np.zeros(rate_hz // 10)])
    if noise_db is not None:
        power = ZERO_DBM0**2 * (10 ** (low_dbm0 / 10) + 10 ** (high_dbm0 / 10)) / 10 ** (noise_db / 10)
        line += dice.standard_normal(len(line)) * power**0.5
    pcm = np.clip(line, -32768, 32767).astype(np.int16)
    return decode(encode(pcm, "PCMA"), "PCMA") if rate_hz == 8000 else pcm


def heard(pcm: Pcm, rate_hz: int = 8000, block_ms: int = 20) -> str:
    detector, size = DtmfDetector(rate_hz), rate_hz * block_ms // 1000
    return "".join(detector.feed(pcm[start : start + size]) for start in range(0, len(pcm), size))


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"tone_ms": 40, "pause_ms": 40},
        {"tone_ms": 200, "pause_ms": 200},
        {"low_dbm0": -30, "high_dbm0": -30},
        {"noise_db": 10},
        {"low_dbm0": -30, "high_dbm0": -30, "noise_db": 10},
        {"low_dbm0": -3, "high_dbm0": -3},
        {"low_dbm0": -14, "high_dbm0": -10},
        {"low_dbm0": -10, "high_dbm0": -18},
        {"off": 0.015},
        {"off": -0.015},
        {"off": 0.015, "noise_db": 12},
        {"rate_hz": 16000},
        {"rate_hz": 16000, "noise_db": 10, "low_dbm0": -30, "high_dbm0": -30},
    ],
    ids=str,
)
def test_keys_are_found(conditions: dict[str, float]) -> None:
    for seed in range(10):
        pcm = press(KEYS, seed=seed, **conditions)  # type: ignore[arg-type]
        assert heard(pcm, int(conditions.get("rate_hz", 8000))) == KEYS


@pytest.mark.parametrize(
    "conditions",
    [
        {"tone_ms": 24},
        {"off": 0.035},
        {"off": -0.035},
        {"low_dbm0": -45, "high_dbm0": -45},
        {"low_dbm0": -20, "high_dbm0": -10},
        {"low_dbm0": -5, "high_dbm0": -18},
        {"low_dbm0": -10, "high_dbm0": -90},
        {"noise_db": 0},
    ],
    ids=str,
)
def test_what_is_no_key_is_not_found(conditions: dict[str, float]) -> None:
    for seed in range(10):
        assert heard(press(KEYS, seed=seed, **conditions)) == ""  # type: ignore[arg-type]


def test_an_interruption_is_bridged_and_a_pause_is_not() -> None:
    for seed in range(10):
        assert heard(press("555", 60, 10, seed=seed)) == "5"
        assert heard(press("555", 60, 40, seed=seed)) == "555"


def test_a_long_press_is_one_key() -> None:
    assert heard(press("9", 5000)) == "9"


@pytest.mark.parametrize("block_ms", [10, 20, 30, 60])
def test_blocks_may_have_any_length(block_ms: int) -> None:
    assert heard(press("159D"), 8000, block_ms) == "159D"


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_our_own_tones_are_found(rate_hz: int) -> None:
    assert heard(np.concatenate((np.zeros(100, np.int16), tones(KEYS, rate_hz))), rate_hz) == KEYS


def test_neither_noise_nor_dial_and_ringing_tones_nor_clicks_are_keys() -> None:
    dice = np.random.default_rng(24)
    time_s = np.arange(80_000) / 8000
    for pcm in (
        dice.standard_normal(480_000) * 3000,
        8000 * np.sin(2 * np.pi * 425 * time_s),
        5000 * (np.sin(2 * np.pi * 350 * time_s) + np.sin(2 * np.pi * 440 * time_s)),
        5000 * (np.sin(2 * np.pi * 480 * time_s) + np.sin(2 * np.pi * 620 * time_s)),
        8000 * np.sin(2 * np.pi * (600 + 120 * time_s) * time_s),
        np.where(dice.random(80_000) < 0.001, 30_000, 0),
        np.full(80_000, -32768),
    ):
        assert heard(pcm.astype(np.int16)) == ""
