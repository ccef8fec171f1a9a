"""Streams and sources as phones and carriers have them, over real sockets, and as sipp and linphone send them.

All addresses of 127.0.0.0/8 are this machine's, so that each host of a story has its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from telephony.agent import IncomingCall, SipLeg
from telephony.call_policy import Terms
from telephony.media.rtp import pack
from telephony.trunk.model import Trunk
from telephony.trunk.registry import TrunkRegistry

from .linphone import linphone
from .programs import free_port, free_ports, until
from .rawphone import TALK, RawPhone, raw_phone
from .sippscript import Script
from .siprun import running_agent, sipp

LOUD = 5000
NOBODY = ("127.0.0.9", 4000)
"""An address that an SDP names, behind a NAT, and that nobody has."""
PROXY, MOBILE, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"


class Bot:
    """Answers calls, and counts what it hears."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.loud = 0
        """Samples."""
        self.keys = ""
        self.leg: SipLeg | None = None

    @property
    def packets(self) -> int:
        """Heard, without those that were made up."""
        return self.of_call.stats().packets_received

    @property
    def of_call(self) -> SipLeg:
        assert self.leg is not None
        return self.leg


@contextlib.asynccontextmanager
async def answering(strangers: Terms | None = None, **trunks: Trunk) -> AsyncIterator[Bot]:
    """A server whose only bot hears."""
    bots: list[Bot] = []

    async def on_call(call: IncomingCall) -> None:
        bot, leg = bots[0], await call.answer()
        bot.leg = leg

        def hear(pcm: np.ndarray) -> None:
            bot.loud += int((np.abs(pcm.astype(int)) > LOUD).sum())

        def press(key: str) -> None:
            bot.keys += key

        leg.on_audio, leg.on_dtmf = hear, press
        await leg.closed

    registry = TrunkRegistry(trunks=trunks, strangers=strangers or Terms())
    async with running_agent(on_call, trunks=registry) as agent:
        bots.append(Bot(agent.port))
        yield bots[0]


def came(phone_socket: Callable[[], int]) -> Callable[[], bool]:
    """Whether more packets have come there than a moment ago."""
    before = phone_socket()
    return lambda: phone_socket() > before + 3


# ── sources ──


async def test_a_relay_that_goes_on_from_another_port_is_heard_and_sent_to() -> None:
    async with answering() as bot, raw_phone(bot.port) as phone:
        old, new = await phone.socket(), await phone.socket()
        await phone.call(old.address)
        await phone.talk(old, 100, 50)
        await until(came(lambda: old.got))
        heard = bot.packets
        await phone.talk(new, 150, 100)
        await until(lambda: bot.packets >= heard + 97)
        await until(came(lambda: new.got))
        quiet = old.got
        await phone.talk(new, 250, 20)
        assert old.got <= quiet + 1
        stats = bot.of_call.stats()
        assert stats.lost <= 2 and stats.wrong_source <= 3, stats


async def test_another_stream_from_another_port_is_not_heard_though_the_caller_is_silent() -> None:
    async with answering() as bot, raw_phone(bot.port) as phone:
        old, new = await phone.socket(), await phone.socket()
        await phone.call(old.address)
        await phone.talk(old, 100, 20)
        await phone.talk(new, 120, 100, ssrc=2)
        await phone.talk(new, 30_000, 100)
        await until(lambda: bot.of_call.stats().wrong_source == 200)
        assert (bot.packets, new.got) == (20, 0)


async def test_ten_thousand_packets_from_elsewhere_are_neither_heard_nor_answered() -> None:
    """Acceptance 14 and 15, before and after the caller's first packet, with the right stream, too."""
    async with answering() as bot, raw_phone(bot.port) as phone:
        caller, stranger = await phone.socket(), await phone.socket(STRANGER)
        await phone.call(caller.address)
        for heard in (0, 10):
            loud = bot.loud
            for burst in range(50):
                await phone.talk(stranger, 100 + heard + burst * 100, 100, pace_s=0)
                await asyncio.sleep(0.01)
            assert (bot.packets, bot.loud) == (heard, loud)
            await phone.talk(caller, 100 + heard, 10)
            await until(lambda heard=heard: bot.packets == heard + 10)  # type: ignore[misc]
            await asyncio.sleep(0.5)
        assert stranger.got == 0
        assert bot.of_call.stats().wrong_source > 9000, "the kernel may have dropped some"


async def test_a_phone_in_another_network_is_heard_there_after_a_re_invite_with_the_same_words() -> None:
    """Its SDP names its private address both times; NATs stand before it, and it begins a new stream."""
    async with answering() as bot, raw_phone(bot.port) as phone:
        wifi, lte = await phone.socket(PROXY), await phone.socket(MOBILE)
        await phone.call(NOBODY)
        await phone.talk(wifi, 100, 50)
        await until(came(lambda: wifi.got))
        await phone.listen(await phone.socket(MOBILE))
        await phone.call(NOBODY)
        heard = bot.packets
        await phone.talk(lte, 7000, 60, ssrc=77)
        await until(lambda: bot.packets >= heard + 57)
        await until(came(lambda: lte.got))


@pytest.mark.parametrize("symmetric", [False, True])
async def test_media_from_a_host_that_nobody_named_is_heard_where_the_trunk_is_symmetric(symmetric: bool) -> None:
    """A proxy that carries signalling only, and a telephone behind a NAT."""
    trunk = Trunk(name="proxy", peers=(PROXY,), symmetric=symmetric)
    async with answering(proxy=trunk) as bot, raw_phone(bot.port) as phone:
        telephone = await phone.socket(STRANGER)
        await phone.call(NOBODY)
        await phone.talk(telephone, 100, 100)
        if symmetric:
            await until(came(lambda: telephone.got))
            assert 80 <= bot.packets <= 88, "all but the first 250 ms"
        else:
            assert (bot.packets, telephone.got) == (0, 0)


# ── beginnings ──


@pytest.mark.parametrize("pause_s", [0.0, 0.3, 1.3])
async def test_a_short_recording_is_heard_each_time_it_is_sent(pause_s: float) -> None:
    async with answering() as bot, raw_phone(bot.port) as phone:
        source = await phone.socket()
        await phone.call(source.address)
        for times in range(1, 4):
            await phone.talk(source, 1000, 60)
            await until(lambda times=times: bot.packets >= 60 * times)  # type: ignore[misc]
            await asyncio.sleep(pause_s)
        assert bot.of_call.stats().duplicates <= 12, bot.of_call.stats()


def capture(path: Path, count: int, dtmf: bool = False) -> Path:
    """RTP as a capture file has it, for sipp to play."""
    text = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for index in range(count):
        rtp = pack(False, 0, 500 + index, 9000 + 160 * index, 4711, TALK)
        if dtmf:
            event = struct.pack("!BBH", 7, (0x80 if index >= count - 3 else 0) | 10, min(index + 1, count - 3) * 160)
            rtp = pack(index == 0, 101, 500 + index, 9000, 4711, event)
        udp = struct.pack("!HHHH", 6000, 6002, 8 + len(rtp), 0) + rtp
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), bytes(4)) + udp
        frame = bytes(12) + b"\x08\0" + ip
        text += struct.pack("<IIII", index // 50, index % 50 * 20_000, len(frame), len(frame)) + frame
    path.write_bytes(text)
    return path


@pytest.mark.peer("sipp")
async def test_what_sipp_plays_twice_in_a_call_is_heard_twice(tmp_path: Path) -> None:
    """`play_pcap_audio` sends SSRC, sequence numbers and timestamps as they are in the file."""
    sound, key = capture(tmp_path / "sound.pcap", 50), capture(tmp_path / "key.pcap", 12, dtmf=True)
    script = Script().answered()
    for _ in range(2):
        script.play(sound).pause(2500).play(key).pause(2000)
    async with answering() as bot:
        async with sipp(script.bye().write(tmp_path), to=bot.port) as caller:
            await caller.ended()
        assert (bot.packets, bot.of_call.stats().lost, bot.keys) == (2 * 50 + 2 * 12, 0, "77"), bot.of_call.stats()


# ── signs of life ──


async def until_hung_up(phone: RawPhone, limit_s: float) -> float:
    """After how long the server has said BYE."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await until(lambda: bool(phone.hung_up), limit_s)
    return loop.time() - began_s


async def test_a_caller_who_shows_no_sign_of_life_is_hung_up_with_the_reason() -> None:
    """Acceptance 17, after the time that callers without a trunk have."""
    async with answering(Terms(no_media_s=2)) as bot, raw_phone(bot.port) as phone:
        await phone.call((await phone.socket()).address)
        assert 1.5 < await until_hung_up(phone, 20) < 10
        assert 'Reason: Q.850;cause=102;text="No media"' in phone.hung_up
        assert bot.of_call.closed.result() == "no-media"


REPORT = struct.pack("!BBHI", 0x80, 201, 1, 99)


@pytest.mark.parametrize(
    ("datagram", "port"),
    [(REPORT, 1), (REPORT, 0), (pack(False, 13, 5, 5, 5, b"\x40"), 0), (b"", 0), (pack(False, 20, 5, 5, 5, b""), 0)],
    ids=["RTCP", "RTCP on RTP's port", "comfort noise", "empty datagrams", "empty RTP"],
)
async def test_a_muted_phone_that_shows_signs_of_life_stays_and_is_hung_up_when_they_end(
    datagram: bytes, port: int
) -> None:
    async with answering(Terms(no_media_s=2)) as bot, raw_phone(bot.port) as phone:
        source = await phone.socket()
        await phone.call(source.address)
        for _ in range(12):
            source.put(datagram, (phone.remote[0], phone.remote[1] + port))
            await asyncio.sleep(0.4)
        assert not phone.hung_up
        await until_hung_up(phone, 20)


@pytest.mark.parametrize("method", ["INFO", "OPTIONS", "UPDATE"])
async def test_requests_inside_the_dialog_keep_a_call_without_media(method: str) -> None:
    async with answering(Terms(no_media_s=2)) as bot, raw_phone(bot.port) as phone:
        await phone.call((await phone.socket()).address)
        for _ in range(4):
            await asyncio.sleep(1.2)
            await phone.request(method)
        assert not phone.hung_up
        await until_hung_up(phone, 20)


@pytest.mark.parametrize(
    ("direction", "host"), [("sendonly", PROXY), ("inactive", PROXY), ("sendrecv", "0.0.0.0")], ids=str
)
async def test_who_holds_us_may_be_silent_and_is_awaited_anew_when_he_is_back(direction: str, host: str) -> None:
    async with answering(Terms(no_media_s=2)) as bot, raw_phone(bot.port) as phone:
        source = await phone.socket()
        await phone.call(source.address)
        await phone.call((host, source.address[1]), direction)
        await asyncio.sleep(4)
        assert not phone.hung_up
        await phone.call(source.address)
        await until_hung_up(phone, 20)


async def test_who_waits_for_us_may_be_silent() -> None:
    async with answering(Terms(no_media_s=2)) as bot, raw_phone(bot.port) as phone:
        await phone.call((await phone.socket()).address)
        await until(lambda: bot.leg is not None)
        with bot.of_call.silence_excused():
            await asyncio.sleep(4)
        assert not phone.hung_up
        await until_hung_up(phone, 20)


@pytest.mark.peer("linphonec")
async def test_linphone_that_has_nothing_to_send_is_kept_by_its_reports(tmp_path: Path) -> None:
    """Without a microphone it sends no RTP at all, and reports every five seconds."""
    settings: dict[str, dict[str, object]] = {
        "sip": {"sip_port": free_port(), "sip_tcp_port": 0, "sip_tls_port": 0, "contact": "sip:p@127.0.0.1"},
        "rtp": {"audio_rtp_port": free_ports(4)[0]},
        "video": {"enabled": 0},
    }
    noise = np.random.default_rng(3).normal(0, 3000, 60 * 16000)
    soundfile.write(tmp_path / "said.wav", noise.astype(np.int16), 16000)
    async with answering(Terms(no_media_s=8)) as bot, linphone(tmp_path, settings) as phone:
        await phone.tell(f"call sip:bot@127.0.0.1:{bot.port}")
        await until(lambda: bot.leg is not None and bot.leg.state == "confirmed")
        await asyncio.sleep(20)
        assert bot.packets == 0, "it sends after all: nothing is shown"
        assert bot.of_call.stats().peer_lost_percent is not None
        assert not bot.of_call.closed.done()
        await phone.tell(f"play {tmp_path / 'said.wav'}")
        await until(lambda: bot.packets > 10)
