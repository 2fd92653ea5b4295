"""From calls to what is reported: which calls abstain, and why.

Invariant: an abstaining cell keeps its prediction and its probabilities; only the reported state changes,
and it always comes with one reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, AbstainReason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.state_calls import StateCalls


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


def decide_verdicts(calls: StateCalls, evidence: CellEvidence, threshold: float) -> Verdicts:
    """Decide which calls are reported.

    Parameters
    ----------
    calls
        Calls of B cells.
    evidence
        What else is known of them.
    threshold
        Confidence below which a call abstains, 0-1.

    Returns
    -------
    Verdicts
        With several reasons the first of: not a T cell, doublet, no expression in the panel, low
        confidence.
    """
    reason = np.full(len(calls.predicted_state), None, dtype=object)
    # Written from the weakest reason to the strongest, so that the strongest stands.
    reason[calls.confidence < threshold] = str(AbstainReason.LOW_CONFIDENCE)
    reason[evidence.n_panel_genes == 0] = str(AbstainReason.COVERAGE)
    reason[evidence.is_doublet] = str(AbstainReason.DOUBLET)
    reason[~evidence.is_t_cell] = str(AbstainReason.NOT_T_CELL)
    state = calls.predicted_state.copy()
    state[reason != None] = STATE_UNRESOLVED  # noqa: E711 - element by element
    state[~evidence.is_t_cell] = STATE_NOT_T
    return Verdicts(state, reason)
