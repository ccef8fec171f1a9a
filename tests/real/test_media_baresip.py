"""baresip calls an echo: what it hears is what it said, in every codec, and its keys arrive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import correlate

from telephony.agent import AgentConfig, IncomingCall, SipLeg, UserAgent
from telephony.call_policy import Terms
from telephony.media.dtmf import tones
from telephony.media.engine import MediaEngine
from telephony.media.session import MediaStats

from .baresip import sip_and_control_ports
from .legs import legs
from .programs import PATIENCE_S, free_ports, until, until_it_says

CONFIG = """
sip_listen 127.0.0.1:{sip}
ctrl_tcp_listen 127.0.0.1:{control}
rtp_ports {rtp.start}-{rtp.stop}
audio_source aufile,{folder}/said.wav
audio_player aubridge,null
snd_path {folder}
module_path /usr/lib/baresip/modules
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
module {module}.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""


class Echo:
    """A server that says back what it hears."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.over = asyncio.Event()
        self.stats = MediaStats()
        self.legs: list[SipLeg] = []

    async def on_call(self, call: IncomingCall) -> None:
        leg = await call.answer()
        self.legs.append(leg)
        leg.on_audio, leg.on_dtmf = leg.play, self.keys.append
        await leg.closed
        self.stats = leg.stats()
        self.over.set()


def sweep(rate_hz: int, seconds: float) -> NDArray[np.int16]:
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    return (8000 * np.sin(2 * np.pi * (300 + 150 * time_s) * time_s)).astype(np.int16)


class Phone(NamedTuple):
    """How baresip names a codec, and what it loses of a sweep by itself."""

    codec: str
    module: str
    rate_hz: int
    fidelity_db: float


PHONES = {
    "PCMU": Phone("PCMU/8000/1", "g711", 8000, 35),
    "PCMA": Phone("PCMA/8000/1", "g711", 8000, 35),
    "G722": Phone("G722/16000/1", "g722", 16000, 20),
    "opus": Phone("opus/48000/2", "opus", 48000, 20),
}


def write_folder(folder: Path, phone: Phone, said: NDArray[np.int16]) -> int:
    """Configuration, account and speech. Returns the control port."""
    sip, control = sip_and_control_ports()
    with wave.open(str(folder / "said.wav"), "wb") as file:
        file.setparams((1, 2, phone.rate_hz, 0, "NONE", ""))
        file.writeframes(said.tobytes())
    (folder / "config").write_text(
        CONFIG.format(
            folder=folder, sip=sip, control=control, rtp=free_ports(41), module=phone.module, rate=phone.rate_hz
        )
    )
    (folder / "accounts").write_text(f"<sip:me@127.0.0.1>;regint=0;audio_codecs={phone.codec};dtmfmode=rtpevent\n")
    (folder / "contacts").write_text("")
    return control


def read_dump(folder: Path, kind: str) -> NDArray[np.float64]:
    (path,) = folder.glob(f"dump-*-{kind}.wav")
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(float)


def fidelity_db(heard: NDArray[np.float64], part: NDArray[np.float64]) -> float:
    """Signal to noise of `part` where it is found in `heard`."""
    begin = int(correlate(heard, part, "valid", "fft").argmax())
    noise = heard[begin : begin + len(part)] - part
    return float(10 * np.log10((part**2).sum() / (noise**2).sum()))


@contextlib.asynccontextmanager
async def baresip(folder: Path, control_port: int) -> AsyncIterator[asyncio.StreamWriter]:
    """Start it and open its control connection."""
    process = await asyncio.create_subprocess_exec(
        *("baresip", "-f", str(folder), "-4", "-t", "30"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        await until_it_says(process.stdout, b"is ready")
        drain = asyncio.create_task(process.stdout.read())
        _, control = await asyncio.open_connection("127.0.0.1", control_port)
        yield control
        command(control, "quit")
        async with asyncio.timeout(PATIENCE_S):
            await drain
            await process.wait()
        control.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def command(control: asyncio.StreamWriter, name: str, params: str = "") -> None:
    """A netstring of JSON, as ctrl_tcp wants it."""
    text = json.dumps({"command": name, "params": params})
    control.write(f"{len(text)}:{text},".encode())


@pytest.mark.peer("baresip")
@pytest.mark.parametrize("codec", ["PCMU", "G722", "opus"])
async def test_baresip_hears_its_own_words_and_its_keys_arrive(codec: str, tmp_path: Path) -> None:
    phone = PHONES[codec]
    control_port = write_folder(tmp_path, phone, sweep(phone.rate_hz, 8))
    ports = free_ports(20)
    engine = MediaEngine("127.0.0.1", ports[0], ports[-1])
    engine.start()
    echo = Echo()
    agent = UserAgent(AgentConfig(port=0), engine, echo.on_call)
    await agent.start()
    try:
        async with baresip(tmp_path, control_port) as control:
            command(control, "dial", f"sip:echo@127.0.0.1:{agent.port}")
            await until(lambda: any(leg.stats().packets_received > 3 * 50 for leg in echo.legs))
            for key in "47#":
                command(control, "sndcode", key)
                await asyncio.sleep(0.2)
                command(control, "sndcode", "\x04")  # the key is released
                await asyncio.sleep(0.2)
        async with asyncio.timeout(PATIENCE_S):
            await echo.over.wait()
    finally:
        await agent.stop()
        engine.stop()
    assert echo.keys == ["4", "7", "#"]
    assert (echo.stats.lost, echo.stats.wrong_source) == (0, 0)
    said, heard = read_dump(tmp_path, "enc"), read_dump(tmp_path, "dec")
    part = phone.rate_hz // 4
    ratios_db = [fidelity_db(heard, said[at : at + part]) for at in range(2 * part, 10 * part, part)]
    assert np.median(ratios_db) > phone.fidelity_db  # a busy machine may have skipped a slot somewhere
    assert echo.stats.codec == codec
    assert echo.stats.mos is not None
    assert echo.stats.mos > 4.3


@pytest.mark.peer("baresip")
@pytest.mark.parametrize("codec", ["PCMA", "opus"])
async def test_keys_that_a_caller_plays_as_tones_are_heard_in_every_codec(codec: str, tmp_path: Path) -> None:
    phone, keys = PHONES[codec], "0123456789*#"
    # The codecs' rates are multiples of 8000; each sample again is good enough for tones below 1700 Hz.
    said = np.repeat(tones(keys), phone.rate_hz // 8000)
    quiet = np.zeros(phone.rate_hz, np.int16)
    control_port = write_folder(tmp_path, phone, np.concatenate((quiet, said, np.zeros_like(said))))
    heard: list[str] = []
    async with legs(Terms(keys="inband")) as ours, baresip(tmp_path, control_port) as control:
        command(control, "dial", f"sip:bot@127.0.0.1:{ours.port}")
        leg = await asyncio.wait_for(ours.new.get(), PATIENCE_S)
        leg.on_dtmf = heard.append
        await until(lambda: len(heard) >= len(keys))
        await asyncio.sleep(0.5)
    assert "".join(heard) == keys
    assert leg.stats().codec == codec
