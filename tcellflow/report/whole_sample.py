"""What predict says of the sample as a whole: its distance from the bundle's cells, votes, and genes.

Invariant: only what was asked for and measured is told; nothing here changes a count of cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.lookup import look_up, read_count, read_counts, read_number, read_text, read_texts
from tcellflow.vocabulary import GeneSide, State

if TYPE_CHECKING:
    from tcellflow.provenance import JsonValue

_DISTANCES: Final = {
    "ood": "how strange the cells are",
    "confidence": "how sure the calls are",
    "states": "shares of the states",
}


@dataclass(frozen=True)
class GenesOfState:
    """The genes that were named behind most calls of one state.

    Parameters
    ----------
    state
        Its name in the files.
    speak_for, speak_against
        Genes, most frequent first.
    """

    state: str
    speak_for: tuple[str, ...]
    speak_against: tuple[str, ...]


def tell_whole_sample(metrics: JsonValue) -> tuple[tuple[str, str], ...]:
    """Tell what was found out about the sample as a whole.

    Parameters
    ----------
    metrics
        Content of metrics.json.

    Returns
    -------
    tuple of (str, str)
        Names and values; empty where nothing was measured.
    """
    rows = []
    distances = [
        f"{words} {value:.2f}"
        for key, words in _DISTANCES.items()
        if (value := read_number(metrics, "shift", key)) is not None
    ]
    if distances:
        dataset = read_text(metrics, "shift", "dataset") or "the bundle's cells"
        rows.append((f"Distance from {dataset} (0 alike, 1 apart)", ", ".join(distances)))
    shares = [
        f"{state} {100 * value:.1f} %"
        for state in State
        if (value := read_number(metrics, "prior_correction", "shares", state)) is not None
    ]
    if shares:
        rows.append(("Shares of the states, estimated; the calls are corrected by them", ", ".join(shares)))
    voted = read_counts(metrics, "voted_states")
    n_groups = read_count(metrics, "n_clusters")
    if voted and n_groups:
        found = ", ".join(f"{state} {number:,}" for state, number in voted if number)
        rows.append((f"States after a vote in {n_groups:,} groups of similar cells", found))
    return tuple(rows)


def tell_genes_of_states(metrics: JsonValue) -> tuple[GenesOfState, ...]:
    """Tell which genes spoke for and against the calls of each state.

    Parameters
    ----------
    metrics
        Content of metrics.json.

    Returns
    -------
    tuple of GenesOfState
        States that have calls, in the order of `State`; empty where no genes were asked for.
    """
    genes = look_up(metrics, "frequent_genes")
    return tuple(
        GenesOfState(
            state, read_texts(genes, state, GeneSide.FOR), read_texts(genes, state, GeneSide.AGAINST)
        )
        for state in State
        if look_up(genes, state) is not None
    )
