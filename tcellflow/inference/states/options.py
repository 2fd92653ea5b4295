"""What is asked of a sample's calls beyond the calls.

Invariant: imports nothing heavy, so that a command line is checked before any library is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CallOptions:
    """What is asked of a sample's calls beyond the calls.

    Parameters
    ----------
    target_risk
        Accepted share of wrong calls, 0-1; the bundle's default if not given.
    set_coverage
        Coverage of the prediction sets, 0-1; no sets if not given.
    correct_priors
        Whether the class shares are estimated for the sample.
    pool_lineage
        Whether each cell is told the lineage of its clone.
    """

    target_risk: float | None = None
    set_coverage: float | None = None
    correct_priors: bool = False
    pool_lineage: bool = False
