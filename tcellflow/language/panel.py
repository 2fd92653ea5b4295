"""The curated immune panel: cell types with markers, and the profiles that cells are compared with.

Invariant: a type has a profile over all genes of the table: its own where it was measured, else that of
the nearest measured type above or beside it with its markers raised and its negative markers lowered.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from tcellflow.language.ontology import read_ontology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

PROFILES: Final = "type_profiles.parquet"
_LEAST: Final = np.log(2e-6)  # share of a gene that leaks into cells which do not express it
_RAISED: Final = np.log(2e-4)  # share of a marker that no measured type expresses
_LOWERED_BY: Final = 2.0  # nats below the mean of all types
# Where nothing above a type was measured: the measured type that is nearest.
_BESIDE: Final = {
    "CL:0000236": ("CL:0000945", "CL:0000786", "CL:0000980", "CL:0000826", "CL:0000817"),
    "CL:0000860": ("CL:0000576", "CL:0000235", "CL:0000775", "CL:0000094", "CL:0002193", "CL:0000836"),
    "CL:0002399": ("CL:0000451",),
    "CL:0000939": ("CL:0000623", "CL:0001065", "CL:0000938"),
    "CL:0000037": ("CL:0008001", "CL:0000097", "CL:0000767", "CL:0000771", "CL:0000988"),
    "CL:0000765": ("CL:0000232",),
    "CL:0000233": ("CL:0000556",),
    "CL:0000913": ("CL:0000625",),
    "CL:0000897": ("CL:0000624", "CL:0000084"),
}
# Invariant T cells look more like gamma-delta cells than like those that the ontology puts near them.
_LIKE: Final = {"CL:0000940": "CL:0000798", "CL:0000921": "CL:0000798"}


@dataclass(frozen=True)
class CellType:
    """One type of the immune panel.

    Parameters
    ----------
    cl_id, label
        Cell Ontology id, and the name in common use.
    weight
        How common it is beside the others, > 0.
    positive, negative
        Markers, and genes that speak against it.
    function
        What these cells do, one sentence.
    sources
        DOIs.
    """

    cl_id: str
    label: str
    weight: float
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    function: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Profiles:
    """Log shares of G genes among the molecules of measured types.

    Parameters
    ----------
    types
        Cell Ontology ids, T of them.
    genes
        Symbols, shape (G,).
    scored
        Which genes tell types apart, shape (G,).
    logs
        Shape (T, G), float64, natural logarithm; never NaN.
    """

    types: tuple[str, ...]
    genes: NDArray[np.object_]
    scored: NDArray[np.bool_]
    logs: NDArray[np.float64]


@lru_cache(maxsize=1)
def read_panel() -> tuple[CellType, ...]:
    """Read the packaged immune panel."""
    folder = files("tcellflow") / "data"
    with (folder / "immune_panel_sources.tsv").open(encoding="utf-8") as text:
        dois = {row["key"]: row["doi"] for row in csv.DictReader(text, delimiter="\t")}
    with (folder / "immune_panel.tsv").open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    return tuple(
        CellType(
            row["cl_id"],
            row["label"],
            float(row["weight"]),
            tuple(row["positive"].split(",")),
            tuple(row["negative"].split(",")),
            row["function"],
            tuple(dois[key] for key in row["sources"].split(",")),
        )
        for row in rows
    )


def read_profiles(place: object = None) -> Profiles:
    """Read the packaged profiles of measured types, or those of another file."""
    path = files("tcellflow") / "data" / PROFILES if place is None else place
    table = pq.read_table(str(path)).to_pandas()
    types = tuple(name for name in table.columns if name.startswith("CL:"))
    logs = table[list(types)].to_numpy(np.float64).T
    known = np.isfinite(logs)
    mean = np.where(known, logs, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    mean = np.where(known.any(axis=0), mean, _LEAST)
    filled = np.maximum(np.where(known, logs, mean), _LEAST)
    genes, scored = table["gene"].to_numpy(dtype=object), table["scored"].to_numpy(dtype=bool)
    return Profiles(types, genes, scored, filled)


def profile_type(
    profiles: Profiles, cl_id: str, positive: Iterable[str], negative: Iterable[str]
) -> NDArray[np.float64]:
    """Give the log shares of one type, shape (G,): as measured, or made from the nearest and its markers."""
    if cl_id in profiles.types:
        return np.asarray(profiles.logs[profiles.types.index(cl_id)])
    base = find_base(profiles, cl_id)
    logs = profiles.logs.mean(axis=0) if base is None else profiles.logs[profiles.types.index(base)].copy()
    place = {gene: i for i, gene in enumerate(profiles.genes)}
    most, mean = profiles.logs.max(axis=0), profiles.logs.mean(axis=0)
    for gene in positive:
        if gene in place:
            at = place[gene]
            logs[at] = max(logs[at], most[at] if most[at] > np.log(5e-5) else _RAISED)
    for gene in negative:
        if gene in place:
            at = place[gene]
            logs[at] = max(min(logs[at], mean[at] - _LOWERED_BY), _LEAST)
    return np.asarray(logs)


def find_base(profiles: Profiles, cl_id: str) -> str | None:
    """Find the measured type nearest to one that was not measured; None where none is near."""
    if _LIKE.get(cl_id) in profiles.types:
        return _LIKE[cl_id]
    ontology = read_ontology()
    above = ontology.above(cl_id) if cl_id in ontology.terms else frozenset()
    measured = [name for name in profiles.types if name in above]
    if measured:
        return max(measured, key=lambda name: (len(ontology.above(name)), name))
    depth = {base: max((len(ontology.above(t)) for t in terms if t in above), default=0)
             for base, terms in _BESIDE.items() if base in profiles.types}  # fmt: skip
    best = max(depth, key=lambda base: depth[base], default=None)
    return best if best is not None and depth[best] else None
