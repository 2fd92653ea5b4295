"""What `predict` would call cells of sets left out, and which of its calls are wrong.

Some calls differ from a label by what the word means: gates call cytotoxic memory cells memory, and say
nothing of the cycle or of help. Where a few well-known genes show that the cell is cytotoxic, or may cycle,
such a call is another word, neither right nor wrong; else it is a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recipes.programmes.folds import Outputs, find_network, find_views, fit_fold, read_judged, run_parts
from tcellflow.states.axes import STATES
from tcellflow.states.decision import decide
from tcellflow.states.trust import measure_discord
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from recipes.programmes.build import Sources
    from recipes.programmes.folds import Fold
    from tcellflow.states.trust import Discord

    Floats = NDArray[np.float64]

NAMES = np.array([str(state) for state in STATES], dtype=object)
GATED = ("citeseq_", "trex_", "zheng_", "pbmc3k", "eccite_")


@dataclass(frozen=True)
class LeftOutCalls:
    """Calls of the labelled cells of one view.

    Parameters
    ----------
    view
        Set, and the pretended shift after a comma.
    truth
        True states, shape (B,).
    states, support
        As `decide` gives them, shapes (B, 7) and (B, 2).
    discord
        Of the whole view.
    is_word
        Calls that differ from the label by what the word means, shape (B,).
    """

    view: str
    truth: NDArray[np.object_]
    states: Floats
    support: Floats
    discord: Discord
    is_word: NDArray[np.bool_]

    @property
    def family(self) -> str:
        """The set: its shifts are one set."""
        return family(self.view)

    @property
    def called(self) -> NDArray[np.object_]:
        """Most probable states, shape (B,)."""
        return np.asarray(NAMES[self.states.argmax(axis=1)])

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether they are the true ones, shape (B,)."""
        return np.asarray(self.truth == self.called, dtype=bool)


def family(view: str) -> str:
    """Name the set of a view: its shifts are one set."""
    return view.split(",", maxsplit=1)[0]


def run_fold(
    sources: Sources, fold: Fold, seed: int, left_out: Path | None, cache: Path | None
) -> dict[str, Outputs]:
    """Give what all parts say of each view of a fold."""
    kept = None if cache is None else cache / fold.name / str(seed)
    network = find_network(fold, left_out)
    if kept is not None and kept.exists():
        found = {path.stem: Outputs.load(path) for path in sorted(kept.glob("*.npz"))}
        if network is None or all(parts.network is not None for parts in found.values()):
            return {name.replace("_of_", "/"): parts for name, parts in found.items()}
    models = fit_fold(sources, fold, seed)
    views = find_views(read_judged(sources, fold), fold, models.transfer)
    found = {view.name: run_parts(view, models, network) for view in views}
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        for name, parts in found.items():
            parts.save(kept / f"{name.replace('/', '_of_')}.npz")
    return found


def join_views(folds: Mapping[str, Mapping[str, Outputs]]) -> dict[str, list[tuple[str, Outputs]]]:
    """List the parts of each view; those of the melanoma folds belong to one view each."""
    views: dict[str, list[tuple[str, Outputs]]] = {}
    for fold, of in folds.items():
        for name, parts in of.items():
            views.setdefault(name, []).append((fold, parts))
    return views


def call_view(view: str, parts: Sequence[Outputs]) -> LeftOutCalls | None:
    """Call a view as `predict` does; None where a part lacks a network that never saw the cells."""
    decided = []
    for p in parts:
        if p.joint is None or p.cycling is None:
            return None
        decided.append(decide(p.joint, p.cycling, p.scores, p.markers, p.molecules))
    truth = np.concatenate([p.truth for p in parts])
    states = np.concatenate([d.ruled.states for d in decided])
    labelled = truth != ""
    is_word = find_other_words(
        view,
        truth,
        NAMES[states.argmax(axis=1)],
        is_cytotoxic=np.concatenate([p.is_cytotoxic for p in parts]),
        may_cycle=np.concatenate([p.may_cycle for p in parts]),
    )
    return LeftOutCalls(
        view,
        truth[labelled],
        states[labelled],
        np.concatenate([d.support for d in decided])[labelled],
        measure_discord(np.concatenate([d.agrees for d in decided]), states),
        is_word[labelled],
    )


def find_other_words(
    view: str,
    truth: NDArray[np.object_],
    called: NDArray[np.object_],
    *,
    is_cytotoxic: NDArray[np.bool_],
    may_cycle: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Mark calls that differ from the label only by what the word means.

    Gates by CD45RA alone put terminal effector cells among the naive ones.
    """
    if not view.startswith(GATED):  # authors of other sets name these states themselves
        return np.zeros(truth.size, dtype=bool)
    effector = (called == State.EFFECTOR) & np.isin(truth, [State.MEMORY, State.NAIVE]) & is_cytotoxic
    cycles = (called == State.PROLIFERATING) & may_cycle
    return np.asarray(effector | cycles | ((called == State.TH_EFFECTOR) & (truth == State.MEMORY)))
