"""As much of ONNX's files as it takes to read a network's weights and to write another network with them.

Messages of protocol buffers: fields of a number and a wire type, 0 for varints, 2 for bytes (strings, messages, packed
numbers), 5 for floats (protobuf.dev, "Encoding"; field numbers: ``onnx.proto`` of ONNX, IR version 9).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[Any]
ProtobufMessage = dict[int, list[Any]]
"""Fields by number, in the order of the file: int, float or memoryview."""
IR_VERSION, OPSET, MICROSOFT = 9, 18, "com.microsoft"
DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
"""``TensorProto.DataType`` → numpy."""
_CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7
"""``AttributeProto.AttributeType``."""


def read(data: memoryview) -> ProtobufMessage:
    """One message. Raises ValueError: it is cut short, or no such message."""
    found: ProtobufMessage = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        value: Any
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at > len(data):
            raise ValueError("cut short")
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("cut short")


def text(value: memoryview) -> str:
    """Of a string field."""
    return bytes(value).decode("utf-8")


def tensor(message: ProtobufMessage) -> Tensor | None:
    """Of a ``TensorProto``; None of types that are not in `DTYPES`, and of numbers that are not held as raw bytes."""
    dtype = DTYPES.get(message.get(2, [0])[0])
    if dtype is None or 9 not in message:
        return None
    shape: list[int] = []
    for field in message.get(1, []):
        if isinstance(field, int):
            shape.append(field)
            continue
        at = 0
        while at < len(field):  # packed
            size, at = _varint(field, at)
            shape.append(size)
    return np.frombuffer(message[9][0], dtype).reshape(shape)


class OnnxGraph:
    """A graph in the making: nodes are added in the order in which they run; tensors are known by name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._held: list[bytes | memoryview] = []
        """Pieces of the tensors' messages: their numbers stay where they are until the file is put together."""
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._made = 0

    def input(self, name: str, dtype: type, shape: Sequence[int | str]) -> str:
        """What a run is given; sizes that differ from run to run have names."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, dtype: type, shape: Sequence[int | str]) -> None:
        """A tensor that a run gives back."""
        self._outputs.append(_value(name, dtype, shape))

    def hold(self, array: Tensor, name: str = "") -> str:
        """A tensor that does not change."""
        name = name or self._next("held")
        dims = b"".join(_number(1, size) for size in array.shape)
        numbers = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        head = dims + _number(2, _CODES[array.dtype]) + _string(8, name) + _begin(9, len(numbers))
        self._held += [_begin(5, len(head) + len(numbers)), head, numbers]
        return name

    def node(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str] | int = 1, *, domain: str = "", **attributes: Any
    ) -> list[str]:
        """An operator with attributes of type int, float, str or list of int.

        Returns:
            Its outputs' names, made up where only their number is given.
        """
        names = [self._next(kind) for _ in range(outputs)] if isinstance(outputs, int) else list(outputs)
        parts = [*(_string(1, name) for name in inputs), *(_string(2, name) for name in names), _string(4, kind)]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(b"".join([*parts, _string(7, domain)]))
        return names

    def one(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """An operator with one output."""
        return self.node(kind, inputs, domain=domain, **attributes)[0]

    def model(self) -> bytes:
        """The file (``ModelProto``)."""
        graph = [
            *(_bytes(1, node) for node in self._nodes),
            _string(2, self._name),
            *self._held,
            *(_bytes(11, value) for value in self._inputs),
            *(_bytes(12, value) for value in self._outputs),
        ]
        opsets = [_bytes(8, _string(1, domain) + _number(2, version)) for domain, version in _OPSETS.items()]
        return b"".join([_number(1, IR_VERSION), _begin(7, sum(map(len, graph))), *graph, *opsets])

    def _next(self, kind: str) -> str:
        self._made += 1
        return f"{kind}.{self._made}"


_OPSETS: Mapping[str, int] = {"": OPSET, MICROSOFT: 1}


def _value(name: str, dtype: type, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, size) if isinstance(size, int) else _string(2, size)) for size in shape)
    kind = _number(1, _CODES[np.dtype(dtype)]) + _bytes(2, dims)
    return _string(1, name) + _bytes(2, _bytes(1, kind))


def _attribute(name: str, value: float | str | Sequence[int]) -> bytes:
    if isinstance(value, str):
        content, kind = _string(4, value), _STRING
    elif isinstance(value, int):
        content, kind = _number(3, value), _INT
    elif isinstance(value, float):
        content, kind = bytes([2 << 3 | 5]) + struct.pack("<f", value), _FLOAT
    else:
        content, kind = b"".join(_number(8, one) for one in value), _INTS
    return _string(1, name) + content + _number(20, kind)


def _number(field: int, value: int) -> bytes:
    return _packed(field << 3) + _packed(value & (1 << 64) - 1)


def _bytes(field: int, value: bytes) -> bytes:
    return _begin(field, len(value)) + value


def _begin(field: int, size: int) -> bytes:
    """What comes before `size` bytes."""
    return _packed(field << 3 | 2) + _packed(size)


def _string(field: int, value: str) -> bytes:
    return _bytes(field, value.encode("utf-8"))


def _packed(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
