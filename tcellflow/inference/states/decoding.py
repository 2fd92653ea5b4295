"""From the arrays of a states model to calls.

Invariant: each row is decoded by itself; lineage, function and cycle are always those of the
predicted state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.inference.states.calls import StateCalls, entropy_of, measure_disagreement
from tcellflow.states.axes import (
    FUNCTIONS,
    LINEAGES,
    STATES,
    EffectorMemoryAs,
    mark_joint_cells,
    move_effector_memory,
    weigh_states,
)
from tcellflow.vocabulary import Cycle, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Decoder:
    """How one bundle's arrays are read.

    Parameters
    ----------
    effector_memory_as
        Whether effector memory counts as Memory or as Effector.
    reported
        Functions the bundle has classes for.
    ood_quantiles
        Values of ``ood_score`` at evenly spaced percentiles of the training cells; empty without one.
    weights
        Factor of each state's probability, shape (7,); None = all 1.
    """

    effector_memory_as: EffectorMemoryAs
    reported: tuple[str, ...]
    ood_quantiles: tuple[float, ...] = ()
    weights: NDArray[np.float64] | None = None

    def decode(self, out: Arrays) -> StateCalls:
        """Decode a batch.

        Parameters
        ----------
        out
            Arrays of the model by name, B rows each: those every states model gives, and ``ood_score``,
            ``epistemic`` and ``member_states`` where it has them.

        Returns
        -------
        StateCalls
            One call per row.
        """
        agreement, epistemic = self._decode_disagreement(out)
        if self.weights is not None:
            out = weigh_states(out, self.weights)
        probabilities, joint, cycling = out["state_probabilities"], out["joint"], out["p_cycling"]
        if self.effector_memory_as == "effector":
            probabilities = move_effector_memory(probabilities, joint, cycling)
        best = probabilities.argmax(axis=1)
        # The most probable joint cell among those that make up the predicted state.
        cells = mark_joint_cells(self.effector_memory_as)
        flat = joint.reshape(len(joint), cells.shape[1])
        inside = np.where(cells[best], flat, -1.0).argmax(axis=1)
        lineage, function = np.divmod(inside, len(FUNCTIONS))
        unreported = np.array([function not in self.reported for function in FUNCTIONS])
        is_cycling = best == STATES.index(State.PROLIFERATING)
        return StateCalls(
            predicted_state=_name(STATES, best),
            lineage=_name(LINEAGES, lineage),
            function=_name(FUNCTIONS, function),
            cycle=_name((Cycle.RESTING, Cycle.CYCLING), is_cycling.astype(np.int64)),
            state_probabilities=probabilities,
            p_lineage=out["p_lineage"],
            p_function=np.where(unreported, np.float32(np.nan), out["p_function"]),
            p_cycling=cycling[:, 0],
            entropy=entropy_of(probabilities),
            latent=out["latent"],
            agreement=agreement,
            epistemic=epistemic,
            ood_score=self._decode_ood(out),
        )

    def _decode_disagreement(self, out: Arrays) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        nothing = np.full(len(out["latent"]), np.nan, np.float32)
        agreement, epistemic = nothing, nothing
        if "member_states" in out:
            agreement, epistemic = measure_disagreement(out["member_states"], out["state_probabilities"])
        if "epistemic" in out:
            epistemic = np.maximum(out["epistemic"].reshape(len(nothing)), np.float32(0))
        return agreement, epistemic

    def _decode_ood(self, out: Arrays) -> NDArray[np.float32]:
        if "ood_score" not in out:
            return np.full(len(out["latent"]), np.nan, np.float32)
        shares = np.linspace(0.0, 1.0, len(self.ood_quantiles))
        return np.interp(out["ood_score"].reshape(-1), self.ood_quantiles, shares).astype(np.float32)


def _name(names: tuple[str, ...], index: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.asarray(np.array([str(name) for name in names], dtype=object)[index])
