"""sipp presses keys: by itself, and as recordings of phones that stamp their packets as they like."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from telephony.call.dialog.sipleg import SipLeg
from telephony.media.rtp import pack
from tests.unit.key_packets import Phone, Sent, events

from .legs import legs
from .programs import PATIENCE_S, until
from .sippscript import Script, sdp
from .siprun import sipp

pytestmark = pytest.mark.peer("sipp")

PIN = "846766"
NO_EVENTS = re.sub(" 101|a=rtpmap:101.*\n", "", sdp())


def recording(path: Path, sent: list[Sent]) -> Path:
    """A file of Ethernet frames, as tcpdump writes it."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for one in sent:
        words = one.packet
        rtp = pack(words.marker, words.payload_type, words.sequence, words.timestamp, words.ssrc, words.payload)
        udp = struct.pack("!HHHH", 4000, 4000, 8 + len(rtp), 0) + rtp
        local = bytes((127, 0, 0, 1))
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + local + local
        frame = bytes(12) + b"\x08\x00" + header + udp
        at_us = round(one.at_ms * 1000)
        out += struct.pack("<IIII", at_us // 1_000_000, at_us % 1_000_000, len(frame), len(frame)) + frame
    path.write_bytes(out)
    return path


async def keys_of(script: Script, folder: Path, count: int = len(PIN)) -> tuple[str, SipLeg]:
    """What is pressed in a call of sipp, and the leg when it is over."""
    keys: list[str] = []
    async with legs() as ours, sipp(script.write(folder), to=ours.port) as caller:
        leg = await ours.next(caller)
        leg.on_dtmf = keys.append
        await caller.ended()
        await asyncio.wait_for(leg.closed, PATIENCE_S)
        await until(lambda: len(keys) >= count)
    return "".join(keys), leg


def calling(body: str = "", *actions: str) -> Script:
    script = Script().send("INVITE", body or sdp()).expect(200).ack()
    for action in actions:
        script.act(action)
    return script


@pytest.mark.parametrize("body", [sdp(), NO_EVENTS], ids=["agreed", "not agreed"])
async def test_sipps_own_keys_arrive(body: str, tmp_path: Path) -> None:
    """It sends them as payload type 96, whatever was agreed, 50 ms apart by their timestamps."""
    script = calling(body, f'play_dtmf="{PIN}"').pause(3500).bye()
    keys, leg = await keys_of(script, tmp_path)
    assert keys == PIN
    assert leg.stats().unagreed_event_type == 96
    assert leg.stats().lost == 0


@pytest.mark.parametrize("body", [sdp(), NO_EVENTS], ids=["agreed", "not agreed"])
@pytest.mark.parametrize(
    "phone",
    [
        {},
        {"stamps": "rising"},
        {"stamps": "end"},
        {"stamps": "apart"},
        {"stamps": "same", "marker": False},
        {"updates": 0, "pause_ms": 140},
    ],
    ids=str,
)
async def test_recorded_keys_arrive(phone: dict[str, Any], body: str, tmp_path: Path) -> None:
    sent = Phone(**phone).press(PIN).sent
    path = recording(tmp_path / "keys.pcap", sent)
    script = calling(body, f'play_pcap_audio="{path}"').pause(round(sent[-1].at_ms) + 500).bye()
    keys, leg = await keys_of(script, tmp_path)
    assert keys == PIN
    stats = leg.stats()
    assert (stats.lost, stats.malformed) == (0, 0)


async def test_a_recording_that_is_played_again_presses_its_key_again(tmp_path: Path) -> None:
    path = recording(tmp_path / "key.pcap", events(Phone().press("5").sent))
    script = Script().answered()
    for _ in range(3):
        script.act(f'play_pcap_audio="{path}"').pause(1000)
    keys, _ = await keys_of(script.bye(), tmp_path, 3)
    assert keys == "555"
