"""What an ONNX file is made of, read without the onnx package: operators, domains, outside data.

Invariant: nothing is executed or loaded. An ONNX file is a protocol-buffer message; only the few
fields that could make it reach outside itself are followed, and what another parser might read
differently (tags and sizes wider than it reads) is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcellflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Field numbers of onnx.proto; a message of one kind is walked by the fields listed here.
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 9: "opset", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_NODE_DOMAIN, _OPSET_DOMAIN = 7, 1
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 64  # nested graphs of a real model stay far below
# The limits of the parser inside ONNX Runtime: of a wider tag it takes the lower 32 bits, which would make
# one field here another one there.
_MAX_TAG_BYTES, _MAX_VALUE_BYTES = 5, 10
_MAX_TAG, _MAX_SIZE, _MAX_VALUE = (1 << 32) - 1, (1 << 31) - 1, (1 << 64) - 1


class _DamagedError(Exception):
    """The bytes are no protocol-buffer message."""


def check_onnx_is_plain(path: Path) -> None:
    """Refuse an ONNX file that needs anything but itself and the standard operators.

    Parameters
    ----------
    path
        The ``.onnx`` file.

    Raises
    ------
    BundleError
        If the file is damaged, keeps tensors in other files, or uses operators outside the
        standard ONNX domain (they would load foreign code).
    """
    if path.stat().st_size > _MAX_SIZE:
        raise _damaged(path)
    data = path.read_bytes()
    try:
        n_nodes = sum(_check_message(memoryview(data), "model", path, depth=0))
    except (_DamagedError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path) from error
    if n_nodes == 0:
        raise _damaged(path)


def _damaged(path: Path) -> BundleError:
    return BundleError("the file is not an ONNX model", where=path, mend="fetch the bundle again")


def _check_message(data: memoryview, kind: str, path: Path, *, depth: int) -> Iterator[int]:
    """Walk one message; yields 1 per operator node so that an empty file does not pass."""
    if depth > _MAX_DEPTH:
        raise _DamagedError
    if kind == "node":
        yield 1
    for number, value in _fields(data):
        _check_field(kind, number, value, path)
        child = _CHILDREN.get(kind, {}).get(number)
        if child is not None:
            if isinstance(value, int):
                raise _DamagedError
            yield from _check_message(value, child, path, depth=depth + 1)


def _check_field(kind: str, number: int, value: int | memoryview, path: Path) -> None:
    if kind == "tensor" and (number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0)):
        raise BundleError(
            "the ONNX model keeps weights outside its own file",
            where=path,
            mend="export the model as one file, without external data",
        )
    is_domain = (kind == "node" and number == _NODE_DOMAIN) or (kind == "opset" and number == _OPSET_DOMAIN)
    if is_domain and not isinstance(value, int):
        domain = bytes(value).decode()
        if domain not in _STANDARD_DOMAINS:
            raise BundleError(
                f"the ONNX model uses operators of '{domain}' instead of the standard ones",
                where=path,
                mend="export the model with the standard ONNX operators only",
            )


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give each (field number, value) of one message; numbers as int, the rest as bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position, _MAX_TAG, n_bytes=_MAX_TAG_BYTES)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise _DamagedError
        if wire == _VARINT:
            value, position = _varint(data, position, _MAX_VALUE)
            yield number, value
            continue
        if wire == _LENGTH:
            size, position = _varint(data, position, _MAX_SIZE)
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
        else:
            raise _DamagedError
        if position + size > len(data):
            raise _DamagedError
        yield number, data[position : position + size]
        position += size


def _varint(
    data: memoryview, position: int, highest: int, *, n_bytes: int = _MAX_VALUE_BYTES
) -> tuple[int, int]:
    result = 0
    for place, byte in enumerate(data[position : position + n_bytes]):
        result |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            if result > highest:
                raise _DamagedError
            return result, position + place + 1
    raise _DamagedError
