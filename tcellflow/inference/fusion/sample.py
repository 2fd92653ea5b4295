"""All cells of one sample fused: the bundle's vector beside axes of the sample's own genes and proteins.

Across data sets the bundle's vector tells kinds of cells that were labelled, the sample's own axes what it
alone holds; both together did best on sets that nobody had learnt from (docs/fusion-evaluation.md).

Invariant: rows follow the cells; what was not measured is masked, and nothing of a masked value is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.inference.fusion.antibody_noise import learn_noise
from tcellflow.inference.fusion.axes import choose_rows, choose_variable_genes, find_axes
from tcellflow.inference.fusion.background import find_signal
from tcellflow.inference.fusion.fuser import FusedCells
from tcellflow.inference.fusion.refit import ToldProteins, give_folds, learn_refit
from tcellflow.inference.fusion.space import OWN_AXES, GeneAxes, find_columns, find_protein_axes, learn_space
from tcellflow.inference.fusion.standardise import ENOUGH_CELLS, sum_genes
from tcellflow.proteins.targets import sum_by_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from tcellflow.inference.fusion.antibody_noise import AdtNorm, AntibodyNoise
    from tcellflow.inference.fusion.background import Signal
    from tcellflow.inference.fusion.fuser import Fuser, FusionSample
    from tcellflow.inference.fusion.refit import Refit
    from tcellflow.inference.fusion.space import SampleSpace
    from tcellflow.inference.fusion.standardise import GeneSums
    from tcellflow.inference.states.sources import CellSource
    from tcellflow.proteins.panel import AntibodyPanel

    Floats = NDArray[np.float64]


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
    isotypes
        Counts of the isotype controls, in the panel's order, (B, I).
    """

    panel: AntibodyPanel
    targets: NDArray[np.object_]
    counts: NDArray[np.float32]
    constant: tuple[str, ...]
    isotypes: NDArray[np.float32]


@dataclass(frozen=True)
class FuseChoices:
    """How a sample is fused, where that is a matter of choice.

    Parameters
    ----------
    adt_norm
        What is taken off antibody counts before they are compared; ``clr``: nothing.
    refit
        Whether the sample's own proteins are told by maps that are fitted on it.
    """

    adt_norm: AdtNorm = "clr"
    refit: bool = False


@dataclass(frozen=True)
class FusedSample:
    """What is said of the B cells of a sample.

    Parameters
    ----------
    fuser, sample, proteins
        What it was made by and from.
    choices
        How.
    cells
        What the bundle says.
    vectors
        (B, 64), float32; NaN where nothing was measured.
    space
        Where the vectors lie.
    signal
        Of `proteins`; None without any.
    noise
        What was taken off antibody counts; None = nothing.
    refit, told
        Maps that were fitted, and what they say; None without.
    has_rna, has_adt
        What of each cell was used, (B,).
    """

    fuser: Fuser
    sample: FusionSample
    proteins: Proteins | None
    choices: FuseChoices
    cells: FusedCells
    vectors: NDArray[np.float32]
    space: SampleSpace
    signal: Signal | None
    noise: AntibodyNoise | None
    refit: Refit | None
    told: ToldProteins | None
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
    isotypes = np.where(has_adt[:, None], counts, 0)[:, panel.is_isotype].astype(np.float32)
    return Proteins(panel, targets[varies], summed[:, varies], constant, isotypes)


def fuse_sample(
    fuser: Fuser,
    source: CellSource,
    proteins: Proteins | None,
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    *,
    progress: Callable[[int, int], None],
    reference: FusedSample | None = None,
    choices: FuseChoices = FuseChoices(),
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
    reference
        A fused sample whose scales, space and maps are used instead of the sample's own; None = its own.
    choices
        How; those of the reference if there is one.

    Returns
    -------
    FusedSample
        A row per cell. A sample of fewer than 200 cells has no axes of its own.

    Raises
    ------
    InputError
        If expression is not finite, neither a gene nor a protein of the bundle is measured, or there are too
        few cells for what was chosen.
    """
    has_rna, has_adt = has
    if proteins is None or not proteins.targets.size:
        has_adt = np.zeros_like(has_adt)
    symbols = source.gene_names if has_rna.any() else np.empty(0, object)
    is_shown = proteins is not None and has_adt.any()
    targets = proteins.targets if proteins is not None and is_shown else np.empty(0, object)
    counts = proteins.counts if proteins is not None and is_shown else np.zeros((source.n_obs, 0))
    noise, shown = _remove_noise(proteins, counts, has_adt, choices, reference, source.where)
    if reference is None:
        sums = sum_genes(_check(source), len(symbols)) if has_rna.any() else None
        sample = fuser.read_sample(
            symbols, sums, targets, counts[has_adt], shown=shown[has_adt], where=source.where
        )
        axes = (_find_gene_axes(source, sums, symbols), find_protein_axes(targets, shown, has_adt))
    else:
        sample = fuser.place_sample(reference.sample, symbols, targets, where=source.where)
        known = reference.space
        axes = (
            None if known.rna is None else known.rna.place(symbols),
            None if known.adt is None else known.adt.place(targets),
        )
    parts, along, first = [], [], 0
    for block in source.blocks() if reference is None or not has_rna.any() else _check(source):
        rows = slice(first, first + block.shape[0])
        given = block if has_rna.any() else sparse.csr_matrix(np.zeros((block.shape[0], 0), np.float32))
        parts.append(fuser.fuse(sample, given, shown[rows], (has_rna[rows], has_adt[rows])))
        along.append(np.zeros((block.shape[0], 0)) if axes[0] is None else axes[0].project(given))
        first = rows.stop
        progress(first, source.n_obs)
    cells = FusedCells(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in FusedCells.__annotations__)
    )
    own = (
        np.concatenate(along) * has_rna[:, None],
        np.zeros((source.n_obs, 0)) if axes[1] is None else axes[1].project(shown, has_adt),
    )
    space = learn_space(axes, cells.latent, own, (has_rna, has_adt)) if reference is None else reference.space
    refit, told, filled = _refit(
        fuser, cells, own, (targets, counts), (has_rna, has_adt), choices, reference, source
    )
    vectors = space.join(cells.latent, (own[0], filled), (has_rna, has_adt | _is_filled(refit, has_rna)))
    signal = find_signal(counts, has_adt) if has_adt.any() else None
    return FusedSample(
        fuser, sample, proteins, choices, cells, vectors, space, signal, noise, refit, told, has_rna, has_adt
    )


def _remove_noise(
    proteins: Proteins | None,
    counts: NDArray[np.floating],
    has_adt: NDArray[np.bool_],
    choices: FuseChoices,
    reference: FusedSample | None,
    where: object,
) -> tuple[AntibodyNoise | None, NDArray[np.floating]]:
    """Give what is noise, and the counts without it."""
    if proteins is None or not has_adt.any() or (choices.adt_norm == "clr" and reference is None):
        return None, counts
    names = proteins.panel.raw_names[proteins.panel.is_isotype]
    if reference is None:
        controls = (names, proteins.isotypes[has_adt])
        noise = learn_noise(
            choices.adt_norm, proteins.targets, proteins.counts[has_adt], controls, where=where
        )
    elif reference.noise is None:
        return None, counts
    else:
        noise = reference.noise
    shown = counts.astype(np.float32)
    shown[has_adt] = noise.remove(
        proteins.targets, proteins.counts[has_adt], (names, proteins.isotypes[has_adt])
    )
    return noise, shown


def _is_filled(refit: Refit | None, has_rna: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return has_rna if refit is not None else np.zeros_like(has_rna)


def _tell_prior(fuser: Fuser, cells: FusedCells, targets: NDArray[np.object_]) -> Floats:
    """Give the log1p counts (B, T) that the bundle tells of proteins that it knows well, else 0."""
    columns = find_columns(targets, fuser.proteins.targets)
    known = np.flatnonzero((columns >= 0) & (fuser.proteins.cells[columns] >= fuser.LEAST_CELLS))
    found = np.zeros((len(cells.imputed), len(targets)))
    found[:, known] = np.nan_to_num(cells.imputed[:, columns[known]])
    return found


def _refit(
    fuser: Fuser,
    cells: FusedCells,
    own: tuple[Floats, Floats],
    measured: tuple[NDArray[np.object_], NDArray[np.floating]],
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    choices: FuseChoices,
    reference: FusedSample | None,
    source: CellSource,
) -> tuple[Refit | None, ToldProteins | None, Floats]:
    """Give the maps, what they say, and places along the axes of proteins, told where not measured."""
    has_rna, has_adt = has
    known = None if reference is None else reference.refit
    if known is None and not (choices.refit and reference is None):
        return None, None, own[1]
    features = np.hstack([cells.latent_rna, own[0]])
    prior = _tell_prior(fuser, cells, measured[0] if known is None else known.targets)
    if known is not None:
        refit, fold = known, np.full(len(features), -1)
    else:
        targets, counts = measured
        both = has_rna & has_adt
        levels = np.log1p(counts.astype(np.float64))
        refit = learn_refit(targets, features, prior, levels, own[1], both, where=source.where)
        fold = give_folds(both)
    levels, along = refit.tell(features, prior, fold)
    levels[~has_rna] = np.nan
    filled = np.where((has_rna & ~has_adt)[:, None], along, own[1])
    return refit, ToldProteins(refit.targets, levels.astype(np.float32), refit.sd.astype(np.float32)), filled


def _find_gene_axes(
    source: CellSource, sums: GeneSums | None, symbols: NDArray[np.object_]
) -> GeneAxes | None:
    if sums is None or sums.n_cells < ENOUGH_CELLS:
        return None
    columns = choose_variable_genes(sums, symbols)
    fitted = _take_rows(source, choose_rows(source.n_obs))
    axes = find_axes(fitted, columns, sums.measure(columns), OWN_AXES)
    return None if axes is None else GeneAxes(symbols, axes)


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
