"""How sure calls are that rest on programmes, and from where on they are reported.

Invariant: confidence is trust, measured on whole sets left out; what is not known of a sample counts as in
a typical one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.states.trust import TYPICAL_SHIFT, measure_discord, read_trust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEASURED_ON: Final = "whole data sets and patients left out, under pretended shifts"


def measure_confidence(states: Floats, support: Floats, shift: float = TYPICAL_SHIFT) -> Floats:
    """Give the confidence in the most probable state of each call, shape (B,), 0-1.

    Parameters
    ----------
    states
        State probabilities, shape (B, 7).
    support
        Probability of that state by the network and by the linear model, shape (B, 2).
    shift
        Of the sample, from `measure_sample`.
    """
    return read_trust().of(states, support, shift)


def measure_sample(agrees: NDArray[np.bool_]) -> float:
    """Measure the shift of a sample by its single T cells: whether network and linear model agree, (B,)."""
    return measure_discord(agrees)


def choose_least_confidence(target_risk: float) -> float:
    """Choose the confidence below which calls abstain, 0-1.

    Raises
    ------
    OptionsError
        If the target is no share above 0, or was not reached on sets left out.
    """
    return read_trust().threshold(target_risk)


def choose_least_probability(set_coverage: float, shift: float = TYPICAL_SHIFT) -> float:
    """Choose the probability from which on a state belongs to a prediction set of that coverage.

    Raises
    ------
    OptionsError
        If no coverage as large was measured.
    """
    return read_trust().least_probability(set_coverage, shift)
