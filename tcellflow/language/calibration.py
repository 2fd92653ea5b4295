"""Calibration of the probabilities of types: numbers fitted on sets that the profiles did not see.

Invariant: the packaged numbers are those that ``recipes/language/calibrate.py`` found; none is set by hand.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CALIBRATION: Final = "type_calibration.tsv"


@dataclass(frozen=True)
class Calibration:
    """How evidence becomes probability.

    Parameters
    ----------
    raw
        By which the evidence of a cell's own counts is multiplied.
    smoothed
        Power to which averages over similar cells are raised before they sum to 1 again.
    """

    raw: float
    smoothed: float


@lru_cache(maxsize=1)
def read_calibration() -> Calibration:
    """Read the packaged calibration."""
    with (files("tcellflow") / "data" / CALIBRATION).open(encoding="utf-8") as text:
        found = {row["quantity"]: float(row["value"]) for row in csv.DictReader(text, delimiter="\t")}
    return Calibration(found["raw"], found["smoothed"])


def sharpen(probabilities: NDArray[np.float32], power: float) -> NDArray[np.float32]:
    """Raise probabilities (B, C) to a power and let rows sum to 1 again; the order in a row stays."""
    raised = probabilities.astype(np.float64) ** power
    return np.asarray(raised / np.maximum(raised.sum(axis=1, keepdims=True), 1e-300), dtype=np.float32)
