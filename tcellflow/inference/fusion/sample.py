"""All cells of one sample fused: the bundle's vector beside axes of the sample's own genes and proteins.

Across data sets the bundle's vector tells kinds of cells that were labelled, the sample's own axes what it
alone holds; both together did best on sets that nobody had learnt from (docs/fusion-evaluation.md).

Invariant: rows follow the cells; what was not measured is masked, and nothing of a masked value is used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.inference.fusion.antibody_noise import learn_noise
from tcellflow.inference.fusion.background import find_signal
from tcellflow.inference.fusion.expression import check_expression, find_gene_axes
from tcellflow.inference.fusion.fuser import FusedCells
from tcellflow.inference.fusion.intervals import measure_widths
from tcellflow.inference.fusion.refit import ToldProteins, give_folds, learn_refit
from tcellflow.inference.fusion.smoothing import SharpVectors, ToldByGenes
from tcellflow.inference.fusion.space import find_columns, find_protein_axes, learn_space
from tcellflow.inference.fusion.standardise import sum_genes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tcellflow.inference.fusion.antibody_noise import AntibodyNoise
    from tcellflow.inference.fusion.background import Signal
    from tcellflow.inference.fusion.fuser import Fuser, FusionSample
    from tcellflow.inference.fusion.measured_proteins import Proteins
    from tcellflow.inference.fusion.refit import Refit
    from tcellflow.inference.fusion.space import GeneAxes, ProteinAxes, SampleSpace
    from tcellflow.inference.states.sources import CellSource
    from tcellflow.vocabulary import AdtNorm

    Floats = NDArray[np.float64]


_LEAST_GENES: Final = 0.03  # of the bundle's, by weight: with fewer it is another species or another assay


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
    sharp
        The same before they were drawn towards their neighbours.
    space
        Where the vectors lie.
    by_genes
        What was told of proteins before it was averaged.
    widths
        How many times wider the intervals of told proteins are than the bundle says, (P,).
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
    sharp: SharpVectors
    space: SampleSpace
    by_genes: ToldByGenes
    widths: NDArray[np.float32]
    signal: Signal | None
    noise: AntibodyNoise | None
    refit: Refit | None
    told: ToldProteins | None
    has_rna: NDArray[np.bool_]
    has_adt: NDArray[np.bool_]


def fuse_sample(
    fuser: Fuser,
    source: CellSource,
    proteins: Proteins | None,
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    *,
    progress: Callable[[int, int], None],
    reference: FusedSample | None = None,
    choices: FuseChoices = FuseChoices(),
    threads: int = 1,
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
    threads
        That look for neighbours.

    Returns
    -------
    FusedSample
        A row per cell. A sample of fewer than 200 cells has no axes of its own.

    Raises
    ------
    InputError
        If expression is not finite, there are too few cells for what was chosen, or neither the bundle nor
        axes of the sample's own say anything: too few genes of the bundle, none of its proteins, and no axes.
    """
    has_rna, has_adt = has
    if proteins is None or not proteins.targets.size:
        has_adt = np.zeros_like(has_adt)
    else:
        has_adt = has_adt & proteins.has_adt
    is_shown = proteins is not None and has_adt.any()
    targets = proteins.targets if proteins is not None and is_shown else np.empty(0, object)
    counts = proteins.counts if proteins is not None and is_shown else np.zeros((source.n_obs, 0))
    noise, shown = _remove_noise(proteins, (targets, counts), has_adt, choices, reference, source.where)
    symbols = source.gene_names if has_rna.any() else np.empty(0, object)
    measured = (targets, counts, shown)
    sample, axes = _learn_sample(fuser, source, symbols, measured, (has_rna, has_adt), reference)
    cells, own = _fuse_blocks(fuser, source, (sample, axes), shown, (has_rna, has_adt), reference, progress)
    if reference is None:
        space = learn_space(axes, cells.latent, own, (has_rna, has_adt))
    else:
        space = replace(reference.space, rna=axes[0], adt=axes[1])
    by_genes = ToldByGenes(
        SharpVectors(space.place_genes(own[0], has_rna), has_rna + 2 * has_adt), cells.imputed
    )
    imputed = by_genes.average(by_genes if reference is None else reference.by_genes, threads=threads)
    cells = replace(cells, imputed=imputed)
    widths = (
        measure_widths(cells.imputed[has_adt], cells.imputed_sd[has_adt], counts[has_adt], sample.columns)
        if reference is None
        else reference.widths
    )
    cells = replace(cells, imputed_sd=(cells.imputed_sd * widths).round(6))
    refit, told, filled = _refit(
        fuser, cells, own, (targets, counts), (has_rna, has_adt), choices, reference, source
    )
    has_place = has_adt | _is_filled(refit, has_rna)
    sharp = SharpVectors(
        space.join(cells.latent, (own[0], filled), (has_rna, has_place)), has_rna + 2 * has_place
    )
    vectors = sharp.smooth(sharp if reference is None else reference.sharp, threads=threads)
    signal = find_signal(counts, has_adt) if has_adt.any() else None
    return FusedSample(
        fuser,
        sample,
        proteins,
        choices,
        cells,
        vectors,
        sharp,
        space,
        by_genes,
        widths,
        signal,
        noise,
        refit,
        told,
        has_rna,
        has_adt,
    )


def _learn_sample(
    fuser: Fuser,
    source: CellSource,
    symbols: NDArray[np.object_],
    measured: tuple[NDArray[np.object_], NDArray[np.floating], NDArray[np.floating]],
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    reference: FusedSample | None,
) -> tuple[FusionSample, tuple[GeneAxes | None, ProteinAxes | None]]:
    """Learn scales and axes from a sample, or take those of the reference; refuse what neither can tell."""
    (targets, counts, shown), (has_rna, has_adt) = measured, has
    if reference is None:
        sums = sum_genes(check_expression(source), len(symbols)) if has_rna.any() else None
        sample = fuser.read_sample(symbols, sums, targets, counts[has_adt], shown=shown[has_adt])
        rna = find_gene_axes(source, sums, symbols, has_rna)
        adt = find_protein_axes(targets, shown, has_adt)
    else:
        sample = fuser.place_sample(reference.sample, symbols, targets)
        known = reference.space
        rna = None if known.rna is None else known.rna.place(symbols)
        adt = None if known.adt is None else known.adt.place(targets)
    of_genes, of_proteins = sample.coverage
    if of_genes < _LEAST_GENES:
        rna = None
    if of_genes < fuser.details.coverage.least and not of_proteins and rna is None and adt is None:
        raise InputError(
            f"the sample measures {of_genes:.0%} of the bundle's genes, and none of its proteins",
            where=source.where,
            mend="give whole-transcriptome expression or antibodies that the bundle knows, or at least"
            " 200 cells",
        )
    return sample, (rna, adt)


def _fuse_blocks(
    fuser: Fuser,
    source: CellSource,
    learnt: tuple[FusionSample, tuple[GeneAxes | None, ProteinAxes | None]],
    shown: NDArray[np.floating],
    has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    reference: FusedSample | None,
    progress: Callable[[int, int], None],
) -> tuple[FusedCells, tuple[Floats, Floats]]:
    """Give what the bundle says of cells, and their places along the axes, block by block."""
    (sample, axes), (has_rna, has_adt) = learnt, has
    parts, along, first = [], [], 0
    for block in source.blocks() if reference is None or not has_rna.any() else check_expression(source):
        rows = slice(first, first + block.shape[0])
        given = block if has_rna.any() else sparse.csr_matrix(np.zeros((block.shape[0], 0), np.float32))
        parts.append(fuser.fuse(sample, given, shown[rows], (has_rna[rows], has_adt[rows])))
        along.append(np.zeros((block.shape[0], 0)) if axes[0] is None else axes[0].project(given))
        first = rows.stop
        progress(first, source.n_obs)
    cells = FusedCells(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in FusedCells.__annotations__)
    )
    proteins = np.zeros((source.n_obs, 0)) if axes[1] is None else axes[1].project(shown, has_adt)
    return cells, (np.concatenate(along) * has_rna[:, None], proteins)


def _remove_noise(
    proteins: Proteins | None,
    measured: tuple[NDArray[np.object_], NDArray[np.floating]],
    has_adt: NDArray[np.bool_],
    choices: FuseChoices,
    reference: FusedSample | None,
    where: object,
) -> tuple[AntibodyNoise | None, NDArray[np.floating]]:
    """Give what is noise, and the counts without it."""
    targets, counts = measured
    nobody = np.zeros((int(has_adt.sum()), 0))
    controls: tuple[NDArray[np.object_], NDArray[np.floating]] = (np.empty(0, object), nobody)
    if proteins is not None:
        controls = (proteins.panel.raw_names[proteins.panel.is_isotype], proteins.isotypes[has_adt])
    if reference is not None or choices.adt_norm == "clr":
        noise = None if reference is None else reference.noise
    else:
        noise = learn_noise(choices.adt_norm, targets, counts[has_adt], controls, where=where)
    if noise is None or not has_adt.any():
        return noise, counts
    shown = counts.astype(np.float32)
    shown[has_adt] = noise.remove(targets, counts[has_adt], controls)
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
