"""Starts of the demo's server, one after the other, timed from outside."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from voicebot.errors import VoicebotError

START_S, IDLE_S, STOP_S = 120.0, 300.0, 20.0
"""Longest until it is ready, until it has nothing to do, and until it is gone."""
_ASK_S, _LOOK_S = 0.01, 1.0
_IDLE_SHARE, _IDLE_LOOKS = 0.05, 5
"""It has nothing to do when it used less of a core than this at so many looks in a row."""
LIMITS = ("warm_s", "cold_s", "cpu_s", "rss_mb", "pss_mb")


@dataclass(frozen=True, slots=True)
class ServerStart:
    """One start, of the server's own process: the demo's company is another one, and not counted."""

    cache: str
    """``cold`` or ``warm``."""
    ready_s: float
    """From its exec to the first 200 of ``/readyz``, the company's start included."""
    cpu_s: float
    """Processor time of all threads until then: what can be compared on a machine that does other things, too."""
    rss_mb: float
    """Resident memory once it has nothing to do, shared pages of libraries included."""
    pss_mb: float
    """The same with shared pages divided among those who share them."""
    settled_s: float
    """From ready until it had nothing to do: after a cold start it speaks its prompts then."""


def run(args: argparse.Namespace) -> int:
    """Run the suite. Returns 0 when the budget was kept, otherwise 1. Raises VoicebotError."""
    budget = _budget(args.budget)
    starts: list[ServerStart] = []
    with tempfile.TemporaryDirectory(prefix="voicebot-start-") as folder:
        for cache in ("cold", "warm"):
            if args.only in (None, cache):
                starts += _starts(cache, args.starts, Path(folder))
    found = {
        f"{cache}_{name}": round(statistics.median(getattr(s, name) for s in starts if s.cache == cache), 2)
        for cache in dict.fromkeys(s.cache for s in starts)
        for name in ("ready_s", "cpu_s", "rss_mb", "pss_mb", "settled_s")
    }
    missed = _missed(found, budget)
    for name, value in found.items():
        print(f"{name:16} {value:8.2f}   median of {args.starts}")
    for line in missed:
        print(f"missed: {line}")
    print(json.dumps({"starts": [asdict(one) for one in starts], "median": found, "missed": missed}))
    return 1 if missed else 0


def _starts(cache: str, count: int, folder: Path) -> Iterator[ServerStart]:
    warm = folder / "warm"
    if cache == "warm":
        _start(cache, warm)  # fills it
    for number in range(count):
        found = _start(cache, warm if cache == "warm" else folder / f"cold-{number}")
        print(
            f"{cache}  ready {found.ready_s:5.2f} s  cpu {found.cpu_s:5.2f} s  rss {found.rss_mb:5.0f} MB"
            f"  pss {found.pss_mb:5.0f} MB  settled {found.settled_s:4.0f} s",
            flush=True,
        )
        yield found


def _start(cache: str, data: Path) -> ServerStart:
    port = _free_port()
    arguments = ("-m", "voicebot", "demo", "--sip-port", "0", "--http-port", str(port), "--data", str(data))
    environment = {**os.environ, "VOICEBOT_CACHE": str(data / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed server has its bytecode
    with tempfile.TemporaryFile("w+") as log:
        begun = time.monotonic()
        process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=log)
        try:
            while not _ready(port):
                if process.poll() is not None or time.monotonic() - begun > START_S:
                    log.seek(0)
                    words = " | ".join(log.read().strip().splitlines()[-3:])
                    raise VoicebotError(f"the server did not start: {words or 'no word from it'}", "run: voicebot demo")
                time.sleep(_ASK_S)
            ready_s, cpu_s = time.monotonic() - begun, _cpu_s(process.pid)
            settled_s = _settle(process.pid)
            rss_mb, pss_mb = _memory(process.pid)
            return ServerStart(cache, ready_s, cpu_s, rss_mb, pss_mb, settled_s)
        finally:
            _stop(process)


def _settle(pid: int) -> float:
    """Wait until it has nothing to do. Returns the seconds until it had not, or `IDLE_S`."""
    begun, quiet, before = time.monotonic(), 0, _cpu_s(pid)
    while quiet < _IDLE_LOOKS and time.monotonic() - begun < IDLE_S:
        time.sleep(_LOOK_S)
        now = _cpu_s(pid)
        quiet = quiet + 1 if now - before < _IDLE_SHARE * _LOOK_S else 0
        before = now
    return max(0.0, time.monotonic() - begun - quiet * _LOOK_S)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> tuple[float, float]:
    """Resident and proportional, in MB of 2**20 bytes, as `ps` and `top` count."""
    kilobytes = dict.fromkeys(("Rss", "Pss"), 0)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in kilobytes:
            kilobytes[name] = int(rest.split()[0])
    return kilobytes["Rss"] / 1024, kilobytes["Pss"] / 1024


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    if process.poll() is None:
        process.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _budget(text: str | None) -> dict[str, float]:
    """Limits by name. Raises VoicebotError."""
    limits: dict[str, float] = {}
    for part in text.split(",") if text else ():
        name, _, limit = part.partition("=")
        try:
            if name not in LIMITS:
                raise ValueError(f"no {name!r}")
            limits[name] = float(limit)
        except ValueError as error:
            raise VoicebotError(f"--budget: {error}", f"such as {'=3,'.join(LIMITS)}=300") from None
    return limits


def _missed(found: dict[str, float], budget: dict[str, float]) -> list[str]:
    """What of the budget was missed; `cpu_s` and memory hold for both kinds of start."""
    missed = []
    for name, limit in budget.items():
        kind = name.removesuffix("_s")
        names = [f"{kind}_ready_s"] if kind in ("warm", "cold") else [f"warm_{name}", f"cold_{name}"]
        missed += [f"{n} {found[n]:.2f}, limit {limit:g}" for n in names if n in found and found[n] > limit]
    return missed
