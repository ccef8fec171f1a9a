"""The 20-line bot, called by programs that we did not write."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .baresip import Baresip, flite
from .botrun import Bot, likeness, running_bot
from .siprun import sipp

FIRST_RTP = 26000


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with running_bot("echo_bot", tmp_path_factory.mktemp("echo"), FIRST_RTP) as running:
        yield running


@pytest.mark.peer("baresip", "flite")
async def test_baresip_hears_its_own_words_and_keys_and_is_hung_up_on(bot: Bot, tmp_path: Path) -> None:
    words = flite("the quick brown fox", tmp_path)
    async with Baresip(tmp_path / "phone").running() as caller:
        await caller.dial(bot.uri)
        await caller.say(words)
        heard = await caller.answer(quiet_s=0.5)
        await caller.press("5")
        key = await caller.until("CALL_DTMF_START")
        await caller.press("#")
        await caller.until("CALL_CLOSED")
    assert likeness(words, heard) > 0.9
    assert "5" in key.values()
    bot.told(r"call over after .* \(local\); PCMU, MOS 4\.\d")


@pytest.mark.peer("sipp")
async def test_sipp_calls_and_hangs_up(bot: Bot) -> None:
    async with sipp("UAC", to=bot.port, calls=10) as caller:
        await caller.ended()
    bot.told(r"\(caller\)")


def test_what_cannot_begin_is_said_in_a_sentence(bot: Bot) -> None:
    def refused(*options: str) -> str:
        command = [sys.executable, "-m", "telephony.examples.echo_bot", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr
        return done.stderr

    assert f"SIP port {bot.port} " in refused("--port", str(bot.port))
    assert "'example.org' is no IPv4 or IPv6 address" in refused("--listen", "example.org")
