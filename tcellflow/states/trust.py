"""How far a call can be trusted on a sample that no one here has seen.

Invariant: trust rises with the probability that the less sure part gives the call and falls with the discord
of the sample; all of it was measured on whole sets left out, under pretended shifts, never on cells of the
sets that the parts were made of.

A probability says what the parts believe; on cells of another laboratory they are too sure, and not of all
states alike. Two things tell without labels that they are: a call that only one part supports, and a sample
in which the parts often disagree, on all calls or on those of one state. On left-out sets the share of such
cells followed the share of wrong calls closely.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import OptionsError
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRUST_TABLE: Final = "trust.tsv"
RISK_TABLE: Final = "trust_risk.tsv"
SETS_TABLE: Final = "trust_sets.tsv"
TYPICAL_SHIFT: Final = 0.3  # of left-out samples
_TYPICAL_CELLS: Final = 20  # as many cells of a typical sample are added to each,
_CELLS_OF_STATE: Final = 10  # and as many of the sample to those of each state
# The worst set may be wrong so many times more often than was asked.
WORST_TIMES: Final = 1.5
_MOST_LOGIT: Final = 7.0


@dataclass(frozen=True)
class RiskPoint:
    """What a threshold of trust came to on left-out sets.

    Parameters
    ----------
    threshold
        Calls of less trust are not reported.
    risk
        Share of wrong calls among the reported, mean over sets.
    worst
        The same in the worst set.
    coverage
        Share of cells reported, mean over sets and pretended shifts.
    """

    threshold: float
    risk: float
    worst: float
    coverage: float

    @property
    def reaches(self) -> float:
        """The least target that the threshold keeps, in the mean and in the worst set."""
        return max(self.risk, self.worst / WORST_TIMES)


@dataclass(frozen=True)
class SetLevel:
    """From which probability on a state belongs to a prediction set that holds the truth in `coverage` cells.

    Parameters
    ----------
    coverage
        Share of cells, 0-1.
    logit, per_shift
        Logarithm of the odds of that probability without shift, and what a shift of 1 adds.
    """

    coverage: float
    logit: float
    per_shift: float


@dataclass(frozen=True)
class Discord:
    """How often the parts call a sample's cells differently.

    Parameters
    ----------
    sample
        Share of all its single T cells, 0-1: the sample's shift.
    by_state
        Share of the cells called each state, in the order of `State`, shape (7,).
    """

    sample: float
    by_state: Floats


TYPICAL_DISCORD: Final = Discord(TYPICAL_SHIFT, np.full(len(STATES), TYPICAL_SHIFT))


@dataclass(frozen=True)
class Trust:
    """A logistic curve of what the parts say of a call, and of how often they disagree in the sample.

    Parameters
    ----------
    slope
        Of the logarithm of the odds of the call, by the less sure of both parts: the network read by the
        rule, and the linear model; not below 0.
    per_shift
        What a shift of the sample of 1 adds to the logarithm of the odds; not above 0.
    per_discord
        The same of the discord on calls of that state.
    offsets
        In the order of `State`, shape (7,).
    risks
        Of rising thresholds.
    levels
        Of prediction sets, of rising coverage.
    """

    slope: float
    per_shift: float
    per_discord: float
    offsets: Floats
    risks: tuple[RiskPoint, ...] = ()
    levels: tuple[SetLevel, ...] = ()

    def of(self, states: Floats, support: Floats | None = None, discord: Discord = TYPICAL_DISCORD) -> Floats:
        """Give the trust in the most probable state, shape (B,), 0-1.

        Parameters
        ----------
        states
            State probabilities, shape (B, 7).
        support
            Probability of that state by the network and by the linear model, shape (B, 2)
            (`Decision.support`); where only the decision is known, both are taken to say the same.
        discord
            Of the sample (`measure_discord`); that of a typical left-out sample where only cells are known.
        """
        best = states.argmax(axis=1)
        weaker = states.max(axis=1, initial=0.0) if support is None else support.min(axis=1)
        logit = to_logit(weaker) * self.slope + self.per_shift * discord.sample
        logit += self.per_discord * discord.by_state[best] + self.offsets[best]
        return np.asarray(1 / (1 + np.exp(-logit)))

    def threshold(self, target_risk: float) -> float:
        """Choose the least trust of a reported call.

        On left-out sets no more than `target_risk` of the calls of at least this trust were wrong on
        average, and no more than one and a half times that in the worst set.

        Raises
        ------
        OptionsError
            If the target is no share, or no threshold came to it.
        """
        if not 0 < target_risk <= 1:
            raise OptionsError(
                f"a target risk of {target_risk:g} is no share above 0",
                where="--target-risk",
                mend="give a share, e.g. 0.1",
            )
        for point in self.risks:
            if point.reaches <= target_risk:
                return point.threshold
        least = min((point.reaches for point in self.risks), default=1.0)
        raise OptionsError(
            f"a risk of {target_risk:g} was not reached on data sets left out; the least was {least:.3g}",
            where="--target-risk",
            mend=f"give {np.ceil(least * 100) / 100:g} or more",
        )

    def least_probability(self, coverage: float, shift: float) -> float:
        """Choose the probability from which on a state belongs to a cell's prediction set.

        Parameters
        ----------
        coverage
            Share of cells whose set should hold the true state; the next stated one is taken.
        shift
            Of the sample (`Discord.sample`).

        Raises
        ------
        OptionsError
            If no coverage as large is stated.
        """
        for level in self.levels:
            if level.coverage >= coverage:
                return float(1 / (1 + np.exp(-level.logit - level.per_shift * shift)))
        stated = ", ".join(f"{level.coverage:g}" for level in self.levels)
        raise OptionsError(
            f"no prediction sets with a coverage of {coverage:g} were measured",
            where="--set-coverage",
            mend=f"give one of: {stated}" if stated else "leave --set-coverage out",
        )


def measure_discord(agrees: NDArray[np.bool_], states: NDArray[np.floating]) -> Discord:
    """Measure how often the parts disagree on a sample's single T cells.

    Few cells tell little: those of a typical sample are added, and to those of a state such of the sample.

    Parameters
    ----------
    agrees
        `Decision.agrees` of the single T cells, shape (B,).
    states
        Their state probabilities, shape (B, 7).
    """
    sample = ((~agrees).sum() + _TYPICAL_CELLS * TYPICAL_SHIFT) / (agrees.size + _TYPICAL_CELLS)
    called = states.argmax(axis=1)
    differ, cells = (np.bincount(of, minlength=len(STATES)) for of in (called[~agrees], called))
    return Discord(float(sample), np.asarray((differ + _CELLS_OF_STATE * sample) / (cells + _CELLS_OF_STATE)))


def to_logit(probabilities: Floats) -> Floats:
    """Give the logarithms of the odds, at most 7 either way."""
    least = 1 / (1 + np.exp(_MOST_LOGIT))
    p = np.clip(np.asarray(probabilities, np.float64), least, 1 - least)
    return np.asarray(np.log(p / (1 - p)))


@lru_cache(maxsize=1)
def read_trust() -> Trust:
    """Read the packaged curve."""
    folder = files("tcellflow") / "data"

    def read(name: str) -> list[dict[str, str]]:
        with (folder / name).open(encoding="utf-8") as text:
            return list(csv.DictReader(text, delimiter="\t"))

    return parse_trust(read(TRUST_TABLE), read(RISK_TABLE), read(SETS_TABLE))


def parse_trust(
    terms: Sequence[Mapping[str, str]],
    risks: Sequence[Mapping[str, str]] = (),
    levels: Sequence[Mapping[str, str]] = (),
) -> Trust:
    """Make a curve from rows of ``term, value``, of `RiskPoint` and of `SetLevel`, by their columns."""
    value = {row["term"]: float(row["value"]) for row in terms}
    return Trust(
        value["weaker"],
        value["shift"],
        value["discord"],
        np.array([value[str(state)] for state in STATES]),
        tuple(
            RiskPoint(*(float(row[k]) for k in ("threshold", "risk", "worst", "coverage"))) for row in risks
        ),
        tuple(SetLevel(*(float(row[k]) for k in ("coverage", "logit", "per_shift"))) for row in levels),
    )
