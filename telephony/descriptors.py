"""File descriptors: a call takes two, each connection one, and a process may have so many only.

The system gives the lowest number that is free. Where that comes near the limit, few are left, and those are kept for
what must go on in a flood: health checks, the database, logs. So new calls and connections are refused a little early.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import time

KEPT = 64
"""So many calls and SIP connections never take; a quarter of the limit where that is less."""
SAID_EVERY_S = 60.0
OUT_OF_DESCRIPTORS = "Out Of File Descriptors"
"""Reason phrase of the 503 that a call then gets."""

log = logging.getLogger(__name__)
_said_s = float("-inf")


def raise_limit() -> int:
    """Let this process have as many as its hard limit allows. Returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError) as error:  # a system whose kernel allows less than its hard limit says
            log.warning("the limit of file descriptors cannot be raised", extra={"limit": soft, "why": str(error)})
            return soft
    return hard


def is_exhaustion(error: BaseException | None) -> bool:
    """Whether that is what an error says: of this process, or of the whole system."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def is_kept(number: int) -> bool:
    """Whether a descriptor with this number is one of those that are kept."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit != resource.RLIM_INFINITY and number >= limit - min(KEPT, limit // 4)


def scarce() -> bool:
    """Whether a new call or connection must be refused. What it costs: opening a file."""
    try:
        number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if not is_exhaustion(error):
            return False
        tell()
        return True
    os.close(number)
    if is_kept(number):
        tell()
    return is_kept(number)


def tell() -> None:
    """Write one line about it, not one for each packet and call that suffers."""
    global _said_s  # of the process, as its descriptors are
    now_s = time.monotonic()
    if now_s - _said_s < SAID_EVERY_S:
        return
    _said_s = now_s
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    log.error(
        "out of file descriptors: new calls and connections are refused; raise the limit (ulimit -n, LimitNOFILE)",
        extra={"limit": limit, "hard": hard},
    )
