"""A softphone that we did not write, driven like a person: baresip over its control port, speaking from WAV files."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from .programs import PATIENCE_S, free_port, free_ports

Wave = NDArray[np.int16]
RATE_HZ = 8000
QUIET = 200
"""Peak of a 20 ms block (int16) under which the line counts as quiet."""
TAIL_S = 90
"""Silence after each utterance: baresip stops sending when its file ends."""

CONFIG = """\
module_path /usr/lib/baresip/modules
sip_listen 127.0.0.1:{sip}
audio_source aufile,{folder}/silence.wav
audio_player aubridge,{folder}
ausrc_srate 8000
auplay_srate 8000
rtp_ports {rtp}-{rtp_last}
snd_path {folder}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module dtls_srtp.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{ctrl}
"""


def sip_and_control_ports() -> tuple[int, int]:
    """A SIP port, after which there is one for TLS, and a control port."""
    return free_ports(2)[0], free_port()


def flite(text: str, folder: Path, voice: str = "slt") -> Wave:
    """A sentence spoken by flite (another engine than the one that answers), at 8 kHz."""
    path = folder / "flite.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, capture_output=True)
    return load(path)


def load(path: Path) -> Wave:
    """Any recording as 8 kHz int16."""
    audio, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    mono = np.asarray(audio[:, 0])
    if rate_hz == RATE_HZ:
        return mono
    return np.asarray(soxr.resample(mono, rate_hz, RATE_HZ), np.int16)


class Baresip:
    """One softphone with one call. `config` is for more lines of its configuration."""

    def __init__(self, folder: Path, user: str = "phone", config: str = "") -> None:
        self.folder = folder
        self.config = config
        self.user = user
        self.sip_port, self._ctrl = sip_and_control_ports()
        self.events: list[dict[str, str]] = []
        self._changed = asyncio.Condition()
        self._said = 0
        self._listened = 0

    @contextlib.asynccontextmanager
    async def running(self, *, answers: bool = False, busy: bool = False, account: str = "") -> AsyncIterator[Baresip]:
        """Start the program; `answers` makes it take every call, `busy` refuse every call.

        `account` are more parameters of its account, such as ``;mediaenc=srtp-mand`` or ``;answermode=early``.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        rtp = free_ports(20)
        (self.folder / "config").write_text(
            CONFIG.format(sip=self.sip_port, ctrl=self._ctrl, folder=self.folder, rtp=rtp.start, rtp_last=rtp.stop)
            + self.config
        )
        mode = "auto" if answers else "manual"
        (self.folder / "accounts").write_text(
            f"<sip:{self.user}@127.0.0.1>;regint=0;audio_codecs=PCMU{account};answermode={mode}\n"
        )
        (self.folder / "contacts").write_text("")
        soundfile.write(self.folder / "silence.wav", np.zeros(RATE_HZ * TAIL_S, np.int16), RATE_HZ)
        log = (self.folder / "log.txt").open("wb")
        program = shutil.which("baresip") or "baresip"
        process = await asyncio.create_subprocess_exec(program, "-f", str(self.folder), stdout=log, stderr=log)
        try:
            reader, self._writer = await _connect(self._ctrl, process)
            listening = asyncio.create_task(self._listen(reader))
            try:
                yield self
            finally:
                with contextlib.suppress(ConnectionError):
                    await self._command("quit")
                    await asyncio.wait_for(process.wait(), 3)
                listening.cancel()
                self._writer.close()
                with contextlib.suppress(ConnectionError):
                    await self._writer.wait_closed()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            log.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Netstrings with JSON come in."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1].lstrip(b",\n"))
                event = json.loads((await reader.readexactly(size + 1))[:-1])
                async with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()

    async def _command(self, command: str, params: str = "") -> None:
        text = json.dumps({"command": command, "params": params, "token": "t"})
        self._writer.write(f"{len(text)}:{text},".encode())
        await self._writer.drain()

    async def until(self, kind: str, limit_s: float = PATIENCE_S) -> dict[str, str]:
        """Wait for an event such as CALL_ESTABLISHED; `kind` is an expression."""

        def found() -> dict[str, str] | None:
            return next((e for e in self.events if re.fullmatch(kind, e.get("type", ""))), None)

        async with asyncio.timeout(limit_s), self._changed:
            await self._changed.wait_for(found)
        event = found()
        assert event is not None
        return event

    async def dial(self, uri: str) -> None:
        """Place the call and wait until it is answered; again where the server says that it has no time (503)."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self.try_dial(uri)
                event = await self.until(r"CALL_ESTABLISHED|CALL_CLOSED")
                if event["type"] == "CALL_ESTABLISHED":
                    return
                assert event["param"].startswith("503"), event
                self.events.clear()
                await asyncio.sleep(1)

    async def try_dial(self, uri: str) -> None:
        """Place a call that may be refused."""
        await self._command("dial", uri)

    async def say(self, wave: Wave) -> None:
        """Speak into the call."""
        self._said += 1
        path = self.folder / f"said-{self._said}.wav"
        lead = np.zeros(RATE_HZ // 10, np.int16)
        soundfile.write(path, np.concatenate([lead, wave, np.zeros(RATE_HZ * TAIL_S, np.int16)]), RATE_HZ)
        self._listened = len(self.heard())
        await self._command("ausrc", f"aufile,{path}")
        await asyncio.sleep(len(wave) / RATE_HZ + 0.1)

    async def press(self, keys: str) -> None:
        """Press keys (RFC 4733), one every 300 ms."""
        self._listened = len(self.heard())
        for key in keys:
            self._writer.write(b"")
            await self._command("sndcode", key)
            await asyncio.sleep(0.3)

    async def accept(self) -> None:
        """Take the call that rings."""
        await self._command("accept")

    async def hang_up(self) -> None:
        """End the call."""
        await self._command("hangup")

    @property
    def listened(self) -> int:
        """Samples that had come in when we last spoke, or heard an answer to its end."""
        return self._listened

    def heard(self) -> Wave:
        """Everything that came in so far."""
        files = sorted(self.folder.glob("dump-*-dec.wav"))
        if not files:
            return np.zeros(0, np.int16)
        raw = files[-1].read_bytes()[44:]
        return np.frombuffer(raw[: len(raw) // 2 * 2], np.int16)

    async def answer(self, quiet_s: float = 1.0, limit_s: float = 25.0) -> Wave:
        """Wait until the other side has spoken and been quiet for `quiet_s`; returns what it said since our turn."""
        async with asyncio.timeout(limit_s):
            while True:
                await asyncio.sleep(0.1)
                new = self.heard()[self._listened :]
                if len(new) < RATE_HZ * quiet_s:
                    continue
                loud = np.flatnonzero(np.abs(new.astype(np.int32)) > QUIET)
                if len(loud) and len(new) - loud[-1] > quiet_s * RATE_HZ:
                    self._listened += len(new)
                    return new


async def _connect(port: int, process: asyncio.subprocess.Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """It opens this port last, when it is ready for calls."""
    async with asyncio.timeout(PATIENCE_S):
        while process.returncode is None:
            with contextlib.suppress(ConnectionError):
                return await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.05)
    raise AssertionError(f"baresip has ended with status {process.returncode}, see its log.txt")


def digits_of(text: str) -> str:
    """The digits in a text."""
    return re.sub(r"\D", "", text)
