"""A server of our own for a benchmark: ``voicebot demo`` on free ports, as a process whose CPU time can be read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from voicebot.errors import VoicebotError

START_S = 60.0
STOP_S = 10.0
_PHONE = re.compile(r"\bsip:(\S+:\d+)")


@dataclass(frozen=True, slots=True)
class DemoServer:
    """A running server."""

    uri: str
    pid: int

    def cpu_s(self) -> float:
        """Processor time that it has used so far (user and system, all threads), from /proc; 0 when it is gone."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return 0.0
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def demo_server(sip_port: int = 0, http_port: int = 0) -> AsyncIterator[DemoServer]:
    """Start ``voicebot demo`` with a fresh database and wait until it accepts calls; stop it in the end.

    Raises:
        VoicebotError: it does not start; with its last words.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        arguments = ("-m", "voicebot", "demo", "--sip-port", str(sip_port), "--http-port", str(http_port))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, "--data", folder, stdout=asyncio.subprocess.PIPE, stderr=log
        )
        try:
            uri = await _ready(process, Path(folder) / "log")
            draining = asyncio.create_task(_drain(process))
            yield DemoServer(uri, process.pid)
            await _stop(process)
            await draining
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _ready(process: asyncio.subprocess.Process, log: Path) -> str:
    """Read its banner until the line that says where it answers, then until the last line of it."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            while line := (await process.stdout.readline()).decode(errors="replace"):
                found = _PHONE.search(line)
                if found:
                    return f"sip:{found[1]}"
    except TimeoutError:
        pass
    words = (await asyncio.to_thread(log.read_text, errors="replace")).strip().splitlines()[-3:]
    raise VoicebotError("the server did not start: " + (" | ".join(words) or "no word from it"), "run: voicebot demo")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(65536):
        pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_S)
    if process.returncode is None:
        process.kill()
        await process.wait()
