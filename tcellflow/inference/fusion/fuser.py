"""A fusion bundle at work: arrays of a sample in, vectors, proteins and labels out.

A sample is read twice: once for the sums that it is standardised by, once to fuse blocks of its cells.

Invariant: a cell's numbers depend on the cell and on sums over the sample, never on the cells that come
with it in a block: the model is always run on the same number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError
from tcellflow.genes.panel import align_panel
from tcellflow.inference.fusion.familiarity import name_modalities, read_familiarity, score_strangeness
from tcellflow.inference.fusion.space import find_columns
from tcellflow.inference.fusion.standardise import (
    ENOUGH_CELLS,
    Moments,
    clr_by_protein,
    measure_centres,
    measure_rows,
)
from tcellflow.inference.session import open_session
from tcellflow.io.bundles.fusion import FusionDetails, read_fusion_genes, read_fusion_proteins

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.fusion.standardise import GeneSums
    from tcellflow.inference.session import Device
    from tcellflow.io.bundles.folders import Bundle

    Floats = NDArray[np.float32]

_ROWS: Final = 256  # of every run of the model


@dataclass(frozen=True)
class FusionSample:
    """What a bundle needs to know of a sample before it fuses its cells.

    Parameters
    ----------
    alignment
        Where the bundle's genes lie in the matrix.
    columns
        Column of the sample's panel of antibodies behind each of the bundle's proteins, -1 without;
        shape (P,).
    genes, levels, ratios
        Moments of log-expression (G,), of log1p counts (P,) and of centred log-ratios (P,).
    centres
        Of the log-ratios, shape (P,).
    is_own
        Whether expression, and proteins, are standardised by the sample itself.
    coverage
        Share of the bundle's genes, weighted, and of its proteins that the sample measures, 0-1.
    unknown
        Antibodies of known targets that the bundle has not learnt.
    """

    alignment: PanelAlignment
    columns: NDArray[np.int64]
    genes: Moments
    levels: Moments
    ratios: Moments
    centres: NDArray[np.float64]
    is_own: tuple[bool, bool]
    coverage: tuple[float, float]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class FusedCells:
    """What is said of B cells; NaN throughout for a cell of which nothing was measured.

    Parameters
    ----------
    latent
        (B, D).
    weights
        (B, 2) of expression and proteins; sum 1, 0 for what is absent.
    class_probabilities
        (B, K).
    imputed, imputed_sd
        (B, P) log1p counts at the sample's depth (the bundle's without proteins), told without the protein's
        own value: from expression where the protein was measured, else from all there is.
    latent_rna
        (B, D) told from expression alone; NaN without any.
    ood_score
        (B,) share of cells not learnt from that lie nearer to those learnt from; NaN if the bundle cannot
        tell.
    """

    latent: Floats
    weights: Floats
    class_probabilities: Floats
    imputed: Floats
    imputed_sd: Floats
    latent_rna: Floats
    ood_score: Floats


class Fuser:
    """Fuses the cells of samples.

    Parameters
    ----------
    bundle
        Of the task "fusion".
    threads, device
        As for `open_session`.
    """

    LEAST_CELLS: Final = 1_000  # measured for training, for a protein to be told of other cells

    def __init__(self, bundle: Bundle, *, threads: int | None = None, device: Device = "cpu") -> None:
        details = bundle.description.details
        if not isinstance(details, FusionDetails):
            raise InputError(
                f"the bundle is for {bundle.description.task}, not for fusion",
                where=bundle.folder,
                mend="name a bundle of the task fusion",
            )
        self.details = details
        self.genes = read_fusion_genes(bundle.folder, details.genes)
        self.proteins = read_fusion_proteins(bundle.folder, details.proteins)
        self.familiarity = read_familiarity(bundle.folder, details.familiarity)
        self._session = open_session(bundle.folder / "model.onnx", threads=threads, device=device)

    def try_model(self) -> None:
        """Run the model on one cell of which nothing was measured."""
        genes = np.zeros((1, len(self.genes.symbols)), dtype=np.float32)
        proteins = np.zeros((1, len(self.proteins.targets)), dtype=np.float32)
        self._run(genes, genes, proteins, proteins)

    def read_sample(
        self,
        symbols: NDArray[np.object_],
        sums: GeneSums | None,
        targets: NDArray[np.object_],
        proteins: NDArray[np.floating],
        *,
        shown: NDArray[np.floating] | None = None,
    ) -> FusionSample:
        """Read a sample the first time.

        Parameters
        ----------
        symbols
            Approved symbols of the matrix's genes; none where there is no expression.
        sums
            Of the sample's log-expression, in the order of `symbols`; None where there is none.
        targets
            What its antibodies measure, all different: as `sum_by_target` gives them.
        proteins
            Their counts in the cells that have any, (cells, targets).
        shown
            The same without noise, as `fuse` will be given them; None = as they are.

        Returns
        -------
        FusionSample
            With the bundle's own moments where the sample has fewer than 200 cells.

        """
        alignment, columns, coverage, unknown = self._align(symbols, targets)
        genes = Moments(self.genes.mean.copy(), self.genes.scale.copy())
        is_own = (sums is not None and sums.n_cells >= ENOUGH_CELLS, len(proteins) >= ENOUGH_CELLS)
        if is_own[0] and sums is not None:
            at = np.flatnonzero(alignment.present)
            found = sums.measure(alignment.columns[at])
            genes.mean[at], genes.scale[at] = found.mean, found.scale
        levels, ratios, centres = self._measure_proteins(
            columns, proteins, proteins if shown is None else shown, is_own=is_own[1]
        )
        if not is_own[0]:
            genes = Moments(self.genes.mean.copy(), self.genes.scale.copy())
        return FusionSample(alignment, columns, genes, levels, ratios, centres, is_own, coverage, unknown)

    def place_sample(
        self, reference: FusionSample, symbols: NDArray[np.object_], targets: NDArray[np.object_]
    ) -> FusionSample:
        """Give a sample the scales of another; arguments as for `read_sample`."""
        alignment, columns, coverage, unknown = self._align(symbols, targets)
        return replace(reference, alignment=alignment, columns=columns, coverage=coverage, unknown=unknown)

    def _align(
        self, symbols: NDArray[np.object_], targets: NDArray[np.object_]
    ) -> tuple[PanelAlignment, NDArray[np.int64], tuple[float, float], tuple[str, ...]]:
        """Find genes and proteins of the bundle in a sample, their shares, and antibodies not learnt."""
        alignment = align_panel(symbols, self.genes.symbols)
        columns = find_columns(self.proteins.targets, targets)
        of_genes = float(self.genes.weights[alignment.present].sum())
        known = set(map(str, self.proteins.targets))
        unknown = tuple(str(name) for name in targets if name and str(name) not in known)
        return alignment, columns, (of_genes, float((columns >= 0).mean())), unknown

    def fuse(
        self,
        sample: FusionSample,
        logs: sparse.csr_matrix,
        proteins: NDArray[np.floating],
        has: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    ) -> FusedCells:
        """Fuse a block of cells.

        Parameters
        ----------
        sample
            Its sample.
        logs
            log1p(counts per 10,000), CSR (cells, genes).
        proteins
            Counts by target (cells, targets); any number where there are none.
        has
            Which cells have expression, and antibodies.

        Returns
        -------
        FusedCells
            A row per cell.
        """
        has_rna, has_adt = has
        genes, gene_mask = self._show_genes(sample, logs, has_rna)
        values, protein_mask = self._show_proteins(sample, proteins, has_adt)
        whole = self._run(genes, gene_mask, values, protein_mask)
        alone = self._run(genes, gene_mask, values * 0, protein_mask * 0)
        # a protein that was measured is told from the genes; without these nobody tells it
        is_told = (protein_mask == 0) | gene_mask.any(axis=1, keepdims=True)
        mean = np.where(protein_mask > 0, alone["protein_mean"], whole["protein_mean"])
        sd = np.where(protein_mask > 0, alone["protein_sd"], whole["protein_sd"])
        is_known = np.asarray(gene_mask.any(axis=1) | protein_mask.any(axis=1))
        scale = sample.levels.scale.astype(np.float32)
        imputed = np.maximum(mean * scale + sample.levels.mean.astype(np.float32), 0)
        # of a protein that the sample did not measure nobody knows how much of its antibody there would be
        is_foreign = np.where((sample.columns >= 0) & sample.is_own[1], 0, self.details.between_sets)
        deviation = np.sqrt(np.square(sd * scale) + np.square(is_foreign)).astype(np.float32)
        return FusedCells(
            latent=_blank(whole["latent"], is_known),
            weights=_blank(whole["weights"], is_known),
            class_probabilities=_blank(whole["class_probabilities"], is_known),
            imputed=_blank(np.where(is_told, imputed, np.nan), is_known),
            imputed_sd=_blank(np.where(is_told, deviation, np.nan), is_known),
            latent_rna=_blank(alone["latent"], np.asarray(gene_mask.any(axis=1))),
            ood_score=self._score(whole["latent"], gene_mask, protein_mask),
        )

    def _measure_proteins(
        self,
        columns: NDArray[np.int64],
        proteins: NDArray[np.floating],
        shown: NDArray[np.floating],
        *,
        is_own: bool,
    ) -> tuple[Moments, Moments, NDArray[np.float64]]:
        """Give the moments of levels and ratios, and the centres; the bundle's for what is not measured."""
        own = self.proteins
        level_mean, level_scale = own.log_mean.copy(), own.log_scale.copy()
        ratio_mean, ratio_scale = own.ratio_mean.copy(), own.ratio_scale.copy()
        centres = own.log_mean.copy()
        at = np.flatnonzero(columns >= 0)
        if is_own and at.size:
            found = np.asarray(proteins, dtype=np.float64)[:, columns[at]]
            seen = np.asarray(shown, dtype=np.float64)[:, columns[at]]
            centres[at] = measure_centres(seen)
            levels, ratios = measure_rows(np.log1p(found)), measure_rows(clr_by_protein(seen, centres[at]))
            level_mean[at], level_scale[at] = levels.mean, levels.scale
            ratio_mean[at], ratio_scale[at] = ratios.mean, ratios.scale
        return Moments(level_mean, level_scale), Moments(ratio_mean, ratio_scale), centres

    def _show_genes(
        self,
        sample: FusionSample,
        logs: sparse.csr_matrix,
        has_rna: NDArray[np.bool_],
    ) -> tuple[Floats, Floats]:
        if sample.coverage[0] < self.details.coverage.least:
            has_rna = np.zeros_like(has_rna)
        mask = (sample.alignment.present[None] & has_rna[:, None]).astype(np.float32)
        if not has_rna.any():
            return np.zeros_like(mask), mask
        return sample.genes.standardise(sample.alignment.gather(logs)) * mask, mask

    def _show_proteins(
        self, sample: FusionSample, proteins: NDArray[np.floating], has_adt: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        is_there = sample.columns >= 0
        mask = (is_there[None] & has_adt[:, None]).astype(np.float32)
        if not mask.any():
            return np.zeros_like(mask), mask
        wide = np.zeros(mask.shape)
        wide[:, is_there] = np.asarray(proteins, dtype=np.float64)[:, sample.columns[is_there]]
        return sample.ratios.standardise(clr_by_protein(wide, sample.centres)) * mask, mask

    def _score(self, latent: Floats, gene_mask: Floats, protein_mask: Floats) -> Floats:
        return score_strangeness(
            self.familiarity,
            latent,
            name_modalities(*(np.asarray(m.any(axis=1)) for m in (gene_mask, protein_mask))),
        )

    def _run(
        self, genes: Floats, gene_mask: Floats, proteins: Floats, protein_mask: Floats
    ) -> dict[str, Floats]:
        """Run the model on blocks of `_ROWS` cells, the last filled up with nothing."""
        inputs = {"genes": genes, "gene_mask": gene_mask, "proteins": proteins, "protein_mask": protein_mask}
        found: dict[str, list[Floats]] = {name: [] for name in self._session.output_names}
        for start in range(0, max(len(genes), 1), _ROWS):
            block = {name: value[start : start + _ROWS] for name, value in inputs.items()}
            n_rows = len(block["genes"])
            filled = {
                name: np.concatenate([value, np.zeros((_ROWS - n_rows, value.shape[1]), np.float32)])
                for name, value in block.items()
            }
            for name, value in self._session.run(filled).items():
                found[name].append(value[:n_rows])
        return {name: np.concatenate(parts) for name, parts in found.items()}


def _blank(values: NDArray[np.floating], is_known: NDArray[np.bool_]) -> Floats:
    return np.where(is_known[:, None], values, np.nan).astype(np.float32)
