"""How sure a call is that rests on programmes, and from where on it is reported.

Invariant: confidence is trust, measured on whole sets left out; so a call of confidence c is wrong with
probability 1 - c, and calls of at least 1 - target are wrong no more often than the target, in any sample
like those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.errors import OptionsError
from tcellflow.states.trust import read_trust

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEASURED_ON: Final = "whole data sets and patients left out, under pretended shifts"


def measure_confidence(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the confidence in the most probable state of each call, shape (B,), 0-1.

    Parameters
    ----------
    states
        State probabilities, shape (B, 7).
    """
    return read_trust().of(states)


def choose_least_confidence(target_risk: float) -> float:
    """Choose the confidence below which calls abstain, 0-1.

    Raises
    ------
    OptionsError
        If the target is no share above 0.
    """
    check_target(target_risk)
    return 1 - target_risk


def check_target(target_risk: float) -> None:
    """Refuse a target risk that abstention cannot aim at.

    Raises
    ------
    OptionsError
        If it is no share above 0.
    """
    if not 0 < target_risk <= 1:
        raise OptionsError(
            f"a target risk of {target_risk:g} is no share above 0",
            where="--target-risk",
            mend="give a share, e.g. 0.1",
        )
