"""The nearest receptors: which chains of the sample resemble each other most, and how close they are.

Invariant: distances are those that embed-tcr wrote; a pair of chains is listed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tcellflow.report.figures import Histogram
from tcellflow.vocabulary import EmbeddingKind

if TYPE_CHECKING:
    import pandas as pd

    from tcellflow.report.inputs import ReportInputs

_SHOWN: Final = 20
_BINS: Final = 24
_KIND_WORDS: Final = {
    EmbeddingKind.TRA: "alpha chains",
    EmbeddingKind.TRB: "beta chains",
    EmbeddingKind.PAIR: "pairs",
}


@dataclass(frozen=True)
class NearChain:
    """One of two chains that resemble each other."""

    junction_aa: str
    v_call: str
    n_cells: int


@dataclass(frozen=True)
class NearPair:
    """Two beta chains that resemble each other.

    Parameters
    ----------
    one, other
        The chains.
    distance
        1 - cosine of their vectors.
    """

    one: NearChain
    other: NearChain
    distance: float


@dataclass(frozen=True)
class NeighbourSection:
    """Everything about nearest receptors.

    Parameters
    ----------
    distances
        Distance of each receptor's nearest neighbour, one histogram for each kind that occurs.
    nearest
        The closest beta chains; empty without a chains table.
    """

    distances: tuple[Histogram, ...]
    nearest: tuple[NearPair, ...]


def summarise_neighbours(inputs: ReportInputs) -> NeighbourSection | None:
    """Summarise similar receptors for the report; None where neighbours were not asked for."""
    if inputs.neighbours is None or not inputs.neighbours.num_rows:
        return None
    frame = inputs.neighbours.to_pandas()
    histograms = tuple(
        _measure(kind, frame.loc[frame["kind"] == kind, "distance"].to_numpy(float))
        for kind in EmbeddingKind
        if (frame["kind"] == kind).any()
    )
    nearest = () if inputs.chains is None else _name_nearest(frame, inputs.chains)
    return NeighbourSection(histograms, nearest)


def _measure(kind: EmbeddingKind, distances: np.ndarray) -> Histogram:
    high = max(float(distances.max()), 1e-3)
    counts, edges = np.histogram(np.maximum(distances, 0), bins=_BINS, range=(0, high))
    return Histogram(
        name=f"near-{kind}",
        title=f"Nearest neighbours of {_KIND_WORDS[kind]}",
        unit="1 - cosine; small = alike",
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        counted="receptors",
    )


def _name_nearest(frame: pd.DataFrame, chains: pa.Table) -> tuple[NearPair, ...]:
    beta = frame.loc[frame["kind"] == EmbeddingKind.TRB].sort_values(
        ["distance", "emb_id", "neighbour_id"], kind="stable"
    )
    keys = ("emb_id", "neighbour_id")
    chosen: list[tuple[str, str, float]] = []
    seen: set[frozenset[str]] = set()
    for one, other, distance in zip(*(beta[key] for key in keys), beta["distance"], strict=True):
        if (pair := frozenset((one, other))) not in seen:
            seen.add(pair)
            chosen.append((one, other, float(distance)))
        if len(chosen) == _SHOWN:
            break
    wanted = sorted({key for one, other, _ in chosen for key in (one, other)})
    named = chains.filter(pc.is_in(chains.column("emb_id"), value_set=pa.array(wanted, pa.string())))
    known = named.select(["emb_id", "cell_id", "junction_aa", "v_call"]).to_pandas()
    known["v_call"] = known["v_call"].fillna("V unknown")
    of_id = {
        str(key): NearChain(
            str(rows["junction_aa"].iloc[0]), str(rows["v_call"].iloc[0]), int(rows["cell_id"].nunique())
        )
        for key, rows in known.groupby("emb_id", observed=True)
    }
    return tuple(
        NearPair(of_id[one], of_id[other], distance)
        for one, other, distance in chosen
        if one in of_id and other in of_id
    )
