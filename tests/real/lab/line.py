"""A cable between two namespaces that loses and delays packets: two TUN devices ``line`` and this program between.

    python line.py NAMESPACE NAMESPACE LOSS_PERCENT DELAY_MS JITTER_MS

Stands in for netem, which not every kernel has. Prints ``up`` when both ends are there; ends with SIGTERM.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import sys
import time

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_QUEUE = 1000


def tun(namespace: str) -> int:
    """A file descriptor of a new TUN device ``line`` in a namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as home, open(f"/run/netns/{namespace}", "rb") as there:
        if libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"line", _IFF_TUN_NO_PI))
        finally:
            libc.setns(home.fileno(), _CLONE_NEWNET)
    return device


def main(first: str, second: str, loss_percent: float, delay_ms: float, jitter_ms: float) -> None:
    """Carry packets until killed."""
    ends = tun(first), tun(second)
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    dice = random.Random(77)
    number = itertools.count()
    flying: list[tuple[float, int, int, bytes]] = []
    print("up", flush=True)
    while True:
        patience_s = max(flying[0][0] - time.monotonic(), 0) if flying else None
        for end in select.select(ends, [], [], patience_s)[0]:
            packet = os.read(end, 65536)
            if dice.random() * 100 >= loss_percent and len(flying) < _QUEUE:
                late_ms = max(delay_ms + dice.uniform(-jitter_ms, jitter_ms), 0)
                heapq.heappush(flying, (time.monotonic() + late_ms / 1000, next(number), other[end], packet))
        while flying and flying[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(flying)
            try:
                os.write(end, packet)
            except OSError:
                continue  # the device is down for now: lost, as on a real line


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:6]))
