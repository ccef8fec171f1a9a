"""A carrier with TLS and SRTP by the example file; baresip is the carrier, with sound both ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from telephony.agent import AgentConfig, IncomingCall
from telephony.call.dialog.sipleg import SipLeg
from telephony.leg import LegError
from telephony.sip.tls import TlsServer
from tests.certificates import Authority

from .baresip import Baresip
from .programs import PATIENCE_S, until
from .siprun import OnCall
from .trunkrun import Site, edit, example, site

pytestmark = pytest.mark.peer("baresip")

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 8000)).astype(np.int16)


class Carrier:
    """The carrier's machine, its certificates, and our trunk file towards it."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder / "tls")
        own = authority.issue("us", dns=["bot.example.net"], ips=["127.0.0.1"])
        theirs = authority.issue("carrier", dns=["sbc.example.net"])
        both = folder / "tls" / "both.pem"
        both.write_bytes(theirs[0].read_bytes() + theirs[1].read_bytes())
        lines = f"module srtp.so\nsip_certificate {both}\nsip_cafile {authority.ca}\n"
        self.phone = Baresip(folder / "carrier", "+49301111", config=lines)
        self.config = AgentConfig(port=0, tls=TlsServer(*own), tls_port=0, open=False)
        self.folder = folder / "trunks"
        self.folder.mkdir()
        changes = {
            "tls 203.0.113.0/28 ": "tls 127.0.0.1 ",
            "sbc1.example.net:5061": "127.0.0.1:1",
            "sbc2.example.net:5061": f"127.0.0.1:{self.phone.sip_port + 1}",
            "# ca: carrier-root.pem ": f"ca: {authority.ca} ",
            "options_every_s: 30 ": "options_every_s: 1 ",
        }
        self.file = example("carrier", self.folder, changes)

    @contextlib.asynccontextmanager
    async def connected(
        self, on_call: OnCall | None = None, *, answers: bool = False, srtp: bool = True
    ) -> AsyncIterator[tuple[Baresip, Site]]:
        """Both running."""
        account = ";transport=tls" + ";mediaenc=srtp-mand" * srtp
        running = self.phone.running(answers=answers, account=account)
        async with running as phone, site(self.folder, on_call, self.config) as place:
            yield phone, place


@pytest.fixture
def carrier(tmp_path: Path) -> Carrier:
    return Carrier(tmp_path)


async def heard_both_ways(leg: SipLeg, phone: Baresip) -> None:
    leg.play(TONE)
    await phone.say(TONE)
    await until(lambda: min(leg.stats().packets_received, leg.stats().packets_sent) > 30)
    await until(lambda: np.abs(phone.heard().astype(np.int32)).max(initial=0) > 4000)
    assert leg.stats().srtp


async def test_we_call_the_carrier_encrypted_and_the_dead_server_does_not_matter(carrier: Carrier) -> None:
    async with carrier.connected(answers=True) as (phone, place):
        await place.until("up")
        leg = await place.agent.call("sip:+49301111@carrier", ring_s=PATIENCE_S)
        await heard_both_ways(leg, phone)
        up = await phone.until("CALL_ESTABLISHED")
        assert up["peeruri"] == "sip:+49301234@127.0.0.1"
        await leg.hang_up()


async def test_the_carrier_calls_us_encrypted_by_tls_only(carrier: Carrier) -> None:
    legs: asyncio.Queue[SipLeg] = asyncio.Queue()

    async def answer(incoming: IncomingCall) -> None:
        assert incoming.trunk is not None and incoming.trunk.name == "carrier"
        leg = await incoming.answer()
        legs.put_nowait(leg)
        await leg.closed

    async with carrier.connected(answer) as (phone, place):
        await phone.dial(f"sip:bot@127.0.0.1:{place.agent.tls_port};transport=tls")
        leg = await legs.get()
        await heard_both_ways(leg, phone)
        await phone.hang_up()
        assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"

        await phone.try_dial(f"sip:bot@127.0.0.1:{place.agent.port};transport=udp")
        await place.wait(lambda: place.refusals == ["unlisted"])


async def test_a_carrier_with_another_certificate_is_not_talked_to(carrier: Carrier) -> None:
    edit(carrier.file, ("name: sbc.example.net ", "name: sbc.elsewhere.net "))
    async with carrier.connected(answers=True) as (_, place):
        with pytest.raises(LegError) as caught:
            await place.agent.call("sip:+49301111@carrier", ring_s=PATIENCE_S)
        assert caught.value.status == 503 and "sbc.elsewhere.net" in caught.value.reason
        await place.until("down")


async def test_a_plain_call_over_the_encrypted_trunk_gets_488(carrier: Carrier) -> None:
    async with carrier.connected(srtp=False) as (phone, place):
        await phone.try_dial(f"sip:bot@127.0.0.1:{place.agent.tls_port};transport=tls")
        closed = await phone.until("CALL_CLOSED")
        assert closed["param"].startswith("488")
