"""Runs the demo company as a process of its own, as a real backend would be."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

from voicebot.errors import VoicebotError

START_S = 20.0
STOP_S = 5.0


class CompanyProcess:
    """The running company.

    Attributes:
        port: of its HTTP service on 127.0.0.1.
    """

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self) -> None:
        """End it and wait until it is over; from any event loop. Calling it again does nothing."""
        await asyncio.to_thread(_end, self._process)


async def start_company(database: Path) -> CompanyProcess:
    """Start the company on a free port; returns when it answers.

    It ends with this process, however that ends: it watches its standard input.

    Args:
        database: SQLite file, made and filled when it is not there.

    Raises:
        VoicebotError: it did not start within `START_S` seconds.
    """
    return await asyncio.to_thread(_start, database)


def _start(database: Path) -> CompanyProcess:
    database.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "voicebot.demo.company", "--port", "0", "--database", str(database), "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the server, which ends its calls before it ends the company
    )
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        watchdog.cancel()
    word, _, port = line.strip().partition(" port=")
    if word != "READY" or not port.isdecimal():
        _end(process)
        raise VoicebotError(f"the demo company did not start on {database}", "its own message is above")
    return CompanyProcess(process, int(port))


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
