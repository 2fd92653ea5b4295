"""The CDR3 plots: how long the junctions are, and which V and J genes go together.

Invariant: each cell counts once by its strongest chain of each locus, as in the tables of gene usage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from tcellflow.report.figures import Histogram
from tcellflow.report.heat import HeatMap
from tcellflow.vocabulary import T_CELL_LOCI, Locus

if TYPE_CHECKING:
    import pyarrow as pa

_GREEK: Final = {Locus.TRA: "alpha", Locus.TRB: "beta", Locus.TRG: "gamma", Locus.TRD: "delta"}
_V_SHOWN: Final = 14
_J_SHOWN: Final = 13  # there are thirteen functional TRBJ genes
_SHORTEST, _LONGEST = 5, 30  # residues with anchors; what lies outside is counted at the ends


@dataclass(frozen=True)
class JunctionSection:
    """Everything the CDR3 plots show.

    Parameters
    ----------
    lengths
        Cells by length of the junction, one histogram for each locus that occurs.
    pairs
        V against J genes, one heat map for each of alpha and beta that occurs.
    """

    lengths: tuple[Histogram, ...]
    pairs: tuple[HeatMap, ...]


def summarise_junctions(chains: pa.Table | None) -> JunctionSection | None:
    """Summarise junctions and pairs of genes for the report; None where no chain is known.

    Parameters
    ----------
    chains
        Table of the contract `CHAINS`.
    """
    if chains is None:
        return None
    first = chains.filter(pc.equal(chains.column("rank"), 1))
    frame = first.select(["locus", "v_call", "j_call", "junction_aa"]).to_pandas()
    present = [locus for locus in T_CELL_LOCI if (frame["locus"] == locus).any()]
    lengths = tuple(_measure(frame, locus) for locus in present)
    pairs = (_pair(frame, locus) for locus in present if locus in {Locus.TRA, Locus.TRB})
    found = JunctionSection(
        tuple(histogram for histogram in lengths if histogram.total),
        tuple(heat for heat in pairs if heat is not None),
    )
    return found if found.lengths else None


def _measure(frame: pd.DataFrame, locus: Locus) -> Histogram:
    lengths = frame.loc[frame["locus"] == locus, "junction_aa"].dropna().str.len().to_numpy(int)
    inside = np.clip(lengths, _SHORTEST, _LONGEST)
    low, high = (int(inside.min()), int(inside.max())) if len(inside) else (_SHORTEST, _LONGEST)
    counts = np.bincount(inside - low, minlength=high - low + 1) if len(inside) else np.zeros(high - low + 1)
    return Histogram(
        name=f"length-{locus}",
        title=f"Length of the {_GREEK[locus]} CDR3",
        unit="residues, with both anchors",
        edges=tuple(low - 0.5 + i for i in range(high - low + 2)),
        counts=tuple(int(count) for count in counts),
    )


def _pair(frame: pd.DataFrame, locus: Locus) -> HeatMap | None:
    """Count V against J genes, the most used ones of each."""
    known = frame.loc[frame["locus"] == locus, ["v_call", "j_call"]].dropna()
    if known.empty:
        return None
    counts = pd.crosstab(known["v_call"], known["j_call"])
    v_genes = _most_used(counts.sum(axis=1), _V_SHOWN)
    j_genes = sorted(_most_used(counts.sum(axis=0), _J_SHOWN), key=_natural)
    table = counts.loc[v_genes, j_genes].to_numpy()
    highest = max(int(table.max()), 1)
    shares = 100 * table / len(known)
    return HeatMap(
        name=f"pairs-{locus}",
        title=f"V and J genes of {_GREEK[locus]} chains",
        description=f"Percent of {len(known):,} cells for the most used genes; at most {highest:,} cells",
        columns=tuple(str(gene) for gene in j_genes),
        rows=tuple(str(gene) for gene in v_genes),
        strengths=tuple(tuple(float(value) for value in row) for row in table / highest),
        texts=tuple(tuple(f"{v:.1f}" if v else "" for v in row) for row in shares),
        slanted=True,
    )


def _most_used(counts: pd.Series, shown: int) -> list[str]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [str(gene) for gene, _ in ordered[:shown]]


def _natural(gene: str) -> tuple[tuple[int, str], ...]:
    """Order TRBJ1-2 before TRBJ1-10."""
    parts = gene.replace("-", " ").replace("J", "J ").split()
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
