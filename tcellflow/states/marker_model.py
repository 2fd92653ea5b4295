"""A plain linear model from the genes of programmes to the seven states.

Invariant: a gene that was not measured adds nothing, and so does, on average, one whose molecules a cell
holds as often as a typical T cell. Each gene enters as the logarithm of its count over the count of a typical
T cell of the same depth, both with a spare count added, less what that logarithm comes to on average at this
depth: so it says little at few molecules, and hundreds of genes that are lost or hardly ever seen do not push
a cell to any side.

How deep a cell is, its molecules of the model's own genes tell: a library size is wrong where a matrix holds
a selection of genes, and means something else where a chemistry loses other transcripts.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.genes.panel import align_panel
from tcellflow.states.programmes import ProgrammeScorer, ProgrammeScores, ProgrammeTable
from tcellflow.vocabulary import PROGRAMME_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock

    Floats = NDArray[np.float64]

SPARE: Final = 0.5  # count added to both sides
ENOUGH_MOLECULES: Final = 4_000.0  # counts of deeper cells are scaled down to it
# Molecules of the model's genes by which the library size keeps its say in how deep a cell is.
DEPTH_PRIOR: Final = 20.0
MOST_OF_A_GENE: Final = 3.0  # times what is expected, and as many molecules: no gene decides the depth alone
_MEANS: Final = np.geomspace(1e-4, 1e3, 120)  # expected counts
_DEPTHS: Final = np.geomspace(20, ENOUGH_MOLECULES, 120)
MODEL_TABLE: Final = "marker_model.tsv"
INTERCEPT: Final = "(intercept)"


@dataclass(frozen=True)
class MarkerModel:
    """Coefficients of the genes and programmes.

    Parameters
    ----------
    states
        Names of the classes, K of them.
    genes
        Symbols, shape (G,), object.
    background
        Share of a typical T cell's molecules, shape (G,).
    scale
        Spread of each feature over the training cells, shape (G + P,).
    coefficients, intercept
        Shapes (G + P, K) and (K,).
    """

    states: tuple[str, ...]
    genes: NDArray[np.object_]
    background: Floats
    scale: Floats
    coefficients: Floats
    intercept: Floats


@lru_cache(maxsize=1)
def read_marker_model() -> MarkerModel:
    """Read the packaged linear model of marker genes."""
    with (files("tcellflow") / "data" / MODEL_TABLE).open(encoding="utf-8") as text:
        return parse_marker_model(list(csv.DictReader(text, delimiter="\t")))


def parse_marker_model(rows: Sequence[Mapping[str, str]]) -> MarkerModel:
    """Make a marker model from rows of ``feature, background, scale`` and coefficients of states.

    Genes come first, then programmes (``programme_NAME``), in the order of `ProgrammeTable.names`, then the
    intercept.
    """
    states = tuple(name for name in rows[0] if name not in {"feature", "background", "scale"})
    numbers = np.array([[float(row[state]) for state in states] for row in rows])
    features = [row["feature"] for row in rows[:-1]]
    n_genes = sum(not name.startswith(PROGRAMME_PREFIX) for name in features)
    return MarkerModel(
        states,
        np.array(features[:n_genes], dtype=object),
        np.array([float(row["background"]) for row in rows[:n_genes]]),
        np.array([float(row["scale"]) for row in rows[:-1]]),
        numbers[:-1],
        numbers[-1],
    )


@dataclass(frozen=True)
class MeasuredCells:
    """What markers and programmes show of B cells.

    Parameters
    ----------
    features
        What the model takes, shape (B, G + P), float32; 0 where nothing is known.
    scores
        Programmes.
    molecules
        Library sizes, of full-length cells the molecules they are worth, shape (B,).
    """

    features: NDArray[np.float32]
    scores: ProgrammeScores
    molecules: Floats


class MarkerFeatures:
    """Turns cells of one matrix into features.

    Parameters
    ----------
    gene_names
        Symbols of the matrix, in column order.
    genes, background
        Of the model, shape (G,).
    table
        Programmes; the packaged ones if not given.
    """

    def __init__(
        self,
        gene_names: Sequence[str] | NDArray[np.object_],
        genes: NDArray[np.object_],
        background: Floats,
        table: ProgrammeTable | None = None,
    ) -> None:
        self._panel = align_panel(gene_names, genes)
        self._background = background
        self._scorer = ProgrammeScorer(gene_names, table)
        self._curves = _expect_logs(_DEPTHS[:, None] * background).astype(np.float32)

    def gather(self, counts: CsrBlock, library: NDArray[np.number]) -> NDArray[np.float32]:
        """Give the features of a block, shape (B, G + P), float32; 0 where nothing is known."""
        return self.measure(counts, library).features

    def measure(
        self,
        counts: CsrBlock,
        library: NDArray[np.number],
        without: NDArray[np.int64] | None = None,
    ) -> MeasuredCells:
        """Measure features and programmes of a block of cells, as `ProgrammeScorer.score` takes them."""
        n = np.maximum(np.asarray(library, np.float64), 1.0)
        scores = self._scorer.score(counts, n, without)
        gone = np.full(len(n), -1) if without is None else self._panel.find_places(without)
        molecules = self._scorer.effective_library(self._scorer.take(counts), n)
        seen = self._panel.gather(counts) * (molecules / n).astype(np.float32)[:, None]
        own = molecules * self._compare_depth(seen, molecules, gone)
        depth = np.minimum(own, ENOUGH_MOLECULES)
        seen *= (depth / own).astype(np.float32)[:, None]
        ratio = np.log(seen + np.float32(SPARE)) - self._typical(depth)
        ratio[:, ~self._panel.present] = 0
        lost = np.flatnonzero(gone >= 0)
        ratio[lost, gone[lost]] = 0
        return MeasuredCells(np.hstack([ratio, scores.evidence]), scores, molecules)

    def _typical(self, depth: Floats) -> NDArray[np.float32]:
        """Give what log(count + spare) comes to in typical cells of a depth, shape (B, G)."""
        place = np.interp(np.log(depth), np.log(_DEPTHS), np.arange(_DEPTHS.size))
        below = np.minimum(place.astype(np.int64), _DEPTHS.size - 2)
        part = (place - below).astype(np.float32)[:, None]
        return np.asarray(self._curves[below] * (1 - part) + self._curves[below + 1] * part)

    def _compare_depth(self, seen: NDArray[np.float32], molecules: Floats, gone: NDArray[np.int64]) -> Floats:
        """Compare what cells hold of the model's genes with what a typical one does, shape (B,).

        Of each cell one gene (-1 = none) is left out of both.
        """
        present = self._panel.present
        expected = molecules[:, None] * self._background[present]
        most = MOST_OF_A_GENE * (expected + 1)
        found = np.minimum(seen[:, present], most).sum(axis=1)
        usual = expected.sum(axis=1)
        lost = np.flatnonzero(gone >= 0)
        share = molecules[lost] * self._background[gone[lost]]
        found[lost] -= np.minimum(seen[lost, gone[lost]], MOST_OF_A_GENE * (share + 1))
        usual[lost] -= share
        return np.asarray((found + DEPTH_PRIOR) / (usual + DEPTH_PRIOR))


def _expect_logs(means: Floats) -> Floats:
    """Give what log(count + spare) comes to on average by the mean count.

    Counts follow a negative binomial of size 1: the spread of a gene among T cells.
    """
    logs = []
    for mean in _MEANS:
        counts = np.arange(int(12 * mean) + 60)
        chance = (mean / (1 + mean)) ** counts
        logs.append(float(chance @ np.log(counts + SPARE) / chance.sum()))
    return np.interp(np.log(means), np.log(_MEANS), logs).reshape(means.shape)


def predict_states(model: MarkerModel, features: NDArray[np.float32]) -> Floats:
    """Give the state probabilities of the linear marker model, shape (B, K); rows sum to 1."""
    scaled = features / model.scale
    # sums along rows do not depend on the other rows and on threads; those of a matrix product may
    logits = np.stack([(scaled * of_state).sum(axis=1) for of_state in model.coefficients.T], axis=1)
    logits += model.intercept
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits)
    return np.asarray(p / p.sum(axis=1, keepdims=True))
