"""What a person should know at once of a sample's calls: how many there are, and what would bring more.

Invariant: shares at other risks are those that the same cells would have; nothing is called again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.errors import OptionsError
from tcellflow.vocabulary import STATE_UNRESOLVED, State

if TYPE_CHECKING:
    from tcellflow.inference.states.sample import SampleCalls

RISKS: Final = (0.05, 0.1, 0.15, 0.2, 0.3)
MANY_UNRESOLVED: Final = 0.3


def preview_risks(sample: SampleCalls) -> dict[float, float]:
    """Preview the share of T cells without a state at other target risks, as far as these can be reached.

    Returns
    -------
    dict
        Target risk to share, 0-1, for `RISKS`; empty without T cells.
    """
    is_t, usable = sample.facts.is_t_cell, sample.verdicts.is_usable
    n_t_cells = int(is_t.sum())
    found = {}
    for risk in RISKS if n_t_cells else ():
        try:
            threshold = sample.predictor.threshold(risk)
        except OptionsError:
            continue
        n_reported = int((usable & (sample.calls.confidence >= threshold)).sum())
        found[risk] = 1 - n_reported / n_t_cells
    return found


def tell_outlook(sample: SampleCalls) -> str:
    """Tell in one line how many cells have which state; where many have none, what would bring more."""
    states, n_t_cells = list(sample.verdicts.state), int(sample.facts.is_t_cell.sum())
    n_unresolved = states.count(STATE_UNRESOLVED)
    counted = ", ".join(f"{state} {states.count(state):,}" for state in State if state in states)
    line = f"{n_t_cells:,} T cells: {counted or 'none with a state'}"
    if n_unresolved:
        share = n_unresolved / n_t_cells
        line += (
            f"; {n_unresolved:,} ({share:.0%}) Unresolved at a target risk of {sample.rules.target_risk:g}"
        )
        if share > MANY_UNRESOLVED:
            others = preview_risks(sample).items()
            more = [
                f"{unresolved:.0%} at {risk:g}"
                for risk, unresolved in others
                if risk > sample.rules.target_risk
            ]
            line += f" (--target-risk: {', '.join(more)})" if more else ""
    return line
