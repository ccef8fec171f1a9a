"""Transfers out and in (REFER, NOTIFY, Replaces), with sipp and with three endpoints of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from telephony.call.dialog.refer_in import Referral
from telephony.call.dialog.refer_out import TransferResult
from telephony.call.dialog.sipleg import SipLeg
from telephony.call_policy import Terms
from telephony.leg import LegError

from .legs import legs
from .programs import PATIENCE_S, until
from .sippscript import Script, sdp
from .siprun import sipp

pytestmark = pytest.mark.peer("sipp")

Progress = list[tuple[int, str]]


async def play(
    script: Script, folder: Path, act: Callable[[SipLeg], Awaitable[None]], terms: Terms | None = None
) -> str:
    """Let sipp call and do what the script says, while `act` is done to our leg. Returns why the leg was closed."""
    async with legs(terms) as ours, sipp(script.write(folder), to=ours.port) as caller:
        leg = await ours.next(caller)
        await until(lambda: leg.state == "confirmed")
        await act(leg)
        await caller.ended()
        return await asyncio.wait_for(leg.closed, PATIENCE_S)


def notify(script: Script, words: str, state: str = "active;expires=60", event: str = "refer") -> Script:
    headers = f"Event: {event}\nSubscription-State: {state}"
    return script.send("NOTIFY", f"SIP/2.0 {words}\n", headers, "message/sipfrag;version=2.0").expect(200)


def waits(script: Script) -> Script:
    """sipp does nothing more until `go_on`."""
    return script.wanted("MESSAGE").reply("200 OK")


async def go_on(leg: SipLeg) -> None:
    assert (await leg.request("MESSAGE", body=b"go on", content_type="text/plain")).code == 200


def referred(refer_to: str = "<sip:human@127.0.0.1:9>") -> Script:
    return Script().answered().wanted("REFER", header=("Refer-To", refer_to)).reply("202 Accepted")


async def test_a_blind_transfer_is_told_step_by_step_and_ends_with_our_bye(tmp_path: Path) -> None:
    script = referred()
    for words in ("100 Trying", "180 Ringing"):
        notify(script, words)
    notify(script, "200 OK", "terminated;reason=noresource")
    script.wanted("BYE", header=("Reason", "Transferred")).reply("200 OK")
    heard: Progress = []
    results: list[TransferResult] = []

    async def act(leg: SipLeg) -> None:
        told = lambda status, reason: heard.append((status, reason))  # noqa: E731
        results.append(await leg.transfer("sip:human@127.0.0.1:9", on_progress=told))

    assert await play(script, tmp_path, act) == "transferred"
    assert heard == [(100, "Trying"), (180, "Ringing"), (200, "OK")]
    assert results == [TransferResult(200, "OK")]


@pytest.mark.parametrize("status", ["403 Forbidden", "603 Decline", "405 Method Not Allowed"])
async def test_a_refused_transfer_leaves_the_call_running(status: str, tmp_path: Path) -> None:
    script = waits(Script().answered().wanted("REFER").reply(status))
    script.send("INVITE", sdp(2)).expect(200).ack()

    async def act(leg: SipLeg) -> None:
        with pytest.raises(LegError, match=status):
            await leg.transfer("sip:human@127.0.0.1:9")
        assert leg.state == "confirmed"
        await go_on(leg)

    assert await play(script.bye(), tmp_path, act) == "caller"


async def test_a_busy_target_leaves_the_call_running_and_another_may_be_tried(tmp_path: Path) -> None:
    script = notify(referred(), "486 Busy Here", "terminated;reason=noresource")
    script.wanted("REFER").reply("202 Accepted")
    notify(script, "503 Service Unavailable", "terminated;reason=noresource")

    async def act(leg: SipLeg) -> None:
        for status in (486, 503):
            with pytest.raises(LegError) as caught:
                await leg.transfer("sip:human@127.0.0.1:9")
            assert caught.value.status == status

    assert await play(script.bye(), tmp_path, act) == "caller"


async def test_a_peer_that_never_tells_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def act(leg: SipLeg) -> None:
        with pytest.raises(LegError) as caught:
            await leg.transfer("sip:human@127.0.0.1:9", patience_s=0.3)
        assert caught.value.status == 408
        await go_on(leg)

    assert await play(waits(referred()).bye(), tmp_path, act) == "caller"


async def test_a_subscription_that_ends_without_a_word_is_a_failure(tmp_path: Path) -> None:
    script = notify(referred(), "100 Trying", "terminated;reason=timeout")

    async def act(leg: SipLeg) -> None:
        with pytest.raises(LegError, match="Gave Up"):
            await leg.transfer("sip:human@127.0.0.1:9")

    assert await play(script.bye(), tmp_path, act) == "caller"


async def test_a_peer_that_takes_the_transfer_and_hangs_up_has_gone_to_the_target(tmp_path: Path) -> None:
    results: list[TransferResult] = []

    async def act(leg: SipLeg) -> None:
        results.append(await leg.transfer("sip:human@127.0.0.1:9"))

    assert await play(referred().pause(100).bye(), tmp_path, act) == "transferred"
    assert results[0].status == 202


async def test_without_a_subscription_acceptance_is_the_result(tmp_path: Path) -> None:
    script = Script().answered().wanted("REFER", header=("Refer-Sub", "false"))
    script.reply("202 Accepted", extra="Refer-Sub: false").wanted("BYE").reply("200 OK")

    async def act(leg: SipLeg) -> None:
        assert (await leg.transfer("sip:human@127.0.0.1:9", subscribe=False)).status == 202

    assert await play(script, tmp_path, act) == "transferred"


async def test_notifies_that_mean_another_refer_or_nothing_do_not_count(tmp_path: Path) -> None:
    script = referred()
    script.send("NOTIFY", "SIP/2.0 200 OK\n", "Event: refer;id=999\nSubscription-State: active", "message/sipfrag")
    script.expect(481)
    script.send("NOTIFY", "hello\n", "Event: refer\nSubscription-State: active", "text/plain").expect(415)
    script.send("NOTIFY", "SIP/3.0 200\n", "Event: refer\nSubscription-State: active", "message/sipfrag").expect(400)
    notify(script, "404 Not Found", "terminated;reason=noresource")

    async def act(leg: SipLeg) -> None:
        with pytest.raises(LegError, match="404"):
            await leg.transfer("sip:human@127.0.0.1:9")

    await play(script.bye(), tmp_path, act)


@pytest.mark.parametrize("uri", ["", "human", "http://x", "sip:a@b?Replaces=x", "sip:a@b>\r\nX: y", "sip:a b@c"])
async def test_what_cannot_be_called_is_refused_before_anything_is_sent(uri: str, tmp_path: Path) -> None:
    async def act(leg: SipLeg) -> None:
        with pytest.raises(ValueError, match=r".+"):
            await leg.transfer(uri)

    assert await play(Script().answered().pause(100).bye(), tmp_path, act) == "caller"


async def test_an_attended_transfer_brings_both_parties_together_and_us_out() -> None:
    """The caller's endpoint follows the REFER; the target's leg is taken over by the INVITE with Replaces."""
    async with legs(Terms(refer_in=True)) as caller, legs() as bot, legs() as target:
        to_caller = await bot.call(caller.port)
        to_target = await bot.call(target.port)
        caller_leg, target_leg = await caller.new.get(), await target.new.get()
        referrals: list[Referral] = []

        def follow(referral: Referral) -> bool:
            referrals.append(referral)
            return True

        caller_leg.on_refer = follow
        transferring = asyncio.create_task(to_caller.transfer(replaces=to_target))
        await until(lambda: bool(referrals))
        referral = referrals[0]
        assert referral.uri == str(to_target.dialog.target)
        assert referral.replaces is not None and referral.replaces.keys[0] == target_leg.dialog.key
        old = target_leg.dialog.key
        new_leg = await caller.call(target.port, headers=[("Replaces", str(referral.replaces))])
        referral.tell(200)
        assert (await asyncio.wait_for(transferring, PATIENCE_S)).status == 200
        assert await asyncio.wait_for(to_target.closed, PATIENCE_S) == "caller"
        assert to_target.reasons[0].text == "Replaced"
        assert target_leg.dialog.key != old and not target_leg.closed.done()
        await new_leg.hang_up()
        assert await asyncio.wait_for(target_leg.closed, PATIENCE_S) == "caller"


async def test_a_bye_that_crosses_the_one_of_a_replaced_dialog_does_not_end_the_new_call() -> None:
    async with legs() as bot, legs() as target, legs() as third:
        to_target = await bot.call(target.port)
        target_leg = await target.new.get()
        replaces = f"{to_target.dialog.call_id};to-tag={target_leg.dialog.local_tag};from-tag=x"
        calling = asyncio.create_task(third.call(target.port, headers=[("Replaces", replaces)]))
        await until(lambda: target_leg.dialog.call_id != to_target.dialog.call_id)
        to_target.end()
        new = await calling
        await asyncio.sleep(0.2)
        assert not target_leg.closed.done()
        await new.hang_up()


async def test_refer_is_followed_only_where_terms_and_application_say_so(tmp_path: Path) -> None:
    refer = "Refer-To: <sip:x@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"
    script = waits(Script().answered()).send("REFER", extra=refer).expect(603)
    script.send("REFER", extra=refer).expect(202)
    script.wanted("NOTIFY", header=("Subscription-State", "active"), body="SIP/2.0 100").reply("200 OK")
    script.wanted("NOTIFY", header=("Subscription-State", "terminated"), body="SIP/2.0 486 Busy").reply("200 OK")
    script.send("REFER", extra=refer + "\nRefer-Sub: false").expect(202, header=("Refer-Sub", "false"))
    script.send("REFER", extra="Refer-To: <sip:x@127.0.0.1;method=BYE>").expect(403)
    script.send("REFER", extra="Refer-To: nonsense").expect(400)
    script.send("REFER").expect(400)
    asked: list[Referral] = []

    async def act(leg: SipLeg) -> None:
        def follow(referral: Referral) -> bool:
            asked.append(referral)
            return len(asked) > 1

        leg.on_refer = follow
        await go_on(leg)
        await until(lambda: len(asked) == 2)
        asked[1].tell(486)
        asked[1].tell(200)

    await play(script.bye(), tmp_path, act, Terms(refer_in=True))
    assert str(asked[0].replaces) == "a;to-tag=b;from-tag=c"
