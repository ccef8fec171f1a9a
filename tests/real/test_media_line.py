"""A bad line between a peer and the engine, seen by tshark, too: both find the same loss, order and jitter."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from telephony.media.engine import MediaEngine
from telephony.media.rtp import pack
from telephony.sdp.agreement import Agreed

from .capture import capturing
from .programs import free_ports

SECONDS = 8
LOSS, DUPLICATES, JITTER_MS = 0.02, 0.01, 60.0
HELD_UP_S = 0.01


async def play(peer: socket.socket, port: int) -> tuple[int, int]:
    """Packets of a caller, some lost, some doubled, all shaken.

    Returns how many were sent, and how many of them the machine held up, so that they were shaken more than here.
    """
    dice = random.Random(16)
    payload = np.random.default_rng(1).integers(0, 256, 160, np.uint8).tobytes()
    arrivals = []
    for index in range(SECONDS * 50):
        packet = pack(index == 0, 0, (65_400 + index) & 0xFFFF, index * 160, 0xCA11, payload)
        copies = 0 if index and dice.random() < LOSS else 2 if dice.random() < DUPLICATES else 1
        arrivals += [(0.02 * index + dice.uniform(0, JITTER_MS if index else 0) / 1000, packet) for _ in range(copies)]
    arrivals.sort()
    began_s, held_up = time.monotonic(), 0
    for at_s, packet in arrivals:
        await asyncio.sleep(max(began_s + at_s - time.monotonic(), 0))
        held_up += time.monotonic() - began_s - at_s > HELD_UP_S
        peer.sendto(packet, ("127.0.0.1", port))
    return len(arrivals), held_up


async def streams(path: Path, port: int) -> list[str]:
    """The line of ``-z rtp,streams`` for our port, as words."""
    reader = await asyncio.create_subprocess_exec(
        *("tshark", "-r", str(path), "-q", "-d", f"udp.port=={port},rtp", "-z", "rtp,streams"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    text = (await reader.communicate())[0].decode()
    (line,) = [line for line in text.splitlines() if f" {port} " in line]
    return line.split()


@pytest.mark.peer("tshark")
async def test_tshark_and_we_agree_on_loss_and_jitter(tmp_path: Path) -> None:
    ports = free_ports(10)
    engine = MediaEngine("127.0.0.1", ports[0], ports[-1])
    engine.start()
    session = engine.open()
    heard: list[int] = []
    session.on_audio = lambda pcm: heard.append(len(pcm))
    async with capturing(tmp_path / "line.pcap", f"udp dst port {session.port}"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            session.connect(Agreed(peer.getsockname(), "PCMU", 0, 101, "sendrecv", 20))
            sent, held_up = await play(peer, session.port)
            await asyncio.sleep(0.3)
            stats, samples = session.stats(), sum(heard)
    words = await streams(tmp_path / "line.pcap", session.port)
    engine.stop()
    packets, lost, mean_ms, most_ms = int(words[8]), int(words[9]), float(words[-3]), float(words[-2])
    assert sent == packets == stats.packets_received + stats.duplicates
    # tshark takes duplicates for packets that were expected, as the reports of RFC 3550 do.
    assert lost == stats.lost - stats.duplicates
    assert stats.lost > 3
    assert stats.reordered > 50
    assert stats.late <= held_up
    assert abs(stats.jitter_ms - mean_ms) < 8
    assert stats.jitter_ms < most_ms + 3
    # Each 20 ms once, and at the end up to the longest wait of what was made up.
    assert SECONDS * 8000 - 160 <= samples <= SECONDS * 8000 + 8 * 300
    assert stats.mos is not None
    assert 3.9 < stats.mos < 4.4
