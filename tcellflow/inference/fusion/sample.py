"""All cells of one sample fused: the bundle's vector beside axes of the sample's own genes and proteins.

Across data sets the bundle's vector tells kinds of cells that were labelled, the sample's own axes what it
alone holds; both together did best on sets that nobody had learnt from (docs/fusion-evaluation.md).

Invariant: rows follow the cells; what was not measured is masked, and nothing of a masked value is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.inference.fusion.axes import choose_rows, choose_variable_genes, find_axes
from tcellflow.inference.fusion.background import find_signal
from tcellflow.inference.fusion.fuser import FusedCells
from tcellflow.inference.fusion.standardise import (
    ENOUGH_CELLS,
    Moments,
    clr_by_protein,
    measure_centres,
    measure_rows,
    sum_genes,
)
from tcellflow.proteins.targets import sum_by_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from tcellflow.inference.fusion.background import Signal
    from tcellflow.inference.fusion.fuser import Fuser, FusionSample
    from tcellflow.inference.states.sources import CellSource
    from tcellflow.proteins.panel import AntibodyPanel

    Floats = NDArray[np.float64]

WIDTH: Final = 64
_LATENT_AXES: Final = 24
_OWN_AXES: Final = 20
_LATENT_WEIGHT: Final = 0.7  # the length of its part of the vector; the sample's own parts have 1


@dataclass(frozen=True)
class Proteins:
    """The antibodies of a sample.

    Parameters
    ----------
    panel
        As the file names them.
    targets
        What they measure, all different, none constant; shape (T,).
    counts
        Counts by target, (B, T), float32.
    constant
        Targets with the same count in every cell.
    """

    panel: AntibodyPanel
    targets: NDArray[np.object_]
    counts: NDArray[np.float32]
    constant: tuple[str, ...]


@dataclass(frozen=True)
class FusedSample:
    """What is said of the B cells of a sample.

    Parameters
    ----------
    fuser, sample, proteins
        What it was made by and from.
    cells
        What the bundle says.
    vectors
        (B, 64), float32; NaN where nothing was measured.
    axes
        Numbers of the vector by origin.
    signal
        Of `proteins`; None without any.
    has_rna, has_adt
        What of each cell was used, (B,).
    """

    fuser: Fuser
    sample: FusionSample
    proteins: Proteins | None
    cells: FusedCells
    vectors: NDArray[np.float32]
    axes: dict[str, int]
    signal: Signal | None
    has_rna: NDArray[np.bool_]
    has_adt: NDArray[np.bool_]


def read_proteins(
    frame: pd.DataFrame, panel: AntibodyPanel, has_adt: NDArray[np.bool_], where: object
) -> Proteins:
    """Read the antibody counts of a sample.

    Raises
    ------
    InputError
        If a count is negative, not finite, or no whole number.
    """
    counts = frame.to_numpy(dtype=np.float64)
    measured = counts[has_adt]
    if measured.size and not (np.isfinite(measured).all() and (measured >= 0).all()):
        raise InputError(
            "antibody counts hold negative, NaN or infinite values",
            where=where,
            mend="give raw antibody counts to tcellflow preprocess",
        )
    if measured.size and (measured != np.rint(measured)).any():
        raise InputError(
            "antibody counts hold fractions",
            where=where,
            mend="give raw antibody counts to tcellflow preprocess",
        )
    targets, summed = sum_by_target(np.where(has_adt[:, None], counts, 0), panel)
    varies = summed[has_adt].std(axis=0) > 0 if has_adt.sum() > 1 else summed[has_adt].sum(axis=0) > 0
    constant = tuple(str(name) for name in targets[~varies])
    return Proteins(panel, targets[varies], summed[:, varies], constant)


def fuse_sample(
    fuser: Fuser,
    source: CellSource,
    proteins: Proteins | None,
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    *,
    progress: Callable[[int, int], None],
) -> FusedSample:
    """Fuse the cells of a sample.

    Parameters
    ----------
    fuser
        The bundle at work.
    source
        Expression, read twice block by block.
    proteins
        Antibodies; None without.
    has
        Which cells have expression, and antibodies, that are used.
    progress
        Called with (done, total) cells.

    Returns
    -------
    FusedSample
        A row per cell. A sample of fewer than 200 cells has no axes of its own.

    Raises
    ------
    InputError
        If expression is not finite, or neither a gene nor a protein of the bundle is measured.
    """
    has_rna, has_adt = has
    if proteins is None or not proteins.targets.size:
        has_adt = np.zeros_like(has_adt)
    symbols = source.gene_names if has_rna.any() else np.empty(0, object)
    sums, fitted = None, None
    chosen = choose_rows(source.n_obs)
    if has_rna.any():
        sums = sum_genes(_check(source), len(symbols))
        fitted = _take_rows(source, chosen)
    targets = proteins.targets if proteins is not None and has_adt.any() else np.empty(0, object)
    counts = proteins.counts if proteins is not None and has_adt.any() else np.zeros((source.n_obs, 0))
    sample = fuser.read_sample(symbols, sums, targets, counts[has_adt], where=source.where)
    rna = None
    if sums is not None and fitted is not None and sums.n_cells >= ENOUGH_CELLS:
        columns = choose_variable_genes(sums, symbols)
        rna = find_axes(fitted, columns, sums.measure(columns), _OWN_AXES)
    parts, along, first = [], [], 0
    for block in source.blocks():
        rows = slice(first, first + block.shape[0])
        given = block if has_rna.any() else sparse.csr_matrix(np.zeros((block.shape[0], 0), np.float32))
        parts.append(fuser.fuse(sample, given, counts[rows], (has_rna[rows], has_adt[rows])))
        along.append(
            np.zeros((block.shape[0], 0)) if rna is None else rna.project(block) / np.sqrt(rna.spread)
        )
        first = rows.stop
        progress(first, source.n_obs)
    cells = FusedCells(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in FusedCells.__annotations__)
    )
    own_rna = np.concatenate(along) * has_rna[:, None]
    vectors, axes = _join(cells.latent, own_rna, _project_proteins(counts, has_adt), has_rna, has_adt)
    signal = find_signal(counts, has_adt) if has_adt.any() else None
    return FusedSample(fuser, sample, proteins, cells, vectors, axes, signal, has_rna, has_adt)


def _check(source: CellSource) -> Iterator[sparse.csr_matrix]:
    for block in source.blocks():
        if block.data.size and not (np.isfinite(block.data).all() and (block.data >= 0).all()):
            raise InputError(
                "expression holds negative, NaN or infinite values",
                where=source.where,
                mend="re-run tcellflow preprocess on the original matrix",
            )
        yield block


def _take_rows(source: CellSource, rows: NDArray[np.int64]) -> sparse.csr_matrix:
    found, first = [], 0
    for block in source.blocks():
        inside = rows[(rows >= first) & (rows < first + block.shape[0])] - first
        found.append(block[inside])
        first += block.shape[0]
    return sparse.csr_matrix(sparse.vstack(found))


def _project_proteins(counts: NDArray[np.floating], has_adt: NDArray[np.bool_]) -> Floats:
    measured = counts[has_adt]
    if len(measured) < ENOUGH_CELLS:
        return np.zeros((len(counts), 0))
    ratios = clr_by_protein(measured, measure_centres(measured))
    moments: Moments = measure_rows(ratios)
    columns = np.arange(ratios.shape[1])
    fitted = sparse.csr_matrix(ratios[choose_rows(len(ratios))])
    axes = find_axes(fitted, columns, moments, _OWN_AXES)
    found = np.zeros((len(counts), 0 if axes is None else len(axes.spread)))
    if axes is not None:
        found[has_adt] = axes.project(sparse.csr_matrix(ratios))
    return found


def _join(
    latent: NDArray[np.float32],
    rna: Floats,
    adt: Floats,
    has_rna: NDArray[np.bool_],
    has_adt: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], dict[str, int]]:
    """Put the parts beside each other, each with a mean squared length of its own; zeros fill the rest."""
    is_known = np.isfinite(latent).all(axis=1)
    vectors = np.full((len(latent), WIDTH), np.nan, np.float32)
    if not rna.shape[1] and not adt.shape[1]:
        vectors[is_known, : latent.shape[1]] = latent[is_known]
        vectors[np.ix_(is_known, np.arange(latent.shape[1], WIDTH))] = 0
        return vectors, {"latent": latent.shape[1], "rna": 0, "adt": 0}
    wide = latent.astype(np.float64)
    known = wide[is_known]
    centred = known - known.mean(axis=0)
    _, directions = np.linalg.eigh(np.einsum("nd,ne->de", centred, centred))
    directions = directions[:, ::-1][:, :_LATENT_AXES]
    directions = directions * np.sign(
        directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    )
    turned = np.einsum("nd,dk->nk", np.nan_to_num(wide - known.mean(axis=0)), directions)
    blocks = (
        (turned, is_known, _LATENT_WEIGHT),
        (rna, is_known & has_rna, 1.0),
        (adt, is_known & has_adt, 1.0),
    )
    first = 0
    vectors[is_known] = 0
    for (values, rows, weight), width in zip(blocks, (_LATENT_AXES, _OWN_AXES, _OWN_AXES), strict=True):
        length = (
            np.sqrt(np.square(values[rows]).sum(axis=1).mean()) if rows.any() and values.shape[1] else 0.0
        )
        if length > 0:
            at = np.ix_(rows, np.arange(first, first + values.shape[1]))
            vectors[at] = (weight / length * values[rows]).round(6)
        first += width
    return vectors, {"latent": turned.shape[1], "rna": rna.shape[1], "adt": adt.shape[1]}
