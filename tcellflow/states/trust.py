"""How far a call can be trusted on a sample that no one here has seen.

Invariant: trust rises with the probability of the call, and was measured on whole sets left out, under
pretended shifts: never on cells of the sets that the parts were made of.

A probability says what the parts believe; on cells of another laboratory they are too sure, and not of all
states alike. Trust is the share of right calls among left-out cells with this state and probability.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TRUST_TABLE: Final = "trust.tsv"
_MOST_LOGIT = 7.0


@dataclass(frozen=True)
class Trust:
    """A logistic curve: one slope for the logarithm of the odds of the call, one offset for each state.

    Parameters
    ----------
    slope
        Above 0.
    offsets
        In the order of `State`, shape (7,).
    """

    slope: float
    offsets: Floats

    def of(self, states: Floats) -> Floats:
        """Give the trust in the most probable state, shape (B,), 0-1.

        Parameters
        ----------
        states
            State probabilities, shape (B, 7).
        """
        logit = self.slope * call_logit(states) + self.offsets[states.argmax(axis=1)]
        return np.asarray(1 / (1 + np.exp(-logit)))


def call_logit(states: Floats) -> Floats:
    """Give the logarithm of the odds of the most probable state, shape (B,)."""
    least = 1 / (1 + np.exp(_MOST_LOGIT))
    p = np.clip(states.max(axis=1, initial=0.0), least, 1 - least)
    return np.asarray(np.log(p / (1 - p)))


@lru_cache(maxsize=1)
def read_trust() -> Trust:
    """Read the packaged curve."""
    with (files("tcellflow") / "data" / TRUST_TABLE).open(encoding="utf-8") as text:
        return parse_trust(list(csv.DictReader(text, delimiter="\t")))


def parse_trust(rows: Sequence[Mapping[str, str]]) -> Trust:
    """Make a curve from rows of ``state, slope, offset``."""
    offsets = {row["state"]: float(row["offset"]) for row in rows}
    return Trust(float(rows[0]["slope"]), np.array([offsets[str(state)] for state in STATES]))
