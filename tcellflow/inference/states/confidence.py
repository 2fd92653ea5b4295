"""How sure calls are that rest on programmes, and from where on they are reported.

Invariant: confidence is trust, measured on whole sets left out; what is not known of a sample counts as in
a typical one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.states.trust import TYPICAL_DISCORD, TYPICAL_SHIFT, Discord, measure_discord, read_trust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MEASURED_ON: Final = "whole data sets and patients left out, under pretended shifts"


def measure_confidence(states: Floats, support: Floats, discord: Discord = TYPICAL_DISCORD) -> Floats:
    """Give the confidence in the most probable state of each call, shape (B,), 0-1.

    Parameters
    ----------
    states
        State probabilities, shape (B, 7).
    support
        Probability of that state by the network and by the linear model, shape (B, 2).
    discord
        Of the sample, from `measure_sample`.
    """
    return read_trust().of(states, support, discord)


def measure_sample(agrees: NDArray[np.bool_], states: NDArray[np.floating]) -> Discord:
    """Measure how often network and linear model disagree on a sample's single T cells.

    Parameters
    ----------
    agrees
        Whether both call the same, shape (B,).
    states
        State probabilities, shape (B, 7).
    """
    return measure_discord(agrees, states)


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
