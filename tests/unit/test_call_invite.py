"""One INVITE of ours: silence, challenges, CANCEL in every state, forks, and answers that nobody wants any more."""

from __future__ import annotations

import asyncio

import pytest

from telephony.agent import CallFailed, Credentials, OutgoingCall
from telephony.call.outbound.invite import MAX_TRIES
from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.leg import LegError
from telephony.sip import digest
from telephony.sip.dialog import Dialog
from telephony.sip.reason_header import Reason
from tests.unit.call_support import SDP, VIDEO, Peer, World, header, running, sdp_lines, until_settled
from tests.unit.virtual_clock import virtual_clock

URI = "sip:ann@192.0.2.1"
CHALLENGE = ("WWW-Authenticate", 'Digest realm="carrier", nonce="n1", qop="auth", algorithm=MD5')
RELIABLE = [("Require", "100rel"), ("RSeq", "41")]


def call(world: World, **options: object) -> OutgoingCall:
    return world.agent.dial(URI, ring_s=100, **options)  # type: ignore[arg-type]


@virtual_clock
async def test_an_answered_invite_is_acknowledged_and_becomes_a_leg_on_the_answers_terms() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        assert sdp_lines(invite, "m=audio 20000 RTP/AVP 0 8 ")
        peer.reply(invite, 200, body=SDP)
        leg = await outgoing.answered()
        ack = await peer.receive("ACK")
        assert ack.head.seq == invite.head.seq and not ack.body
        assert leg.negotiation.agreed is not None and leg.negotiation.agreed.remote == ("192.0.2.1", 30000)
        assert leg.state == "confirmed" and leg.called == invite.uri


@virtual_clock
async def test_an_invite_that_nobody_answers_is_repeated_ever_more_slowly_and_fails_after_32_s() -> None:
    async with running() as world:
        peer = Peer(world)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(CallFailed, match="408"):
            await call(world).answered()
        assert peer.times("INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(32)
        assert "CANCEL" not in peer.kinds and world.engine.sessions[0].closed


@virtual_clock
@pytest.mark.parametrize(("given_up_s", "copies"), [(0.2, [0.0, 0.5, 1.5, 3.5]), (5.0, [0.0, 0.5, 1.5, 3.5])])
async def test_an_invite_that_was_given_up_is_repeated_for_four_seconds_in_all(
    given_up_s: float, copies: list[float]
) -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        await asyncio.sleep(given_up_s)
        outgoing.give_up()
        await asyncio.sleep(60)
        assert peer.times("INVITE") == copies
        assert "CANCEL" not in peer.kinds


@virtual_clock
async def test_a_peer_that_wakes_up_after_the_last_copy_is_still_cancelled() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        outgoing.give_up()
        await asyncio.sleep(20)
        peer.reply(invite, 180)
        await peer.receive("CANCEL")
        assert peer.times("INVITE") == [0.0, 0.5, 1.5, 3.5]


@virtual_clock
async def test_a_provisional_response_ends_the_repeating() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 100)
        await asyncio.sleep(60)
        assert peer.kinds == ["INVITE"] and not outgoing.done
        outgoing.give_up()


@virtual_clock
async def test_a_challenge_is_answered_with_the_next_number_and_the_same_dialog() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world, credentials=Credentials("bot", "secret"))
        first = await peer.receive("INVITE")
        peer.reply(first, 401, CHALLENGE)
        assert (await peer.receive("ACK")).head.seq == first.head.seq
        second = await peer.receive("INVITE")
        assert second.head.seq == first.head.seq + 1
        assert (second.head.call_id, second.head.from_.tag) == (first.head.call_id, first.head.from_.tag)
        assert 'username="bot"' in header(second, "Authorization")
        peer.reply(second, 200, body=SDP)
        await outgoing.answered()
        assert header(await peer.receive("ACK"), "Authorization") == header(second, "Authorization")


@virtual_clock
async def test_a_wrong_password_is_not_tried_again() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world, credentials=Credentials("bot", "wrong"))
        for _ in range(2):
            peer.reply(await peer.receive("INVITE"), 401, CHALLENGE)
        with pytest.raises(CallFailed, match="401") as failed:
            await outgoing.answered()
        assert failed.value.response is not None and peer.kinds.count("INVITE") == 2


@virtual_clock
async def test_a_server_that_is_never_content_is_left_after_six_tries() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        for number in range(MAX_TRIES):
            peer.reply(await peer.receive("INVITE"), 422, ("Min-SE", str(2000 + number)))
        with pytest.raises(CallFailed, match="422"):
            await outgoing.answered()
        assert peer.kinds.count("INVITE") == MAX_TRIES


@virtual_clock
async def test_a_server_that_finds_every_answer_stale_is_left_sooner() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world, credentials=Credentials("bot", "secret"))
        for number in range(digest.MAX_TRIES + 1):
            stale = CHALLENGE[1].replace("n1", f"n{number}") + ", stale=true"
            peer.reply(await peer.receive("INVITE"), 401, (CHALLENGE[0], stale))
        with pytest.raises(CallFailed, match="401"):
            await outgoing.answered()


@virtual_clock
async def test_a_challenge_without_credentials_is_the_answer() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 401, CHALLENGE)
        with pytest.raises(CallFailed, match="401"):
            await outgoing.answered()


@virtual_clock
async def test_a_session_interval_that_is_too_short_is_raised_once_to_what_the_peer_wants() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world, terms=Terms(timer=SessionTimerPolicy(120, 90)))
        first = await peer.receive("INVITE")
        assert header(first, "Session-Expires") == "120"
        peer.reply(first, 422, ("Min-SE", "600"))
        second = await peer.receive("INVITE")
        assert (header(second, "Session-Expires"), header(second, "Min-SE")) == ("600", "600")
        peer.reply(second, 422, ("Min-SE", "600"))
        with pytest.raises(CallFailed, match="422"):
            await outgoing.answered()


@virtual_clock
async def test_a_refusal_says_the_peers_reason() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 480, ("Reason", 'Q.850;cause=20;text="Subscriber absent"'))
        with pytest.raises(CallFailed, match=r"480 .*Subscriber absent") as failed:
            await outgoing.answered()
        assert [one.cause for one in failed.value.reasons] == [20]


@virtual_clock
async def test_a_cancel_waits_for_the_first_provisional_response() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        outgoing.give_up(Reason("SIP", 600, "Enough"))
        with pytest.raises(LegError, match="487"):
            await outgoing.answered()
        await asyncio.sleep(1)
        assert "CANCEL" not in peer.kinds
        peer.reply(invite, 180)
        cancel = await peer.receive("CANCEL")
        assert cancel.head.seq == invite.head.seq and cancel.head.vias[0].branch == invite.head.vias[0].branch
        assert header(cancel, "Reason") == 'SIP;cause=600;text="Enough"'
        peer.reply(cancel, 200)
        peer.reply(invite, 487)
        await peer.receive("ACK")
        peer.reply(invite, 180)
        await until_settled()
        assert peer.kinds.count("CANCEL") == 1


@virtual_clock
async def test_an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        peer.reply(invite, 180)
        outgoing.give_up()
        await peer.receive("CANCEL")
        peer.reply(invite, 200, body=SDP)
        await peer.receive("ACK")
        bye = await peer.receive("BYE")
        assert header(bye, "Reason") == 'SIP;cause=487;text="Request Terminated"'
        peer.reply(invite, 200, body=SDP)
        await until_settled()
        assert peer.kinds.count("ACK") == 2 and peer.kinds.count("BYE") == 1, "our ACK was lost"
        assert world.agent.active_calls == 0


@virtual_clock
async def test_a_call_given_up_as_it_is_answered_gets_bye() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 200, body=SDP)
        outgoing.give_up()
        await peer.receive("BYE")
        assert "CANCEL" not in peer.kinds


@virtual_clock
async def test_a_peer_that_says_nothing_to_our_cancel_is_forgotten_after_32_s() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 180)
        outgoing.give_up()
        peer.reply(await peer.receive("CANCEL"), 200)
        await asyncio.sleep(31)
        assert len(world.agent._endpoint._transactions) == 1
        await asyncio.sleep(2)
        assert len(world.agent._endpoint._transactions) == 0


@virtual_clock
async def test_of_two_that_answer_a_fork_the_second_is_hung_up_and_the_first_acknowledged_again() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        peer.reply(invite, 200, body=SDP, tag="first")
        leg = await outgoing.answered()
        peer.reply(invite, 200, body=SDP, tag="second")
        bye = await peer.receive("BYE")
        assert bye.head.to.tag == "second" and 'text="Call completed elsewhere"' in header(bye, "Reason")
        peer.reply(invite, 200, body=SDP, tag="first")
        await until_settled()
        acks = [one.message.head.to.tag for one in peer.got if one.kind == "ACK"]
        assert acks == ["first", "second", "first"] and not leg.closed.done()


@virtual_clock
async def test_the_media_follow_the_branch_of_a_fork_that_answers() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        peer.reply(invite, 183, body=SDP.replace(b"30000", b"30002"), tag="announcement")
        peer.reply(invite, 180, tag="desk")
        peer.reply(invite, 200, body=SDP, tag="desk")
        leg = await outgoing.answered()
        remotes = [agreed.remote for agreed in world.media_of(leg).agreed]
        assert remotes == [("192.0.2.1", 30002), ("192.0.2.1", 30000)] and leg.dialog.remote_tag == "desk"


@virtual_clock
async def test_a_reliable_response_is_acknowledged_once() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        invite = await peer.receive("INVITE")
        peer.reply(invite, 183, *RELIABLE, body=SDP)
        prack = await peer.receive("PRACK")
        assert header(prack, "RAck") == f"41 {invite.head.seq} INVITE"
        peer.reply(invite, 183, *RELIABLE, body=SDP)
        peer.reply(prack, 200)
        peer.reply(invite, 200)
        leg = await outgoing.answered()
        assert peer.kinds.count("PRACK") == 1 and leg.dialog.local_seq == prack.head.seq


@virtual_clock
async def test_an_answer_that_cannot_be_used_is_acknowledged_and_ends_the_call() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 200, body=VIDEO)
        with pytest.raises(CallFailed, match="488"):
            await outgoing.answered()
        await peer.receive("ACK")
        await peer.receive("BYE")


@virtual_clock
async def test_an_offer_left_to_the_peer_is_answered_in_the_ack() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world, late_offer=True)
        invite = await peer.receive("INVITE")
        assert not invite.body
        peer.reply(invite, 200, body=SDP)
        await outgoing.answered()
        assert sdp_lines(await peer.receive("ACK"), "m=audio 20000")


@virtual_clock
async def test_a_contact_that_cannot_be_used_fails_the_call() -> None:
    async with running() as world:
        peer = Peer(world)
        outgoing = call(world)
        peer.reply(await peer.receive("INVITE"), 200, ("Contact", "nonsense"), body=SDP, contact=False)
        with pytest.raises(CallFailed, match="500"):
            await outgoing.answered()


@virtual_clock
async def test_a_call_that_rings_may_be_picked_up_by_somebody_else() -> None:
    """RFC 3891: his INVITE is answered, the ringing phone is told that the call was completed elsewhere."""
    async with running() as world:
        phone, other = Peer(world), Peer(world, call_id="pick-up")
        world.transport.peers["192.0.2.1"] = phone
        outgoing = call(world)
        invite = await phone.receive("INVITE")
        phone.reply(invite, 180)
        await until_settled()
        replaces = f"Replaces: {phone.call_id};to-tag={invite.head.from_.tag};from-tag={phone.tag};early-only"
        other.our_tag = ""
        other.invite(replaces)
        leg = await outgoing.answered()
        assert isinstance(leg.dialog, Dialog) and leg.id == "pick-up"
        cancel = await phone.receive("CANCEL")
        assert 'text="Call completed elsewhere"' in header(cancel, "Reason")
