"""T-cell states from expression, and receptors where a bundle takes them: arrays in, arrays out.

Invariant: a cell's result depends on nothing but the cell, whatever the chunk it came in and the
number of threads; lineage, function and cycle are always those of the predicted state.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from tcellflow.errors import BundleError, InputError, OptionsError
from tcellflow.genes.panel import align_panel
from tcellflow.inference.session import Device, open_session
from tcellflow.inference.states.abstention import choose_threshold
from tcellflow.inference.states.calls import StateCalls, join_calls
from tcellflow.inference.states.checks import (
    check_coverage,
    check_expression,
    check_is_normalised,
    check_library_size,
)
from tcellflow.inference.states.decoding import Decoder
from tcellflow.inference.states.receptor_block import ReceptorBlock, no_receptors
from tcellflow.inference.states.sources import MatrixCells
from tcellflow.io.bundles.description import ENSEMBLE_FILE
from tcellflow.io.bundles.folders import Bundle, find_bundle, read_bundle
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, EffectorMemoryAs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tcellflow.io.bundles.reliability import ReceptorInput

    Arrays = dict[str, NDArray[np.float32]]

_LOG = logging.getLogger(__name__)

# Every batch has this many rows (the last is filled up), so that the same kernels add in the same
# order for every cell. 256 was the quickest size in the benchmarks: it stays in the cache.
BATCH_CELLS: Final = 256
_EXPRESSION_INPUTS = ("expression", "present")
_RECEPTOR_INPUTS = ("tra", "trb", "has_tra", "has_trb")
_OUTPUTS = ("state_probabilities", "p_lineage", "p_function", "p_cycling", "joint", "latent")
_OPTIONAL_OUTPUTS = ("ood_score", "epistemic", "member_states")


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
    effector_memory_as
        Whether effector memory counts as Memory or as Effector.
    ensemble
        Whether the bundle's ensemble runs instead of the single model distilled from it.

    Raises
    ------
    BundleError
        If there is no such bundle, it has another task, or its model other inputs, outputs or sizes
        than it declares.
    OptionsError
        If the bundle has no ensemble where one is asked for, or as `open_session`.

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
        effector_memory_as: EffectorMemoryAs = "memory",
        ensemble: bool = False,
    ) -> None:
        bundle = bundle if isinstance(bundle, Bundle) else read_bundle(find_bundle(bundle))
        self.bundle = bundle
        labels = bundle.states.labels  # a bundle of another task is refused here
        if ensemble and ENSEMBLE_FILE not in bundle.description.files:
            raise OptionsError(
                f"the bundle {bundle.description.name} keeps no ensemble, only the model distilled from it",
                where="--ensemble",
                mend="leave --ensemble out, or use a bundle that was exported with its members",
            )
        self._model_path = bundle.folder / ENSEMBLE_FILE if ensemble else bundle.model_path
        self._session = open_session(self._model_path, threads=threads, device=device)
        self._outputs = self._check_tensors()
        reference = bundle.states.reliability.reference
        self._decoder = Decoder(
            effector_memory_as,
            reported=labels.get("function_reported", FUNCTIONS),
            ood_quantiles=() if reference is None else reference.ood_quantiles,
        )

    def _check_tensors(self) -> tuple[str, ...]:
        inputs, outputs = set(self._session.input_names), set(self._session.output_names)
        wanted = {*_EXPRESSION_INPUTS, *(_RECEPTOR_INPUTS if self.receptor_input else ())}
        if inputs != wanted or not set(_OUTPUTS) <= outputs:
            raise BundleError(
                f"the model takes {', '.join(self._session.input_names)} and gives "
                f"{', '.join(self._session.output_names)}, which this version cannot use",
                where=self._model_path,
                mend="use a bundle made for this version of tcellflow",
            )
        reference = self.bundle.states.reliability.reference
        if "ood_score" in outputs and (reference is None or not reference.ood_quantiles):
            raise BundleError(
                "the model gives an ood_score, but bundle.json has no 'ood_quantiles' to compare it with",
                where=self.bundle.folder,
                mend="have its maker add the quantiles of the training cells under 'reference'",
            )
        return (*_OUTPUTS, *(name for name in _OPTIONAL_OUTPUTS if name in outputs))

    @property
    def genes(self) -> NDArray[np.object_]:
        """Gene symbols in the order `predict` expects, shape (G,)."""
        return self.bundle.panel.symbols

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the model runs."""
        return self._session.device

    @property
    def effector_memory_as(self) -> EffectorMemoryAs:
        """Which state effector memory counts as."""
        return self._decoder.effector_memory_as

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
            0 to 1, as the bundle measured it on labelled cells.

        Raises
        ------
        OptionsError
            If the target is out of range or below what the bundle can reach.
        """
        return choose_threshold(self.bundle.states.abstention, target_risk)

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
            If effector memory counts as Effector, for the weights are those of the bundle's own states.
        """
        if self.effector_memory_as != "memory":
            raise OptionsError(
                "class shares are known only with effector memory counted as Memory",
                where="--correct-priors, --em-as effector",
                mend="leave one of both out",
            )
        other = object.__new__(StatePredictor)
        other.__dict__.update(self.__dict__)
        other._decoder = replace(self._decoder, weights=weights)
        return other

    def predict_cells(
        self, matrix: Any, gene_names: Sequence[str], receptors: ReceptorBlock | None = None
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
        cells = MatrixCells(matrix, np.array(gene_names, dtype=object))
        panel = align_panel(cells.gene_names, self.genes, self.bundle.panel.weights)
        warnings = check_coverage(panel, cells, self.bundle.description.name) + check_library_size(cells)
        for warning in warnings:
            _LOG.warning("%s", warning)
        parts = [self.predict(np.zeros((0, self.genes.size), np.float32), panel.present)]
        first = 0
        for block in cells.blocks():
            check_is_normalised(block.data)
            rows = slice(first, first + block.shape[0])
            chains = None if receptors is None else receptors.take(rows)
            parts.append(self.predict(panel.gather(block), panel.present, chains))
            first = rows.stop
        return join_calls(parts)

    def predict(
        self,
        expression: NDArray[np.float32],
        present: NDArray[np.bool_] | None = None,
        receptors: ReceptorBlock | None = None,
    ) -> StateCalls:
        """Predict the states of cells.

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
            receptors = no_receptors(len(expression), self.receptor_input.dimension)
        parts = []
        for start in range(0, max(len(expression), 1), BATCH_CELLS):
            rows = slice(start, start + BATCH_CELLS)
            of_rows = mask if len(mask) == 1 else mask[rows]
            chains = None if receptors is None else receptors.take(rows)
            parts.append(self._predict_batch(expression[rows], of_rows, chains))
        return join_calls(parts)

    def _predict_batch(
        self, expression: NDArray[np.float32], mask: NDArray[np.float32], receptors: ReceptorBlock | None
    ) -> StateCalls:
        n = len(expression)
        check_expression(expression)
        inputs: Arrays = {"expression": _fill(expression), "present": mask if len(mask) == 1 else _fill(mask)}
        if self.receptor_input is not None and receptors is not None:
            ranks = self._session.input_ranks
            arrays = receptors.as_inputs(self.receptor_input.dimension)
            for name in _RECEPTOR_INPUTS:
                filled = _fill(arrays[name])
                inputs[name] = filled[:, 0] if ranks[name] == 1 else filled
        out = self._session.run(inputs)
        self._check_shapes(out)
        return self._decoder.decode({name: out[name][:n] for name in self._outputs})

    def _check_shapes(self, out: Mapping[str, NDArray[np.float32]]) -> None:
        n_states, n_lineages, n_functions = len(STATES), len(LINEAGES), len(FUNCTIONS)
        expected: dict[str, tuple[int, ...]] = {
            "state_probabilities": (BATCH_CELLS, n_states),
            "p_lineage": (BATCH_CELLS, n_lineages),
            "p_function": (BATCH_CELLS, n_functions),
            "p_cycling": (BATCH_CELLS, 1),
            "joint": (BATCH_CELLS, n_lineages, n_functions),
        }
        if "member_states" in out:
            expected["member_states"] = (BATCH_CELLS, *out["member_states"].shape[1:2], n_states)
        for name in {"ood_score", "epistemic"} & set(out):  # with a second axis or without
            expected[name] = (BATCH_CELLS, *[1] * (out[name].ndim - 1))
        expected["latent"] = (BATCH_CELLS, *out["latent"].shape[1:2])
        for name, shape in expected.items():
            if out[name].shape != shape:
                raise BundleError(
                    f"the model's output '{name}' has shape {out[name].shape} instead of {shape}",
                    where=self._model_path,
                    mend="use a bundle made for this version of tcellflow",
                )


def _fill(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill a batch up to its fixed height with zeros."""
    batch = np.zeros((BATCH_CELLS, rows.shape[1]), np.float32)
    batch[: len(rows)] = rows
    return batch
