"""The running server, started as a person starts it: ``voicebot demo`` as a process of its own on free ports."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real.programs import PATIENCE_S
from voicebot.record.records import Records

START_S = 120.0


@dataclass(frozen=True)
class Server:
    """A started demo."""

    process: subprocess.Popen[str]
    data: Path
    sip_port: int
    http_port: int
    banner: str

    @property
    def uri(self) -> str:
        return f"sip:demo@127.0.0.1:{self.sip_port}"

    def call_of(self, user: str) -> dict[str, Any]:
        """The newest call of a caller, as ``voicebot calls ID --json`` tells it."""
        rows = self._calls()
        found = next(row for row in rows if f":{user}@" in row["caller"])
        return dict(self._calls(found["call_id"]))

    def last_call(self) -> dict[str, Any]:
        """The newest call."""
        return dict(self._calls("last"))

    def _calls(self, *words: str) -> Any:
        command = [sys.executable, "-m", "voicebot", "calls", *words, "--json"]
        command += ["--database", f"sqlite:///{self.data}/calls.db"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def record(self, user: str = "") -> dict[str, Any]:
        """The same as `last_call` or `call_of`, read here: so cheap that callers can look what was said to them."""
        return asyncio.run(self._record(user))

    async def _record(self, user: str) -> dict[str, Any]:
        records = Records.open(f"sqlite:///{self.data}/calls.db")
        rows = await records.calls()
        newest = next((row for row in rows if f":{user}@" in row.caller or not user), None)
        detail = None if newest is None else await records.call(newest.call_id)
        return {} if detail is None else dict(dataclasses.asdict(detail))

    def company(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        """Ask the demo company's own database."""
        with contextlib.closing(sqlite3.connect(self.data / "northwind.db")) as database:
            return list(database.execute(query, args))


@contextlib.contextmanager
def demo(data: Path, *options: str, prefix: Sequence[str] = ()) -> Iterator[Server]:
    """Run ``voicebot demo``; ends with SIGTERM and sees that it exits 0. `prefix` begins the command line."""
    command = [*prefix, sys.executable, "-m", "voicebot", "demo", "--sip-port", "0", "--http-port", "0"]
    command += ["--data", str(data), *options]
    log = (data.parent / f"{data.name}.log").open("w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    killer = threading.Timer(START_S, process.kill)
    killer.start()
    lines = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "try" in line.split()[:1]:
                break
        killer.cancel()
        banner = "".join(lines)
        sip = re.search(r"sip:[\d.]+:(\d+)", banner)
        http = re.search(r"http://127\.0\.0\.1:(\d+)/", banner)
        assert sip, f"no start-up lines: {banner!r}, see {log.name}"
        assert http
        yield Server(process, data, int(sip[1]), int(http[1]), banner)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        killer.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        log.close()
