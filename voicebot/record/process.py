"""Names one process for good, so that another one on the same machine knows at once whether it has died.

A name holds boot, process namespace, number and start of the process: a number that was given anew is another process,
and what is named in another namespace or machine is never judged from here.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@cache
def own() -> str:
    """The name of this process; empty where the system does not tell enough of it."""
    try:
        return f"{_machine()} {os.getpid()} {_started(os.getpid())}"
    except (OSError, ValueError):
        return ""


def is_gone(name: str) -> bool:
    """Whether that process has certainly ended; False also where it cannot be known."""
    return _lives(name) is False


def lives(name: str) -> bool:
    """Whether that process certainly runs; False also where it cannot be known."""
    return _lives(name) is True


def _lives(name: str) -> bool | None:
    machine, _, rest = name.partition(" ")
    number, _, started = rest.partition(" ")
    try:
        if machine != _machine() or not number.isdecimal():
            return None
        os.kill(int(number), 0)
        return _started(int(number)) == started
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):  # of another user, or /proc is hidden
        return None


def _machine() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{socket.gethostname()}/{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}".replace(" ", "_")


def _started(number: int) -> str:
    """When it began, in ticks since the boot; empty for one that has ended and is not fetched by its parent yet."""
    fields = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
