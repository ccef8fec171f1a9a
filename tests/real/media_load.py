"""Load on the media engine: N calls with a peer in its own process, while the event loop is held now and then.

    python tests/real/media_load.py --calls 200 --seconds 10 --hold-ms 100 [--srtp]

Prints JSON: the gaps between outgoing packets as the peer's kernel stamped them, and CPU time per second of call, of
the engine's thread and of the event loop (without the holding).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import select
import socket
import struct
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from telephony.media.engine import MediaEngine
from telephony.media.rtp import pack
from telephony.media.srtp import Keys, Protector, Suite, new_key
from telephony.sdp.agreement import Agreed

_TIMESPEC = struct.Struct("@qq")
_SO_TIMESTAMPNS = 35
"""Of Linux; the socket module has no name for it."""
_WARM_UP_S = 1.0
SUITE: Suite = "AES_CM_128_HMAC_SHA1_80"


def peer(connection: Connection) -> None:
    """Send a packet every 20 ms to each port, and note when the kernel got each packet from there."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setblocking(False)
    connection.send(sock.getsockname())
    ports: list[int]
    key: bytes
    ports, key = connection.recv()
    seal = {port: Protector(SUITE, key).rtp if key else bytes for port in ports}
    seen_ns: dict[int, list[int]] = {port: [] for port in ports}
    payload = bytes(range(160))
    sequence, due_s = 0, time.monotonic()
    while not connection.poll():
        for quarter in range(4):
            for port in ports[quarter::4]:
                packet = pack(False, 0, sequence & 0xFFFF, sequence * 160, port, payload)
                sock.sendto(seal[port](packet) or b"", ("127.0.0.1", port))
            due_s += 0.005
            while select.select([sock], [], [], max(due_s - time.monotonic(), 0))[0]:
                _, ancillary, _, source = sock.recvmsg(2048, 64)
                seconds, ns = _TIMESPEC.unpack(ancillary[0][2])
                seen_ns[source[1]].append(seconds * 1_000_000_000 + ns)
        sequence += 1
    connection.recv()
    sock.close()
    connection.send(seen_ns)


async def measure(calls: int, seconds: float, hold_ms: float, srtp: bool, ports: range) -> dict[str, Any]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=peer, args=(theirs,))
    process.start()
    theirs.close()
    remote = await asyncio.to_thread(ours.recv)
    engine = MediaEngine("127.0.0.1", ports.start, ports.stop)
    engine.start()
    sessions = [engine.open() for _ in range(calls)]
    heard = 0

    def count(pcm: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        nonlocal heard
        heard += len(pcm)

    keys = Keys(SUITE, new_key(SUITE), new_key(SUITE)) if srtp else None
    ours.send(([session.port for session in sessions], b"" if keys is None else keys.theirs))
    for session in sessions:
        session.on_audio = count
        session.connect(Agreed(remote, "PCMU", 0, 101, "sendrecv", 20, keys=keys))
        session.play(np.zeros(int(8000 * (seconds + _WARM_UP_S)), np.int16))
    await asyncio.sleep(_WARM_UP_S)
    thread = next(thread.ident for thread in threading.enumerate() if thread.name == "media")
    assert thread is not None
    clock = time.pthread_getcpuclockid(thread)
    engine_s, loop_s, began_s, held_s = time.clock_gettime(clock), time.thread_time(), time.monotonic(), 0.0
    while time.monotonic() < began_s + seconds:
        await asyncio.sleep(1)
        hold_began_s, until_s = time.thread_time(), time.monotonic() + hold_ms / 1000
        while time.monotonic() < until_s:
            pass
        held_s += time.thread_time() - hold_began_s
    call_seconds = (time.monotonic() - began_s) * calls
    engine_s, loop_s = time.clock_gettime(clock) - engine_s, time.thread_time() - loop_s - held_s
    stats = [session.stats() for session in sessions]
    ours.send("stop")
    seen_ns: dict[int, list[int]] = await asyncio.to_thread(ours.recv)
    process.join()
    engine.stop()
    gaps_ms = np.concatenate([np.diff(times) for times in seen_ns.values()]) / 1e6
    p50, p90, p99, p999 = np.percentile(gaps_ms, [50, 90, 99, 99.9])
    return {
        "calls": calls,
        "hold_ms": hold_ms,
        "srtp": SUITE if srtp else "",
        "gap_ms": {"p50": p50, "p90": p90, "p99": p99, "p99.9": p999, "max": float(gaps_ms.max())},
        "cpu_ms_per_call_second": {"engine": 1000 * engine_s / call_seconds, "loop": 1000 * loop_s / call_seconds},
        "packets_out": len(gaps_ms),
        "lost_in": sum(one.lost for one in stats),
        "late_in": sum(one.late for one in stats),
        "concealed_ms": sum(one.concealed_ms for one in stats),
        "heard_s": heard / 8000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--hold-ms", type=float, default=100)
    parser.add_argument("--srtp", action="store_true")
    parser.add_argument("--first-port", type=int, default=22000)
    options = parser.parse_args()
    ports = range(options.first_port, options.first_port + 2 * options.calls + 100)
    result = asyncio.run(measure(options.calls, options.seconds, options.hold_ms, options.srtp, ports))
    print(json.dumps(result, indent=2, default=lambda value: round(float(value), 2)))


if __name__ == "__main__":
    main()
