"""The media engine on real sockets and its real thread, with peers that are sockets of their own, and tshark."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from telephony.call_policy import Terms
from telephony.media.codecs import decode, encode
from telephony.media.engine import MediaEngine, MediaSession, PortsExhausted
from telephony.media.rtp import pack
from telephony.sdp.agreement import Agreed
from telephony.sdp.negotiation import Negotiation

from .capture import capturing
from .programs import PATIENCE_S, free_ports, until

PORTS = free_ports(200)
FIRST, LAST = PORTS[0], PORTS[-1]
G711 = Terms(codecs=("PCMU",))


@pytest.fixture
async def engine() -> AsyncIterator[MediaEngine]:
    made = MediaEngine("127.0.0.1", FIRST, LAST)
    made.start()
    yield made
    made.stop()


def join(first: MediaSession, second: MediaSession, ip: str = "127.0.0.1", terms: Terms = G711) -> None:
    """Connect two sessions by an offer and its answer."""
    offerer, answerer = Negotiation(first, ip, terms), Negotiation(second, ip, Terms(codecs=terms.codecs))
    offerer.accept(answerer.answer(offerer.offer()))


def sweep(seconds: float) -> np.ndarray:
    time_s = np.arange(int(8000 * seconds)) / 8000
    return (9000 * np.sin(2 * np.pi * (300 + 400 * time_s) * time_s)).astype(np.int16)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
async def test_what_one_side_plays_the_other_hears_sample_for_sample(ip: str) -> None:
    engine = MediaEngine(ip, FIRST, LAST)
    engine.start()
    first, second = engine.open(), engine.open()
    heard: list[np.ndarray] = []
    second.on_audio = heard.append
    join(first, second, ip)
    played = sweep(0.5)
    first.play(played)
    await until(lambda: sum(map(len, heard)) > len(played) + 1600)
    engine.stop()
    expected = decode(encode(played, "PCMU"), "PCMU")
    received = np.concatenate(heard)
    begin = int(np.flatnonzero(received)[0]) - int(np.flatnonzero(expected)[0])
    assert np.array_equal(received[begin : begin + len(expected)], expected)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30])
async def test_packets_of_each_length_leave_in_time(ptime_ms: Literal[10, 20, 30], engine: MediaEngine) -> None:
    first, second = engine.open(), engine.open()
    sizes: list[int] = []
    heard: list[np.ndarray] = []
    second.tap = lambda sent, at_ns, payload: sizes.append(len(payload)) if not sent else None
    second.on_audio = heard.append
    join(first, second, terms=Terms(codecs=("PCMA",), ptime_ms=ptime_ms))
    await until(lambda: first.stats().packets_sent >= 1)
    before, began_s = first.stats().packets_sent, time.monotonic()
    await asyncio.sleep(1.2)
    sent, took_ms = first.stats().packets_sent - before, 1000 * (time.monotonic() - began_s)
    assert abs(sent - took_ms / ptime_ms) < 300 / ptime_ms
    assert set(sizes) == {8 * ptime_ms}
    assert second.stats().lost == 0
    assert first.ptime_ms == ptime_ms


async def test_one_engine_serves_both_address_families() -> None:
    engine = MediaEngine(("127.0.0.1", "::1"), FIRST, LAST)
    engine.start()
    heard: dict[str, list[np.ndarray]] = {"127.0.0.1": [], "::1": []}
    for ip, blocks in heard.items():
        first, second = engine.open(ip), engine.open(ip)
        second.on_audio = blocks.append
        join(first, second, ip)
    await until(lambda: all(len(blocks) > 10 for blocks in heard.values()))
    assert engine.open().sockets[0].family == socket.AF_INET
    engine.stop()


async def test_a_peer_of_a_family_that_we_have_not_gets_no_port(engine: MediaEngine) -> None:
    with pytest.raises(PortsExhausted, match="2001:db8::1"):
        engine.open("2001:db8::1")
    with pytest.raises(ValueError, match="family"):
        MediaEngine(("127.0.0.1", "127.0.0.2"))


async def test_a_port_rests_after_a_call_while_there_are_others(engine: MediaEngine) -> None:
    for _ in range(99):
        session = engine.open()
        last = session.port
        session.close()
    await until(lambda: session.sockets[0].fileno() == -1)
    assert engine.open().port == LAST - 1
    assert engine.open().port == FIRST
    assert last == LAST - 3


async def test_calls_are_spread_evenly_over_the_ticks(engine: MediaEngine) -> None:
    lengths: tuple[Literal[10, 20, 30], ...] = (10, 20, 20, 20, 30)
    sessions = []
    for ptime_ms in lengths * 12:
        session = engine.open()
        session.connect(Agreed(("127.0.0.1", 9), "PCMU", 0, 101, "sendrecv", ptime_ms))
        sessions.append((session, ptime_ms))
    await until(lambda: all(session.ptime_ms == ptime_ms for session, ptime_ms in sessions))
    wanted = 12 * (6 + 3 * 3 + 2)
    await until(lambda: sum(map(len, engine._wheel)) == wanted)
    loads = [len(sessions) for sessions in engine._wheel]
    assert max(loads) - min(loads) <= 4


async def test_a_dtls_handshake_is_done_beside_the_ticker(engine: MediaEngine) -> None:
    first, second = engine.open(), engine.open()
    heard: list[np.ndarray] = []
    second.on_audio = heard.append
    join(first, second, terms=Terms(codecs=("PCMU",), srtp="dtls"))
    played = sweep(0.5)
    first.play(played)
    await until(lambda: sum(map(len, heard)) > 4000)
    assert first.stats().srtp == second.stats().srtp != ""
    assert (second.stats().forged, second.stats().lost) == (0, 0)


async def test_keys_and_audio_cross(engine: MediaEngine) -> None:
    first, second = engine.open(), engine.open()
    keys: list[str] = []
    second.on_dtmf = keys.append
    join(first, second)
    first.play(sweep(0.3))
    first.send_dtmf("0*4D")
    await until(lambda: len(keys) == 4)
    assert keys == ["0", "*", "4", "D"]


async def test_a_flood_of_a_stranger_changes_nothing_and_gets_nothing(engine: MediaEngine) -> None:
    """Acceptance 14, on the wire: 10,000 packets, none heard, none sent back."""
    first, second = engine.open(), engine.open()
    silent: list[bool] = []
    second.on_audio = lambda pcm: silent.append(not pcm.any())
    join(first, second, terms=Terms(codecs=("PCMU",), comfort_noise_dbov=None))
    await until(lambda: len(silent) > 5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.setblocking(False)
        for index in range(10_000):
            packet = pack(False, 0, index & 0xFFFF, index * 160, 0xBAD, b"\x80" * 160)
            stranger.sendto(packet, ("127.0.0.1", second.port))
            if index % 100 == 0:
                await asyncio.sleep(0.005)
        await until(lambda: second.stats().wrong_source >= 10_000)
        with pytest.raises(BlockingIOError):
            stranger.recv(100)
    assert all(silent)
    assert second.stats().lost == 0


async def test_a_peer_at_another_address_than_it_said_is_found(engine: MediaEngine) -> None:
    """Symmetric RTP: the address in the SDP is not where packets come from."""
    session = engine.open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.setblocking(False)
        session.connect(Agreed(("127.0.0.1", 9), "PCMU", 0, 101, "sendrecv", 20))
        received = b""
        async with asyncio.timeout(PATIENCE_S):
            index = 0
            while not received:
                peer.sendto(pack(False, 0, index, index * 160, 1, b"\x80" * 160), ("127.0.0.1", session.port))
                index += 1
                await asyncio.sleep(0.02)
                try:
                    received = peer.recv(2048)
                except BlockingIOError:
                    continue
    assert len(received) == 172
    assert index >= 5


async def test_closed_ports_are_free_again_and_a_full_range_is_told(engine: MediaEngine) -> None:
    sessions = [engine.open() for _ in range(100)]
    assert sorted(session.port for session in sessions) == list(range(FIRST, LAST, 2))
    with pytest.raises(PortsExhausted):
        engine.open()
    for session in sessions:
        session.close()
    await until(lambda: all(session.sockets[0].fileno() == -1 for session in sessions))
    assert engine.open().port in range(FIRST, LAST, 2)


async def test_a_port_that_somebody_else_has_is_passed_over(engine: MediaEngine) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", FIRST + 1))
        assert engine.open().port == FIRST + 2


async def test_a_callback_that_raises_does_not_silence_other_calls(engine: MediaEngine) -> None:
    first, second = engine.open(), engine.open()
    problems: list[object] = []
    heard: list[np.ndarray] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context["exception"]))

    def fail(pcm: np.ndarray) -> None:
        raise RuntimeError("a bug of the application")

    first.on_audio, second.on_audio = fail, heard.append
    join(first, second)
    await until(lambda: len(problems) > 10 and len(heard) > 10)
    assert {type(problem) for problem in problems} == {RuntimeError}


async def test_a_session_that_fails_in_the_thread_ends_alone(
    engine: MediaEngine, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, third = engine.open(), engine.open(), engine.open()
    ended: list[bool] = []
    heard: list[np.ndarray] = []

    def fail(sent: bool, at_ns: int, payload: bytes) -> None:
        raise RuntimeError("a bug of a benchmark")

    first.tap, first.on_timeout = fail, lambda: ended.append(True)
    join(first, second)
    third.on_audio = heard.append
    join(third, second)
    second.connect(Agreed(("127.0.0.1", third.port), "PCMU", 0, 101, "sendrecv", 20))
    await until(lambda: bool(ended) and len(heard) > 10)
    assert first.sockets[0].fileno() == -1
    assert "given up" in caplog.text


@pytest.mark.peer("tshark")
async def test_tshark_finds_nothing_wrong_with_our_stream(engine: MediaEngine, tmp_path: object) -> None:
    """A second of silence, talk, keys and talk, as another RTP implementation sees it."""
    first, second = engine.open(), engine.open()
    capture = f"{tmp_path}/call.pcap"
    keys: list[str] = []
    second.on_dtmf = keys.append
    async with capturing(Path(capture), f"udp port {second.port}"):
        join(first, second)
        first.play(sweep(0.5))
        await until(lambda: first.queued_samples == 0)
        first.send_dtmf("42")
        await until(lambda: keys == ["4", "2"])
        await asyncio.sleep(0.3)  # of silence after the keys
        first.play(sweep(0.5))
        await until(lambda: first.queued_samples == 0)
        first.close()
    fields = ("rtp.seq", "rtp.p_type", "rtp.timestamp", "rtpevent.event_id", "ip.dsfield.dscp", "_ws.expert")
    reader = await asyncio.create_subprocess_exec(
        *("tshark", "-r", capture, "-d", f"udp.port=={second.port},rtp", "-d", "rtp.pt==101,rtpevent"),
        *("-Y", f"rtp && udp.dstport=={second.port}", "-T", "json"),
        *(argument for field in fields for argument in ("-e", field)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    layers = [row["_source"]["layers"] for row in json.loads((await reader.communicate())[0])]
    assert len(layers) > 75
    sequences = [int(row["rtp.seq"][0]) for row in layers]
    assert all((after - before) % 65536 == 1 for before, after in pairwise(sequences))
    assert [row["rtpevent.event_id"][0] for row in layers if "rtpevent.event_id" in row] == ["4"] * 7 + ["2"] * 7
    assert {row["ip.dsfield.dscp"][0] for row in layers} == {"46"}
    media = [int(row["rtp.timestamp"][0]) for row in layers if row["rtp.p_type"] == ["0"]]
    assert all((after - before) % (1 << 32) < 1 << 31 for before, after in pairwise(media))
    assert not [row for row in layers if "_ws.expert" in row]
