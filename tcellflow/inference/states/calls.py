"""The calls of many cells, as parallel arrays.

Invariant: all arrays have one row per cell in the same order; what a bundle cannot tell is NaN in
every row, never a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class StateCalls:
    """Calls of B cells.

    Parameters
    ----------
    predicted_state
        Most probable of the seven states, shape (B,), object (`State`).
    lineage, function, cycle
        Most probable combination inside `predicted_state`, shape (B,), object.
    state_probabilities
        Shape (B, 7), float32, in the order of `State`; rows sum to 1.
    p_lineage
        Shape (B, 6), float32, in the order of `Lineage`.
    p_function
        Shape (B, 9), float32, in the order of `Function`; NaN where the bundle has no such class.
    p_cycling
        Shape (B,), float32.
    entropy
        Of `state_probabilities`, nats, shape (B,), float32.
    latent
        The bundle's latent, shape (B, D), float32.
    agreement
        Share of the members whose most probable state is that of all together, shape (B,), float32;
        NaN for a single model.
    epistemic
        Disagreement of the members (mutual information, or its distilled estimate), nats, shape (B,),
        float32; NaN where the bundle has none.
    ood_score
        Percentile among the training cells, 0-1, shape (B,), float32; NaN where the bundle has none.
    """

    predicted_state: NDArray[np.object_]
    lineage: NDArray[np.object_]
    function: NDArray[np.object_]
    cycle: NDArray[np.object_]
    state_probabilities: NDArray[np.float32]
    p_lineage: NDArray[np.float32]
    p_function: NDArray[np.float32]
    p_cycling: NDArray[np.float32]
    entropy: NDArray[np.float32]
    latent: NDArray[np.float32]
    agreement: NDArray[np.float32]
    epistemic: NDArray[np.float32]
    ood_score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.predicted_state)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Calibrated probability of `predicted_state`, shape (B,)."""
        return np.asarray(self.state_probabilities.max(axis=1, initial=0.0), dtype=np.float32)


def join_calls(parts: Sequence[StateCalls]) -> StateCalls:
    """Join the calls of consecutive cells.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    StateCalls
        All cells in order.
    """
    return StateCalls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(StateCalls)))


def entropy_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the entropy of each row.

    Parameters
    ----------
    probabilities
        Shape (B, K), each row summing to 1.

    Returns
    -------
    ndarray
        Nats, shape (B,), float32, 0 to ln K.
    """
    p = probabilities.astype(np.float64)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    entropy = np.clip(-terms.sum(axis=1), 0.0, np.log(p.shape[1]))
    return np.asarray(entropy, dtype=np.float32)


def measure_disagreement(
    members: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure how far the members of an ensemble agree.

    Parameters
    ----------
    members
        State probabilities of each member, shape (B, M, 7).
    probabilities
        Those of the ensemble, shape (B, 7).

    Returns
    -------
    agreement : ndarray
        Share of the members with the ensemble's most probable state, shape (B,), float32.
    epistemic : ndarray
        Mutual information of state and member (entropy of the mean less mean of the entropies), nats,
        shape (B,), float32, >= 0.
    """
    n, n_members, n_states = members.shape
    same = members.argmax(axis=2) == probabilities.argmax(axis=1)[:, None]
    whole = entropy_of(members.mean(axis=1, dtype=np.float64).astype(np.float32))
    single = entropy_of(members.reshape(n * n_members, n_states)).reshape(n, n_members)
    epistemic = np.maximum(whole - single.mean(axis=1, dtype=np.float64), 0.0)
    return same.mean(axis=1, dtype=np.float64).astype(np.float32), epistemic.astype(np.float32)
