"""The network of a states bundle, loaded: arrays of any number of cells in, arrays out.

Invariant: every batch has one height, so that a cell's arrays depend on nothing but the cell, whatever
the batch it came in and the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tcellflow.errors import BundleError, OptionsError
from tcellflow.inference.session import Device, open_session
from tcellflow.io.bundles.description import ENSEMBLE_FILE
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tcellflow.inference.states.sources import ReceptorBlock
    from tcellflow.io.bundles.folders import Bundle

    Arrays = dict[str, NDArray[np.float32]]

# Every batch has this many rows (the last is filled up), so that the same kernels add in the same
# order for every cell. 256 was the quickest size in the benchmarks: it stays in the cache.
BATCH_CELLS: Final = 256
_EXPRESSION_INPUTS = ("expression", "present")
_RECEPTOR_INPUTS = ("tra", "trb", "has_tra", "has_trb")
_OUTPUTS = ("state_probabilities", "p_lineage", "p_function", "p_cycling", "joint", "latent")
_OPTIONAL_OUTPUTS = ("ood_score", "epistemic", "member_states")


class LoadedNetwork:
    """The network of a states bundle in ONNX Runtime.

    Parameters
    ----------
    bundle
        A verified states bundle.
    threads, device
        As in `open_session`.
    ensemble
        Whether the bundle's ensemble runs instead of the single model distilled from it.

    Raises
    ------
    BundleError
        If the model has other inputs or outputs than a states bundle declares.
    OptionsError
        If the bundle has no ensemble where one is asked for, or as `open_session`.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None, device: Device, ensemble: bool) -> None:
        if ensemble and ENSEMBLE_FILE not in bundle.description.files:
            raise OptionsError(
                f"the bundle {bundle.description.name} keeps no ensemble, only the model distilled from it",
                where="--ensemble",
                mend="leave --ensemble out, or use a bundle that was exported with its members",
            )
        self._path = bundle.folder / ENSEMBLE_FILE if ensemble else bundle.model_path
        self._receptor_input = bundle.states.reliability.receptor_input
        self.session = open_session(self._path, threads=threads, device=device)
        self._outputs = self._check_tensors(bundle)

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it runs."""
        return self.session.device

    def _check_tensors(self, bundle: Bundle) -> tuple[str, ...]:
        inputs, outputs = set(self.session.input_names), set(self.session.output_names)
        wanted = {*_EXPRESSION_INPUTS, *(_RECEPTOR_INPUTS if self._receptor_input else ())}
        if inputs != wanted or not set(_OUTPUTS) <= outputs:
            raise BundleError(
                f"the model takes {', '.join(self.session.input_names)} and gives "
                f"{', '.join(self.session.output_names)}, which this version cannot use",
                where=self._path,
                mend="use a bundle made for this version of tcellflow",
            )
        reference = bundle.states.reliability.reference
        if "ood_score" in outputs and (reference is None or not reference.ood_quantiles):
            raise BundleError(
                "the model gives an ood_score, but bundle.json has no 'ood_quantiles' to compare it with",
                where=bundle.folder,
                mend="have its maker add the quantiles of the training cells under 'reference'",
            )
        return (*_OUTPUTS, *(name for name in _OPTIONAL_OUTPUTS if name in outputs))

    def run(
        self, expression: NDArray[np.float32], mask: NDArray[np.float32], receptors: ReceptorBlock | None
    ) -> Arrays:
        """Run one batch.

        Parameters
        ----------
        expression
            Shape (B, G), B at most `BATCH_CELLS`, 0 included.
        mask
            1 where a gene was measured, else 0; shape (1, G) or (B, G).
        receptors
            Vectors of the same cells; needed where the bundle takes them.

        Returns
        -------
        dict
            Arrays that every states model gives, and ``ood_score``, ``epistemic`` and ``member_states``
            where it has them; B rows each, float32.

        Raises
        ------
        InputError
            If the vectors have another width than the bundle declares.
        BundleError
            If the results have other sizes than the bundle declares.
        """
        n = len(expression)
        inputs: Arrays = {"expression": _fill(expression), "present": mask if len(mask) == 1 else _fill(mask)}
        if self._receptor_input is not None and receptors is not None:
            ranks = self.session.input_ranks
            arrays = receptors.as_inputs(self._receptor_input.dimension)
            for name in _RECEPTOR_INPUTS:
                filled = _fill(arrays[name])
                inputs[name] = filled[:, 0] if ranks[name] == 1 else filled
        out = self.session.run(inputs)
        self._check_shapes(out)
        return {name: out[name][:n] for name in self._outputs}

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
                    where=self._path,
                    mend="use a bundle made for this version of tcellflow",
                )


def _fill(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill a batch up to its fixed height with zeros."""
    batch = np.zeros((BATCH_CELLS, rows.shape[1]), np.float32)
    batch[: len(rows)] = rows
    return batch
