"""Calls across networks, placed by linphone, carried by Kamailio and rtpengine: NAT, loss, TLS, SRTP, transfers.

The phone is behind a NAT, on a line that loses 2 % of the packets and delays each by 20 to 80 ms, both ways.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from telephony.media.dtmf import tones
from tests.certificates import Authority
from tests.real.baresip import RATE_HZ, Wave, flite, load
from tests.real.lab import proxy
from tests.real.lab.net import Lab, Line, lab
from tests.real.linphone import Linphone, linphone
from tests.real.programs import PATIENCE_S
from tests.real.server import Server, demo
from voicebot.config import AsrSettings
from voicebot.demo.company import examples
from voicebot.listening.speech_input import SpeechInput
from voicebot.messages import Expect
from voicebot.paths import ROOT

pytestmark = [
    pytest.mark.peer("linphonec", "kamailio", "rtpengine", "ip", "iptables", "flite"),
    pytest.mark.models,
    pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="needs root for network namespaces"),
]
ORDER = str(examples()["order"])
BOT_WORDS = {"northwind", "speaking", "automated", "assistant", "help", "today", "order", "number", "six", "digits"}
LOOK_S = 0.25
LISTENED_S, PIECE_S = 24, 6
"""So much of what a phone heard is recognised, in pieces: on a bad line one alone may not be understood."""
AGAIN_S = 8.0
"""After the bot has begun to answer; then what was said is said again."""


@dataclass(frozen=True)
class World:
    """The lab with the server, and two proxies in front of it."""

    lab: Lab
    server: Server
    folder: Path
    ca: Path
    uris: dict[str, str]

    def state(self) -> dict[str, Any]:
        """What the server says of its trunks and calls."""
        return dict(json.loads(self._fetch("/trunk/state")))

    def ladder(self) -> str:
        """Of the newest call."""
        words = (sys.executable, "-m", "voicebot", "trunk", "ladder", "last", "--url", self._url)
        return self.lab.run("bot", *words)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.server.http_port}"

    def _fetch(self, path: str) -> str:
        code = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        return self.lab.run("bot", sys.executable, "-c", code, self._url + path)

    def heard(self) -> list[str]:
        """What the newest call's caller said or keyed, as understood."""
        turns = self.server.last_call()["turns"]
        return [row["turn"]["text"].lower() for row in turns if row["turn"]["speaker"] == "caller"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with lab(Line(loss_percent=2, delay_ms=50, jitter_ms=30)) as net:
        bot = net.address("bot")
        authority = Authority(folder / "certificates")
        cert, key = authority.issue("bot", ips=[bot])
        (folder / "trunks").mkdir()
        (folder / "trunks" / "desk.yaml").write_text(
            f"title: The desk\npeers: [{net.address('desk')}]\nto: {net.address('desk')}:5062\nkeys: inband\n"
        )
        (folder / "trunks" / "proxy.yaml").write_text(  # without rtpengine, media comes from where nobody said
            f"title: Telephones behind Kamailio\npeers: ['{net.address('proxy')}:5060']\nsymmetric: true\n"
        )
        text = (ROOT / "voicebot.yaml").read_text().replace("dialogs/", f"{ROOT}/dialogs/")
        sip = f"sip:\n  trunks: trunks\n  open: true\n  tls: {{cert: {cert}, key: {key}}}\n"
        text = text.replace("sip:\n", sip, 1).replace("  ring_s:", "  release: true\n  ring_s:")
        (folder / "voicebot.yaml").write_text(text)
        uris = {
            "direct": f"sip:demo@{bot}",
            "kamailio": proxy.start(net, folder / "kamailio", 5060),
            "rtpengine": proxy.start(net, folder / "rtpengine", 5070, rtpengine=True),
        }
        human = f"sip:human@{net.address('desk')}:5062"
        options = ("-c", str(folder / "voicebot.yaml"), "--listen", bot, "--sip-port", "5060", "--human", human)
        with demo(folder / "data", *options, prefix=net.command("bot")) as server:
            yield World(net, server, folder, authority.ca, uris)


def phone_settings(**sip: object) -> dict[str, dict[str, object]]:
    return {"sip": {"sip_port": 5062, "sip_tcp_port": 0, "sip_tls_port": 0, **sip}}


async def say(phone: Linphone, wave: Wave) -> None:
    """Speak once: linphone would begin the file again at its end."""
    path = phone.folder / "said.wav"
    soundfile.write(path, np.concatenate([wave, np.zeros(RATE_HZ * 60, np.int16)]), RATE_HZ)
    await phone.tell(f"play {path}")


async def call(phone: Linphone, uri: str) -> None:
    await phone.tell(f"record {phone.folder}/heard.wav")
    await phone.ask(f"call {uri}", "Media streams established")


async def until(true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something to become true of the server. Raises TimeoutError."""
    ends_s = time.monotonic() + patience_s
    while not await asyncio.to_thread(true):
        if time.monotonic() > ends_s:
            raise TimeoutError(f"not within {patience_s:.0f} s: {what}")
        await asyncio.sleep(LOOK_S)


def bot_said(world: World, words: str) -> Callable[[], bool]:
    def said() -> bool:
        turns = world.server.record().get("turns", ())
        return any(words in row["turn"]["text"] for row in turns if row["turn"]["speaker"] == "bot")

    return said


async def transcribed(waves: list[Wave]) -> str:
    speech_input = SpeechInput.load(AsrSettings())
    speech_input.start()
    try:
        heard = [await speech_input.recognise(wave.astype(np.float32) / 32768, RATE_HZ, Expect()) for wave in waves]
        return " ".join(one.text.lower() for one in heard)
    finally:
        speech_input.stop()


async def words_heard(phone: Linphone) -> set[str]:
    """The words in linphone's recording, a few of which a bad line may have spoiled."""
    wave = await asyncio.to_thread(load, phone.folder / "heard.wav")
    loud = np.flatnonzero(np.abs(wave.astype(np.int32)) > 500)
    assert len(loud), "linphone heard nothing"
    spoken = wave[loud[0] : loud[-1]][: LISTENED_S * RATE_HZ]
    pieces = [spoken[at : at + PIECE_S * RATE_HZ] for at in range(0, len(spoken) - RATE_HZ, PIECE_S * RATE_HZ)]
    text = await transcribed(pieces)
    return set(re.findall(r"[a-z]+", text))


async def say_until(world: World, phone: Linphone, wish: Wave, done: Callable[[], bool]) -> None:
    """Say it, and once more each time the bot has said something else to it than what is wanted."""

    def bot_turns() -> int:
        return sum(row["turn"]["speaker"] == "bot" for row in world.server.record().get("turns", ()))

    for _ in range(4):
        before = await asyncio.to_thread(bot_turns)
        await say(phone, wish)
        try:
            await until(lambda: done() or bot_turns() > before, "an answer")  # noqa: B023 - over before the next
            await until(done, "what was wanted", AGAIN_S)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"never heard: {world.server.record()}")


def keyed(world: World) -> list[str]:
    """What the caller of the newest call pressed: all that has figures in it."""
    return [words for words in world.heard() if re.search(r"\d", words)]


async def order_by_voice_and_keys(world: World, phone: Linphone, press: Callable[[str], Awaitable[None]]) -> None:
    """One task end to end: asked for by voice, its number by keys."""
    await until(bot_said(world, "How can I help"), "the opening")
    await say_until(world, phone, flite("Hi, where is my order?", phone.folder), bot_said(world, "order number"))
    await press(ORDER)
    await until(lambda: bool(world.server.record()["actions"]), "the order is looked up")
    await phone.tell("terminate all")
    await until(lambda: world.server.record()["call"]["ended_at"] is not None, "the end")


def typed(phone: Linphone, pace_s: float = 0.35) -> Callable[[str], Awaitable[None]]:
    async def press(keys: str) -> None:
        for key in keys:
            await phone.tell(key)
            await asyncio.sleep(pace_s)

    return press


@pytest.mark.parametrize("way", ["direct", "kamailio", "rtpengine"])
async def test_a_phone_behind_a_nat_on_a_bad_line_gets_its_order_found(world: World, way: str) -> None:
    folder = world.folder / f"phone-{way}"
    async with linphone(folder, phone_settings(use_rfc2833=1), world.lab.command("phone")) as phone:
        await call(phone, world.uris[way])
        await order_by_voice_and_keys(world, phone, typed(phone))
        assert len(await words_heard(phone) & BOT_WORDS) >= 2
    done = world.server.last_call()
    heard = world.heard()
    assert any("order" in words for words in heard[:-1])
    assert keyed(world) == [ORDER]
    assert done["actions"][0]["ok"]
    media = done["media"]
    sides = media["packets_received"], media["packets_sent"]
    assert min(sides) > 400, sides
    assert media["wrong_source"] < 20
    assert ("Record-Route" in world.ladder() or world.lab.address("proxy") in world.ladder()) == (way != "direct")


async def test_tls_and_srtp_all_the_way(world: World) -> None:
    settings = phone_settings(sip_tls_port=5063, root_ca=world.ca, verify_server_certs=1, media_encryption="srtp")
    settings["sip"]["verify_server_cn"] = 0  # it knows no addresses in certificates; the chain is checked
    settings["sip"]["media_encryption_mandatory"] = 1
    async with linphone(world.folder / "phone-tls", settings, world.lab.command("phone")) as phone:
        await call(phone, f"sip:demo@{world.lab.address('bot')}:5061;transport=tls")
        await order_by_voice_and_keys(world, phone, typed(phone))
        assert len(await words_heard(phone) & BOT_WORDS) >= 2
    done = world.server.last_call()
    assert keyed(world) == [ORDER]
    assert "AES" in done["media"]["srtp"]
    assert done["media"]["forged"] == 0


async def test_a_call_goes_on_after_hold_and_a_caller_s_refer_is_refused(world: World) -> None:
    async with linphone(world.folder / "phone-hold", phone_settings(), world.lab.command("phone")) as phone:
        await call(phone, world.uris["kamailio"])
        await until(bot_said(world, "How can I help"), "the opening")
        await phone.ask("pause", "is now paused")
        await asyncio.sleep(2)
        await phone.ask("resume", "Media streams established")
        await phone.tell("transfer sip:elsewhere@192.0.2.1")
        await order_by_voice_and_keys(world, phone, typed(phone))
    assert world.heard()[-1] == ORDER
    ladder = world.ladder()
    assert "put on hold" in ladder and "taken off hold" in ladder
    assert "REFER" in ladder and "403" in ladder


async def test_keys_by_info(world: World) -> None:
    settings = phone_settings(use_info=1, use_rfc2833=0)
    async with linphone(world.folder / "phone-info", settings, world.lab.command("phone")) as phone:
        await call(phone, world.uris["kamailio"])
        await order_by_voice_and_keys(world, phone, typed(phone, 1.2))  # faster, and linphone waits for 6 s
    assert keyed(world) == [ORDER]
    assert world.ladder().count("INFO ") >= len(ORDER)


async def test_keys_as_tones_in_the_sound(world: World) -> None:
    """The trunk of this phone says that its keys are in the sound."""
    async with linphone(world.folder / "phone-tones", phone_settings(), world.lab.command("desk")) as phone:

        async def play(keys: str) -> None:
            await say(phone, np.concatenate([np.zeros(RATE_HZ // 2, np.int16), tones(keys)]))

        await call(phone, world.uris["direct"])
        await order_by_voice_and_keys(world, phone, play)
    assert keyed(world) == [ORDER]


async def test_caller_and_human_are_left_to_themselves_where_the_phones_can_do_it(world: World) -> None:
    """The server asks the caller's phone to replace it (REFER with Replaces), and is out of the call."""
    desk, hall = world.lab.command("desk"), world.lab.command("proxy")
    async with (
        linphone(world.folder / "human", phone_settings(), desk, "-a") as human,
        linphone(world.folder / "caller", phone_settings(), hall) as phone,
    ):
        await human.tell(f"record {human.folder}/heard.wav")
        await call(phone, world.uris["direct"])
        await until(bot_said(world, "How can I help"), "the opening")
        wish = flite("I want to talk to a person, please.", phone.folder)
        await say_until(world, phone, wish, lambda: world.state()["calls"] == 0)
        await asyncio.sleep(2)
        await say(phone, flite("Hello, this is the caller speaking.", phone.folder))
        await asyncio.sleep(4)
        await human.tell("terminate all")
        assert "caller" in await words_heard(human)
    done = world.server.last_call()
    assert done["call"]["outcome"] == "handed-over"
    assert done["call"]["reason"] == "transferred"
