"""CITE-seq sets as what the step fuse reads, and what is fitted on a set itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tcellflow.cells.normalise import log_normalise
from tcellflow.inference.fusion.measured_proteins import Proteins
from tcellflow.inference.fusion.sample import FuseChoices, FusedSample, fuse_sample
from tcellflow.inference.fusion.standardise import clr_by_protein, measure_centres
from tcellflow.proteins.panel import name_antibodies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcellflow.inference.fusion.fuser import Fuser
    from tcellflow.training.fusion.sets import FusionSet

PLAIN = FuseChoices()
_BLOCK = 1_000
_COMPONENTS = 20
_VARIABLE_GENES = 4_000


class SetCells:
    """The cells of a set, as `fuse_sample` reads them."""

    has_counts = True

    def __init__(self, one: FusionSet) -> None:
        self.logs = log_expression(one)
        self.n_obs, self.gene_names, self.where = len(one), one.symbols, one.entry.name

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Stream log-expression."""
        for start in range(0, self.n_obs, _BLOCK):
            yield self.logs[start : start + _BLOCK]


def fuse_set(fuser: Fuser, one: FusionSet, view: str, choices: FuseChoices = PLAIN) -> FusedSample:
    """Fuse a set as the step does; the view is ``rna+adt``, ``rna`` or ``adt``."""
    varies = one.proteins[one.has_adt].std(axis=0) > 0
    targets = one.targets[varies]
    proteins = Proteins(
        name_antibodies([str(name) for name in targets], where=one.entry.name),
        targets,
        one.proteins[:, varies],
        (),
        np.zeros((len(one), 0), np.float32),
        one.has_adt,
    )
    has = np.full(len(one), "rna" in view), one.has_adt & ("adt" in view)
    return fuse_sample(
        fuser,
        SetCells(one),
        proteins if "adt" in view else None,
        has,
        progress=lambda _done, _total: None,
        choices=choices,
    )


def log_expression(one: FusionSet) -> sparse.csr_matrix:
    """Give log1p(counts per 10,000), CSR (B, G)."""
    counts = one.counts.astype(np.int32)
    return sparse.csr_matrix(
        (log_normalise(counts, one.library), counts.indices, counts.indptr), shape=counts.shape
    )


def draw_labelled(n_cells: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the 27 % of the cells whose labels are learnt, and the 3 % that validate."""
    order = np.random.default_rng(seed).permutation(n_cells)
    first, second = int(0.27 * n_cells), int(0.30 * n_cells)
    return order[:first], order[first:second]


def fit_own(one: FusionSet) -> dict[str, np.ndarray]:
    """Give components and log-ratios that are fitted on the set itself."""
    chosen = log_expression(one).astype(np.float64)[:, choose_variable(one.counts, _VARIABLE_GENES)]
    values = np.asarray(chosen.todense())
    values = np.clip((values - values.mean(0)) / np.maximum(values.std(0), 1e-6), -10, 10)
    power, axes = np.linalg.eigh(values.T @ values)
    components = values @ axes[:, np.argsort(-power)[:_COMPONENTS]]
    components /= components.std(0)
    ratios = clr_by_protein(one.proteins, measure_centres(one.proteins))
    ratios = (ratios - ratios.mean(0)) / np.maximum(ratios.std(0), 1e-6)
    return {"PCA and CLR": np.hstack([components, ratios]), "PCA": components, "CLR": ratios}


def choose_variable(counts: sparse.csr_matrix, n_genes: int) -> np.ndarray:
    """Choose the genes that vary most for their mean."""
    wide = counts.astype(np.float64)
    mean = np.asarray(wide.mean(0)).ravel()
    variance = np.asarray(wide.multiply(wide).mean(0)).ravel() - mean**2
    usable = np.flatnonzero((mean > 0) & (variance > 0))
    x, y = np.log10(mean[usable]), np.log10(variance[usable])
    residual = y - np.polyval(np.polyfit(x, y, 2), x)
    return np.sort(usable[np.argsort(-residual)[:n_genes]])
