"""linphone calls an echo in each codec: what it hears is what it said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import correlate

from telephony.media.codecs import Codec

from .legs import legs
from .linphone import linphone
from .programs import PATIENCE_S, free_port, free_ports, until

RATES = {"PCMA": (8000, 1), "G722": (8000, 1), "opus": (48000, 2)}


def codec_settings(codec: str) -> dict[str, dict[str, object]]:
    """Only this one; linphone adds those that are not named, so they are named and switched off."""
    names = ["opus", "speex", "PCMU", "PCMA", "GSM", "G722", "iLBC", "BV16", "L16"]
    return {
        f"audio_codec_{index}": {
            "mime": name,
            "rate": rate,
            "channels": channels,
            "enabled": int(name == codec),
        }
        for index, (name, rate, channels) in enumerate(
            [(name, *RATES.get(name, (8000, 1))) for name in names] + [("speex", 16000, 1), ("speex", 32000, 1)]
        )
    }


def sweep(rate_hz: int) -> NDArray[np.float64]:
    time_s = np.arange(8 * rate_hz) / rate_hz
    return np.asarray(8000 * np.sin(2 * np.pi * (300 + 100 * time_s) * time_s))


def alike(heard: NDArray[np.float64], part: NDArray[np.float64]) -> float:
    """Normalised correlation of `part` with that piece of `heard` that it is most like."""
    products = correlate(heard, part, "valid", "fft")
    energies = correlate(heard**2, np.ones(len(part)), "valid", "fft")
    return float((products / np.sqrt(np.maximum(energies, 1e-3) * (part @ part))).max())


@pytest.mark.peer("linphonec")
@pytest.mark.parametrize("codec", ["PCMA", "opus", "G722"])
async def test_linphone_hears_its_own_words(codec: Codec, tmp_path: Path) -> None:
    port = free_port()
    settings: dict[str, dict[str, object]] = {
        "sip": {"sip_port": port, "sip_tcp_port": 0, "sip_tls_port": 0, "contact": "sip:p@127.0.0.1"},
        "rtp": {"audio_rtp_port": free_ports(4)[0]},
        "video": {"enabled": 0},
        **codec_settings(codec),
    }
    soundfile.write(tmp_path / "said.wav", sweep(16000).astype(np.int16), 16000)
    async with legs() as ours, linphone(tmp_path, settings) as phone:
        await phone.tell(f"call sip:bot@127.0.0.1:{ours.port}")
        leg = await asyncio.wait_for(ours.new.get(), PATIENCE_S)
        leg.on_audio = leg.play
        await until(lambda: leg.state == "confirmed")
        await phone.tell(f"record {tmp_path / 'heard.wav'}")
        await phone.tell(f"play {tmp_path / 'said.wav'}")
        await asyncio.sleep(5)
        stats = leg.stats()
        await phone.tell("terminate all")
        await asyncio.wait_for(leg.closed, PATIENCE_S)
    assert (stats.codec, stats.lost, stats.late, stats.peer_lost_percent) == (codec, 0, 0, 0.0)
    assert stats.mos is not None and stats.peer_mos is not None
    assert min(stats.mos, stats.peer_mos) > 4.3
    heard, rate_hz = soundfile.read(tmp_path / "heard.wav")
    parts = [sweep(rate_hz)[at : at + rate_hz // 4] for at in range(rate_hz, 3 * rate_hz, rate_hz // 4)]
    likeness = [alike(heard, part) for part in parts]
    assert np.median(likeness) > 0.97
