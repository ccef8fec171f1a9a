"""Recordings as a telephone line brings them, and the turns that voice activity detection finds in them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr

from telephony.media.codecs import RATE_HZ, Pcm
from telephony.media.loss_concealment import Concealer
from voicebot.bench.caller_audio import load_wav, through_line, voiced
from voicebot.errors import VoicebotError
from voicebot.listening.audio import level_db
from voicebot.listening.turn_machine import StartRecognition, TurnEnded, TurnMachine
from voicebot.listening.turn_timing import TurnTiming
from voicebot.listening.vad import WINDOW, Silero, VadStream, find_model

LEAD_S, TAIL_S = 0.6, 1.6
"""Line without a voice before and after each recording."""
PACKET = RATE_HZ // 50
HISS_RMS = 8.0
"""Of a quiet line, in steps of 16 bits."""
PATIENT_S = TurnTiming().digits_missing_s
"""Silence that ends a turn here, as long as a call waits at most: when a caller has finished is another bench's
question."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A row of manifest.csv."""

    path: str
    task: str
    transcript: str
    speaker: str
    slots: str = ""


@dataclass(frozen=True, slots=True)
class LineConditions:
    """What happens to a recording on its way."""

    snr_db: float | None = None
    loss: float = 0.0
    """Share of packets lost, 0..1."""
    noises: Mapping[str, Pcm] = field(default_factory=dict)


def read_manifest(folder: Path) -> list[Recording]:
    """Rows of ``manifest.csv``. Raises VoicebotError: not there, or a column is missing."""
    rows = _rows(folder / "manifest.csv", ("path", "task", "transcript", "speaker"))
    return [
        Recording(row["path"], row["task"], row["transcript"], row["speaker"], row.get("slots") or "") for row in rows
    ]


def read_noises(folder: Path) -> dict[str, Pcm]:
    """Noises of ``noise_manifest.csv`` by path, int16 at 8000 Hz; none without that file."""
    if not (folder / "noise_manifest.csv").is_file():
        return {}
    return {row["path"]: load_wav(folder / row["path"]) for row in _rows(folder / "noise_manifest.csv", ("path",))}


def _rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise VoicebotError(f"{path} cannot be read: {error}", "give a folder like ../shared/speech") from None
    missing = [name for name in needed if rows and name not in rows[0]]
    if missing or not rows:
        raise VoicebotError(f"{path} has no {', '.join(missing) or 'rows'}", "give a folder like ../shared/speech")
    return rows


def load(path: Path) -> Pcm:
    """A recording at 8000 Hz, not yet through a line. Raises VoicebotError: unreadable."""
    try:
        audio, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise VoicebotError(f"{path} cannot be read: {error}", "give a WAV, FLAC or Ogg file") from None
    mono = np.ascontiguousarray(audio.mean(axis=1))
    low = mono if rate_hz == RATE_HZ else soxr.resample(mono, rate_hz, RATE_HZ)
    return np.asarray(np.clip(low, -1, 1) * 32767).astype(np.int16)


def received(pcm: Pcm, line: LineConditions, seed: int) -> Pcm:
    """What a leg hands over when this is said on that line: silence around it, noise, µ-law, concealed losses.

    The signal-to-noise ratio is that of the voice, from its first to its last voiced sample, to the noise. `seed`
    chooses the noise, where it begins, and the packets that are lost.
    """
    chance = np.random.default_rng(seed)
    quiet = [np.zeros(round(s * RATE_HZ), np.float32) for s in (LEAD_S, TAIL_S)]
    audio = np.concatenate([quiet[0], pcm.astype(np.float32), quiet[1]])
    audio += chance.normal(0, HISS_RMS, len(audio)).astype(np.float32)
    if line.snr_db is not None and line.noises:
        audio += _noise(pcm, line.snr_db, line.noises, len(audio), chance)
    heard = through_line(np.clip(audio, -32768, 32767).astype(np.int16))
    return _lossy(heard, line.loss, chance) if line.loss else heard


def _noise(
    pcm: Pcm, snr_db: float, noises: Mapping[str, Pcm], size: int, chance: np.random.Generator
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    noise = noises[sorted(noises)[chance.integers(len(noises))]].astype(np.float32)
    looped = np.resize(np.roll(noise, -int(chance.integers(len(noise)))), size)
    first, last = voiced(pcm)
    voice = pcm[first : last + 1].astype(np.float32)
    ratio = np.sqrt(np.square(voice).mean() / max(1.0, float(np.square(looped).mean())))
    return np.asarray(looped * ratio * 10 ** (-snr_db / 20), np.float32)


def _lossy(pcm: Pcm, loss: float, chance: np.random.Generator) -> Pcm:
    concealer = Concealer(RATE_HZ)
    packets = [pcm[i : i + PACKET] for i in range(0, len(pcm) - PACKET + 1, PACKET)]
    return np.concatenate(
        [concealer.conceal(PACKET) if chance.random() < loss else concealer.arrived(packet) for packet in packets]
    )


class RecordingTurns:
    """A call's voice activity detection and turn machine, one recording after the other, without threads."""

    def __init__(self) -> None:
        self._silero = Silero(find_model())
        self._timing = TurnTiming()

    def turns(self, pcm: Pcm) -> list[tuple[int, int]]:
        """(start, end) samples of what would be recognised in each turn; pauses up to `PATIENT_S` are in a turn."""
        return [(start, end) for start, end, _ in self.sure_turns(pcm)]

    def sure_turns(self, pcm: Pcm) -> list[tuple[int, int, float]]:
        """The same, and how surely each is a voice (`TurnEnded.peak_probability`)."""
        machine, stream = TurnMachine(self._timing), VadStream(lambda _: None)
        spans: list[tuple[int, int, float]] = []
        asked: list[tuple[int, int]] = []
        for at in range(0, len(pcm) - WINDOW + 1, WINDOW):
            found, states = self._silero.run(stream.load(pcm[at : at + WINDOW])[None], stream.state[:, None])
            stream.settle(float(found[0]), states[:, 0])
            decisions = machine.window(float(found[0]), level_db(pcm[at : at + WINDOW]))
            asked += [(d.start, d.end) for d in decisions if isinstance(d, StartRecognition)]
            if asked:
                decisions += machine.recognised(PATIENT_S)
            ended = [d for d in decisions if isinstance(d, TurnEnded)]
            if ended:
                spans.append((*asked[-1], ended[0].peak_probability))
                asked = []
        return [*spans, *((start, end, 1.0) for start, end in asked[-1:])]
