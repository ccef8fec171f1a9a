"""SRTP with baresip, by SDES and by DTLS, called and calling: both hear each other, and tshark sees no plain RTP."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import Srtp, Terms
from telephony.leg import LegError
from telephony.media.codecs import Pcm, encode
from telephony.media.engine import MediaEngine
from tests.real.baresip import RATE_HZ, Baresip
from tests.real.capture import capturing
from tests.real.programs import PATIENCE_S, free_ports, until

pytestmark = [pytest.mark.peer("baresip", "tshark")]

PORTS = free_ports(60)
TONE_HZ, ANSWER_HZ = 1000, 600
SUITE = "AES_CM_128_HMAC_SHA1_80"


def tone(hz: float, seconds: float) -> Pcm:
    return (9000 * np.sin(2 * np.pi * hz * np.arange(int(RATE_HZ * seconds)) / RATE_HZ)).astype(np.int16)


def loudness(heard: Pcm, hz: float) -> float:
    """Of one tone among all that was heard, 0 to 1, over its loudest second."""
    best = 0.0
    for start in range(0, max(len(heard) - RATE_HZ, 0) + 1, RATE_HZ // 4):
        part = heard[start : start + RATE_HZ].astype(float)
        spectrum = np.abs(np.fft.rfft(part)) ** 2
        if len(part) == RATE_HZ and part.std() > 500:
            best = max(best, float(spectrum[int(hz) - 3 : int(hz) + 4].sum() / spectrum.sum()))
    return best


class Server:
    """Takes one call, plays a tone and keeps what it hears."""

    def __init__(self) -> None:
        self.leg: asyncio.Future[SipLeg] = asyncio.get_running_loop().create_future()
        self.heard: list[Pcm] = []

    async def on_call(self, call: IncomingCall) -> None:
        leg = await call.answer()
        self.talk(leg)
        self.leg.set_result(leg)
        await leg.closed

    def talk(self, leg: SipLeg) -> None:
        leg.on_audio = self.heard.append
        leg.play(tone(TONE_HZ, 2))


@contextlib.asynccontextmanager
async def agent(server: Server) -> AsyncIterator[UserAgent]:
    engine = MediaEngine("127.0.0.1", PORTS.start, PORTS.stop - 1)
    engine.start()
    made = UserAgent(AgentConfig(port=0), engine, server.on_call)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        engine.stop()


def sniffing(path: Path) -> contextlib.AbstractAsyncContextManager[None]:
    """tshark writes down all UDP of our ports."""
    return capturing(path, f"udp portrange {PORTS.start}-{PORTS.stop - 1}")


def payloads(path: Path) -> list[bytes]:
    """All UDP payloads, in order."""
    words = ["tshark", "-r", str(path), "-Y", f"udp.port in {{{PORTS.start}..{PORTS.stop - 1}}}"]
    words += ["-T", "fields", "-e", "udp.payload"]
    read = subprocess.run(words, check=True, capture_output=True, text=True)
    return [bytes.fromhex(line) for line in read.stdout.split()]


def check_wire(path: Path) -> None:
    """RTP is there, and each packet is longer by its tag and like noise within; a tone of G.711 has few values."""
    rtp = [data for data in payloads(path) if data[0] >> 6 == 2 and not 192 <= data[1] <= 223]
    assert len(rtp) > 100
    assert {len(data) for data in rtp} == {12 + 160 + 10}
    values = [len(set(data[12:172])) for data in rtp]
    assert np.median(values) > 60
    assert len(set(encode(tone(TONE_HZ, 0.02), "PCMU"))) < 20


async def speak(phone: Baresip, server: Server, leg: SipLeg) -> None:
    await until(lambda: len(server.heard) > 10)  # its stream has begun, so that another source can follow
    await phone.say(tone(ANSWER_HZ, 1.3))
    await until(lambda: loudness(np.concatenate(server.heard), ANSWER_HZ) > 0.8)
    await until(lambda: loudness(phone.heard(), TONE_HZ) > 0.8)
    stats = leg.stats()
    assert (stats.srtp, stats.replayed) == (SUITE, 0)
    assert stats.forged <= 1  # with DTLS baresip sends one RTCP packet in plain, an APP named PING
    assert leg.media.refused_security == ""


async def hold_and_resume(phone: Baresip, server: Server, leg: SipLeg) -> None:
    """The same keys go on, or new ones do, but never none."""
    await phone._command("hold")
    await until(lambda: leg.held)
    await phone._command("resume")
    await until(lambda: not leg.held)
    before = len(server.heard)
    await until(lambda: len(server.heard) > before + 20)
    assert leg.stats().srtp == SUITE
    assert leg.stats().forged <= 1


@pytest.mark.parametrize("mediaenc", ["srtp-mand", "dtls_srtp"])
async def test_baresip_calls_with_srtp(mediaenc: str, tmp_path: Path) -> None:
    server, phone = Server(), Baresip(tmp_path / "phone")
    async with agent(server) as ours, sniffing(tmp_path / "wire.pcap"):
        async with phone.running(account=f";mediaenc={mediaenc}"):
            await phone.dial(f"sip:echo@127.0.0.1:{ours.port}")
            leg = await asyncio.wait_for(server.leg, PATIENCE_S)
            await speak(phone, server, leg)
            await hold_and_resume(phone, server, leg)
            await phone.hang_up()
        await asyncio.wait_for(leg.closed, PATIENCE_S)
    check_wire(tmp_path / "wire.pcap")


@pytest.mark.parametrize(("srtp", "mediaenc"), [("sdes", "srtp-mand"), ("dtls", "dtls_srtp")])
async def test_we_call_baresip_with_srtp(srtp: Srtp, mediaenc: str, tmp_path: Path) -> None:
    server, phone = Server(), Baresip(tmp_path / "phone")
    async with (
        agent(server) as ours,
        sniffing(tmp_path / "wire.pcap"),
        phone.running(answers=True, account=f";mediaenc={mediaenc}"),
    ):
        leg = await ours.call(f"sip:{phone.user}@127.0.0.1:{phone.sip_port}", terms=Terms(srtp=srtp))
        server.talk(leg)
        await phone.until("CALL_ESTABLISHED")
        await speak(phone, server, leg)
        await leg.hang_up()
    check_wire(tmp_path / "wire.pcap")


async def test_a_phone_without_srtp_is_not_talked_to_in_plain(tmp_path: Path) -> None:
    server, phone = Server(), Baresip(tmp_path / "phone")
    async with agent(server) as ours, phone.running(answers=True):
        with pytest.raises(LegError):
            await ours.call(f"sip:{phone.user}@127.0.0.1:{phone.sip_port}", terms=Terms(srtp="sdes"))
