"""Calls that sipp places to us: early media, PRACK, UPDATE, CANCEL at every moment, Replaces, and who is let in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telephony.agent import IncomingCall, SipLeg, UserAgent
from telephony.call_policy import SessionTimerPolicy
from telephony.events import CallSetUp, TelephonyEvent
from telephony.leg import LegError
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry

from .programs import PATIENCE_S, until
from .sippscript import Script, sdp
from .siprun import OFFER, Wire, running_agent, sipp, to_tag, wire

OnCall = Callable[[IncomingCall], Coroutine[Any, Any, None]]
peer_sipp = pytest.mark.peer("sipp")
SUPPORTED = "Supported: 100rel"
SOON_S = 2.0
"""No timer of a transaction or of a call ends so early."""
OURS = "m=audio [1-9]"
"""A description of ours."""


def book(**fields: Any) -> TrunkRegistry:
    """One trunk named line, for callers on this machine."""
    return TrunkRegistry(trunks={"line": Trunk(name="line", **fields)})


async def play_then_answer(incoming: IncomingCall) -> None:
    """An announcement before the answer."""
    media = await incoming.early_media()
    if media is not None:
        media.play(np.full(4000, 2000, np.int16))
    await asyncio.sleep(0.3)
    leg = await incoming.answer()
    await leg.closed


async def answer_after_update(incoming: IncomingCall) -> None:
    """By then the caller has described his session again."""
    await incoming.early_media()
    before = incoming.dialog.remote_seq
    await until(lambda: (incoming.dialog.remote_seq or 0) >= (before or 0) + 2)  # PRACK, then UPDATE
    leg = await incoming.answer()
    await leg.closed


async def answer(incoming: IncomingCall) -> None:
    incoming.ring()
    leg = await incoming.answer()
    await leg.closed


async def play_for_ever(incoming: IncomingCall) -> None:
    await incoming.early_media()
    await incoming.cancelled


async def assert_idle(agent: UserAgent) -> None:
    """Nothing is left of the calls, no port and no dialog, as soon as their last messages have come."""

    def idle() -> bool:
        dialogs = agent._dialogs
        left = agent.active_calls, len(dialogs), dialogs._early, agent._pending, agent._accounting._ringing
        return not any(left)

    await until(idle, SOON_S)


def early(status: int = 183, body: str = "") -> Script:
    """A call whose provisional response has to be reliable."""
    script = Script().send("INVITE", body, SUPPORTED)
    return script.expect(status, header=("Require", "100rel"), keep=True, body=OURS if status == 183 else "")


CALLS: dict[str, tuple[OnCall, Script]] = {
    "early media, the same description in the 200": (
        play_then_answer,
        Script().send("INVITE", sdp()).expect(183, body=OURS).expect(200, body=OURS).ack().bye(),
    ),
    "reliable early media, nothing more in the 200": (
        play_then_answer,
        early(body=sdp()).prack().expect(200, header=("Content-Length", "0")).ack().bye(),
    ),
    "our offer in the 183, the answer in the PRACK": (
        play_then_answer,
        early().prack(sdp()).expect(200, header=("Content-Length", "0")).ack().bye(),
    ),
    "our offer in the 200 where the caller has no 100rel": (
        play_then_answer,
        Script().send("INVITE").expect(183, header=("Content-Length", "0")).expect(200, body=OURS).ack(sdp()).bye(),
    ),
    "UPDATE before the answer": (
        answer_after_update,
        early(body=sdp()).prack().send("UPDATE", sdp(2)).expect(200, body=OURS).expect(200).ack().bye(),
    ),
    "a caller who demands 100rel": (
        answer,
        Script()
        .send("INVITE", sdp(), "Require: 100rel")
        .expect(180, header=("Require", "100rel"), keep=True)
        .prack()
        .expect(200, body=OURS)
        .ack()
        .bye(),
    ),
    "CANCEL in early media": (
        play_for_ever,
        Script().send("INVITE", sdp()).expect(183).cancel().expect(200).expect(487).ack(refused=True).pause(50),
    ),
    "CANCEL before the PRACK": (
        play_for_ever,
        early(body=sdp()).cancel().expect(200).expect(487).ack(refused=True).pause(50),
    ),
    "BYE in early media": (
        play_for_ever,
        early(body=sdp()).prack().bye().expect(487).ack(refused=True).pause(50),
    ),
}


@peer_sipp
@pytest.mark.parametrize("name", CALLS)
async def test_a_caller_gets_what_the_scenario_wants(name: str, tmp_path: Path) -> None:
    on_call, script = CALLS[name]
    async with running_agent(on_call) as agent, sipp(script.write(tmp_path), to=agent.port) as caller:
        await caller.ended()
        await assert_idle(agent)


@peer_sipp
async def test_a_caller_is_sent_elsewhere(tmp_path: Path) -> None:
    async def send_on(incoming: IncomingCall) -> None:
        incoming.redirect(["sip:b@192.0.2.1", "sip:c@192.0.2.2"])

    script = Script().send("INVITE", sdp()).expect(302, header=("Contact", "sip:b@192.0.2.1>;q=1")).ack(refused=True)
    async with running_agent(send_on) as agent, sipp(script.write(tmp_path), to=agent.port) as caller:
        await caller.ended()
        await assert_idle(agent)


# ── on the wire ──


def refusal(text: str) -> str:
    """The status line's number."""
    return text[8:11]


async def final(peer: Wire) -> str:
    """The next final response."""
    while True:
        text = await peer.receive("SIP/2.0")
        if not text.startswith("SIP/2.0 1"):
            return text


async def test_a_reliable_response_is_repeated_until_prack_and_504_ends_the_call_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telephony.call.dialog.reliable_provisional.T1_S", 0.02)
    monkeypatch.setattr("telephony.call.dialog.reliable_provisional.TIMEOUT_S", 1.28)
    statuses: list[int] = []

    async def play(incoming: IncomingCall) -> None:
        await incoming.early_media()
        with pytest.raises(LegError):
            await incoming.answer()

    def note(event: TelephonyEvent) -> None:
        if isinstance(event, CallSetUp):
            statuses.append(event.status)

    async with running_agent(play, on_event=note) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER, extra="Supported: 100rel\n"))
        rseqs = {(await peer.receive("SIP/2.0 183")).partition("RSeq: ")[2][:6] for _ in range(6)}
        assert len(rseqs) == 1
        await peer.receive("SIP/2.0 504")
        assert statuses == [504]
        await assert_idle(agent)


async def test_a_prack_for_nothing_gets_481() -> None:
    async with running_agent(play_for_ever) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER, extra="Supported: 100rel\n"))
        early = await peer.receive("SIP/2.0 183")
        peer.send(peer.request("PRACK", branch="z9hG4bKp", seq="2", to=to_tag(early), extra="RAck: 1 1 INVITE\n"))
        await peer.receive("SIP/2.0 481")
        peer.send(peer.request("INVITE", branch="z9hG4bKq", seq="3", to=to_tag(early), body=OFFER))
        assert "Retry-After: " in await peer.receive("SIP/2.0 500")
        peer.send(peer.request("CANCEL"))
        await peer.receive("SIP/2.0 487")


async def test_a_trunk_that_demands_100rel_refuses_callers_without_it() -> None:
    trunks = book(peers="127.0.0.1", reliable="required")
    async with running_agent(answer, trunks=trunks) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER))
        assert "Require: 100rel" in await peer.receive("SIP/2.0 421")


async def test_too_short_a_session_interval_gets_422() -> None:
    trunks = book(peers="127.0.0.1", session_timer=SessionTimerPolicy(min_s=120))
    async with running_agent(answer, trunks=trunks) as agent, wire(agent.port) as peer:
        peer.send(peer.request("INVITE", body=OFFER, extra="Supported: timer\nSession-Expires: 90\n"))
        assert "Min-SE: 120" in await peer.receive("SIP/2.0 422")


async def test_a_client_of_rfc_2543_calls_and_is_hung_up() -> None:
    """No branch, no Contact, no Max-Forwards; we hang up."""

    async def take(incoming: IncomingCall) -> None:
        leg = await incoming.answer()
        while leg.state != "confirmed":  # noqa: ASYNC110 - a leg tells nobody
            await asyncio.sleep(0.01)
        await leg.hang_up()

    async with running_agent(take) as agent, wire(agent.port) as peer:
        head = (
            f"Via: SIP/2.0/UDP 127.0.0.1:{peer.port}\nFrom: sip:+4930@gw.example;user=phone\nCall-ID: old\n"
            "To: sip:bot@127.0.0.1"
        )
        peer.send(f"INVITE sip:bot@127.0.0.1 SIP/2.0\n{head}\nCSeq: 7 INVITE\nContent-Type: application/sdp\n\n{OFFER}")
        tag = to_tag(await peer.receive("SIP/2.0 200"))
        peer.send(f"ACK sip:bot@127.0.0.1 SIP/2.0\n{head}{tag}\nCSeq: 7 ACK\n\n")
        bye = await peer.receive("BYE sip:+4930@gw.example ")
        peer.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))
        await until(lambda: not agent.active_calls and not len(agent._dialogs))


# ── Replaces ──


async def talk(peer: Wire, name: str) -> str:
    """Place a call from the socket; returns the To tag parameter of its answer."""
    peer.send(peer.request("INVITE", branch=f"z9hG4bK{name}", call=name, body=OFFER))
    tag = to_tag(await peer.receive("SIP/2.0 200"))
    peer.send(peer.request("ACK", branch=f"z9hG4bK{name}a", call=name, to=tag))
    return tag


def replaces(tag: str, call_id: str, tail: str = "") -> str:
    return f"Replaces: {call_id};to-tag={tag.removeprefix(';tag=')};from-tag=ann{tail}\n"


async def test_an_invite_with_replaces_takes_over_the_leg_and_the_old_party_gets_bye() -> None:
    legs: list[SipLeg] = []

    async def keep(incoming: IncomingCall) -> None:
        legs.append(await incoming.answer())
        await legs[-1].closed

    async with running_agent(keep) as agent, wire(agent.port) as old, wire(agent.port) as new:
        tag = await talk(old, "first")
        extra = "Require: replaces\n" + replaces(tag, "first")
        new.send(new.request("INVITE", branch="z9hG4bKr", call="second", body=OFFER, extra=extra))
        taken = to_tag(await new.receive("SIP/2.0 200"))
        new.send(new.request("ACK", branch="z9hG4bKra", call="second", to=taken))
        bye = await old.receive("BYE ")
        old.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))
        assert len(legs) == 1 and agent.active_calls == 1
        assert legs[0].dialog.call_id == "second"
        old.send(old.request("BYE", branch="z9hG4bKo", call="first", seq="9", to=tag))
        await old.receive("SIP/2.0 481")
        assert not legs[0].closed.done()
        new.send(new.request("BYE", branch="z9hG4bKrb", call="second", seq="2", to=taken))
        assert await asyncio.wait_for(legs[0].closed, PATIENCE_S) == "caller"
        await assert_idle(agent)


async def test_replaces_is_refused_as_rfc_3891_says() -> None:
    async with running_agent(answer) as agent, wire(agent.port) as peer:
        tag = await talk(peer, "first")
        cases = {
            "nobody": (replaces(";tag=nobody", "first"), "481"),
            "early": (replaces(tag, "first", ";early-only"), "486"),
            "twice": (replaces(tag, "first") * 2, "400"),
            "broken": ("Replaces: first;to-tag\n", "400"),
            "join": (replaces(tag, "first") + "Join: first;to-tag=a;from-tag=b\n", "400"),
        }
        for name, (extra, status) in cases.items():
            peer.send(peer.request("INVITE", branch=f"z9hG4bK{name}", call=name, body=OFFER, extra=extra))
            assert refusal(await final(peer)) == status, name
        assert agent.active_calls == 1
        peer.send(peer.request("BYE", branch="z9hG4bKb", call="first", seq="2", to=tag))
        await peer.receive("SIP/2.0 200")
        peer.send(peer.request("INVITE", branch="z9hG4bKl", call="late", body=OFFER, extra=replaces(tag, "first")))
        assert refusal(await final(peer)) == "603"


async def test_replaces_from_another_trunk_gets_403() -> None:
    trunks = book(peers="127.0.0.2")
    async with (
        running_agent(answer, trunks=trunks) as agent,
        wire(agent.port) as stranger,
        wire(agent.port, "127.0.0.2") as known,
    ):
        tag = await talk(stranger, "first")
        known.send(known.request("INVITE", branch="z9hG4bKr", call="second", body=OFFER, extra=replaces(tag, "first")))
        assert refusal(await final(known)) == "403"
