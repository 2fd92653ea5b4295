"""The T-cell gate and the signs of doublets, from marker counts and receptors of single cells.

Invariant: a verdict depends on the cell's own row alone, never on its block or sample, and weighs
ratios of counts, so that the same cell sequenced deeper is not judged by another measure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.markers import CORE_T_GENES, GATE_GENES, PROGRAMMES, CellLineage
from tcellflow.vocabulary import COUNTS_PER_CELL, ChainPairing

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Added to what a programme expects, so that a programme of which a panel measures a single weak
# gene cannot win by one stray molecule. Verdicts hardly move between 2 and 40 (docs/gate.md).
_SPARE_EXPECTATION: Final = 20.0
# Least part of a typical T programme; below, T molecules are taken for ambient ones. 5 % of true
# T cells lie below 0.14 (bead-sorted, in part other cells) and 0.41 (PBMC 3k).
_MIN_T_PART: Final = 0.1
# A usable receptor chain is worth this part of a typical T programme.
_RECEPTOR_PART: Final = 0.25
# In a doublet the two programmes differ by less than this factor.
_DOUBLET_BALANCE: Final = 4.0
_DOUBLET_COUNTS: Final = 3
_DOUBLET_GENES: Final = 2
_CLEAR_CORECEPTOR: Final = 2

_LINEAGES: Final = tuple(PROGRAMMES)
_T: Final = _LINEAGES.index(CellLineage.T)
_WEIGHTS: Final = np.array(
    [[PROGRAMMES[lineage].get(gene, 0.0) for lineage in _LINEAGES] for gene in GATE_GENES]
)  # (M, lineages)
_MEMBERS: Final = tuple(np.flatnonzero(column) for column in _WEIGHTS.T)  # genes of each lineage
_IS_CORE: Final = np.array([gene in CORE_T_GENES for gene in GATE_GENES])
_PLACE: Final = {gene: place for place, gene in enumerate(GATE_GENES)}
_MYELOID: Final = (
    CellLineage.MONOCYTE,
    CellLineage.NONCLASSICAL,
    CellLineage.DENDRITIC,
    CellLineage.PLASMACYTOID,
)


class TCellEvidence(StrEnum):
    """What the gate saw."""

    GENES = "genes"
    RECEPTOR = "receptor"
    BOTH = "both"
    AGAINST = "against"
    NONE = "none"


class DoubletSign(StrEnum):
    """Signs of two cells under one barcode."""

    MULTICHAIN = "multichain"
    TWO_FULL_CHAINS = "two_full_chains"
    T_WITH_B = "t_with_b"
    T_WITH_MYELOID = "t_with_myeloid"
    CD4_WITH_CD8 = "cd4_with_cd8"
    RECEPTOR_WITH_B = "receptor_with_b"
    RECEPTOR_WITH_MYELOID = "receptor_with_myeloid"
    SEVERAL_DONORS = "several_donors"


@dataclass(frozen=True)
class GateResult:
    """Verdicts on a block of cells.

    Parameters
    ----------
    is_t_cell
        Shape (cells,), bool.
    t_cell_evidence
        `TCellEvidence`, shape (cells,).
    other_lineage
        `CellLineage` of the strongest other programme of cells that are no T cells on its account
        ("against"); "" elsewhere; shape (cells,).
    doublet_suspect
        Shape (cells,), bool.
    doublet_evidence
        `DoubletSign` joined by "+", "" without any; shape (cells,).
    """

    is_t_cell: NDArray[np.bool_]
    t_cell_evidence: NDArray[np.object_]
    other_lineage: NDArray[np.object_]
    doublet_suspect: NDArray[np.bool_]
    doublet_evidence: NDArray[np.object_]


@dataclass(frozen=True)
class _Programmes:
    """How much of each lineage's programme the cells of a block show.

    Parameters
    ----------
    shares
        Counts over expected counts per 10,000, shape (cells, lineages).
    counts, genes
        Counts and distinct genes of each programme, shape (cells, lineages).
    core_counts, core_genes
        The same of the core T genes, shape (cells,).
    expected_t
        T counts a typical T cell of this depth would show, shape (cells,).
    """

    shares: NDArray[np.float64]
    counts: NDArray[np.float64]
    genes: NDArray[np.int64]
    core_counts: NDArray[np.float64]
    core_genes: NDArray[np.int64]
    expected_t: NDArray[np.float64]


def gate_cells(
    markers: NDArray[np.float32],
    present: NDArray[np.bool_],
    total_counts: NDArray[np.number],
    has_receptor: NDArray[np.bool_],
    chain_pairing: NDArray[np.object_] | None = None,
) -> GateResult:
    """Decide by the T-cell gate which cells are T cells, and which may be two cells.

    Each lineage has a programme of markers with the counts a typical cell shows per 10,000. A cell's
    share of a programme is its counts in the measured markers over those expected. A T cell shows at
    least one core T gene, a tenth of what its depth lets expect, and more of the T programme than of
    any other. A usable receptor chain counts as a quarter of the T programme and stands in for its
    genes. Ratios make depth cancel out, and a few ambient molecules of abundant genes (LYZ, HBB, IGKC)
    are a tiny share of their programme.

    Parameters
    ----------
    markers
        Counts in `GATE_GENES`, shape (cells, M); see `tcellflow.cells.markers.find_markers`.
    present
        Which of them the matrix measures, shape (M,).
    total_counts
        Library size of each cell, shape (cells,).
    has_receptor
        Whether the cell has a usable T-cell receptor chain, shape (cells,).
    chain_pairing
        scirpy's pairing class, shape (cells,); None without receptor data.

    Returns
    -------
    GateResult
        Verdicts in input order; cells are flagged, never dropped.
    """
    shown = _measure_programmes(markers, present, total_counts)
    others = shown.shares.copy()
    others[:, _T] = -1.0
    best_other = others.argmax(axis=1)
    other_share = np.maximum(others.max(axis=1), 0.0)
    t_share = shown.shares[:, _T]
    has_genes = (shown.core_counts >= 1) & (shown.counts[:, _T] >= _MIN_T_PART * shown.expected_t)
    by_genes = has_genes & (t_share > other_share)
    receptor_share = _RECEPTOR_PART * total_counts / COUNTS_PER_CELL
    by_receptor = has_receptor & (t_share + receptor_share > other_share)
    is_t = by_genes | by_receptor
    evidence = np.select(
        [is_t & has_genes & has_receptor, is_t & has_receptor, is_t, other_share > t_share],
        [TCellEvidence.BOTH, TCellEvidence.RECEPTOR, TCellEvidence.GENES, TCellEvidence.AGAINST],
        TCellEvidence.NONE,
    ).astype(object)
    lineage_of = np.array([str(lineage) for lineage in _LINEAGES], dtype=object)
    other = np.where(evidence == TCellEvidence.AGAINST, lineage_of[best_other], "").astype(object)
    signs = _find_doublet_signs(shown, best_other, markers, has_receptor & ~is_t, chain_pairing)
    doublets = np.full(len(markers), "", dtype=object)
    for sign, is_seen in signs.items():
        doublets[is_seen] = [f"{seen}+{sign}" if seen else str(sign) for seen in doublets[is_seen]]
    return GateResult(is_t, evidence, other, doublets != "", doublets)


def add_sign(verdict: GateResult, sign: DoubletSign, is_seen: NDArray[np.bool_]) -> GateResult:
    """Flag cells (mask) that show the gate one more sign of a doublet."""
    evidence = verdict.doublet_evidence.copy()
    evidence[is_seen] = [f"{seen}+{sign}" if seen else str(sign) for seen in evidence[is_seen]]
    return replace(verdict, doublet_suspect=verdict.doublet_suspect | is_seen, doublet_evidence=evidence)


def _measure_programmes(
    markers: NDArray[np.float32], present: NDArray[np.bool_], total_counts: NDArray[np.number]
) -> _Programmes:
    # Double precision: sums of counts are exact, hence the same on every machine. One sum per
    # lineage, because a matrix product this small wakes all threads of the BLAS for nothing.
    by_gene = np.ascontiguousarray(markers.T, dtype=np.float64)  # (M, cells)
    is_seen = by_gene > 0
    expected = _WEIGHTS[present].sum(axis=0)  # (lineages,)
    per_programme = np.stack([by_gene[members].sum(axis=0) for members in _MEMBERS], axis=1)
    return _Programmes(
        shares=per_programme / (expected + _SPARE_EXPECTATION),
        counts=per_programme,
        genes=np.stack([is_seen[members].sum(axis=0) for members in _MEMBERS], axis=1),
        core_counts=by_gene[_IS_CORE].sum(axis=0),
        core_genes=is_seen[_IS_CORE].sum(axis=0),
        expected_t=expected[_T] * total_counts.astype(np.float64) / COUNTS_PER_CELL,
    )


def _find_doublet_signs(
    shown: _Programmes,
    best_other: NDArray[np.int64],
    markers: NDArray[np.float32],
    is_receptor_of_other: NDArray[np.bool_],
    chain_pairing: NDArray[np.object_] | None,
) -> dict[DoubletSign, NDArray[np.bool_]]:
    """Give the cells that show each sign, in the order the signs are written."""
    rows = np.arange(len(markers))
    t_share, other_share = shown.shares[:, _T], shown.shares[rows, best_other]
    is_mixed = (
        (t_share * _DOUBLET_BALANCE >= other_share)
        & (other_share * _DOUBLET_BALANCE >= t_share)
        & (shown.core_counts >= _DOUBLET_COUNTS)
        & (shown.core_genes >= _DOUBLET_GENES)
        & (shown.counts[rows, best_other] >= _DOUBLET_COUNTS)
        & (shown.genes[rows, best_other] >= _DOUBLET_GENES)
    )
    is_b = np.isin(best_other, [_LINEAGES.index(k) for k in (CellLineage.B, CellLineage.PLASMA)])
    is_myeloid = np.isin(best_other, [_LINEAGES.index(k) for k in _MYELOID])
    cd4, cd8a, cd8b = (markers[:, _PLACE[gene]] for gene in ("CD4", "CD8A", "CD8B"))
    # CD8A alone is also found on activated CD4 T cells; CD8B is not
    both = (cd4 >= _CLEAR_CORECEPTOR) & (cd8a + cd8b >= _CLEAR_CORECEPTOR) & (cd8b >= 1)
    pairing = np.full(len(markers), "", dtype=object) if chain_pairing is None else chain_pairing
    return {
        DoubletSign.MULTICHAIN: pairing == ChainPairing.MULTICHAIN,
        DoubletSign.TWO_FULL_CHAINS: pairing == ChainPairing.TWO_FULL_CHAINS,
        DoubletSign.T_WITH_B: is_mixed & is_b,
        DoubletSign.T_WITH_MYELOID: is_mixed & is_myeloid,
        DoubletSign.CD4_WITH_CD8: both,
        DoubletSign.RECEPTOR_WITH_B: is_receptor_of_other & is_b,
        DoubletSign.RECEPTOR_WITH_MYELOID: is_receptor_of_other & is_myeloid,
    }
