"""A call whose SRTP does not come about ends soon, and says why to us and to the peer."""

from __future__ import annotations

import asyncio
import re

import pytest

from telephony import agent as agents
from telephony.agent import IncomingCall, SipLeg
from telephony.call_policy import Terms
from telephony.media.engine import MediaEngine
from telephony.sdp.negotiation import Negotiation

from .programs import PATIENCE_S
from .siprun import FIRST_RTP, LAST_RTP, running_agent, to_tag, wire


async def test_a_peer_with_another_certificate_than_its_offer_says_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "BYE_PATIENCE_S", 0.1)
    legs: asyncio.Queue[SipLeg] = asyncio.Queue()

    async def take(incoming: IncomingCall) -> None:
        legs.put_nowait(await incoming.answer())

    engine = MediaEngine("127.0.0.1", FIRST_RTP, LAST_RTP)
    engine.start()
    negotiation = Negotiation(engine.open(), "127.0.0.1", Terms(srtp="dtls"), "127.0.0.1")
    offer = re.sub(r"(a=fingerprint:sha-256 )[0-9A-F]{2}", r"\g<1>00", negotiation.offer().decode())
    try:
        async with running_agent(take) as agent, wire(agent.port) as peer:
            peer.send(peer.request("INVITE", body=offer.replace("\r\n", "\n")))
            answer = await peer.receive("SIP/2.0 200")
            peer.send(peer.request("ACK", branch="z9hG4bKack", to=to_tag(answer)))
            negotiation.accept(answer.partition("\r\n\r\n")[2].encode())
            leg = await legs.get()
            why = await asyncio.wait_for(leg.closed, PATIENCE_S)
            assert why == "failed: no SRTP (the peer's certificate is not the one of its SDP)"
            assert leg.stats().packets_received == 0
            bye = await peer.receive("BYE ")
            assert 'Reason: SIP;cause=500;text="no SRTP (the peer\'s certificate is not the one of its SDP)"' in bye
    finally:
        engine.stop()
