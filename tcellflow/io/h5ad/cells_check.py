"""What a cells file holds, compared with its contract: presence, types and sizes.

Invariant: all faults are found in one pass and none of the matrix values is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import h5py

from tcellflow.contracts.cells import ANNDATA_CONTRACTS, AnnDataContract, Entry, find_cells_faults
from tcellflow.contracts.faults import Fault
from tcellflow.io.files.hdf5 import read_shape_attribute, read_text_attribute
from tcellflow.vocabulary import LAYER_COUNTS, UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRAMES: Final = ("obs", "var")
_MAPPINGS: Final = ("layers", "obsm", "uns")
_MEND: Final = "re-run the step that wrote the file"
# Types are compared by kind, for other tools widen them when they save the file again.
_KINDS: Final = {
    "int32": "integer",
    "int64": "integer",
    "float32": "number",
    "bool": "bool",
    "string": "string",
}
_INDEX: Final = "_index"


def list_places(file: h5py.File) -> set[str]:
    """List the places in a cells file that a contract may name and check, e.g. ``X``, ``obs/sample_id``."""
    places = {"X"} if "X" in file else set()
    for slot in (*_FRAMES, *_MAPPINGS):
        if isinstance(file.get(slot), h5py.Group):
            places |= {f"{slot}/{name}" for name in file[slot]}
    own = file.get(f"uns/{UNS_KEY}")
    if isinstance(own, h5py.Group):
        places |= {f"uns/{UNS_KEY}/{name}" for name in own}
    return places


def read_stamp(file: h5py.File) -> str:
    """Read the contract's stamp of a cells file to be checked, ``name/version``; empty without one."""
    item = file.get(f"uns/{UNS_KEY}/contract")
    if not isinstance(item, h5py.Dataset) or item.shape != ():
        return ""
    value = item[()]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def find_file_faults(file: h5py.File, contract: AnnDataContract) -> list[Fault]:
    """Check an open cells file against its contract; no faults when it is valid."""
    stamp = read_stamp(file)
    faults = find_cells_faults(stamp, list_places(file), contract)
    if faults:
        return faults
    name, _, version = stamp.partition("/")
    known = {own.name: own.version for own in ANNDATA_CONTRACTS}[name]
    if not version.isdecimal() or int(version) > known:
        return [
            Fault(
                f"the file carries the contract {stamp!r}, this version reads up to {known}",
                f"uns/{UNS_KEY}",
                "update tcellflow",
            )
        ]
    for entry in contract.entries:
        if entry.slot in _FRAMES and entry.place in file:
            faults += _find_type_fault(file[entry.place], entry)
    return faults + list(_find_size_faults(file))


def _find_type_fault(item: Any, entry: Entry) -> list[Fault]:
    wanted = _KINDS.get(entry.dtype, "")
    found = _kind_of(item)
    if not wanted or found == wanted or (wanted == "number" and found == "integer"):
        return []
    return [Fault(f"has the type {found} instead of {entry.dtype}", entry.place, _MEND)]


def _kind_of(item: Any) -> str:
    encoding = read_text_attribute(item, "encoding-type")
    by_encoding = {
        "categorical": "string",
        "nullable-integer": "integer",
        "nullable-boolean": "bool",
        "nullable-string-array": "string",
    }
    if encoding in by_encoding:
        return by_encoding[encoding]
    if not isinstance(item, h5py.Dataset):
        return encoding or "a group"
    if h5py.check_string_dtype(item.dtype) is not None:
        return "string"
    return {"b": "bool", "i": "integer", "u": "integer", "f": "number"}.get(item.dtype.kind, str(item.dtype))


def _find_size_faults(file: h5py.File) -> Iterator[Fault]:
    sizes = {}
    for slot in _FRAMES:
        index = file[slot].get(read_text_attribute(file[slot], _INDEX, _INDEX) or _INDEX)
        if not isinstance(index, h5py.Dataset) or index.ndim != 1:
            yield Fault("has no row names", slot, _MEND)
            return
        sizes[slot] = index.shape[0]
    wanted = (sizes["obs"], sizes["var"])
    for place in ("X", f"layers/{LAYER_COUNTS}"):
        if place not in file:
            continue
        matrix = file[place]
        if not isinstance(matrix, h5py.Group) or read_text_attribute(matrix, "encoding-type") != "csr_matrix":
            yield Fault("is not stored row by row (CSR)", place, _MEND)
        elif (shape := read_shape_attribute(matrix)) != wanted:
            yield Fault(f"has the shape {shape}, but obs and var have {wanted}", place, _MEND)
