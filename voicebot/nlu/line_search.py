"""How far to go along a direction: the line search of Moré and Thuente ("Line search algorithms with guaranteed
sufficient decrease", ACM TOMS 20, 1994), which keeps an interval that holds a good step and narrows it by
interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LESS, FLATTER, NARROW = 1e-3, 0.9, 0.1
"""Sufficient decrease, curvature, and the relative width at which an interval is not worth halving: as in L-BFGS-B."""
TRIES, LONGEST = 50, 1e10
_WIDER, _WIDEST = 1.1, 4.0
_HALF = 0.66
"""An interval that did not shrink to this share of itself in two tries is halved."""


@dataclass(slots=True)
class _End:
    """One end of the interval: a step, and value and slope there."""

    step: float
    value: float
    slope: float

    def less(self, tilt: float) -> _End:
        """The same of the line less `tilt` times the step."""
        return _End(self.step, self.value - self.step * tilt, self.slope - tilt)


def find_step(
    probe: Callable[[float], tuple[float, float, Array]], value: float, slope: float, first: float
) -> tuple[float, float, Array] | None:
    """A step with enough decrease that is flat enough (the strong Wolfe conditions).

    Args:
        probe: step → value, slope and gradient there.
        value: at the beginning.
        slope: at the beginning, negative.
        first: the step that is tried first.

    Returns:
        Step, value and gradient; None where none was found in `TRIES` tries.
    """
    test = LESS * slope
    best, other = _End(0.0, value, slope), _End(0.0, value, slope)
    bracketed, lowered = False, False
    width, width_before = LONGEST, 2 * LONGEST
    shortest, longest, step = 0.0, first + _WIDEST * first, first
    for _ in range(TRIES):
        found, steep, gradient = probe(step)
        least = value + step * test
        lowered = lowered or (found <= least and steep >= 0)
        if found <= least and abs(steep) <= FLATTER * -slope:
            return step, found, gradient
        if bracketed and (not shortest < step < longest or longest - shortest <= NARROW * longest):
            return (step, found, gradient) if found <= least else None
        # Until a step lowers the value, it is that less the wanted decrease which is interpolated.
        tilt = 0.0 if lowered or found > best.value or found <= least else test
        best, other, tried = (end.less(tilt) for end in (best, other, _End(step, found, steep)))
        step, bracketed = _next_step(best, other, tried, bracketed, shortest, longest)
        best, other = best.less(-tilt), other.less(-tilt)
        if bracketed:
            if abs(other.step - best.step) >= _HALF * width_before:
                step = best.step + 0.5 * (other.step - best.step)
            width_before, width = width, abs(other.step - best.step)
            shortest, longest = sorted((best.step, other.step))
        else:
            shortest, longest = step + _WIDER * (step - best.step), step + _WIDEST * (step - best.step)
        step = min(max(step, 0.0), LONGEST)
        if bracketed and (not shortest < step < longest or longest - shortest <= NARROW * longest):
            step = best.step
    return None


def _next_step(
    best: _End, other: _End, tried: _End, bracketed: bool, shortest: float, longest: float
) -> tuple[float, bool]:
    """The next step to try, by cubic and quadratic interpolation; `best` and `other` become the new interval."""
    opposite = tried.slope * copysign(1.0, best.slope) < 0
    away = tried.step - best.step
    if tried.value > best.value:  # the minimum lies between
        theta, gamma = _cubic(best, tried, tried.step < best.step)
        cubic = best.step + (gamma - best.slope + theta) / (2 * gamma - best.slope + tried.slope) * away
        secant = (best.value - tried.value) / away + best.slope
        quadratic = best.step + best.slope / secant / 2 * away
        near = abs(cubic - best.step) < abs(quadratic - best.step)
        step, bracketed = (cubic if near else cubic + (quadratic - cubic) / 2), True
    elif opposite:  # a minimum was stepped over
        theta, gamma = _cubic(best, tried, tried.step > best.step)
        cubic = tried.step + (gamma - tried.slope + theta) / (2 * gamma - tried.slope + best.slope) * -away
        quadratic = tried.step + tried.slope / (tried.slope - best.slope) * -away
        step = cubic if abs(cubic - tried.step) > abs(quadratic - tried.step) else quadratic
        bracketed = True
    elif abs(tried.slope) < abs(best.slope):  # it flattens
        theta, gamma = _cubic(best, tried, tried.step > best.step, real=False)
        ratio = (gamma - tried.slope + theta) / (gamma + (best.slope - tried.slope) + gamma)
        outermost = longest if away > 0 else shortest
        cubic = tried.step + ratio * -away if ratio < 0 and gamma != 0 else outermost
        quadratic = tried.step + tried.slope / (tried.slope - best.slope) * -away
        nearer = abs(cubic - tried.step) < abs(quadratic - tried.step)
        step = cubic if nearer == bracketed else quadratic
        if bracketed:
            bound = tried.step + _HALF * (other.step - tried.step)
            step = min(bound, step) if away > 0 else max(bound, step)
        else:
            step = min(max(step, shortest), longest)
    elif bracketed:
        theta, gamma = _cubic(other, tried, tried.step > other.step)
        ratio = (gamma - tried.slope + theta) / (2 * gamma - tried.slope + other.slope)
        step = tried.step + ratio * (other.step - tried.step)
    else:
        step = longest if away > 0 else shortest
    if tried.value > best.value:
        other.step, other.value, other.slope = tried.step, tried.value, tried.slope
    else:
        if opposite:
            other.step, other.value, other.slope = best.step, best.value, best.slope
        best.step, best.value, best.slope = tried.step, tried.value, tried.slope
    return step, bracketed


def _cubic(end: _End, tried: _End, negative: bool, real: bool = True) -> tuple[float, float]:
    """Coefficients of the cubic through both points with their slopes."""
    theta = 3 * (end.value - tried.value) / (tried.step - end.step) + end.slope + tried.slope
    scale = max(abs(theta), abs(end.slope), abs(tried.slope))
    inside = (theta / scale) ** 2 - end.slope / scale * (tried.slope / scale)
    gamma = scale * sqrt(inside if real and inside > 0 else max(0.0, inside))
    return theta, -gamma if negative else gamma
