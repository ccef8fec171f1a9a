"""linphone calls an echo with SRTP, by SDES and by DTLS: what it hears is what it said, on an encrypted wire."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from .legs import legs
from .linphone import linphone
from .programs import PATIENCE_S, free_port, free_ports, until
from .test_media_linphone import alike, codec_settings, sweep


@pytest.mark.peer("linphonec")
@pytest.mark.parametrize("encryption", ["srtp", "dtls"])
async def test_linphone_hears_its_own_words_through_srtp(encryption: str, tmp_path: Path) -> None:
    port = free_port()
    settings: dict[str, dict[str, object]] = {
        "sip": {
            "sip_port": port,
            "sip_tcp_port": 0,
            "sip_tls_port": 0,
            "contact": "sip:p@127.0.0.1",
            "media_encryption": encryption,
            "media_encryption_mandatory": 1,
        },
        "rtp": {"audio_rtp_port": free_ports(4)[0]},
        "video": {"enabled": 0},
        **codec_settings("PCMA"),
    }
    soundfile.write(tmp_path / "said.wav", sweep(16000).astype(np.int16), 16000)
    async with legs() as ours, linphone(tmp_path, settings) as phone:
        await phone.tell(f"call sip:bot@127.0.0.1:{ours.port}")
        leg = await asyncio.wait_for(ours.new.get(), PATIENCE_S)
        leg.on_audio = leg.play
        await until(lambda: leg.state == "confirmed" and leg.stats().srtp != "")
        await phone.tell(f"record {tmp_path / 'heard.wav'}")
        await phone.tell(f"play {tmp_path / 'said.wav'}")
        await asyncio.sleep(4)
        stats = leg.stats()
        await phone.tell("terminate all")
        await asyncio.wait_for(leg.closed, PATIENCE_S)
    assert stats.packets_received > 100
    assert (stats.lost, stats.forged, stats.replayed) == (0, 0, 0)
    heard, rate_hz = soundfile.read(tmp_path / "heard.wav")
    parts = [sweep(rate_hz)[at : at + rate_hz // 4] for at in range(rate_hz, 2 * rate_hz, rate_hz // 4)]
    assert np.median([alike(heard, part) for part in parts]) > 0.97
