"""What a voice in onnxruntime may raise: onnxruntime's errors have no base of their own."""

from __future__ import annotations

import onnxruntime

_ONNX: tuple[type[Exception], ...] = tuple(
    error
    for error in vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
    if isinstance(error, type) and issubclass(error, Exception)
)
LOADING: tuple[type[Exception], ...] = (*_ONNX, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""Files that are no voice."""
RUNNING: tuple[type[Exception], ...] = (*_ONNX, ValueError, KeyError, IndexError, RuntimeError, TypeError)
"""A text that it cannot speak."""
