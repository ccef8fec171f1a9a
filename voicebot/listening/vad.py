"""Voice activity: Silero at 8 kHz, the windows of all calls in one onnxruntime run, in one thread.

A window is 256 samples (32 ms) after 32 samples of context; the model keeps a state of 2 × 128 numbers a call. One run
with many windows costs a quarter a window of what single ones do, so windows are gathered for a few milliseconds once
there are several calls.

The weights are those that pipecat-ai carries, and so is the reset rule (``pipecat/audio/vad/silero.py``): long
non-speech deafens the state, so it is cleared every two seconds, but only while it hears clear non-speech, as a reset
inside speech makes the model doubt for a moment.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from telephony.leg import Pcm
from voicebot import log
from voicebot.errors import EngineFailed, ModelMissing

RATE_HZ = 8000
WINDOW = 256
WINDOW_S = WINDOW / RATE_HZ
_CONTEXT = 32
_RESET_WINDOWS = int(2.0 / WINDOW_S)
_RESET_BELOW = 0.1
_RESET_QUIET = 8
"""Windows in a row below `_RESET_BELOW` (a quarter of a second) that count as clear non-speech."""
GATHER_S = 0.004
GATHER_FROM = 4
"""With more streams than this, windows are gathered for `GATHER_S`."""
DEAF_FROM = 30
"""So many failures in a row, a second of one call, are no accident."""
MAX_WAITING = 2000
"""Windows (64 s of one call, 1 s of sixty) that may wait; what comes on top of them is counted as silence."""

OnProbability = Callable[[float], None]
_log = log.get(__name__)


def find_model() -> Path:
    """The Silero weights inside the installed pipecat-ai, found without importing it.

    Raises:
        ModelMissing: pipecat-ai is not installed whole.
    """
    spec = importlib.util.find_spec("pipecat")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "audio" / "vad" / "data" / "silero_vad.onnx"
        if path.is_file():
            return path
    raise ModelMissing("the voice activity model is not there", "install pipecat-ai again (pip install -e .)")


class Silero:
    """The model. States and contexts are the caller's."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: Any = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(RATE_HZ, np.int64)

    def run(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities (n,) and new states (2, n, 128) for windows (n, 288), context first, -1..1."""
        probability, after = self._session.run(None, {"input": windows, "state": states, "sr": self._rate})
        return probability[:, 0], after


@dataclass(slots=True, eq=False)
class VadStream:
    """One call's place in the batches. Only the worker thread touches what is private."""

    on_probability: OnProbability
    closed: bool = False
    _state: NDArray[np.float32] = field(default_factory=lambda: np.zeros((2, 128), np.float32))
    _input: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_CONTEXT + WINDOW, np.float32))
    _since_reset: int = 0
    _quiet: int = 0

    def load(self, window: Pcm) -> NDArray[np.float32]:
        self._input[:_CONTEXT] = self._input[WINDOW:]
        self._input[_CONTEXT:] = window * np.float32(1 / 32768)
        return self._input

    def settle(self, probability: float, state: NDArray[np.float32]) -> None:
        """Keep the new state, or clear it when a reset is due."""
        self._state = state
        self._since_reset += 1
        self._quiet = self._quiet + 1 if probability < _RESET_BELOW else 0
        if self._since_reset >= _RESET_WINDOWS and self._quiet >= _RESET_QUIET:
            self._state = np.zeros((2, 128), np.float32)
            self._input[:] = 0
            self._since_reset = 0

    @property
    def state(self) -> NDArray[np.float32]:
        return self._state


class BatchedVad:
    """The worker thread that all streams share.

    Args:
        model: the weights.
        gather_s: how long windows are gathered when there are many streams.
    """

    def __init__(self, model: Silero, gather_s: float = GATHER_S) -> None:
        self._model = model
        self._gather_s = gather_s
        self._waiting: list[tuple[VadStream, Pcm]] = []
        self._streams = 0
        self._failures = 0
        """Runs in a row that failed."""
        self._wake = threading.Condition()
        self._running = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; results come to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._thread = threading.Thread(target=self._work, name="vad", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._running = False
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def deaf(self) -> bool:
        """It fails again and again, or its thread has died."""
        return self._failures >= DEAF_FROM or (self._thread is not None and not self._thread.is_alive())

    def open(self, on_probability: OnProbability) -> VadStream:
        """A place for one call; `on_probability` is called on the loop once a window, in order."""
        self._streams += 1
        return VadStream(log.in_call(on_probability))

    def close(self, stream: VadStream) -> None:
        """No result of `stream` is reported after this."""
        if not stream.closed:
            stream.closed = True
            self._streams -= 1

    def submit(self, stream: VadStream, window: Pcm) -> None:
        """Queue a window of 256 samples. When the machine cannot keep up, it counts as silence at once."""
        with self._wake:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append((stream, window))
                self._wake.notify()
                return
        stream.on_probability(0.0)

    def _work(self) -> None:
        while True:
            with self._wake:
                while self._running and not self._waiting:
                    self._wake.wait()
                if not self._running:
                    return
            if self._streams > GATHER_FROM:
                time.sleep(self._gather_s)
            batch = self._take()
            if batch:
                self._report(*self._run(batch))

    def _take(self) -> list[tuple[VadStream, Pcm]]:
        """At most one window a stream; later ones stay, in order."""
        with self._wake:
            taken: dict[int, tuple[VadStream, Pcm]] = {}
            left = []
            for stream, window in self._waiting:
                if stream.closed:
                    continue
                if id(stream) in taken:
                    left.append((stream, window))
                else:
                    taken[id(stream)] = (stream, window)
            self._waiting = left
        return list(taken.values())

    def _run(self, batch: list[tuple[VadStream, Pcm]]) -> tuple[list[VadStream], list[float]]:
        streams = [stream for stream, _ in batch]
        windows = np.stack([stream.load(window) for stream, window in batch])
        try:
            found, states = self._model.run(windows, np.stack([s.state for s in streams], 1))
        except RuntimeError as error:  # onnxruntime's exceptions derive from it; the calls go on, deaf for 32 ms
            self._failures += 1
            if self._failures == 1:
                _log.error("voice activity detection failed", extra={"error": str(EngineFailed(str(error)))})
            return streams, [0.0] * len(streams)
        self._failures = 0
        for i, stream in enumerate(streams):
            stream.settle(float(found[i]), np.ascontiguousarray(states[:, i]))
        return streams, [float(p) for p in found]

    def _report(self, streams: list[VadStream], probabilities: list[float]) -> None:
        def deliver() -> None:
            for stream, probability in zip(streams, probabilities, strict=True):
                if not stream.closed:
                    stream.on_probability(probability)

        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(deliver)
        except RuntimeError:  # the loop was closed while this batch ran
            self._running = False
