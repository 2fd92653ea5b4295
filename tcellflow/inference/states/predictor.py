"""T-cell states from expression and receptors: arrays in, arrays out.

Invariant: a cell's result depends on nothing but the cell, whatever the chunk it came in and the
number of threads; lineage, function and cycle are always those of the predicted state.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError, OptionsError
from tcellflow.genes.panel import align_panel
from tcellflow.inference.states.abstention import choose_threshold
from tcellflow.inference.states.calls import Decoder, StateCalls, join_calls
from tcellflow.inference.states.checks import (
    check_coverage,
    check_expression,
    check_library_size,
    check_molecules,
)
from tcellflow.inference.states.confidence import choose_least_confidence
from tcellflow.inference.states.marker_reader import MarkerReader
from tcellflow.inference.states.network import BATCH_CELLS, LoadedNetwork
from tcellflow.inference.states.sources import MatrixCells, ReceptorBlock, take_receptors
from tcellflow.io.bundles.folders import Bundle, find_bundle, read_bundle
from tcellflow.states.axes import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.session import Device
    from tcellflow.inference.states.marker_reader import MarkerEvidence
    from tcellflow.inference.states.sources import CellSource
    from tcellflow.io.bundles.reliability import ReceptorInput
    from tcellflow.io.tables.receptor_vectors import ReceptorVectors
    from tcellflow.states.rule import EffectorBy
    from tcellflow.states.unconventional import ReceptorFacts

    Arrays = dict[str, NDArray[np.float32]]

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
_PER_CELL = ("n_panel_genes", "inputs", "network_states", "programmes")


@dataclass(frozen=True)
class CalledCells:
    """What one pass over B cells gives.

    Parameters
    ----------
    calls
        One call per cell, whether or not it is a T cell.
    n_panel_genes
        Genes of the panel with any expression, shape (B,), int64.
    inputs
        Modalities of each call, e.g. ``gex+trb``, shape (B,), object.
    network_states
        State probabilities of the network alone, shape (B, 7), float32.
    programmes
        In the order of `Programme`, 0-1, NaN = not measurable, shape (B, P), float32; also of cells that are
        no T cells.
    """

    calls: StateCalls
    n_panel_genes: NDArray[np.int64]
    inputs: NDArray[np.object_]
    network_states: NDArray[np.float32]
    programmes: NDArray[np.float32]


class StatePredictor:
    """A states bundle, ready to predict.

    Parameters
    ----------
    bundle
        A states bundle: its name, its folder, or the verified bundle itself.
    threads
        As in `open_session`.
    device
        As in `open_session`.
    effector_by
        Whether the cytotoxic programme or the gates' function tells Effector; None = the programme, where
        the bundle's states are read with programmes.
    ensemble
        Whether the bundle's ensemble runs instead of the single model distilled from it.

    Raises
    ------
    BundleError
        If there is no such bundle, it has another task, or its model other inputs, outputs or sizes
        than it declares.
    OptionsError
        If the bundle has no ensemble where one is asked for, the programme is to tell Effector in a bundle
        whose states are of one piece, or as `open_session`.

    Examples
    --------
    >>> predictor = StatePredictor("states")  # doctest: +SKIP
    >>> calls = predictor.predict_cells(adata.X, adata.var_names)  # doctest: +SKIP
    >>> adata.obs["state"] = calls.predicted_state  # doctest: +SKIP
    >>> is_sure = calls.confidence >= predictor.threshold(target_risk=0.1)  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: Bundle | str | Path,
        *,
        threads: int | None = None,
        device: Device = "auto",
        effector_by: EffectorBy | None = None,
        ensemble: bool = False,
    ) -> None:
        bundle = bundle if isinstance(bundle, Bundle) else read_bundle(find_bundle(bundle))
        self.bundle = bundle
        labels = bundle.states.labels  # a bundle of another task is refused here
        self.effector_by = _choose_effector_by(bundle, effector_by)
        self._network = LoadedNetwork(bundle, threads=threads, device=device, ensemble=ensemble)
        reference = bundle.states.reliability.reference
        self._decoder = Decoder(
            reported=labels.get("function_reported", FUNCTIONS),
            ood_quantiles=() if reference is None else reference.ood_quantiles,
        )

    @property
    def genes(self) -> NDArray[np.object_]:
        """Gene symbols in the order `predict` expects, shape (G,)."""
        return self.bundle.panel.symbols

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the model runs."""
        return self._network.device

    @property
    def reads_programmes(self) -> bool:
        """Whether its states rest on programmes, marker genes and receptors beside the network."""
        return self.bundle.states.has_axes

    @property
    def receptor_input(self) -> ReceptorInput | None:
        """Which receptor vectors the bundle takes; None where it uses expression alone."""
        return self.bundle.states.reliability.receptor_input

    def threshold(self, target_risk: float | None = None) -> float:
        """Give the confidence below which a call should abstain.

        Parameters
        ----------
        target_risk
            Accepted share of wrong calls, above 0 and at most 1; the bundle's default if not given.

        Returns
        -------
        float
            0 to 1, as measured on labelled cells.

        Raises
        ------
        OptionsError
            If the target is out of range or below what the bundle can reach.
        """
        abstention = self.bundle.states.abstention
        if self.reads_programmes:
            return choose_least_confidence(abstention.target_risk if target_risk is None else target_risk)
        return choose_threshold(abstention, target_risk)

    def check_weighable(self) -> None:
        """Refuse weights where they would not be those of the bundle's own states.

        Raises
        ------
        OptionsError
            If they rest on programmes too.
        """
        if self.reads_programmes:
            raise OptionsError(
                f"the bundle {self.bundle.description.name} states the class shares of its network alone, "
                "but its states rest on programmes too",
                where="--correct-priors",
                mend="leave --correct-priors out, or choose a bundle that decides alone "
                "(--bundle states-linear)",
            )

    def weighted(self, weights: NDArray[np.float64]) -> StatePredictor:
        """Give a predictor whose state probabilities are multiplied by weights and normalised again.

        Parameters
        ----------
        weights
            One per state, shape (7,), >= 0; e.g. a sample's shares over those of training.

        Returns
        -------
        StatePredictor
            Shares the loaded model.

        Raises
        ------
        OptionsError
            As `check_weighable`.
        """
        self.check_weighable()
        other = copy(self)
        other._decoder = replace(self._decoder, weights=weights)  # noqa: SLF001 - one of its own kind
        return other

    def predict_cells(
        self,
        matrix: Any,
        gene_names: Sequence[str],
        receptors: ReceptorBlock | None = None,
        *,
        library: NDArray[np.number] | None = None,
        chains: ReceptorFacts | None = None,
    ) -> StateCalls:
        """Predict the states of all cells of a matrix, in bounded memory.

        Parameters
        ----------
        matrix
            log1p(counts per 10,000), shape (cells, genes): an array, a scipy matrix, or ``X`` of a backed
            AnnData.
        gene_names
            Gene symbols of its columns; genes that the bundle does not know are left out.
        receptors
            Receptor vectors of the same cells, as in `predict`.
        library
            True library sizes, shape (cells,), by which programmes are read; if not given they are estimated,
            a cell's smallest value taken for one molecule.
        chains
            What the receptor chains of the same cells say of their lineage.

        Returns
        -------
        StateCalls
            One call per cell, whether or not it is a T cell.

        Raises
        ------
        InputError
            If the matrix holds counts or other numbers that cannot be log1p(counts per 10,000), repeats a
            gene, or measures less than 25 % of the panel.
        """
        cells = MatrixCells(matrix, np.array(gene_names, dtype=object), library)
        panel = align_panel(cells.gene_names, self.genes, self.bundle.panel.weights)
        warnings = [
            *check_coverage(panel, cells, self.bundle.description.name),
            *check_library_size(cells),
            *(check_molecules(cells) if self.reads_programmes else ()),
        ]
        for warning in warnings:
            _LOG.warning("%s", warning)
        return self.call_cells(cells, panel, receptors, chains=chains).calls

    def call_cells(
        self,
        source: CellSource,
        panel: PanelAlignment,
        receptors: ReceptorVectors | ReceptorBlock | None = None,
        *,
        chains: ReceptorFacts | None = None,
        progress: Progress = lambda _done, _total: None,
    ) -> CalledCells:
        """Call all cells of a source in one pass, block by block.

        Parameters
        ----------
        source
            The cells.
        panel
            The bundle's genes within the source.
        receptors
            Receptor vectors of all the cells, for bundles that take them.
        chains
            What the chains of all the cells say of their lineage; None for a sample without.
        progress
            Called with (done, total) cells.

        Returns
        -------
        CalledCells
            One row per cell, in order.

        Raises
        ------
        InputError
            If the numbers cannot be log1p(counts per 10,000), or the vectors have another width than the
            bundle declares.
        """
        reader = MarkerReader(source.gene_names)
        # the empty first part gives the shapes where there are no cells
        nothing = sparse.csr_matrix(np.zeros((0, len(source.gene_names)), np.float32))
        first, parts = 0, []
        for logs, library in chain([(nothing, np.zeros(0))], source.measured_blocks()):
            n_cells = logs.shape[0]
            vectors = None if receptors is None else take_receptors(receptors, first, n_cells)
            known = None if chains is None else chains.take(slice(first, first + n_cells))
            expression = panel.gather(logs)
            out = self._run_network(expression, panel.present, vectors)  # refuses what is no log1p(CP10k)
            evidence = reader.read(logs, library)
            parts.append(
                CalledCells(
                    self._decide(out, evidence, known),
                    np.count_nonzero(expression, axis=1).astype(np.int64),
                    _name_inputs(n_cells, vectors),
                    out["state_probabilities"],
                    evidence.scores.values,
                )
            )
            first += n_cells
            if n_cells:
                progress(first, source.n_obs)
        return CalledCells(
            join_calls([part.calls for part in parts]),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in _PER_CELL),
        )

    def _decide(self, out: Arrays, evidence: MarkerEvidence, chains: ReceptorFacts | None) -> StateCalls:
        if self.effector_by is None:
            return self._decoder.decode(out)
        return self._decoder.decide(out, evidence, chains, self.effector_by)

    def decide(
        self,
        expression: NDArray[np.float32],
        present: NDArray[np.bool_],
        evidence: MarkerEvidence,
        receptors: ReceptorBlock | None = None,
        chains: ReceptorFacts | None = None,
    ) -> StateCalls:
        """Decide the states of cells by all that has a say in `call_cells`.

        Parameters
        ----------
        expression, present, receptors
            As in `predict`.
        evidence
            What programmes and marker genes say of the same cells.
        chains
            What their receptor chains say.
        """
        return self._decide(self._run_network(expression, present, receptors), evidence, chains)

    def predict(
        self,
        expression: NDArray[np.float32],
        present: NDArray[np.bool_] | None = None,
        receptors: ReceptorBlock | None = None,
    ) -> StateCalls:
        """Predict the states of cells by the network alone: no programme, marker gene or receptor has a say.

        Parameters
        ----------
        expression
            log1p(counts per 10,000) of the panel's genes, shape (B, G), 0 to 9.21; B may be 0.
        present
            Which genes were measured, shape (G,) or, cell by cell, (B, G); all if not given. The others
            count as not seen, never as zero.
        receptors
            Receptor vectors of the same cells; bundles of expression alone do not look at them. Without
            them every chain counts as missing.

        Returns
        -------
        StateCalls
            One call per row.

        Raises
        ------
        InputError
            If a shape is wrong, or the numbers cannot be log1p(counts per 10,000).
        BundleError
            If the model's results have other sizes than the bundle declares.
        """
        return self._decoder.decode(self._run_network(expression, present, receptors))

    def _run_network(
        self,
        expression: NDArray[np.float32],
        present: NDArray[np.bool_] | None,
        receptors: ReceptorBlock | None,
    ) -> Arrays:
        n_genes = self.genes.size
        if expression.ndim != 2 or expression.shape[1] != n_genes:
            raise InputError(
                f"the expression has shape {expression.shape}; the bundle expects (cells, {n_genes})",
                where="expression",
                mend="take the panel's genes with align_panel(...).gather(...)",
            )
        mask = np.ones((1, n_genes), np.float32)
        if present is not None:
            mask = np.atleast_2d(present).astype(np.float32)
        if mask.shape not in {(1, n_genes), expression.shape}:
            raise InputError(
                f"the mask of measured genes has shape {mask.shape}",
                where="present",
                mend="give one value per gene, or one per cell and gene",
            )
        if self.receptor_input is not None and receptors is None:
            receptors = ReceptorBlock.missing(len(expression), self.receptor_input.dimension)
        check_expression(expression)
        batches = [
            slice(start, start + BATCH_CELLS) for start in range(0, max(len(expression), 1), BATCH_CELLS)
        ]

        def run(rows: slice) -> Arrays:
            chains = None if receptors is None else receptors.take(rows)
            return self._network.run(expression[rows], mask if len(mask) == 1 else mask[rows], chains)

        found = list(self._network.session.spread(run, batches))
        return {name: np.concatenate([of[name] for of in found]) for name in found[0]}


def _choose_effector_by(bundle: Bundle, asked: EffectorBy | None) -> EffectorBy | None:
    """Give what tells Effector; None where the states are the network's own."""
    if bundle.states.has_axes:
        return asked or "programme"
    if asked == "programme":
        raise OptionsError(
            f"the states of the bundle {bundle.description.name} are of one piece: no programme can tell its "
            "Effector cells",
            where="--effector-by programme",
            mend="leave it out, or choose a bundle that 'train states --architecture axes' made",
        )
    return None


def _name_inputs(n_cells: int, chains: ReceptorBlock | None) -> NDArray[np.object_]:
    names = np.full(n_cells, "gex", dtype=object)
    if chains is not None:
        names = names + np.where(chains.has_tra, "+tra", "") + np.where(chains.has_trb, "+trb", "")
    return names
