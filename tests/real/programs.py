"""What tests share about the programs that they start: waiting for their words, and ports that nobody uses."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import re
import socket
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path

PORTS = range(10_000, 20_000)
"""Below those that the system gives to whoever asks for any, and those of a server that was not told otherwise."""
KEPT_PORTS = 800
"""So many a test run keeps for itself; those that it took first are given back for more."""
PATIENCE_S = 30.0
"""For what comes at once where nothing is wrong, also on a machine that does many other things."""


async def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Look every few milliseconds whether another task, thread or program has made it true."""
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110  # a thread cannot set an asyncio.Event
            await asyncio.sleep(0.01)


async def until_it_says(output: asyncio.StreamReader | None, words: bytes, patience_s: float = PATIENCE_S) -> None:
    """Read a program's output up to a line with `words`. Fails with what it said when it ends, or is silent, before."""
    assert output is not None, "the program was started without a pipe"
    said = b""
    try:
        async with asyncio.timeout(patience_s):
            while words not in (line := await output.readline()):
                said += line
                if not line:
                    break
            else:
                return
        what = "has ended"
    except TimeoutError:
        what = f"has not said {words!r} within {patience_s:g} s"
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode("utf-8", "replace"))
    raise AssertionError(f"the program {what}; it said:\n{text[-4000:]}")


_locks = (Path(tempfile.gettempdir()) / f"voicebot-test-ports-{os.getuid()}").open("ab")
"""Byte n is locked by the test run that has port n (POSIX: until it ends), so that no two runs choose the same."""
_kept: deque[range] = deque()
_firsts = itertools.cycle([*PORTS[os.getpid() * 200 % len(PORTS) :: 2], *PORTS[: os.getpid() * 200 % len(PORTS) : 2]])


def free_port() -> int:
    """A port that no UDP or TCP socket of this machine has, and no other test run will choose.

    For programs that cannot be told to take any; what can takes port 0, and is asked which it has.
    """
    return free_ports(1)[0]


def free_ports(count: int) -> range:
    """So many neighbouring ports, the first of them even, as `free_port`."""
    for first in itertools.islice(_firsts, len(PORTS)):
        ports = range(first, first + count)
        if ports.stop <= PORTS.stop and _lock(ports):
            if all(map(_is_free, ports)):
                _keep(ports)
                return ports
            fcntl.lockf(_locks, fcntl.LOCK_UN, count, first)
    raise AssertionError(f"no {count} free ports in a row")


def _lock(ports: range) -> bool:
    """Unless another run has one of them, or this one."""
    if any(ports.start < kept.stop and kept.start < ports.stop for kept in _kept):
        return False
    try:
        fcntl.lockf(_locks, fcntl.LOCK_EX | fcntl.LOCK_NB, len(ports), ports.start)
    except OSError:
        return False
    return True


def _keep(ports: range) -> None:
    _kept.append(ports)
    while sum(map(len, _kept)) > KEPT_PORTS and len(_kept) > 1:
        oldest = _kept.popleft()
        fcntl.lockf(_locks, fcntl.LOCK_UN, len(oldest), oldest.start)


def _is_free(port: int) -> bool:
    """A socket that waits for late packets (TIME-WAIT) counts as one."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True
