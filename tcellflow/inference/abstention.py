"""When a call should abstain: a confidence threshold from a coverage-risk curve.

Invariant: a threshold is never guessed; it is a point of the curve that the bundle measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcellflow.errors import OptionsError

if TYPE_CHECKING:
    from tcellflow.io.bundle_states import Abstention


def choose_threshold(abstention: Abstention, target_risk: float | None = None) -> float:
    """Choose the confidence below which calls abstain.

    Parameters
    ----------
    abstention
        The bundle's coverage-risk curve and its default target.
    target_risk
        Accepted share of wrong calls, above 0 and at most 1; the bundle's default if not given.

    Returns
    -------
    float
        The smallest threshold of the curve from which on the risk stays within the target.

    Raises
    ------
    OptionsError
        If the target is out of range or below what the bundle can reach.
    """
    target = abstention.target_risk if target_risk is None else target_risk
    if not 0 < target <= 1:
        raise OptionsError(
            f"a target risk of {target:g} is no share above 0",
            where="--target-risk",
            mend="give a share, e.g. 0.1",
        )
    threshold: float | None = None
    for point in reversed(abstention.curve):
        if point.risk > target:
            break
        threshold = point.threshold
    if threshold is None:
        least = abstention.curve[-1].risk if abstention.curve else 1.0
        raise OptionsError(
            f"this bundle cannot reach a risk of {target:g}; with the strictest threshold it is {least:.3g}",
            where="--target-risk",
            mend=f"give {least:.3g} or more, or use a better bundle",
        )
    return threshold
