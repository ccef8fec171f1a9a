"""The example bot of Pipecat as a program of its own, called by baresip, by sipp, and by ten of ours at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .baresip import Baresip, flite
from .botrun import RATE_HZ, Bot, Ear, beeps, likeness, phone, pitch_hz, running_bot
from .programs import until
from .siprun import sipp

FIRST_RTP = 26100
PHONE_RTP = 26200
CALLS = 10
ROUND_S = 3.3
"""Speech, silence, its echo."""
LATEST_S = 60.0


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with running_bot("pipecat_bot", tmp_path_factory.mktemp("pipecat"), FIRST_RTP) as running:
        yield running


@pytest.mark.peer("baresip", "flite")
async def test_baresip_is_greeted_understood_and_echoed(bot: Bot, tmp_path: Path) -> None:
    words = flite("repeat this", tmp_path)
    async with Baresip(tmp_path / "phone").running() as caller:
        await caller.dial(bot.uri)
        melody = await caller.answer(quiet_s=0.4)
        await caller.press("3")
        three = await caller.answer(quiet_s=0.4)
        await caller.say(words)
        echo = await caller.answer(quiet_s=0.4)
        await caller.press("*")
        star = await caller.until("CALL_DTMF_START")
        await caller.press("#")
        await caller.until("CALL_CLOSED")
    assert pitch_hz(melody[-int(0.8 * RATE_HZ) : -int(0.45 * RATE_HZ)]) == pytest.approx(1047, abs=10)
    assert beeps(three) == 3
    assert likeness(words, echo) > 0.9
    assert "*" in star.values()
    bot.told(r"\(local\); PCMU")


@pytest.mark.peer("baresip")
async def test_the_bot_leaves_when_baresip_hangs_up(bot: Bot, tmp_path: Path) -> None:
    before = bot.said.count("(caller)")
    async with Baresip(tmp_path / "phone").running() as caller:
        await caller.dial(bot.uri)
        await caller.hang_up()
        await caller.until("CALL_CLOSED")
    await until(lambda: bot.said.count("(caller)") > before)
    assert bot.said.count("(caller)") == before + 1


@pytest.mark.peer("sipp")
async def test_sipp_calls_five_times(bot: Bot) -> None:
    async with sipp("UAC", to=bot.port, calls=5) as caller:
        await caller.ended()


@pytest.mark.peer("flite")
async def test_ten_calls_at_once_and_what_they_cost(bot: Bot, tmp_path: Path) -> None:
    words = flite("ten callers", tmp_path)
    async with phone(PHONE_RTP) as agent:
        began = time.monotonic()
        legs = await asyncio.gather(*(agent.call(bot.uri) for _ in range(CALLS)))
        answered_s = time.monotonic() - began
        ears = [Ear(leg) for leg in legs]
        cpu_s, began = bot.cpu_s, time.monotonic()
        missing, per_call_ms = ears, 0.0
        async with asyncio.timeout(LATEST_S):
            while missing:  # on a machine with too much to do the bot may not understand at once
                for ear in missing:
                    ear.leg.play(words)
                await asyncio.sleep(ROUND_S)
                per_call_ms = per_call_ms or (bot.cpu_s - cpu_s) / (time.monotonic() - began) / CALLS * 1000
                done = [ear for ear in missing if likeness(words, ear.heard(began)) > 0.9]
                await asyncio.gather(*(ear.leg.hang_up() for ear in done))
                missing = [ear for ear in missing if ear not in done]
        echoed_s = time.monotonic() - began
    print(
        f"{CALLS} calls answered in {answered_s * 1000:.0f} ms, all echoed after {echoed_s:.1f} s, "
        f"{per_call_ms:.0f} ms CPU per call-second"
    )
    assert per_call_ms < 150
