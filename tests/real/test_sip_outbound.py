"""Calls that we place to sipp: early media, forks, PRACK, CANCEL at every moment, redirects, failover, late offer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from telephony.agent import CallFailed, CallProgress, Credentials, OutgoingCall, UserAgent
from telephony.leg import LegError
from telephony.sip.reason_header import Reason
from telephony.trunk.caller_id import OutgoingIdentity

from .baresip import Baresip
from .programs import PATIENCE_S, until
from .sippcalled import invite, mark, ok, pause, reply, request, write
from .sippscript import sdp
from .siprun import OFFER, Wire, running_agent, sipp, to_tag, wire

pytestmark = pytest.mark.peer("sipp")

RELIABLE = "Require: 100rel\nRSeq: 71"
BYE = request("BYE") + ok()


def uri(port: int, tail: str = "") -> str:
    return f"sip:human@127.0.0.1:{port}{tail}"


def assert_idle(agent: UserAgent) -> None:
    """Nothing is left of the call."""
    assert agent.active_calls == 0
    assert not agent._dialogs._early


async def test_early_media_are_heard_and_sent_before_the_answer(tmp_path: Path) -> None:
    script = write(tmp_path, invite(), reply(183, body=sdp()), pause(2000), reply(200, body=sdp()), request("ACK"), BYE)
    heard: list[CallProgress] = []
    async with running_agent(None) as agent, sipp(script, options=["-rtp_echo"]) as called:
        outgoing = agent.dial(uri(called.port))
        outgoing.on_progress = heard.append
        early: list[int] = []
        outgoing.on_early_audio = lambda pcm: early.append(int(np.abs(pcm).max()))
        outgoing.play(np.full(8000, 3000, np.int16))
        await until(lambda: max(early, default=0) > 2000 or outgoing.done)
        assert outgoing.early_audio and not outgoing.done
        assert max(early) > 2000, "our own audio comes back from the called party's media port"
        leg = await outgoing.answered()
        await leg.hang_up()
        await called.ended()
        assert [(one.status, one.early_media) for one in heard] == [(183, True)]
        assert_idle(agent)


async def test_a_network_that_takes_no_early_audio_gets_none(tmp_path: Path) -> None:
    """RFC 5009: sendonly is the called side's word for one way only."""
    gated = reply(183, body=sdp(), more="P-Early-Media: sendonly")
    script = write(tmp_path, invite(), gated, pause(1500), reply(200, body=sdp()), request("ACK"), BYE)
    async with running_agent(None) as agent, sipp(script, options=["-rtp_echo"]) as called:
        outgoing = agent.dial(uri(called.port))
        await until(lambda: outgoing.early_audio)
        await asyncio.sleep(0.2)
        assert not outgoing.done and outgoing._call.media.stats().packets_sent == 0
        leg = await outgoing.answered()
        await until(lambda: leg.stats().packets_sent > 3)
        await leg.hang_up()
        await called.ended()


async def test_reliable_responses_are_acknowledged_once_and_in_order(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        invite({"Supported": "100rel"}),
        reply(180, more=RELIABLE),
        request("PRACK", {"RAck": "71 1 INVITE"}),
        ok(),
        reply(180, more=RELIABLE),
        reply(183, more="Require: 100rel\nRSeq: 73", body=sdp()),
        reply(183, more="Require: 100rel\nRSeq: 72", body=sdp()),
        request("PRACK", {"RAck": "72 1 INVITE", "CSeq": "3 PRACK"}),
        ok(),
        reply(200),
        request("ACK", {"CSeq": "1 ACK"}),
        request("BYE", {"CSeq": "4 BYE"}),
        ok(),
    )
    async with running_agent(None) as agent, sipp(script) as called:
        leg = await agent.call(uri(called.port))
        await leg.hang_up()
        await called.ended()
        assert_idle(agent)


async def test_an_offer_left_to_the_called_party_is_answered_in_ack(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        invite({"Content-Length": "0"}),
        reply(180),
        reply(200, body=sdp()),
        request("ACK", body="m=audio"),
        BYE,
    )
    async with running_agent(None) as agent, sipp(script) as called:
        leg = await agent.call(uri(called.port), late_offer=True)
        assert leg.negotiation.agreed is not None
        await leg.hang_up()
        await called.ended()


async def test_an_offer_left_to_the_called_party_is_answered_in_prack(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        invite({"Content-Length": "0"}),
        reply(183, more=RELIABLE, body=sdp()),
        request("PRACK", body="m=audio"),
        ok(),
        reply(200),
        request("ACK", {"Content-Length": "0"}),
        BYE,
    )
    async with running_agent(None) as agent, sipp(script) as called:
        leg = await agent.call(uri(called.port), late_offer=True)
        await leg.hang_up()
        await called.ended()


async def test_of_forks_the_first_answer_wins_and_the_second_is_hung_up(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        invite(),
        reply(180, "a"),
        reply(183, "b", body=sdp()),
        reply(200, "a", body=sdp()),
        request("ACK", {"To": "tag=[0-9]+a"}),
        reply(200, "b", body=sdp()),
        request("ACK", {"To": "tag=[0-9]+b"}),
        request("BYE", {"To": "tag=[0-9]+b", "Reason": "answered|elsewhere|200"}),
        ok(),
        reply(200, "b", body=sdp()),
        request("ACK", {"To": "tag=[0-9]+b"}),
        mark(tmp_path / "hung up"),
        request("BYE", {"To": "tag=[0-9]+a"}),
        ok(),
    )
    async with running_agent(None) as agent, sipp(script) as called:
        leg = await agent.call(uri(called.port))
        assert "a" in leg.dialog.remote_tag
        await until((tmp_path / "hung up").exists)
        assert not leg.closed.done() and not leg.media.closed
        await leg.hang_up()
        await called.ended()
        assert_idle(agent)


# ── CANCEL ──


async def test_a_call_given_up_before_any_response_is_cancelled_after_the_first(tmp_path: Path) -> None:
    script = write(
        tmp_path,
        invite(),
        mark(tmp_path / "called"),
        pause(300),
        reply(180),
        request("CANCEL", {"Reason": "SIP ?;cause=480"}),
        ok(),
        reply(487),
        request("ACK"),
    )
    async with running_agent(None) as agent, sipp(script) as called:
        outgoing = agent.dial(uri(called.port))
        await until((tmp_path / "called").exists)
        outgoing.give_up(Reason("SIP", 480, "caller left"))
        with pytest.raises(LegError) as caught:
            await outgoing.answered()
        assert caught.value.status == 487
        await called.ended()
        assert_idle(agent)


async def test_a_call_given_up_before_a_200_without_ringing_is_acknowledged_and_hung_up(tmp_path: Path) -> None:
    called_ = mark(tmp_path / "called")
    script = write(tmp_path, invite(), called_, pause(300), reply(200, body=sdp()), request("ACK"), BYE)
    async with running_agent(None) as agent, sipp(script) as called:
        outgoing = agent.dial(uri(called.port))
        await until((tmp_path / "called").exists)
        outgoing.give_up()
        await called.ended()
        assert_idle(agent)


async def test_a_call_given_up_in_early_media_is_cancelled(tmp_path: Path) -> None:
    script = write(
        tmp_path, invite(), reply(183, body=sdp()), request("CANCEL"), ok(), reply(487), request("ACK"), pause(50)
    )
    async with running_agent(None) as agent, sipp(script) as called:
        with pytest.raises(LegError) as caught:
            await agent.call(uri(called.port), ring_s=0.3)
        assert caught.value.status == 408
        await called.ended()
        assert_idle(agent)


async def test_a_cancelled_call_that_gets_no_final_response_leaves_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.call.outbound.invite.TIMEOUT_S", 0.3)
    script = write(tmp_path, invite(), reply(180), request("CANCEL"), ok(), pause(100))
    async with running_agent(None) as agent, sipp(script) as called:
        with pytest.raises(LegError):
            await agent.call(uri(called.port), ring_s=0.2)
        await called.ended()
        live = agent._endpoint._transactions._live
        await until(lambda: all(one.request.method != "INVITE" for one in live.values()), 5)


# ── more than one try ──


async def test_a_server_and_a_proxy_may_both_ask_for_a_password_and_then_for_a_longer_session(tmp_path: Path) -> None:
    digest = 'Digest realm="{0}", nonce="n{0}", algorithm=SHA-256, qop="auth"'
    server = "nserver[^P]*nc=0000000{}"
    script = write(
        tmp_path,
        invite({"CSeq": "1 INVITE"}),
        reply(407, more="Proxy-Authenticate: " + digest.format("proxy")),
        request("ACK", {"CSeq": "1 ACK"}),
        invite({"CSeq": "2 INVITE", "Proxy-Authorization": "nc=00000001"}),
        reply(401, more="WWW-Authenticate: " + digest.format("server")),
        request("ACK", {"CSeq": "2 ACK"}),
        invite({"CSeq": "3 INVITE", "Proxy-Authorization": "nc=00000002", "": server.format(1)}),
        reply(422, more="Min-SE: 4000"),
        request("ACK", {"CSeq": "3 ACK"}),
        invite({"CSeq": "4 INVITE", "Session-Expires": "4000", "Min-SE": "4000", "": server.format(2)}),
        reply(200, body=sdp()),
        request("ACK", {"CSeq": "4 ACK", "": server.format(2)}),
        BYE,
    )
    async with running_agent(None) as agent, sipp(script, transport="tcp") as called:  # two answers fill a datagram
        leg = await agent.call(uri(called.port, ";transport=tcp"), credentials=Credentials("bot", "secret"))
        await leg.hang_up()
        await called.ended()


async def test_a_wrong_password_is_not_tried_again(tmp_path: Path) -> None:
    more = 'WWW-Authenticate: Digest realm="r", nonce="{}", algorithm=MD5, qop="auth"'
    script = write(
        tmp_path,
        invite(),
        reply(401, more=more.format("1")),
        request("ACK"),
        invite({"Authorization": "response"}),
        reply(401, more=more.format("2")),
        request("ACK"),
        pause(100),
    )
    async with running_agent(None) as agent, sipp(script) as called:
        with pytest.raises(CallFailed) as caught:
            await agent.call(uri(called.port), credentials=Credentials("bot", "wrong"))
        assert caught.value.status == 401
        await called.ended()
        assert_idle(agent)


async def test_an_invite_too_large_for_a_datagram_goes_by_tcp_and_by_udp_where_there_is_none(tmp_path: Path) -> None:
    """RFC 3261 section 18.1.1."""
    steps = (invite({"X-Long": "x+"}), reply(200, body=sdp()), request("ACK"), BYE)
    script = write(tmp_path, *steps)
    for transport in ("tcp", "udp"):
        async with running_agent(None) as agent, sipp(script, transport=transport) as called:
            leg = await agent.call(uri(called.port), headers={"X-Long": "x" * 1500})
            assert leg.dialog.hop.protocol == transport
            await leg.hang_up()
            await called.ended()


@pytest.mark.parametrize("status", [404, 413, 414, 480, 486, 488, 491, 500, 600, 603])
async def test_a_refusal_is_told_as_it_came(status: int, tmp_path: Path) -> None:
    async with running_agent(None) as agent, sipp(write(tmp_path, invite(), reply(status), request("ACK"))) as called:
        with pytest.raises(CallFailed, match="Said By Sipp") as caught:
            await agent.call(uri(called.port))
        assert caught.value.status == status
        await called.ended()


async def test_the_called_party_may_change_its_mind_before_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """UPDATE with another offer in an early dialog (RFC 3311), after the first was settled reliably."""
    async with running_agent(None) as agent, wire(agent.port) as peer:
        monkeypatch.setattr(
            agent._trunks, "outgoing_identity", lambda *_: OutgoingIdentity("<sip:bot@127.0.0.1>", contact_user="4711")
        )
        outgoing = agent.dial(uri(peer.port))
        text = await peer.receive("INVITE ")
        lines = text.split("\r\n")
        copied = "\n".join(one for one in lines if one.startswith(("Via:", "From:", "Call-ID:", "CSeq:")))
        to = next(one for one in lines if one.startswith("To:"))
        contact = f"Contact: <sip:human@127.0.0.1:{peer.port}>\n"
        kind = f"Content-Type: application/sdp\nContent-Length: {len(OFFER) + OFFER.count(chr(10))}\n\n{OFFER}"
        peer.send(f"SIP/2.0 183 P\n{copied}\n{to};tag=t\n{contact}Require: 100rel\nRSeq: 1\n{kind}")
        await peer.receive("PRACK ")
        tag = next(one for one in lines if one.startswith("From:")).rpartition("tag=")[2]
        call_id = next(one for one in lines if one.startswith("Call-ID:")).partition(": ")[2]
        moved = OFFER.replace("21600", "21700")
        update = peer.request("UPDATE", call=call_id, body=moved, to=f";tag={tag}").replace(";tag=ann", ";tag=t")
        peer.send(update)
        updated = await peer.receive("SIP/2.0 200")
        assert "m=audio" in updated
        ours = f"Contact: <sip:4711@127.0.0.1:{agent.port}>"
        assert ours in text and ours in updated
        assert outgoing.early_audio and not outgoing.done
        (early,) = agent._dialogs._early.values()
        assert early.negotiation is not None and early.negotiation.agreed is not None
        assert early.negotiation.agreed.remote == ("127.0.0.1", 21700)
        outgoing.give_up()
        await peer.receive("CANCEL ")


async def ringing(agent: UserAgent, peer: Wire) -> tuple[OutgoingCall, str, str]:
    """A call of ours that rings at `peer`: it, the head of its responses, and the Replaces that means it."""
    outgoing = agent.dial(uri(peer.port))
    text = await peer.receive("INVITE ")
    lines = text.split("\r\n")
    head = "\n".join(one for one in lines if one.startswith(("Via:", "From:", "Call-ID:", "CSeq:")))
    to = next(one for one in lines if one.startswith("To:"))
    head += f"\n{to};tag=t\nContact: <sip:human@127.0.0.1:{peer.port}>\n"
    peer.send(f"SIP/2.0 180 Ringing\n{head}\n")
    tag = next(one for one in lines if one.startswith("From:")).rpartition("tag=")[2]
    await until(lambda: outgoing.ringing)
    return outgoing, head, f"Replaces: {outgoing.id};to-tag={tag};from-tag=t;early-only\n"


@pytest.mark.parametrize("crossing", [False, True])
async def test_a_call_that_rings_may_be_picked_up_at_another_phone(crossing: bool) -> None:
    """RFC 3891: who sends INVITE with Replaces is answered, who rings is cancelled, also when he answers just then."""
    async with running_agent(None) as agent, wire(agent.port) as desk, wire(agent.port) as colleague:
        outgoing, head, replaces = await ringing(agent, desk)
        colleague.send(colleague.request("INVITE", call="pickup", body=OFFER, extra=replaces))
        answer = await colleague.receive("SIP/2.0 200")
        assert "m=audio" in answer
        colleague.send(colleague.request("ACK", branch="z9hG4bKa", call="pickup", to=to_tag(answer)))
        leg = await asyncio.wait_for(outgoing.answered(), PATIENCE_S)
        assert leg.id == "pickup"
        assert "completed elsewhere" in await desk.receive("CANCEL ")
        if crossing:
            length = len(OFFER) + OFFER.count("\n")
            desk.send(f"SIP/2.0 200 OK\n{head}Content-Type: application/sdp\nContent-Length: {length}\n\n{OFFER}")
            await desk.receive("ACK ")
            bye = await desk.receive("BYE ")
            desk.send(bye.replace("\r\n", "\n").replace(bye.split("\r\n")[0], "SIP/2.0 200 OK"))
        else:
            desk.send(f"SIP/2.0 487 Request Terminated\n{head}\n")
            await desk.receive("ACK ")
        assert leg.state == "confirmed" and agent.active_calls == 1
        colleague.send(colleague.request("BYE", branch="z9hG4bKb", call="pickup", seq="2", to=to_tag(answer)))
        assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"
        assert_idle(agent)


async def test_a_call_that_rings_is_picked_up_by_nobody_from_elsewhere_or_too_late() -> None:
    async with running_agent(None) as agent, wire(agent.port) as desk, wire(agent.port, "127.0.0.2") as stranger:
        outgoing, _, replaces = await ringing(agent, desk)
        stranger.send(stranger.request("INVITE", call="stolen", body=OFFER, extra=replaces))
        await stranger.receive("SIP/2.0 403")
        desk.send(desk.request("INVITE", call="nonsense", body="v=0\n", extra=replaces))
        await desk.receive("SIP/2.0 4")
        assert not outgoing.done
        outgoing.give_up()
        desk.send(desk.request("INVITE", branch="z9hG4bK2", call="late", body=OFFER, extra=replaces))
        await desk.receive("SIP/2.0 481")


# ── a softphone ──


@pytest.mark.peer("baresip")
async def test_baresip_hears_us_before_it_answers_and_after(tmp_path: Path) -> None:
    """Its early mode sends 183 with a description; it says when sound arrives, but sends none yet."""
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 8000)).astype(np.int16)
    async with running_agent(None) as agent, Baresip(tmp_path).running(account=";answermode=early") as phone:
        outgoing = agent.dial(f"sip:phone@127.0.0.1:{phone.sip_port}")
        outgoing.play(tone)
        await phone.until("CALL_RTPESTAB")
        assert outgoing.early_audio and outgoing.ringing and not outgoing.done
        await phone.accept()
        leg = await asyncio.wait_for(outgoing.answered(), PATIENCE_S)
        await until(lambda: np.abs(phone.heard()).max(initial=0) > 5000 and leg.stats().packets_received > 10)
        await leg.hang_up()
        assert_idle(agent)
