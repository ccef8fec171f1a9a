"""Whether what came in is the prompt that went out: telephone hybrids, loudspeakers and rooms send it back.

The outgoing audio is the reference. Where it comes back is found once a prompt, by correlation of the newest 0.2 s with
the last seconds of what was played; how, by least squares: `TAPS` coefficients that make the one out of the other, both
pre-emphasised, which flattens speech. From then on every window is predicted by these, for a fiftieth of the cost. What
the prediction leaves over is the caller.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from telephony.leg import Pcm

EXPLAINED = 0.6
"""Share of the energy that the prompt must explain for audio to be its echo. Over 0.2 s of −15 to −30 dB echo with
30 ms of reflections it is over 0.85 in 95 of 100 segments; of other people's speech 0.19 (median), 0.48 (95 of 100)."""
LOUDEST_GAIN = 0.25
"""Energy of the path's coefficients at most: echo comes back 6 dB down and more (ITU-T G.168 supposes no less). What
fits only with more is a caller whose first syllable happens to look like some of the prompt. In 286 fits of echo that
was 15 to 30 dB down the most was −8.9 dB; 10 of 13 callers (of 200) taken for echo without this had more than −6 dB."""
WINDOW_EXPLAINED = 0.5
"""The same of the last two windows, by coefficients that were fitted before."""
WRONG_PATH = 1.1
"""Prediction that leaves more than this share of the energy is by coefficients that are not, or no longer, right."""
BELOW_ECHO = 0.3
"""What the prompt does not explain is its echo too when it has less than this share of the energy that the echo had at
most in the last `TAIL` samples: reflections that are later than the coefficients reach, and the line's hiss."""
TAIL = 2560
WINDOWS = 512
"""Samples that are judged by a known path: two windows of the voice activity detection."""
SEGMENT = 1600
"""Samples at 8000 Hz that are compared."""
KEPT = 30000
"""Samples at 8000 Hz of outgoing audio kept (3.75 s): what a network and a room may delay, and what is still queued."""
FRAME = 80
LEFT = 0.4
"""Share of the predicted echo's energy that is still there when it is taken away: the path is fitted on 0.2 s, and of
the next 0.2 s it explains 60 % (median of 286)."""
TAPS = 96
BEFORE = 24
"""Of them before the strongest path."""
_EMPHASIS = 0.95
_FFT = 32768
_RIDGE = 1e-3
Shape = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _share(rest: NDArray[np.float32], sound: NDArray[np.float32]) -> float:
    return float(max(0.0, 1.0 - np.square(rest).sum() / max(1.0, float(np.square(sound).sum()))))


def _energies(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each begun frame of `FRAME` samples."""
    padded = np.pad(np.square(samples), (0, -samples.size % FRAME))
    return np.asarray(padded.reshape(-1, FRAME).sum(1))


def _flat(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.append(samples[:1], samples[1:] - np.float32(_EMPHASIS) * samples[:-1])


def _plain(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return samples


class EchoReference:
    """What one call was played last, and how it comes back. Samples are counted from the beginning of the call."""

    def __init__(self) -> None:
        self._played = np.zeros(KEPT, np.float32)
        self._told = 0
        self._delay: int | None = None
        """Samples from the one that was told to the one that was heard, less `BEFORE`."""
        self._taps = np.zeros(TAPS, np.float32)
        self._gap = False
        """What is told next does not go out right after what was told last: the path must be found again."""

    def add(self, pcm: Pcm) -> None:
        """Outgoing audio, at 8000 Hz."""
        if self._gap:
            self._gap, self._delay = False, None
        self._played = np.concatenate([self._played[pcm.size :], pcm[-KEPT:].astype(np.float32)])
        self._told += pcm.size

    def gap(self, unsent: int = 0) -> None:
        """What is told from now on goes out after a gap, and the last `unsent` samples that were told never did."""
        unsent = min(unsent, KEPT)
        self._played = np.concatenate([np.zeros(unsent, np.float32), self._played[: KEPT - unsent]])
        self._told -= unsent
        self._gap = True

    def covers(self, heard: Pcm, end: int) -> bool:
        """Whether `heard` is echo by the path that is known; never where none is.

        Args:
            heard: the last `WINDOWS` samples at 8000 Hz, or as many as there are.
            end: sample of the call after the last one.
        """
        if self._delay is None or not np.any(heard):
            return False
        sound = _flat(heard.astype(np.float32))
        predicted = self._predict(end - TAIL, TAIL)
        rest = float(np.square(sound - predicted[-heard.size :])[1:].sum())
        loudest = float(np.square(predicted).reshape(-1, WINDOWS).sum(1).max()) * heard.size / WINDOWS
        energy = float(np.square(sound[1:]).sum())
        return rest < min(WRONG_PATH * energy, max((1 - WINDOW_EXPLAINED) * energy, BELOW_ECHO * loudest))

    def cancelled(self, heard: Pcm, end: int) -> Pcm:
        """`heard`, which ends at sample `end`, without the echo that is known, softer where little is left."""
        if self._delay is None or not heard.size:
            return heard
        echo = np.convolve(self._reference(end - heard.size, heard.size, _plain), self._taps, "valid")
        rest = heard - echo
        left = np.clip(1 - LEFT * _energies(echo) / (_energies(rest) + 1.0), 0, 1)
        softer = np.interp(np.arange(heard.size), np.arange(left.size) * FRAME + FRAME / 2, left)
        return np.asarray(np.clip(np.rint(rest * softer), -32768, 32767), np.int16)

    def fit(self, heard: Pcm, end: int) -> float:
        """Share of the last `SEGMENT` samples that the prompt explains; how it comes back is found anew."""
        if not np.any(heard) or not self._told:
            return 0.0
        last = np.zeros(SEGMENT, np.float32)  # a call that has just begun has less than a segment
        last[max(0, SEGMENT - heard.size) :] = heard[-SEGMENT:]
        sound = _flat(last)
        before = self._delay, self._taps
        self._delay = end - SEGMENT - (self._told - KEPT + self._strongest(sound)) - BEFORE
        paths = np.lib.stride_tricks.sliding_window_view(self._reference(end - SEGMENT, SEGMENT), TAPS)[:, ::-1]
        square = paths.T @ paths
        square[np.diag_indices(TAPS)] += _RIDGE * np.trace(square) / TAPS + 1.0
        self._taps = np.linalg.solve(square, paths.T @ sound)
        share = _share(sound - paths @ self._taps, sound)
        if float(np.square(self._taps).sum()) > LOUDEST_GAIN:
            share = 0.0
        if share < EXPLAINED:
            self._delay, self._taps = before
        return share

    def is_echo(self, heard: Pcm, end: int) -> bool:
        """Whether `heard`, which ends at sample `end`, ends in what was played."""
        return self.covers(heard[-WINDOWS:], end) or self.fit(heard, end) >= EXPLAINED

    def _strongest(self, sound: NDArray[np.float32]) -> int:
        """Where in what is kept of the outgoing audio `sound` lies best."""
        played = _flat(self._played)
        spectrum = np.fft.rfft(played, _FFT) * np.conj(np.fft.rfft(sound, _FFT))
        correlation = np.fft.irfft(spectrum, _FFT)[: KEPT - SEGMENT + 1]
        energy = np.concatenate([[0.0], np.cumsum(np.square(played, dtype=np.float64))])
        window = energy[SEGMENT:] - energy[:-SEGMENT]
        # Windows far below the loudest are silence between words: dividing by them would only magnify noise.
        return int(np.argmax(np.abs(correlation) / np.sqrt(np.maximum(window, 1e-2 * window.max()) + 1.0)))

    def _reference(self, begin: int, count: int, shaped: Shape = _flat) -> NDArray[np.float32]:
        """What `count` samples heard from `begin` on are made of: `TAPS` − 1 samples more, zeros where nothing is."""
        first = begin - (self._delay or 0) - (TAPS - 1) - (self._told - KEPT)
        found = np.zeros(count + TAPS, np.float32)
        at = np.arange(max(0, first - 1), min(KEPT, first + count + TAPS - 1))
        found[at - (first - 1)] = self._played[at]
        return shaped(found)[1:]

    def _predict(self, begin: int, count: int) -> NDArray[np.float32]:
        return np.asarray(np.convolve(self._reference(begin, count), self._taps, "valid"), np.float32)
