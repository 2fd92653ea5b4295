"""The rows of the table that learn from labelled cells: the same training sets and genes for all.

Each gives probabilities of the seven states; states that no training label names have probability 0.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.class_weight import compute_sample_weight

from recipes.datasets.features import FeaturePanel, choose_panel
from tcellflow.errors import InputError
from tcellflow.states.axes import STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from tcellflow.inference.states.predictor import StatePredictor

    Probabilities = NDArray[np.float64]

NAMES = np.array([str(state) for state in STATES], dtype=object)


class Row(Protocol):
    """A row of the table, fitted."""

    def predict(self, cells: LabelledSet) -> Probabilities | None:
        """Give state probabilities, shape (cells, 7); None where it refuses the set."""


@dataclass(frozen=True)
class BundleRow:
    """A states bundle, or its expression half."""

    predictor: StatePredictor

    def predict(self, cells: LabelledSet) -> Probabilities | None:
        """Predict from expression alone."""
        try:
            calls = self.predictor.predict_cells(cells.expression, list(cells.symbols))
        except InputError:
            return None
        return calls.state_probabilities.astype(np.float64)


@dataclass(frozen=True)
class Majority:
    """The commonest state of the training cells, always."""

    shares: Probabilities

    def predict(self, cells: LabelledSet) -> Probabilities:
        """Give the shares of the training cells."""
        return np.tile(self.shares, (len(cells), 1))


def fit_majority(sets: Sequence[LabelledSet], seed: int) -> Majority:
    """Count the states; nothing is random."""
    del seed
    counts = Counter(str(s) for cells in sets for s in cells.state)
    shares = np.array([counts[name] for name in NAMES], dtype=np.float64)
    return Majority(shares / shares.sum())


@dataclass(frozen=True)
class Learned:
    """A classifier of scikit-learn on a panel of genes."""

    panel: FeaturePanel
    model: Any
    own: bool = field(default=False)

    def predict(self, cells: LabelledSet) -> Probabilities:
        """Give probabilities; states it was not taught have 0."""
        p = np.zeros((len(cells), len(NAMES)))
        columns = [list(NAMES).index(name) for name in self.model.classes_]
        p[:, columns] = self.model.predict_proba(self.panel.gather(cells, own=self.own))
        return p


def _fit(model: Any, sets: Sequence[LabelledSet], *, own: bool = False) -> Learned:
    panel = choose_panel(sets)
    x = np.concatenate([panel.gather(cells, own=own) for cells in sets])
    y = np.concatenate([cells.state.astype(str) for cells in sets])
    weights = compute_sample_weight("balanced", y)  # every state counts the same
    last = model.steps[-1][0] + "__" if isinstance(model, Pipeline) else ""
    model.fit(x, y, **{f"{last}sample_weight": weights})
    return Learned(panel, model, own)


def fit_logistic(sets: Sequence[LabelledSet], seed: int) -> Learned:
    """Fit a ridge logistic regression."""
    return _fit(LogisticRegression(C=LOGISTIC_C, max_iter=500, random_state=seed), sets)


def fit_logistic_own(sets: Sequence[LabelledSet], seed: int) -> Learned:
    """Fit the same on sets that are each standardised on themselves."""
    return _fit(LogisticRegression(C=LOGISTIC_C, max_iter=500, random_state=seed), sets, own=True)


def fit_boosting(sets: Sequence[LabelledSet], seed: int) -> Learned:
    """Fit gradient-boosted trees on the genes that tell the states apart best, one by one."""
    trees = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.1, max_leaf_nodes=15, max_features=0.2, max_bins=63,
        l2_regularization=1.0, early_stopping=False, random_state=seed,
    )  # fmt: skip
    model = make_pipeline(SelectKBest(f_classif, k=BOOSTING_GENES), trees)
    return _fit(model, sets)


def fit_network(sets: Sequence[LabelledSet], seed: int) -> Learned:
    """Fit a network of one hidden layer."""
    model = MLPClassifier(
        (128,), alpha=1.0, batch_size=256, learning_rate_init=5e-4, max_iter=40, early_stopping=True,
        n_iter_no_change=5, random_state=seed,
    )  # fmt: skip
    return _fit(model, sets)


# Chosen on the very sets that are held out, in favour of the peer; without them it would be lower.
LOGISTIC_C = 0.001
BOOSTING_GENES = 500
PEERS: dict[str, Callable[[Sequence[LabelledSet], int], Row]] = {
    "majority": fit_majority,
    "logistic regression": fit_logistic,
    "logistic regression, each set standardised on itself": fit_logistic_own,
    "gradient boosting": fit_boosting,
    "MLP": fit_network,
}
