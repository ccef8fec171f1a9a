"""One recording, one answer: recognises recordings, in processes of their own."""

from __future__ import annotations

import difflib
import multiprocessing
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from telephony.media.codecs import RATE_HZ, Pcm
from voicebot import config
from voicebot.asr import recognisers, rejection
from voicebot.asr.failover import Failover
from voicebot.asr.recogniser import NOTHING, Recogniser, Transcript
from voicebot.bench.asr.error_rates import errors
from voicebot.bench.asr.line_conditions import LineConditions, Recording, RecordingTurns, load, received
from voicebot.bench.asr.tasks import RecordingTask, plain, tasks, truth
from voicebot.errors import VoicebotError
from voicebot.listening.audio import for_engine
from voicebot.messages import Expect, Word

_PROGRESS_S = 10.0


@dataclass(frozen=True, slots=True)
class AsrCase:
    """What was made of one recording."""

    path: str
    task: str
    speaker: str
    truth: str
    value: str
    """The first choice as the dialog would take it; empty when nothing was taken."""
    values: tuple[str, ...]
    """All choices, best first."""
    text: str
    """Free recognition."""
    confidence: float
    """Of `value`: the in-grammar one, or that of the free text."""
    free: bool
    turns: int
    """How often the voice activity detection heard a turn in it."""
    cpu_ms: float
    seconds: float
    """Audio that was recognised."""
    word_errors: int
    words: int
    evidence: dict[str, float] = field(default_factory=dict)
    """What the confidence was made of (see `Transcript.evidence`)."""
    kind: str = "free"
    """Of what was expected."""
    sure: tuple[tuple[float, bool], ...] = ()
    """Each word of `text`: its confidence, and whether it was said there."""

    @property
    def right(self) -> bool:
        return self.value == self.truth


def settings_by_name(name: str) -> config.AsrSettings:
    """What a name on the command line stands for.

    Args:
        name: of a recogniser, such as ``moonshine`` or ``whisper``; with its model, as in ``whisper:tiny.en``; or a
            configuration file, whose engines hear as they do in a server: the next where one fails.

    Raises:
        VoicebotError: no such engine. SourceError: the file is wrong.
    """
    if name.endswith((".yaml", ".yml")):
        return config.load(Path(name)).asr
    kind, _, model = name.partition(":")
    try:
        return config.AsrSettings(engine={kind: model} if model else kind)
    except ValidationError:
        known = ", ".join(config.declared_engines(config.RECOGNISERS))
        raise VoicebotError(
            f"no engine is called {name!r}", f"choose one of {known}, whisper:MODEL, or a configuration file"
        ) from None


def load_by_name(name: str) -> Recogniser:
    """Load what `settings_by_name` says. Raises VoicebotError, ModelMissing, EngineFailed."""
    chosen = settings_by_name(name)
    engines = recognisers.load_all(chosen)
    return engines[0] if len(engines) == 1 else Failover(engines, chosen.limit_s)


class RecordingRecogniser:
    """Voice activity detection and an engine, for whole recordings."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._engine = recogniser
        self._detector = RecordingTurns()

    def hear(self, pcm: Pcm, expect: Expect) -> tuple[list[Transcript], float, float]:
        """What each turn in 8000 Hz audio becomes; CPU milliseconds of recognition; seconds of audio recognised."""
        spans = self._detector.sure_turns(pcm)
        began = time.process_time()
        said = [(self.recognise(pcm[start:end], expect), peak) for start, end, peak in spans]
        cpu_ms = (time.process_time() - began) * 1000
        found = [NOTHING if rejection.is_unvoiced(peak, one, expect) else one for one, peak in said]
        return found, cpu_ms, sum(end - start for start, end, _ in spans) / RATE_HZ

    def spans(self, pcm: Pcm) -> list[tuple[int, int]]:
        """Turns as (start, end) samples."""
        return self._detector.turns(pcm)

    def recognise(self, pcm: Pcm, expect: Expect) -> Transcript:
        """One utterance, without voice activity detection. Raises EngineFailed."""
        return self._engine.recognise(for_engine(pcm), expect, _wanted) or Transcript("", 0.0)


def _wanted() -> bool:
    return False


def case(recording: Recording, task: RecordingTask, pcm: Pcm, recogniser: RecordingRecogniser) -> AsrCase:
    """Hear one recording as it came over the line."""
    found, cpu_ms, seconds = recogniser.hear(pcm, task.expect(recording))
    text = " ".join(t.text for t in found)
    if task.free:
        readings = [text]
    else:
        joined = " ".join(t.expected or t.begun for t in found)
        readings = list(found[0].alternatives) if len(found) == 1 else [joined]
    values = dict.fromkeys(v for v in (task.value(r, recording) for r in readings) if v)
    right, value = truth(recording, task), next(iter(values), "")
    said, heard = plain(recording.transcript), plain(text if task.free else " ".join(readings[:1]) or text)
    if recording.task in ("letter", "nato", "code"):  # "alpha" is the word for a
        said, heard = " ".join(right), " ".join(value)
    return AsrCase(
        recording.path, recording.task, recording.speaker, right, value=value, values=tuple(values), text=text,
        confidence=min((t.confidence if task.free else t.expected_confidence for t in found), default=0.0),
        free=task.free, turns=len(found), cpu_ms=cpu_ms, seconds=seconds,
        word_errors=errors(said.split(), heard.split()) if said else 0, words=len(said.split()),
        evidence=found[0].evidence if len(found) == 1 else {}, kind=task.expect(recording).kind,
        sure=heard_rightly([word for t in found for word in t.words], recording.transcript),
    )  # fmt: skip


def heard_rightly(words: Sequence[Word], transcript: str) -> tuple[tuple[float, bool], ...]:
    """Whether each word, written as in `plain`, is among those said, in their order; none where that is not known."""
    said = plain(transcript).split()
    parts = [(at, part) for at, word in enumerate(words) for part in plain(word.text).split()]
    if not said:
        return ()
    matcher = difflib.SequenceMatcher(None, said, [part for _, part in parts], autojunk=False)
    same = {i for block in matcher.get_matching_blocks() for i in range(block.b, block.b + block.size)}
    wrong = {at for i, (at, _) in enumerate(parts) if i not in same}
    return tuple((word.confidence, at not in wrong) for at, word in enumerate(words))


def seed(path: str) -> int:
    """The same chance for a recording in every run."""
    return zlib.crc32(path.encode())


class _Worker:
    """What a process keeps between recordings."""

    def __init__(self, engine_name: str, folder: Path, everything: Sequence[Recording], line: LineConditions) -> None:
        self.recogniser = RecordingRecogniser(load_by_name(engine_name))
        self.folder = folder
        self.tasks = tasks(everything)
        self.line = line

    def __call__(self, recording: Recording) -> AsrCase:
        pcm = received(load(self.folder / recording.path), self.line, seed(recording.path))
        return case(recording, self.tasks[recording.task], pcm, self.recogniser)


_worker: _Worker | None = None


def _start(engine_name: str, folder: Path, everything: Sequence[Recording], line: LineConditions) -> None:
    global _worker
    _worker = _Worker(engine_name, folder, everything, line)


def _work(recording: Recording) -> AsrCase:
    if _worker is None:
        raise RuntimeError("the process was not set up")
    return _worker(recording)


def recognise_all(
    engine_name: str,
    folder: Path,
    everything: Sequence[Recording],
    chosen: Sequence[Recording],
    line: LineConditions,
    jobs: int,
) -> list[AsrCase]:
    """Hear `chosen`, in `jobs` processes; progress goes to standard error.

    Args:
        everything: the manifest, from which lists of phrases are made.

    Raises:
        VoicebotError: a recording cannot be read, or there is no such engine.
    """
    set_up = (engine_name, folder, everything, line)
    if jobs <= 1:
        worker = _Worker(*set_up)
        return list(_counted((worker(r) for r in chosen), len(chosen)))
    with multiprocessing.get_context("spawn").Pool(jobs, _start, set_up) as pool:
        return list(_counted(pool.imap(_work, chosen, chunksize=4), len(chosen)))


def _counted(cases: Iterator[AsrCase], total: int) -> Iterator[AsrCase]:
    shown = time.monotonic()
    for done, one in enumerate(cases, 1):
        yield one
        if time.monotonic() - shown > _PROGRESS_S:
            shown = time.monotonic()
            print(f"{done} of {total} recordings", file=sys.stderr, flush=True)


def spread_over(recordings: Sequence[Recording], limit: int | None) -> list[Recording]:
    """At most `limit` of each task, evenly."""
    if limit is None:
        return list(recordings)
    by_task: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_task.setdefault(recording.task, []).append(recording)
    return [
        rows[i]
        for rows in by_task.values()
        for i in sorted({int(x) for x in np.linspace(0, len(rows) - 1, min(limit, len(rows)))})
    ]
