"""The example bots as programs of their own, and a phone of ours that keeps what it sends and hears with its times."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from telephony.agent import AgentConfig, UserAgent
from telephony.call.dialog.sipleg import SipLeg
from telephony.media.codecs import decode
from telephony.server import serving

from .programs import PATIENCE_S

Wave = NDArray[np.int16]
RATE_HZ = 8000
PIECE = 2400
LOUD = 500
"""Peak of a packet (int16) that is not noise."""


class Bot:
    """A running example."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output
        self.port = int(self.told(r"listening: call sip:bot@127\.0\.0\.1:(\d+)")[1])
        self.uri = f"sip:bot@127.0.0.1:{self.port}"

    @property
    def said(self) -> str:
        """Everything that it has printed."""
        return self._output.read_text()

    def told(self, pattern: str, limit_s: float = PATIENCE_S) -> re.Match[str]:
        """Wait until it has printed that."""
        end_s = time.monotonic() + limit_s
        while (found := re.search(pattern, self.said)) is None:
            assert self.process.poll() is None and time.monotonic() < end_s, self.said
            time.sleep(0.02)
        return found

    @property
    def cpu_s(self) -> float:
        """CPU time of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_bot(name: str, folder: Path, first_rtp: int, *options: str) -> Iterator[Bot]:
    """Start ``telephony.examples.NAME``; in the end it is stopped by SIGTERM and must leave with status 0."""
    output = folder / f"{name}.txt"
    ports = ["--first-rtp", str(first_rtp), "--last-rtp", str(first_rtp + 98)]
    command = [sys.executable, "-m", f"telephony.examples.{name}", "--port", "0", *ports, *options]
    with output.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            bot = Bot(process, output)
            yield bot
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0, bot.said
        finally:
            process.kill()


class Ear:
    """Both directions of one leg, from its packets."""

    def __init__(self, leg: SipLeg) -> None:
        self.leg = leg
        self.packets: list[tuple[bool, int, Wave]] = []
        self.keys: list[str] = []
        leg.media.tap = self._tap
        leg.on_dtmf = self.keys.append

    def _tap(self, sent: bool, at_ns: int, payload: bytes) -> None:
        self.packets.append((sent, at_ns, decode(payload, self.leg.media.codec)))

    def heard(self, since_s: float = 0) -> Wave:
        """All that came after that time (monotonic)."""
        return _joined([wave for sent, at_ns, wave in list(self.packets) if not sent and at_ns >= since_s * 1e9])

    def first_loud(self, sent: bool, since_s: float = 0) -> float | None:
        """When sound first went that way after that time."""
        return next((at_ns / 1e9 for at_ns in self._loud(sent) if at_ns >= since_s * 1e9), None)

    def last_loud(self, sent: bool) -> float | None:
        """When sound last went that way."""
        return max((at_ns / 1e9 for at_ns in self._loud(sent)), default=None)

    def _loud(self, sent: bool) -> list[int]:
        return [at_ns for way, at_ns, wave in list(self.packets) if way is sent and peak(wave) > LOUD]


@contextlib.asynccontextmanager
async def phone(first_rtp: int) -> AsyncIterator[UserAgent]:
    """Something of ours to call with."""
    async with serving(None, AgentConfig(port=0), rtp_ports=(first_rtp, first_rtp + 98)) as agent:
        yield agent


def peak(wave: Wave) -> int:
    """Of the absolute samples."""
    return int(np.abs(wave.astype(np.int32)).max(initial=0))


def beeps(wave: Wave) -> int:
    """Sounds that 60 ms of quiet keep apart."""
    blocks = wave[: len(wave) // 80 * 80].reshape(-1, 80).astype(np.int32)
    loud = np.flatnonzero(np.abs(blocks).max(axis=1, initial=0) > LOUD)
    return 0 if not len(loud) else 1 + int(np.count_nonzero(np.diff(loud) > 6))


def pitch_hz(wave: Wave) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * RATE_HZ / len(wave)


def likeness(said: Wave, heard: Wave) -> float:
    """How well the loud pieces (0.3 s) of what was said are found in what was heard: the median correlation, 0 to 1.

    In pieces, because a packet that is late on a busy machine shifts all that follows.
    """
    pieces = said[: len(said) // PIECE * PIECE].reshape(-1, PIECE)
    return float(np.median([_best(piece, heard) for piece in pieces if peak(piece) > LOUD]))


def _best(piece: Wave, heard: Wave) -> float:
    """The greatest correlation with any stretch."""
    if len(heard) < len(piece):
        return 0.0
    a, b = piece.astype(np.float64), heard.astype(np.float64)
    size = 1 << (len(a) + len(b)).bit_length()
    products = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[: len(b) - len(a) + 1]
    sums = np.concatenate([[0.0], np.cumsum(b * b)])
    energy = sums[len(a) :] - sums[: -len(a)]
    return float(np.max(products / np.sqrt(np.maximum(energy, 1.0) * (a @ a))))


def _joined(waves: list[Wave]) -> Wave:
    return np.concatenate(waves) if waves else np.zeros(0, np.int16)
