"""From calls to what is reported: which calls abstain, and why.

Invariant: an abstaining cell keeps its prediction and its probabilities; only the reported state changes,
and it always comes with one reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, AbstainReason, State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.states.abstention import Rules
    from tcellflow.inference.states.calls import StateCalls


@dataclass(frozen=True)
class CellEvidence:
    """What is known about B cells beside the calls.

    Parameters
    ----------
    is_t_cell
        Verdict of the T-cell gate, shape (B,), bool.
    is_doublet
        Signs of two cells under one barcode, shape (B,), bool.
    n_panel_genes
        Genes of the panel with any expression, shape (B,), int64.
    """

    is_t_cell: NDArray[np.bool_]
    is_doublet: NDArray[np.bool_]
    n_panel_genes: NDArray[np.int64]


@dataclass(frozen=True)
class Verdicts:
    """What is reported of B cells.

    Parameters
    ----------
    state
        Predicted state, ``Unresolved`` or ``Not_T``, shape (B,), object.
    reason
        Why the call abstains (`AbstainReason`), None where it does not; shape (B,), object.
    """

    state: NDArray[np.object_]
    reason: NDArray[np.object_]

    @property
    def is_abstained(self) -> NDArray[np.bool_]:
        """Whether no state is reported, shape (B,)."""
        return np.asarray(self.reason != None, dtype=bool)  # noqa: E711 - element by element

    @property
    def is_usable(self) -> NDArray[np.bool_]:
        """Whether the probabilities are those of one T cell: all but low confidence rules that out."""
        return np.asarray(~self.is_abstained | (self.reason == AbstainReason.LOW_CONFIDENCE), dtype=bool)

    @property
    def is_strange(self) -> NDArray[np.bool_]:
        """Whether a single T cell is unlike all training cells, shape (B,)."""
        return np.asarray(self.reason == AbstainReason.OOD, dtype=bool)


def decide_verdicts(calls: StateCalls, evidence: CellEvidence, rules: Rules) -> Verdicts:
    """Decide which calls are reported.

    Parameters
    ----------
    calls
        Calls of B cells.
    evidence
        What else is known of them.
    rules
        By which calls abstain.

    Returns
    -------
    Verdicts
        With several reasons the first of: not a T cell, doublet, no expression in the panel, unlike the
        training cells, low confidence.
    """
    reason = np.full(len(calls.predicted_state), None, dtype=object)
    # Written from the weakest reason to the strongest, so that the strongest stands.
    reason[calls.confidence < rules.threshold] = str(AbstainReason.LOW_CONFIDENCE)
    if rules.ood_threshold is not None:
        reason[calls.ood_score > rules.ood_threshold] = str(AbstainReason.OOD)
    reason[evidence.n_panel_genes == 0] = str(AbstainReason.COVERAGE)
    reason[evidence.is_doublet] = str(AbstainReason.DOUBLET)
    reason[~evidence.is_t_cell] = str(AbstainReason.NOT_T_CELL)
    state = calls.predicted_state.copy()
    state[reason != None] = STATE_UNRESOLVED  # noqa: E711 - element by element
    state[~evidence.is_t_cell] = STATE_NOT_T
    return Verdicts(state, reason)


def list_prediction_sets(probabilities: NDArray[np.float32], least_probability: float) -> NDArray[np.object_]:
    """List, for each cell, the states that cannot be ruled out.

    Parameters
    ----------
    probabilities
        Shape (B, 7), in the order of `State`.
    least_probability
        Probability from which on a state belongs to the set, 0-1; measured for a stated coverage.

    Returns
    -------
    ndarray
        State names joined by ``|``, most probable first, shape (B,), object; may be empty.

    Notes
    -----
    Split conformal prediction with the score 1 - p of the true class (Sadinle, Lei and Wasserman 2019,
    doi:10.1080/01621459.2017.1395341).
    """
    names = np.array([str(state) for state in State], dtype=object)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    n_inside = (probabilities >= least_probability).sum(axis=1)
    sets = np.empty(len(probabilities), dtype=object)
    sets[:] = ["|".join(names[row[:n]]) for row, n in zip(order, n_inside, strict=True)]
    return sets
