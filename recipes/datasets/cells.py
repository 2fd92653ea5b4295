"""Cells of the data sets: counts under approved symbols, true library sizes, labels, donors and clones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
from scipy import sparse

from recipes.datasets.description import NOTHING, SetDescription
from recipes.datasets.labels import find_set
from tcellflow.cells.gate import gate_cells
from tcellflow.cells.markers import find_markers
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.vocabulary import COUNTS_PER_CELL

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

LEAST_SHARED = 0.9  # of the genes, to estimate library sizes from another set
RIDGE = 1000.0


@dataclass(frozen=True)
class LabelledSet:
    """Cells of one set.

    Parameters
    ----------
    description
        The set.
    symbols
        Harmonised gene symbols, shape (G,).
    counts
        Raw counts, CSR (cells, G).
    library
        Library sizes, shape (cells,); NaN where not known.
    names
        Cell names of the file, shape (cells,), object.
    labels
        Label as the file spells it, shape (cells,), object; "" without.
    axes
        What the label says, shape (cells,), `Axes`.
    foreign
        Kind of other cell, shape (cells,), object; "" for the rest.
    is_t
        Whether the set, its label or else the T-cell gate counts it as a T cell, shape (cells,).
    donors
        Shape (cells,), object; never empty.
    clones
        Clone of each cell within its donor, shape (cells,), object; "" without a beta chain.
    """

    description: SetDescription
    symbols: NDArray[np.object_]
    counts: sparse.csr_array
    library: NDArray[np.float64]
    names: NDArray[np.object_]
    labels: NDArray[np.object_]
    axes: NDArray[np.object_]
    foreign: NDArray[np.object_]
    is_t: NDArray[np.bool_]
    donors: NDArray[np.object_]
    clones: NDArray[np.object_]

    def __len__(self) -> int:
        return self.counts.shape[0]

    def rows(self, index: NDArray[np.integer] | NDArray[np.bool_]) -> LabelledSet:
        """Take some of the cells."""
        cut = ("counts", "library", "names", "labels", "axes", "foreign", "is_t", "donors", "clones")
        return replace(self, **{name: getattr(self, name)[index] for name in cut})

    @cached_property
    def expression(self) -> sparse.csr_array:
        """log1p(counts per 10,000), float32 CSR (cells, G)."""
        return normalise(self.counts, self.library)

    @cached_property
    def state(self) -> NDArray[np.object_]:
        """True states, shape (cells,); None where the label does not say."""
        return np.array([axes.state for axes in self.axes], dtype=object)

    @cached_property
    def lineage(self) -> NDArray[np.object_]:
        """True lineages, shape (cells,); None where the label does not say."""
        return np.array([axes.lineage for axes in self.axes], dtype=object)


def read_set(data: Path, description: SetDescription, *, estimated_library: bool = False) -> LabelledSet:
    """Read the cells of one set whose label says something and whose library size is known.

    A set of some genes without true library sizes is normalised by the sum of its genes, as someone who
    does not know better would, or by `estimated_library` sizes.
    """
    cells = read_all(data, description, estimated_library=estimated_library)
    says = np.array([axes is not NOTHING for axes in cells.axes])
    return cells.rows(says & ~np.isnan(cells.library))


def read_all(data: Path, description: SetDescription, *, estimated_library: bool = True) -> LabelledSet:
    """Read all cells of a set with expression."""
    adata = ad.read_h5ad(data / description.name / description.file)
    raw = sparse.csr_array(adata.X)
    ids = adata.var["gene_ids"].astype(str) if "gene_ids" in adata.var else [""] * adata.n_vars
    genes = harmonise_genes(list(ids), list(adata.var_names.astype(str)))
    counts, obs = sparse.csr_array(genes.merge_columns(raw)), adata.obs
    if description.library_column:
        library = obs[description.library_column].to_numpy(np.float64)
    elif description.library_like and estimated_library:
        library = estimate_library(data, description, genes.symbols, counts)
    else:
        library = raw.sum(axis=1).astype(np.float64)
    labels = _text(obs, description.label_column)
    foreign = _find_foreign(obs, description, labels)
    axes = np.array([description.truth.get(label, NOTHING) for label in labels], dtype=object)
    return LabelledSet(
        description,
        genes.symbols,
        counts,
        library,
        obs.index.astype(str).to_numpy(object),
        labels,
        axes,
        foreign,
        _find_t_cells(obs, description, genes.symbols, counts, library, axes, foreign),
        find_donors(obs, description),
        find_clones(obs),
    )


def _text(obs: pd.DataFrame, column: str) -> NDArray[np.object_]:
    if not column:
        return np.full(len(obs), "", dtype=object)
    return obs[column].astype(str).to_numpy(object)


def _find_foreign(
    obs: pd.DataFrame, description: SetDescription, labels: NDArray[np.object_]
) -> NDArray[np.object_]:
    coarse = _text(obs, description.foreign_column)
    kinds = description.foreign
    return np.array(
        [str(kinds.get(label, kinds.get(other, ""))) for label, other in zip(labels, coarse, strict=True)],
        dtype=object,
    )


def _find_t_cells(
    obs: pd.DataFrame,
    description: SetDescription,
    symbols: NDArray[np.object_],
    counts: sparse.csr_array,
    library: NDArray[np.float64],
    axes: NDArray[np.object_],
    foreign: NDArray[np.object_],
) -> NDArray[np.bool_]:
    if description.t_column:
        return obs[description.t_column].astype(bool).to_numpy()
    markers = find_markers(symbols)
    no_receptor = np.zeros(len(obs), dtype=bool)
    found = gate_cells(
        markers.gather(sparse.csr_matrix(counts)).gate, markers.present, np.nan_to_num(library), no_receptor
    )
    says = np.array([a is not NOTHING for a in axes])
    return says | (found.is_t_cell & ~found.doublet_suspect & (foreign == ""))


def find_donors(obs: pd.DataFrame, description: SetDescription) -> NDArray[np.object_]:
    """Name the donor of each cell, uniquely over all sets."""
    inside = _text(obs, description.donor_column)
    whole = description.donor or description.name
    return np.array([f"{whole}:{donor}" if donor else whole for donor in inside], dtype=object)


def find_clones(obs: pd.DataFrame) -> NDArray[np.object_]:
    """Name the clone of each cell by its junctions; "" without a beta chain."""
    if "TRB_cdr3_aa" not in obs:
        return np.full(len(obs), "", dtype=object)
    beta, alpha = (obs[f"{chain}_cdr3_aa"].astype(object).fillna("").astype(str) for chain in ("TRB", "TRA"))
    return np.array([f"{a}+{b}" if b else "" for a, b in zip(alpha, beta, strict=True)], dtype=object)


def estimate_library(
    data: Path, description: SetDescription, symbols: NDArray[np.object_], counts: sparse.csr_array
) -> NDArray[np.float64]:
    """Estimate true library sizes from a set that measures these genes and knows its own sizes.

    Ridge regression of the logarithm of the library size on those of the sum, of the number of genes and
    of each gene's count. On T cells of the known set that were left out, its error is 6 % (median).
    """
    known = read_all(data, find_set(description.library_like))
    place = {symbol: i for i, symbol in enumerate(known.symbols)}
    shared = [(i, place[symbol]) for i, symbol in enumerate(symbols) if symbol in place]
    if len(shared) < LEAST_SHARED * len(symbols):
        raise SystemExit(f"{description.name}: too few of its genes are in {description.library_like}")
    own, others = map(list, zip(*shared, strict=True))
    usable = ~np.isnan(known.library)
    features = _library_features(known.counts[usable][:, others])
    target = np.log(known.library[usable])
    penalty = np.full(features.shape[1], RIDGE)
    penalty[:3] = 0  # intercept, sum, genes seen
    solution = np.linalg.solve(features.T @ features + np.diag(penalty), features.T @ target)
    return np.exp(_library_features(counts[:, own]) @ solution)


def _library_features(counts: sparse.csr_array) -> NDArray[np.float64]:
    n = counts.shape[0]
    sums = [np.log1p(counts.sum(axis=1)), np.log1p((counts > 0).sum(axis=1))]
    return np.column_stack([np.ones(n), *sums, np.log1p(counts.astype(np.float64)).toarray()])


def normalise(counts: sparse.csr_array, library: NDArray[np.float64]) -> sparse.csr_array:
    """Give log1p(counts per 10,000), float32."""
    scaled = sparse.csr_array(counts, dtype=np.float64)
    scaled.data *= np.repeat(COUNTS_PER_CELL / np.maximum(library, 1), np.diff(scaled.indptr))
    np.log1p(scaled.data, out=scaled.data)
    return scaled.astype(np.float32)
