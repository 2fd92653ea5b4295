"""How far a sample lies from the cells a bundle learnt from, and what that does to its probabilities.

Invariant: a figure compares the sample with what the bundle states, or is None; shares are corrected
only where the sample can carry it, and the reason is given where it cannot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import OptionsError
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.io.bundles.reliability import Reliability
    from tcellflow.provenance import JsonValue
    from tcellflow.vocabulary import State

LEAST_CELLS: Final = 200  # seven shares estimated from fewer cells are mostly noise
MOST_OOD: Final = 0.30  # such cells are of no class, and would be shared out among all
# Shares may tip undecided calls; where they overturn sure ones, the sample differs in more than its shares.
MOST_OVERTURNED: Final = 0.02
# The bundle's shares count as much as so many samples: without them, estimates run away towards a class
# that is faintly possible in every cell.
BUNDLE_WEIGHT: Final = 2.0
_TOLERANCE: Final = 1e-6
_MOST_ROUNDS: Final = 2_000
_DECIMALS: Final = 6


@dataclass(frozen=True)
class PriorCorrection:
    """What became of a wish to correct the class shares.

    Parameters
    ----------
    shares
        Shares estimated for the sample, in the order of `State`; None where refused.
    weights
        Factor of each state's probability, shape (7,); None where refused.
    refusal
        Why the probabilities stay as they are; empty where they were corrected.
    """

    shares: tuple[float, ...] | None
    weights: NDArray[np.float64] | None
    refusal: str = ""

    def as_dict(self) -> dict[str, JsonValue]:
        """Give what metrics.json says of it.

        Returns
        -------
        dict
            Keys ``applied``, ``refusal`` (null where applied) and ``shares`` (null where refused).
        """
        shares: JsonValue = None
        if self.shares is not None:
            shares = {str(s): round(x, _DECIMALS) for s, x in zip(STATES, self.shares, strict=True)}
        return {"applied": not self.refusal, "refusal": self.refusal or None, "shares": shares}


def check_shares(reliability: Reliability) -> Mapping[State, float]:
    """Refuse a bundle whose class shares are unknown, for then a prior shift cannot be estimated.

    Returns
    -------
    mapping
        Share of each state that its probabilities are calibrated for.

    Raises
    ------
    OptionsError
        If it does not state them.
    """
    reference = reliability.reference
    if reference is None or reference.state_shares is None:
        raise OptionsError(
            "the bundle does not state the class shares that its probabilities are calibrated for",
            where="--correct-priors",
            mend="leave --correct-priors out, or use a bundle that states them",
        )
    return reference.state_shares


def estimate_correction(
    probabilities: NDArray[np.float32], reliability: Reliability, *, threshold: float, n_ood: int
) -> PriorCorrection:
    """Estimate a prior shift: the class shares of a sample from its own probabilities.

    Parameters
    ----------
    probabilities
        Of the sample's single T cells within its distribution, shape (B, 7).
    reliability
        What the bundle states.
    threshold
        Confidence from which on a call is sure, 0-1.
    n_ood
        Single T cells beside them whose out-of-distribution score is above the bundle's threshold.

    Returns
    -------
    PriorCorrection
        Refused below 200 cells, where more than 30 % of the T cells are out of distribution, or where more
        than 2 % of the sure calls would change.

    Raises
    ------
    OptionsError
        As `check_shares`.

    Notes
    -----
    Expectation maximisation of Saerens, Latinne and Decaestecker (2002),
    doi:10.1162/089976602753284446, with the bundle's shares as a Dirichlet prior (the most probable
    shares instead of the most likely ones). It holds where the sample differs in its shares alone, not
    in what the cells of a class look like.
    """
    stated = check_shares(reliability)
    n = len(probabilities)
    if n < LEAST_CELLS:
        return PriorCorrection(None, None, f"{n:,} usable T cells; at least {LEAST_CELLS} are needed")
    if n_ood > MOST_OOD * (n + n_ood):
        share = n_ood / (n + n_ood)
        return PriorCorrection(
            None,
            None,
            f"{share:.0%} of the T cells are unlike the training cells; at most {MOST_OOD:.0%} may be",
        )
    before = np.array([stated[state] for state in STATES])
    shares = _maximise(probabilities.astype(np.float64), before)
    weights = np.where(before > 0, shares / np.where(before > 0, before, 1.0), 1.0)
    overturned = _measure_overturned(probabilities, weights, threshold)
    if overturned > MOST_OVERTURNED:
        return PriorCorrection(
            None,
            None,
            f"it would change the state of {overturned:.0%} of the sure calls, so the sample differs from "
            "the bundle's cells in more than its shares",
        )
    return PriorCorrection(tuple(float(share) for share in shares), weights)


def _maximise(probabilities: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = probabilities / np.where(before > 0, before, 1.0) * (before > 0)  # likelihoods, up to a factor
    shares: NDArray[np.float64] = before.copy()
    for _ in range(_MOST_ROUNDS):
        weighted = scaled * shares
        totals = weighted.sum(axis=1, keepdims=True)
        updated: NDArray[np.float64] = (weighted / np.where(totals > 0, totals, 1.0)).mean(axis=0)
        updated = (updated + BUNDLE_WEIGHT * before) / (updated.sum() + BUNDLE_WEIGHT)
        if np.abs(updated - shares).max() < _TOLERANCE:
            return updated
        shares = updated
    return shares


def _measure_overturned(
    probabilities: NDArray[np.float32], weights: NDArray[np.float64], threshold: float
) -> float:
    is_sure = probabilities.max(axis=1) >= threshold
    if not is_sure.any():
        return 0.0
    sure = probabilities[is_sure]
    return float(((sure * weights).argmax(axis=1) != sure.argmax(axis=1)).mean())


def measure_shift(
    ood_score: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    is_usable: NDArray[np.bool_],
    reliability: Reliability,
) -> dict[str, JsonValue]:
    """Measure the shift of a sample: how far its T cells lie from the cells a bundle learnt from.

    Parameters
    ----------
    ood_score
        Of B cells, shape (B,).
    probabilities
        Their state probabilities by the network alone, as the bundle's own, shape (B, 7).
    is_usable
        Which of them are single T cells, shape (B,).
    reliability
        What the bundle states.

    Returns
    -------
    dict
        ``ood`` and ``confidence``: largest difference of the cumulative distributions (Kolmogorov and
        Smirnov), 0 = the same, 1 = apart; ``states``: half the summed differences of the state shares
        (total variation), 0-1; ``score``: ``ood``, or ``confidence`` where the bundle has no
        out-of-distribution score; ``dataset``: what the sample is compared with. Null where there is
        nothing to compare.
    """
    reference = reliability.reference
    ood = confidence = states = None
    if reference is not None and is_usable.any():
        scores = ood_score[is_usable]
        if np.isfinite(scores).all():
            ood = _compare_quantiles(scores, np.linspace(0.0, 1.0, len(reference.ood_quantiles)))
        if reference.confidence_quantiles:
            confidence = _compare_quantiles(
                probabilities[is_usable].max(axis=1), reference.confidence_quantiles
            )
        if reference.state_shares is not None:
            states = _compare_shares(probabilities[is_usable], reference.state_shares)
    return {
        "score": confidence if ood is None else ood,
        "ood": ood,
        "confidence": confidence,
        "states": states,
        "dataset": None if reference is None else reference.dataset,
    }


def _compare_quantiles(
    values: NDArray[np.float32], quantiles: Sequence[float] | NDArray[np.float64]
) -> float:
    ordered = np.sort(values.astype(np.float64))
    n = len(ordered)
    expected = np.interp(ordered, quantiles, np.linspace(0.0, 1.0, len(quantiles)))
    above = (np.arange(1, n + 1) / n - expected).max()
    below = (expected - np.arange(n) / n).max()
    return round(float(np.clip(max(above, below), 0.0, 1.0)), _DECIMALS)


def _compare_shares(probabilities: NDArray[np.float32], shares: Mapping[State, float]) -> float:
    means = probabilities.mean(axis=0, dtype=np.float64)
    expected = np.array([shares[state] for state in STATES])
    return round(float(np.abs(means - expected).sum() / 2), _DECIMALS)
