"""What a states bundle says about the cells it learnt from, so that calls on other cells can be judged.

Invariant: every entry is optional and measured; what a bundle does not state is None, and nothing
stands in for it.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from tcellflow.io.bundles.fields import LOOSE, Name, Quantiles, Sha256, Share, Size, Text
from tcellflow.vocabulary import State

_SHARES_TOLERANCE: Final = 1e-3  # shares are written with a few decimals


def _check_shares(shares: dict[State, float]) -> dict[State, float]:
    if set(shares) != set(State) or abs(sum(shares.values()) - 1) > _SHARES_TOLERANCE:
        message = "the state shares are not seven shares that sum to 1"
        raise ValueError(message)
    return {state: shares[state] for state in State}


@dataclass(frozen=True, config=LOOSE)
class Reference:
    """The cells a bundle was fitted and calibrated on, in figures.

    Parameters
    ----------
    dataset
        Which cells.
    state_shares
        Share of each state that the probabilities are calibrated for; None if not stated.
    ood_quantiles
        Values of the model's ``ood_score`` at evenly spaced percentiles of the training cells; empty
        if not stated.
    confidence_quantiles
        The same for the confidence; empty if not stated.
    """

    dataset: Text = ""
    state_shares: Annotated[dict[State, Share], AfterValidator(_check_shares)] | None = None
    ood_quantiles: Quantiles = ()
    confidence_quantiles: Quantiles = ()


@dataclass(frozen=True, config=LOOSE)
class OodRule:
    """Percentile of the training cells, 0-1, above which a call abstains as out-of-distribution."""

    threshold: Share


@dataclass(frozen=True, config=LOOSE)
class ConformalLevel:
    """A prediction set with a stated coverage.

    Parameters
    ----------
    coverage
        Share of calibration cells whose true state was in the set, 0-1.
    least_probability
        The set holds every state of at least this probability, 0-1.
    """

    coverage: Share
    least_probability: Share


@dataclass(frozen=True, config=LOOSE)
class ReceptorInput:
    """Which receptor vectors a model takes.

    Parameters
    ----------
    dimension
        Width of a chain's vector.
    encoder
        Backend or receptors bundle that makes them, as embed-tcr names it.
    encoder_sha256
        Digest of that bundle; None for an encoder without weights.
    """

    dimension: Size
    encoder: Name
    encoder_sha256: Sha256 | None = None


def _sort_levels(levels: tuple[ConformalLevel, ...]) -> tuple[ConformalLevel, ...]:
    return tuple(sorted(levels, key=lambda level: (level.coverage, level.least_probability)))


@dataclass(frozen=True, config=LOOSE)
class Reliability:
    """Everything optional that a states bundle states, under the names of ``bundle.json``.

    Parameters
    ----------
    reference
        The cells behind it.
    ood
        When a call abstains as out-of-distribution.
    conformal
        Prediction sets in rising order of coverage.
    receptors
        Receptor vectors its model takes.
    """

    reference: Reference | None = None
    ood: OodRule | None = None
    conformal: Annotated[tuple[ConformalLevel, ...], AfterValidator(_sort_levels)] = Field(default=())
    receptors: ReceptorInput | None = None

    @property
    def ood_threshold(self) -> float | None:
        """Percentile of the training cells, 0-1, above which a call abstains."""
        return None if self.ood is None else self.ood.threshold

    @property
    def receptor_input(self) -> ReceptorInput | None:
        """Receptor vectors that the model takes."""
        return self.receptors
