"""Another softphone that we did not write: linphonec, driven by its prompt, hearing and speaking through WAV files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from .programs import PATIENCE_S

POLL_S = 0.05
ERRORS = re.compile(r"^\d{4}-\d\d-\d\d \S+ .*$\n?", re.MULTILINE)
"""Its complaints about sound cards, which share the output."""


class Linphone:
    """A running linphonec. Made by `linphone`."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, folder: Path) -> None:
        self._process = process
        self._output = output
        self._seen = 0
        self.folder = folder

    def text(self) -> str:
        """All that it has printed, without its log lines."""
        return ERRORS.sub("", self._output.read_text(errors="replace"))

    async def tell(self, command: str) -> None:
        """Type a command. What it prints from here on is what `hear` looks at."""
        self._seen = len(self.text())
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        await asyncio.sleep(POLL_S)

    async def hear(self, pattern: str, patience_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait until it prints something that matches, after the last command."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while True:
                    found = re.search(pattern, self.text()[self._seen :])
                    if found is not None:
                        return found
                    await asyncio.sleep(POLL_S)
        raise AssertionError(
            f"no {pattern!r} from linphone: {self.text()[self._seen :]!r}, all: {self.text()[-2000:]!r}"
        )

    async def look(self, command: str, pattern: str) -> re.Match[str]:
        """`ask` for a state, again and again until it is the one that is wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(AssertionError):
                    return await self.ask(command, pattern, 1)

    async def ask(self, command: str, pattern: str, patience_s: float = PATIENCE_S) -> re.Match[str]:
        """`tell`, then `hear`."""
        await self.tell(command)
        return await self.hear(pattern, patience_s)


@contextlib.asynccontextmanager
async def linphone(
    folder: Path, settings: dict[str, dict[str, object]], prefix: Sequence[str] = (), *options: str
) -> AsyncIterator[Linphone]:
    """Run linphonec with these sections of its configuration.

    Args:
        folder: its home; `heard.wav` in it is what it heard (once ``record`` was told), `said.wav` what it plays.
        settings: section → key → value, e.g. ``{"sip": {"sip_port": 5062}}``.
        prefix: the start of the command line, e.g. ``ip netns exec NAME``.
        options: of linphonec, e.g. ``-a`` to answer by itself.
    """
    process, output = _start(folder, settings, [*prefix, "linphonec", "-c", str(folder / "rc"), *options])
    phone = Linphone(process, output, folder)
    try:
        await phone.hear("linphonec>")
        await phone.tell("ipv6 disable")  # by itself it writes IPv6 into the SDP of a call over IPv4
        await phone.ask("soundcard use files", "Using wav files")
        yield phone
    finally:
        with contextlib.suppress(OSError):
            await phone.tell("terminate all")
            await phone.tell("quit")
        try:
            await asyncio.to_thread(process.wait, 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()


def _start(
    folder: Path, settings: dict[str, dict[str, object]], command: list[str]
) -> tuple[subprocess.Popen[bytes], Path]:
    (folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
    sections = {"net": {"firewall_policy": 0}, "sound": {"echocancellation": 0}, **settings}
    lines = [f"[{name}]\n" + "".join(f"{k}={v}\n" for k, v in keys.items()) for name, keys in sections.items()]
    (folder / "rc").write_text("\n".join(lines))
    output = folder / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, cwd=folder,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    return process, output
