"""The screening of a sample: block after block, which cells stay and what is known of each.

Invariant: cells are judged one by one, so that the size of the blocks changes nothing; every cell
is kept or counted under its first reason of removal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from tcellflow.cells.gate import DoubletSign, TCellEvidence, add_sign, gate_cells
from tcellflow.cells.markers import find_markers
from tcellflow.cells.quality import CellMetrics, QcTally, RemovalReason, find_removals, measure_cells
from tcellflow.vocabulary import ChainPairing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.cells.quality import QcThresholds
    from tcellflow.provenance import JsonValue

_BINS: Final = 40
_T_EVIDENCE: Final = (TCellEvidence.GENES, TCellEvidence.RECEPTOR, TCellEvidence.BOTH)


@dataclass(frozen=True)
class Screening:
    """What is asked of the cells.

    Parameters
    ----------
    thresholds
        Quality control.
    t_cells_only
        Whether cells that the gate does not call T cells go.
    orphans
        Clone of cells with a single chain.
    dual_chains
        Whether cells are of one clone by their first chains, or by any pair that they share.
    library_size_column
        obs column with each cell's true counts; None = the sum of its counts.
    """

    thresholds: QcThresholds
    t_cells_only: bool = False
    orphans: Literal["strict", "rescue"] = "strict"
    dual_chains: Literal["primary", "any"] = "primary"
    library_size_column: str | None = None


@dataclass(frozen=True)
class Distribution:
    """A histogram over all cells of the input, removed ones included.

    Parameters
    ----------
    edges
        Borders of the bins, (bins + 1,), rising.
    counts
        Cells per bin, (bins,).
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    def as_dict(self) -> dict[str, JsonValue]:
        """Give the histogram as JSON-ready data, ``edges`` and ``counts``."""
        return {"edges": [round(float(x), 4) for x in self.edges], "counts": self.counts.tolist()}


def describe_distribution(values: NDArray[np.number], *, is_percent: bool = False) -> Distribution | None:
    """Bin one measurement of all screened cells.

    Parameters
    ----------
    values
        One number per cell; NaN is left out.
    is_percent
        Whether the range is 0 to 100 in equal bins; else bins grow with the value, for counts
        spread over orders of magnitude.

    Returns
    -------
    Distribution or None
        None without any value.
    """
    known = values[np.isfinite(values)]
    if known.size == 0:
        return None
    if is_percent:
        edges = np.linspace(0, 100, _BINS + 1)
    else:
        low, high = float(known.min()), max(float(known.max()), float(known.min()) + 1.0)
        edges = np.unique(np.round(np.expm1(np.linspace(np.log1p(low), np.log1p(high), _BINS + 1))))
    counts, _ = np.histogram(known, bins=edges)
    return Distribution(edges, counts.astype(np.int64))


@dataclass(frozen=True)
class ScreenedBlock:
    """One block of cells after screening.

    Parameters
    ----------
    is_kept
        Whether each cell stays, shape (cells,).
    obs
        Measurements and verdicts of the cells that stay, one row each.
    """

    is_kept: NDArray[np.bool_]
    obs: pd.DataFrame


class Screen:
    """Judges the cells of one sample block by block and keeps the account.

    Parameters
    ----------
    symbols
        Harmonised genes of the matrix, in column order.
    thresholds
        What quality control asks of a cell.
    t_cells_only
        Whether cells that the gate does not call T cells are removed.
    """

    def __init__(
        self, symbols: NDArray[np.object_], thresholds: QcThresholds, *, t_cells_only: bool = False
    ) -> None:
        self._markers = find_markers(symbols)
        self._t_cells_only = t_cells_only
        self._metrics: list[CellMetrics] = []
        self._signs: Counter[str] = Counter()
        self._evidence: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._n_doublets = 0
        self.tally = QcTally(thresholds)

    def judge(
        self,
        counts: sparse.csr_matrix,
        receptors: pd.DataFrame | None,
        totals: NDArray[np.float64] | None = None,
        doublets: NDArray[np.bool_] | None = None,
    ) -> ScreenedBlock:
        """Judge one block of cells.

        Parameters
        ----------
        counts
            Counts, shape (cells, genes).
        receptors
            Classes of the same cells by their chains, from `summarise_cells`; None without receptors.
        totals
            Library size of each cell where the genes are a selection, shape (cells,); NaN = unknown.
        doublets
            Which cells were found to be of several donors, shape (cells,); None = nobody looked.

        Returns
        -------
        ScreenedBlock
            Who stays, and what is known of them.
        """
        markers = self._markers.gather(counts)
        metrics = measure_cells(counts, markers.mt)
        verdict = gate_cells(
            markers.gate,
            self._markers.present,
            metrics.total_counts if totals is None else np.nan_to_num(totals),
            np.zeros(counts.shape[0], dtype=bool) if receptors is None else _has_t_receptor(receptors),
            None if receptors is None else receptors["chain_pairing"].to_numpy(dtype=object),
        )
        if doublets is not None:
            verdict = add_sign(verdict, DoubletSign.SEVERAL_DONORS, doublets)
        reasons = find_removals(metrics, self.tally.thresholds)
        if totals is not None:
            reasons[np.isnan(totals)] = RemovalReason.NO_LIBRARY_SIZE
        if self._t_cells_only:
            reasons[(reasons == "") & ~verdict.is_t_cell] = RemovalReason.NOT_T_CELL
        self._metrics.append(metrics)
        self.tally = self.tally.plus(reasons)
        is_kept = reasons == ""
        obs = pd.DataFrame({**vars(metrics), **vars(verdict)})[is_kept].reset_index(drop=True)
        self._evidence.update(obs["t_cell_evidence"])
        self._others.update(obs["other_lineage"])
        self._n_doublets += int(obs["doublet_suspect"].sum())
        self._signs.update(sign for signs in obs["doublet_evidence"] for sign in signs.split("+") if sign)
        return ScreenedBlock(is_kept, obs)

    @property
    def n_t_cells(self) -> int:
        """Cells that stay and are called T cells."""
        return sum(self._evidence[kind] for kind in _T_EVIDENCE)

    def gate_account(self) -> dict[str, JsonValue]:
        """Count the verdicts on the cells that stay.

        Returns
        -------
        dict
            Keys ``t_cells``, ``evidence``, ``other_lineages``, ``doublet_suspects``, ``doublet_signs``
            (a cell may show several) and ``markers_measured``.
        """
        return {
            "t_cells": self.n_t_cells,
            "evidence": {str(kind): self._evidence[kind] for kind in TCellEvidence},
            "other_lineages": {name: self._others[name] for name in sorted(self._others) if name},
            "doublet_suspects": self._n_doublets,
            "doublet_signs": {str(sign): self._signs[sign] for sign in DoubletSign},
            "markers_measured": int(self._markers.present.sum()),
        }

    def distributions(self) -> dict[str, JsonValue]:
        """Describe the measurements of all cells of the input, of those that have values."""
        found: dict[str, JsonValue] = {}
        for name in ("total_counts", "n_genes_by_counts", "pct_counts_mt"):
            parts = [getattr(metrics, name) for metrics in self._metrics]
            values = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
            histogram = describe_distribution(values, is_percent=name.startswith("pct"))
            if histogram is not None:
                found[name] = histogram.as_dict()
        return found


def _has_t_receptor(receptors: pd.DataFrame) -> NDArray[np.bool_]:
    # chains of B-cell receptors are dropped before: what is left are T-cell receptors of any locus
    return (receptors["chain_pairing"] != ChainPairing.NO_IR).to_numpy(dtype=bool)
