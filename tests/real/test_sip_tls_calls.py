"""Calls over TLS with baresip: both ways, with sound, and none where we do not believe it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from telephony.agent import AgentConfig, IncomingCall, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.leg import LegError
from telephony.media.engine import MediaEngine
from telephony.sip.endpoint import TlsClient, TlsServer
from tests.certificates import Authority

from .baresip import RATE_HZ, Baresip
from .programs import PATIENCE_S, until
from .siprun import OFFER, OnCall, Wire

pytestmark = pytest.mark.peer("baresip")
CONTACT = re.compile(rb"SIP/2\.0 (1[0-9]{2}|200) .*?\r\nContact: ([^\r]*)", re.DOTALL)

TONE = (np.sin(np.arange(RATE_HZ) * 2 * np.pi * 440 / RATE_HZ) * 8000).astype(np.int16)
"""One second of 440 Hz."""


def is_tone(audio: NDArray[np.int16]) -> bool:
    """Whether half a second of 440 Hz is in it."""
    for at in range(0, len(audio) - RATE_HZ // 2, RATE_HZ // 10):
        piece = audio[at : at + RATE_HZ // 2].astype(float)
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece))))
        if np.abs(piece).max() > 1000 and abs(int(np.argmax(spectrum)) * 2 - 440) <= 4:
            return True
    return False


class Talker:
    """Plays the tone to whoever calls, and keeps what is heard."""

    def __init__(self) -> None:
        self.heard: list[NDArray[np.int16]] = []
        self.calls: list[IncomingCall] = []

    def talk(self, leg: SipLeg) -> None:
        leg.on_audio = self.heard.append
        leg.play(TONE)

    async def on_call(self, incoming: IncomingCall) -> None:
        self.calls.append(incoming)
        leg = await incoming.answer()
        self.talk(leg)
        await leg.closed

    @property
    def heard_tone(self) -> bool:
        return bool(self.heard) and is_tone(np.concatenate(self.heard))


@contextlib.asynccontextmanager
async def tls_agent(authority: Authority, talker: Talker, on_call: OnCall | None = None) -> AsyncIterator[UserAgent]:
    own = TlsServer(*authority.issue("bot", dns=["bot.example"], ips=["127.0.0.1"]))
    engine = MediaEngine("127.0.0.1", 23600, 23700)
    engine.start()
    agent = UserAgent(AgentConfig(port=0, tls=own, tls_port=0), engine, on_call or talker.on_call)
    await agent.start()
    agent._endpoint.profiles[""] = TlsClient(ca=authority.ca)
    try:
        yield agent
    finally:
        await agent.stop()
        engine.stop()


@contextlib.asynccontextmanager
async def tls_phone(folder: Path, authority: Authority, believes: Authority) -> AsyncIterator[Baresip]:
    cert, key = authority.issue("phone", dns=["phone.example"], ips=["127.0.0.1"])
    both = folder / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    lines = f"sip_certificate {both}\nsip_cafile {believes.ca}\n"
    async with Baresip(folder / "phone", config=lines).running(answers=True) as phone:
        yield phone


async def test_baresip_calls_us_over_tls_and_both_hear_each_other(tmp_path: Path) -> None:
    authority, talker = Authority(tmp_path), Talker()
    async with tls_agent(authority, talker) as agent, tls_phone(tmp_path, authority, authority) as phone:
        await phone.dial(f"sip:bot@127.0.0.1:{agent.tls_port};transport=tls")
        await phone.say(TONE)
        await until(lambda: talker.heard_tone and is_tone(phone.heard()))
        assert talker.calls[0].headers["Via"][0].startswith("SIP/2.0/TLS ")
        await phone.hang_up()
        await until(lambda: agent.active_calls == 0)


@pytest.mark.parametrize("uri", ["sip:phone@127.0.0.1:{};transport=tls", "sips:phone@127.0.0.1:{}"])
async def test_we_call_baresip_over_tls_and_both_hear_each_other(tmp_path: Path, uri: str) -> None:
    authority, talker = Authority(tmp_path), Talker()
    async with tls_agent(authority, talker) as agent, tls_phone(tmp_path, authority, authority) as phone:
        leg = await agent.call(uri.format(phone.sip_port + 1))
        talker.talk(leg)
        await phone.say(TONE)
        await until(lambda: talker.heard_tone and is_tone(phone.heard()))
        await leg.hang_up()
        await phone.until("CALL_CLOSED")


async def test_we_do_not_call_baresip_when_we_do_not_believe_it_and_the_caller_is_told_why(tmp_path: Path) -> None:
    authority, talker = Authority(tmp_path), Talker()
    stranger = Authority(tmp_path, "Stranger")
    async with tls_agent(authority, talker) as agent, tls_phone(tmp_path, stranger, authority) as phone:
        with pytest.raises(LegError, match="the authority of its certificate is unknown") as caught:
            await agent.call(f"sips:phone@127.0.0.1:{phone.sip_port + 1}")
        assert caught.value.status == 503
        assert not any(event.get("type") == "CALL_INCOMING" for event in phone.events)


async def test_before_and_with_the_answer_to_a_sips_call_our_contact_is_the_same_sips_uri(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    talker = Talker()

    async def ring(incoming: IncomingCall) -> None:
        incoming.ring()
        await incoming.early_media()
        await talker.on_call(incoming)

    async with tls_agent(authority, talker, ring) as agent:
        context = ssl.create_default_context(cafile=str(authority.ca))
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.tls_port, ssl=context)
        invite = (
            Wire()
            .request("INVITE", uri="sips:bot@127.0.0.1", body=OFFER)
            .replace("/UDP", "/TLS")
            .replace("127.0.0.1:0", "127.0.0.1:9")
        )
        writer.write(invite.replace("Contact: <sip:", "Contact: <sips:").replace("\n", "\r\n").encode())
        heard = b""
        async with asyncio.timeout(PATIENCE_S):
            while b"SIP/2.0 200" not in heard or not heard.endswith(b"\r\n"):
                heard += await reader.read(4096)
        contacts = dict(CONTACT.findall(heard.replace(b"SIP/2.0 100", b"")))
        writer.close()
        for leg in agent._dialogs:
            leg.drop()
    assert set(contacts) == {b"180", b"183", b"200"}
    assert set(contacts.values()) == {f"<sips:127.0.0.1:{agent.tls_port}>".encode()}
