"""Which calls and sets keep a promise: thresholds from what a bundle measured.

Invariant: a threshold is never guessed; it is a point of a curve, or a level, that the bundle states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcellflow.errors import OptionsError

if TYPE_CHECKING:
    from tcellflow.io.bundles.reliability import ConformalLevel, Reliability
    from tcellflow.io.bundles.states import Abstention, StatesDetails


@dataclass(frozen=True)
class Rules:
    """By which calls abstain, and which states stay possible.

    Parameters
    ----------
    target_risk
        Accepted share of wrong calls, 0-1.
    threshold
        Confidence below which a call abstains, 0-1.
    ood_threshold
        Out-of-distribution score above which a call abstains, 0-1; None = no call does.
    least_probability
        Probability from which on a state belongs to a prediction set, 0-1; None = no sets.
    """

    target_risk: float
    threshold: float
    ood_threshold: float | None = None
    least_probability: float | None = None


def choose_rules(
    details: StatesDetails, *, target_risk: float | None = None, set_coverage: float | None = None
) -> Rules:
    """Choose the rules of a bundle that keep what is asked.

    Parameters
    ----------
    details
        What the bundle states.
    target_risk
        As in `choose_threshold`.
    set_coverage
        As in `choose_set_level`; no sets if not given.

    Returns
    -------
    Rules
        Points of the bundle's own curves.

    Raises
    ------
    OptionsError
        As `choose_threshold` and `choose_set_level`.
    """
    reliability = details.reliability
    level = None if set_coverage is None else choose_set_level(reliability, set_coverage)
    return Rules(
        target_risk=details.abstention.target_risk if target_risk is None else target_risk,
        threshold=choose_threshold(details.abstention, target_risk),
        ood_threshold=reliability.ood_threshold,
        least_probability=None if level is None else level.least_probability,
    )


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


def choose_set_level(reliability: Reliability, coverage: float) -> ConformalLevel:
    """Choose the prediction sets that hold the true state in a share of cells.

    Parameters
    ----------
    reliability
        What the bundle states.
    coverage
        Share of cells whose true state should be in their set, 0-1.

    Returns
    -------
    ConformalLevel
        The smallest stated coverage that is not below the one asked for.

    Raises
    ------
    OptionsError
        If the bundle states no such coverage.
    """
    for level in reliability.conformal:
        if level.coverage >= coverage:
            return level
    stated = ", ".join(f"{level.coverage:g}" for level in reliability.conformal)
    raise OptionsError(
        f"the bundle states no prediction sets with a coverage of {coverage:g}",
        where="--set-coverage",
        mend=f"give one of: {stated}" if stated else "leave --set-coverage out, or use another bundle",
    )
