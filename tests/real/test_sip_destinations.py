"""acceptance.md, 26: nobody is transferred where his trunk may not be used to call, and nothing is sent then."""

from __future__ import annotations

import asyncio
import re

import pytest

from telephony import agent as agents
from telephony.agent import IncomingCall, SipLeg, UserAgent
from telephony.call_policy import Terms
from telephony.leg import LegError
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry

from .programs import until
from .siprun import OFFER, Wire, running_agent, sipp, to_tag, wire
from .test_sip_in_dialog import answer, nothing


@pytest.fixture(autouse=True)
def _no_long_farewells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare socket confirms no BYE."""
    monkeypatch.setattr(agents, "BYE_PATIENCE_S", 0.1)


async def take(incoming: IncomingCall) -> None:
    await (await incoming.answer()).closed


def book(*destinations: str, to: int = 9) -> TrunkRegistry:
    """One trunk named line, for callers on this machine."""
    return TrunkRegistry(
        trunks={"line": Trunk(name="line", peers="127.0.0.1", to=f"127.0.0.1:{to}", destinations=destinations)}
    )


async def connect(agent: UserAgent, peer: Wire, call: str = "call-1") -> SipLeg:
    peer.send(peer.request("INVITE", branch=f"z9hG4bK{call}", call=call, body=OFFER))
    tag = to_tag(await peer.receive("SIP/2.0 200"))
    peer.send(peer.request("ACK", branch=f"z9hG4bKack{call}", call=call, to=tag))
    leg = next(one for one in agent._dialogs if one.id == call)
    await until(lambda: leg.state == "confirmed")
    return leg


async def sent_to(peer: Wire, transfer: asyncio.Task[object]) -> str:
    """The URI that the peer is asked to call; it refuses."""
    refer = await peer.receive("REFER ")
    found = re.search(r"^Refer-To: <([^?>]+)", refer, re.MULTILINE)
    peer.send(answer(refer, "603 Decline"))
    with pytest.raises(LegError, match="603"):
        await transfer
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "uri",
    ["sip:+19005550100@line", "tel:+19005550100", "sip:+4930123@elsewhere.example", "sip:+19005550100@127.0.0.1:9"],
)
async def test_a_transfer_outside_the_destinations_of_the_trunk_is_refused_before_anything_is_sent(uri: str) -> None:
    async with running_agent(take, trunks=book("+49*")) as agent, wire(agent.port) as peer:
        leg = await connect(agent, peer)
        with pytest.raises(LegError, match="403"):
            await leg.transfer(uri)
        await nothing(peer, "REFER ")
        assert leg.state == "confirmed"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("sip:+4930123@line", "sip:+4930123@127.0.0.1:9"),
        ("sip:+4930123@LINE", "sip:+4930123@127.0.0.1:9"),
        ("tel:+49-30-123", "sip:+49-30-123@127.0.0.1:9"),
        ("sip:bob@pbx.example", "sip:bob@pbx.example"),
    ],
)
async def test_a_transfer_to_a_destination_of_the_trunk_is_told_in_the_words_of_its_peer(uri: str, told: str) -> None:
    async with running_agent(take, trunks=book("+49*", "bob@pbx.example")) as agent, wire(agent.port) as peer:
        leg = await connect(agent, peer)
        assert await sent_to(peer, asyncio.create_task(leg.transfer(uri))) == told


async def test_a_trunk_that_is_gone_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trunks = book("+49*")
    async with running_agent(take, trunks=trunks) as agent, wire(agent.port) as peer:
        leg = await connect(agent, peer)
        monkeypatch.setattr(trunks, "_trunks", {})
        with pytest.raises(LegError, match="403"):
            await leg.transfer("sip:+4930123@127.0.0.1:9")
        await nothing(peer, "REFER ")


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_attended_transfer_leads_only_to_contacts_that_the_trunk_may_call(allowed: bool) -> None:
    """Who called us chose that Contact himself."""
    trunks = book("ann" if allowed else "+49*")
    async with running_agent(take, trunks=trunks) as agent, wire(agent.port) as peer, wire(agent.port) as target:
        leg, other = await connect(agent, peer), await connect(agent, target, "call-2")
        transfer = asyncio.create_task(leg.transfer(replaces=other))
        if allowed:
            assert await sent_to(peer, transfer) == f"sip:ann@127.0.0.1:{target.port}"
        else:
            with pytest.raises(LegError, match="403"):
                await transfer
            await nothing(peer, "REFER ")


@pytest.mark.peer("sipp")
async def test_an_attended_transfer_may_name_the_target_by_what_we_called() -> None:
    """The Contact of a gateway is seldom a number that may be called."""
    async with sipp("UAS") as human, running_agent(take, trunks=book("+49*", to=human.port)) as agent:
        async with wire(agent.port) as peer:
            leg = await connect(agent, peer)
            other = await agent.call("sip:+4930123@line")
            assert other.dialog.target.user is None
            told = await sent_to(peer, asyncio.create_task(leg.transfer(replaces=other)))
            assert told == f"sip:+4930123@127.0.0.1:{human.port}"
            await other.hang_up()
        await human.ended()


@pytest.mark.peer("sipp")
async def test_terms_of_a_call_s_own_do_not_free_it_from_its_trunk() -> None:
    async with sipp("UAS") as human, running_agent(take, trunks=book("+49*", to=human.port)) as agent:
        leg = await agent.call("sip:+4930123@line", terms=Terms(trunk="other"))
        assert leg.terms.trunk == "line"
        with pytest.raises(LegError, match="403"):
            await leg.transfer("sip:+19005550100@line")
        await leg.hang_up()
        await human.ended()


async def test_a_peer_without_a_trunk_is_sent_wherever_the_application_says() -> None:
    async with running_agent(take) as agent, wire(agent.port) as peer:
        leg = await connect(agent, peer)
        told = await sent_to(peer, asyncio.create_task(leg.transfer("sip:bob@192.0.2.1")))
        assert told == "sip:bob@192.0.2.1"


async def test_a_caller_s_refer_gets_403() -> None:
    async with running_agent(take, trunks=book("*")) as agent, wire(agent.port) as peer:
        leg = await connect(agent, peer)
        refer = peer.request(
            "REFER", branch="z9hG4bKr", seq="2", to=f";tag={leg.dialog.local_tag}", extra="Refer-To: <sip:+4930@line>\n"
        )
        peer.send(refer)
        assert (await peer.receive("SIP/2.0 ")).startswith("SIP/2.0 403")
        assert leg.state == "confirmed"
