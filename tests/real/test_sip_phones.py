"""Calls changed and transferred with telephones that we did not write: baresip and linphone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from telephony.agent import AgentConfig, IncomingCall, SipLeg, UserAgent
from telephony.call.dialog.refer_out import TransferResult
from telephony.call_policy import SessionTimerPolicy, Terms
from telephony.leg import LegError
from telephony.media.engine import MediaEngine

from .baresip import Baresip
from .legs import legs
from .linphone import Linphone, linphone
from .programs import PATIENCE_S, free_port, free_ports, until

ADDRESS = "127.0.0.77"
"""For an agent on port 5060: linphone forgets the port when it sends somebody to a call of its own."""


@contextlib.asynccontextmanager
async def phone(folder: Path, *options: str, **sip: object) -> AsyncIterator[tuple[Linphone, int]]:
    """linphone and its port; `sip` are settings of that section."""
    port = free_port()
    settings: dict[str, dict[str, object]] = {
        "sip": {"sip_port": port, "sip_tcp_port": 0, "sip_tls_port": 0, "contact": "sip:p@127.0.0.1", **sip},
        "rtp": {"audio_rtp_port": free_ports(4)[0]},
        "video": {"enabled": 0},
    }
    await asyncio.to_thread(folder.mkdir)
    async with linphone(folder, settings, (), *options) as one:
        yield one, port


@pytest.mark.peer("baresip")
async def test_baresip_holds_is_held_refreshed_and_sent_to_another_baresip(tmp_path: Path) -> None:
    ann, bob = Baresip(tmp_path / "ann", "ann"), Baresip(tmp_path / "bob", "bob")
    async with legs() as ours, ann.running(), bob.running(answers=True):
        await ann.dial(f"sip:bot@127.0.0.1:{ours.port}")
        leg = await ours.new.get()
        await until(lambda: leg.state == "confirmed")
        await ann._command("hold")
        await until(lambda: leg.held)
        await ann._command("resume")
        await until(lambda: not leg.held)
        await leg.hold()
        assert leg.holding and not leg.held
        await leg.resume()
        assert "UPDATE" not in leg.dialog.allows  # so this is a re-INVITE
        await leg.refresh()
        heard: list[int] = []
        result = await leg.transfer(
            f"sip:bob@127.0.0.1:{bob.sip_port}", on_progress=lambda status, _: heard.append(status)
        )
        assert (result, heard) == (TransferResult(200, "OK"), [100, 200])
        await bob.until("CALL_ESTABLISHED")
        assert await leg.closed == "transferred"


@pytest.mark.peer("baresip")
async def test_a_transfer_of_baresip_to_nobody_leaves_the_call_running(tmp_path: Path, unused_udp_port: int) -> None:
    ann, bob = Baresip(tmp_path / "ann", "ann"), Baresip(tmp_path / "bob", "bob")
    async with legs() as ours, ann.running(), bob.running(busy=True):
        await ann.dial(f"sip:bot@127.0.0.1:{ours.port}")
        leg = await ours.new.get()
        await until(lambda: leg.state == "confirmed")
        with pytest.raises(LegError):
            await leg.transfer(f"sip:nobody@127.0.0.1:{bob.sip_port}", patience_s=PATIENCE_S)
        assert leg.state == "confirmed"
        await leg.resume()
        await leg.hang_up()


@pytest.mark.peer("linphonec")
async def test_linphone_holds_is_held_keeps_the_session_alive_and_is_joined_with_another(tmp_path: Path) -> None:
    """The attended transfer: both linphones end up talking to each other, and both of our legs are over."""
    timed = {"session_expires_enabled": 1, "session_expires_value": 90}
    async with legs() as ours, phone(tmp_path / "a", **timed) as (ann, _), phone(tmp_path / "b", "-a") as (bob, port):
        await ann.tell(f"call sip:bot@127.0.0.1:{ours.port}")
        leg = await asyncio.wait_for(ours.new.get(), PATIENCE_S)
        await until(lambda: leg.state == "confirmed")
        assert (leg.timer.interval_s, leg.timer.ours) == (90, False)
        await ann.tell("pause 1")
        await until(lambda: leg.held)
        await ann.tell("resume 1")
        await until(lambda: not leg.held)
        assert "UPDATE" in leg.dialog.allows
        await leg.refresh()
        other = await ours.call(port)
        await leg.hold()
        await other.hold()
        result = await leg.transfer(replaces=other)
        assert result.status == 200
        assert await asyncio.wait_for(other.closed, PATIENCE_S) == "caller"
        await ann.hear("Call 1 with .* ended")
        await bob.hear("Call 1 with .* ended.*Call 2 with .* connected|Call 2 with .* connected")


@pytest.mark.peer("linphonec")
async def test_linphone_and_we_press_keys_by_info(tmp_path: Path) -> None:
    async with legs(Terms(keys="info")) as ours, phone(tmp_path / "a", use_info=1, use_rfc2833=0) as (ann, _):
        await ann.tell(f"call sip:bot@127.0.0.1:{ours.port}")
        leg = await asyncio.wait_for(ours.new.get(), PATIENCE_S)
        keys: list[str] = []
        leg.on_dtmf = keys.append
        await until(lambda: leg.state == "confirmed")
        for key in "5#":
            await ann.tell(key)
            await asyncio.sleep(0.2)
        await until(lambda: keys == ["5", "#"])
        await ann.tell("")
        leg.send_dtmf("42")
        await ann.hear("Receiving tone 4")
        await ann.hear("Receiving tone 2")
        await leg.hang_up()


@pytest.mark.peer("linphonec")
@pytest.mark.parametrize("refresher", ["uac", "uas"])
async def test_a_session_with_linphone_is_refreshed_by_the_side_that_it_chooses(refresher: str, tmp_path: Path) -> None:
    """We placed the call: uac is us, with an UPDATE every 2 s."""
    choice = {"session_expires_min_value": 2, "session_expires_refresher_value": 2 if refresher == "uac" else 1}
    timed = {"session_expires_enabled": 1, "session_expires_value": 4, **choice}
    terms = Terms(timer=SessionTimerPolicy(4, 1))
    async with legs(terms) as ours, phone(tmp_path / "b", "-a", **timed) as (_, port):
        leg = await ours.call(port)
        assert (leg.timer.interval_s, leg.timer.ours) == (4, refresher == "uac")
        ours_first, theirs_first = leg.dialog.local_seq, leg.dialog.remote_seq or 0
        if refresher == "uac":
            await until(lambda: leg.dialog.local_seq >= ours_first + 2)
        else:
            await until(lambda: (leg.dialog.remote_seq or 0) > theirs_first)
        assert leg.state == "confirmed"
        await leg.hang_up()


@pytest.mark.peer("linphonec")
async def test_linphone_hands_its_call_with_us_to_another_and_our_leg_goes_on(tmp_path: Path) -> None:
    """Ann talks to the bot, asks Bob, and leaves: Bob's INVITE replaces Ann's dialog, the leg stays the same."""
    taken: list[SipLeg] = []
    said = tmp_path / "said.wav"
    soundfile.write(said, np.full(16000, 3000, np.int16), 8000)

    async def answer(incoming: IncomingCall) -> None:
        taken.append(await incoming.answer())
        await taken[0].closed

    engine = MediaEngine(ADDRESS, 22200, 22299)
    engine.start()
    agent = UserAgent(AgentConfig(ADDRESS, 5060), engine, answer)
    await agent.start()
    try:
        async with phone(tmp_path / "a") as (ann, _), phone(tmp_path / "b", "-a") as (bob, port):
            await ann.tell(f"call sip:bot@{ADDRESS}")
            await until(lambda: bool(taken))
            leg = taken[0]
            await until(lambda: leg.state == "confirmed")
            await ann.tell("pause 1")
            await until(lambda: leg.held)
            await ann.ask(f"call sip:bob@127.0.0.1:{port}", "Call 2 with .* connected")
            before = leg.dialog.key
            await ann.tell("transfer 2 --to-call 1")
            await until(lambda: leg.dialog.key != before and leg.state == "confirmed")
            assert not leg.held and agent.active_calls == 1 and len(taken) == 1
            await bob.tell(f"play {said}")
            await until(lambda: leg.stats().packets_received > 20)
            await bob.tell("terminate all")
            assert await asyncio.wait_for(leg.closed, PATIENCE_S) == "caller"
    finally:
        await agent.stop()
        engine.stop()
