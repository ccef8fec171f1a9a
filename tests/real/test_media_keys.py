"""sipp presses keys: by itself, and as recordings of phones that stamp their packets as they like."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pytest

from telephony.call.dialog.sipleg import SipLeg
from telephony.media.rtp import pack
from tests.unit.key_packets import Phone, Sent, events

from .legs import legs
from .programs import until
from .sippscript import Script, sdp
from .siprun import sipp

pytestmark = pytest.mark.peer("sipp")

PIN = "846766"


def described(events: bool, version: int = 1, direction: str = "sendrecv") -> str:
    """What sipp says, with or without telephone-event."""
    body = sdp(version, direction)
    return body if events else re.sub(" 101|a=rtpmap:101.*\n", "", body)


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


async def keys_of(script: Script, folder: Path) -> tuple[str, SipLeg]:
    """What is pressed in a call of sipp before the ``#``, at which we hang up; and the leg."""
    keys: list[str] = []
    script.wanted("BYE").reply("200 OK")
    async with legs() as ours, sipp(script.write(folder), to=ours.port) as caller:
        leg = await ours.next(caller)
        leg.on_dtmf = keys.append
        await leg.hold()  # sipp waits for it: nothing is pressed before we listen
        await leg.resume()
        await until(lambda: "#" in keys)
        await leg.hang_up()
        await caller.ended()
    return "".join(keys).partition("#")[0], leg


def calling(events: bool = True) -> Script:
    """A call that sipp begins, up to where it may press keys."""
    script = Script().send("INVITE", described(events)).expect(200).ack()
    for version, direction in ((2, "recvonly"), (3, "sendrecv")):
        script.wanted("INVITE").reply("200 OK", described(events, version, direction)).wanted("ACK")
    return script


@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "not agreed"])
async def test_sipps_own_keys_arrive(agreed: bool, tmp_path: Path) -> None:
    """It sends them as payload type 96, whatever was agreed, 50 ms apart by their timestamps."""
    keys, leg = await keys_of(calling(agreed).act(f'play_dtmf="{PIN}#"'), tmp_path)
    assert keys == PIN
    assert leg.stats().unagreed_event_type == 96
    assert leg.stats().lost == 0


@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "not agreed"])
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
async def test_recorded_keys_arrive(phone: dict[str, Any], agreed: bool, tmp_path: Path) -> None:
    path = recording(tmp_path / "keys.pcap", Phone(**phone).press(PIN + "#").sent)
    keys, leg = await keys_of(calling(agreed).act(f'play_pcap_audio="{path}"'), tmp_path)
    assert keys == PIN
    stats = leg.stats()
    assert (stats.lost, stats.malformed) == (0, 0)


async def test_a_recording_that_is_played_again_presses_its_key_again(tmp_path: Path) -> None:
    path, last = tmp_path / "key.pcap", tmp_path / "last.pcap"
    recording(path, events(Phone().press("5").sent))
    recording(last, events(Phone(sequence=9000).press("#").sent))
    script = calling()
    for _ in range(3):
        script.act(f'play_pcap_audio="{path}"').pause(1000)
    keys, _ = await keys_of(script.act(f'play_pcap_audio="{last}"'), tmp_path)
    assert keys == "555"
