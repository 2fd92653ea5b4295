"""Small damage and malice, made from whole files: bytes, fields of text, values of JSON, parts of HDF5.

Invariant: all that is random comes from the generator given, so that a case is made again from its number.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    import random
    from pathlib import Path

_BYTES = (b"\0", b"\xff" * 8, b"\r", b"\n", b"\r\n", b'"', b",", b"\t", b"\xef\xbb\xbf", b"\xff\xfe", b"\x80")
_FIELDS = (
    "",
    "-1",
    "0",
    "1.5",
    "1e309",
    "-0",
    "nan",
    "inf",
    "NA",
    "9" * 25,
    "9" * 5000,
    "2147483648",
    "9223372036854775808",
    "0x10",
    '"',
    '""',
    "'",
    "\r",
    "\0",
    "\x1b[31m",
    "=cmd|' /C calc'!A0",
    "A" * 3000,
    "(" * 500,
    " " * 500,
    "\u2028",
    "\ufeff",
    "\u00e9\u0301",
    "\U0001f9ec",
    "../../x",
    "TRBV1" * 30,
    "TRBV1-2-3-4-5-6-7-8-9-10-11",
    "TRBV6-2,TRBV6-3",
    "True",
    "false",
    "None",
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    1 << 70,
    -(1 << 70),
    "",
    "x",
    "A" * 2000,
    "\ud800",
    "\0",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": []}},
)


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat, insert or move some bytes; one to four times."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(data) + 1)
        other = rng.randrange(len(data) + 1)
        low, high = sorted((place, min(place + rng.randrange(1, 64), len(data))))
        kind = rng.randrange(8)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[place % len(data)] = rng.randrange(256)
        elif kind == 2:
            del data[low:high]
        elif kind == 3:
            data[place:place] = data[low:high] * rng.randrange(1, 20)
        elif kind == 4:
            data[place:place] = rng.choice(_BYTES)
        elif kind == 5:
            data[low:high] = rng.choice(_BYTES)
        elif kind == 6:
            data[place:place] = data[other : other + rng.randrange(256)]
        elif rng.randrange(4) == 0:
            del data[place:]
    return bytes(data)


def mutate_text(content: bytes, rng: random.Random) -> bytes:
    """Replace fields of a text table or list, leave them out, repeat them; sometimes change the whole."""
    kind = rng.randrange(20)
    if kind < 6:
        return mutate_bytes(content, rng)
    if kind == 6:
        return content.decode().encode("utf-16")
    if kind == 7:
        return content.replace(b"\n", b"\r")
    if kind == 8:
        return mutate_bytes(gzip.compress(content, 1, mtime=0), rng)
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 5))):
        number = rng.randrange(len(lines))
        line = lines[number]
        sign = max((b",", b"\t", b" "), key=line.count)
        fields = line.split(sign)
        place = rng.randrange(len(fields))
        what = rng.randrange(6)
        if what < 3:
            fields[place] = rng.choice(_FIELDS).encode()
        elif what == 3:
            del fields[place]
        elif what == 4:
            fields.insert(place, fields[rng.randrange(len(fields))])
        else:
            lines.insert(rng.randrange(len(lines) + 1), line)
        lines[number] = sign.join(fields)
    return b"\n".join(lines)


def mutate_json(document: Any, rng: random.Random) -> bytes:
    """Replace values of a document, leave them out, put them under other names; or damage its text."""
    if rng.randrange(5) == 0:
        return mutate_bytes(json.dumps(document).encode(), rng)
    if rng.randrange(200) == 0:
        return b"[" * 100_000
    changed = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        parent, key = _pick_value(changed, rng)
        if parent is None:
            return json.dumps(rng.choice(_VALUES)).encode()
        what = rng.randrange(8)
        if what < 5:
            parent[key] = copy.deepcopy(rng.choice(_VALUES))
        elif what == 5:
            del parent[key]
        elif what == 6 and isinstance(parent, dict):
            parent[rng.choice(_FIELDS)] = parent.pop(key)
        else:
            other, place = _pick_value(document, rng)
            parent[key] = copy.deepcopy(other[place]) if other is not None else None
    text = json.dumps(changed)
    if rng.randrange(50) == 0:
        text = text.replace("1", "1" * 5000, 1)
    return text.encode()


def _pick_value(document: Any, rng: random.Random) -> tuple[Any, Any]:
    """Pick a place anywhere in a document, deep ones as likely as high ones."""
    parent, key, item = None, None, document
    while isinstance(item, dict | list) and item and (parent is None or rng.randrange(4)):
        parent = item
        key = rng.choice(list(item)) if isinstance(item, dict) else rng.randrange(len(item))
        item = parent[key]
    return parent, key


def mutate_hdf5(path: Path, rng: random.Random) -> None:
    """Change an HDF5 file in place: damage bytes of it, or replace parts by others."""
    if rng.randrange(2):
        path.write_bytes(mutate_bytes(path.read_bytes(), rng))
        return
    with h5py.File(path, "r+", locking=False) as file:
        for _ in range(rng.choice((1, 1, 2))):
            names: list[str] = []
            file.visit(names.append)
            if not names:
                return
            with contextlib.suppress(Exception):  # not every value goes everywhere
                _change_part(file, rng.choice(names), rng)


def _change_part(file: h5py.File, name: str, rng: random.Random) -> None:
    item = file[name]
    kind = rng.randrange(6)
    if kind == 0:
        del file[name]
    elif kind == 1 and len(item.attrs):
        item.attrs[rng.choice(list(item.attrs))] = _odd_value(rng)
    elif kind == 2 and isinstance(item, h5py.Dataset) and item.ndim and item.size:
        value = _odd_value(rng)
        # h5py itself ends the process where numbers are written into texts
        is_text = h5py.check_string_dtype(item.dtype) is not None
        item[rng.randrange(item.shape[0])] = str(value) if is_text else value
    elif kind == 3 and isinstance(item, h5py.Dataset) and item.ndim == 1:
        values, dtype = item[:], item.dtype
        del file[name]
        cut = values[: rng.randrange(len(values) + 1)] if rng.randrange(2) else np.repeat(values, 2)
        file.create_dataset(name, data=cut, dtype=dtype)
    elif kind == 4:
        del file[name]
        file[name] = h5py.SoftLink(rng.choice(("/", "/X", "/none", f"/{name}", "/obs", "/matrix")))
    else:
        del file[name]
        value = _odd_value(rng)
        if value is None:
            file.create_group(name)
        else:
            file[name] = value


def _odd_value(rng: random.Random) -> Any:
    return (
        rng.choice(
            (
                None,
                0,
                -1,
                1.5,
                float("nan"),
                "text",
                "\ufeff",
                b"\xff\xfe",
                True,
                [],
                [1, 2],
                [-1, 1 << 40],
                [1.5, float("inf")],
                np.array(["a", "b"], dtype=h5py.string_dtype()),
                np.zeros((2, 2), dtype=np.int32),
                np.zeros((2, 3, 4), dtype=np.float64),
                np.array([1 << 63], dtype=np.uint64),
                np.array([1 + 2j]),
                np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
                np.array([1, 2], dtype=np.float16),
                np.array([1, 2], dtype=np.longdouble),
                np.void(b"opaque"),
                h5py.Empty("f4"),
                h5py.Empty("S4"),
            )
        )
        if rng.randrange(12)
        else np.zeros(1000, dtype=f"S{rng.randrange(1, 40)}")
    )
