"""Figures of generate: made cells judged by real ones, beside real cells left out and flat controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.evaluation.pseudo_cells import mean_discrepancy, tell_apart, vote
from tcellflow.language.panel import read_profiles
from tcellflow.language.pseudo_cells import draw_cells
from tcellflow.language.queries import read_query
from tcellflow.steps.describe.evaluation.labelled import SEEDS, make_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.provenance import JsonValue
    from tcellflow.steps.describe.evaluation.labelled import LabelledCells

    Floats = NDArray[np.float64]

_EACH: Final = 120  # real cells of a label: half are known, half are the ceiling
_LEAST: Final = 20
_AXES: Final = 20
_NEIGHBOURS: Final = (3, 5, 10, 25, 50)


def judge_pseudo_cells(cells: LabelledCells) -> dict[str, JsonValue]:
    """Measure pseudo-cells drawn from the labels as texts; labels with fewer than 20 cells are left out.

    Raises
    ------
    InputError
        If fewer than two labels have enough cells and are understood as text.
    """
    names = [n for n in cells.names if (cells.labels == n).sum() >= _LEAST and read_query(n, ()).types]
    if len(names) < 2:
        raise InputError(
            f"{len(names)} labels are types with {_LEAST} cells or more, fewer than 2",
            where="--truth",
            mend="name a column of cell types",
        )
    profiles = read_profiles()
    place = {gene: i for i, gene in enumerate(cells.genes)}
    genes = [g for g in profiles.genes[profiles.scored] if g in place]
    found: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        for name, values in _judge_once(cells, names, genes, seed).items():
            for kind, value in values.items():
                found.setdefault(name, {}).setdefault(kind, []).append(value)
    return {
        name: make_figure(
            kinds["made"],
            {kind: values for kind, values in kinds.items() if kind not in {"made", "ceiling"}},
            kinds["ceiling"],
        )
        for name, kinds in found.items()
    }


def _judge_once(
    cells: LabelledCells, names: list[str], genes: list[str], seed: int
) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(seed)
    place = {gene: i for i, gene in enumerate(cells.genes)}
    columns = [place[g] for g in genes]
    rows = [rng.permutation(np.flatnonzero(cells.labels == name))[:_EACH] for name in names]
    known = np.concatenate([r[::2] for r in rows])
    left_out = np.concatenate([r[1::2] for r in rows])
    classes = np.repeat(np.arange(len(names)), [len(r[::2]) for r in rows])
    of_left_out = np.repeat(np.arange(len(names)), [len(r[1::2]) for r in rows])
    real = cells.counts[known][:, columns].toarray().astype(np.float64)
    asked = cells.counts[left_out][:, columns].toarray().astype(np.float64)
    made = np.concatenate(
        [_draw(name, int((of_left_out == i).sum()), seed, genes) for i, name in enumerate(names)]
    )
    means = np.array([real[classes == i].mean(axis=0) for i in range(len(names))])[of_left_out]
    depth = asked.sum(axis=1, keepdims=True) / np.maximum(means.sum(axis=1, keepdims=True), 1)
    poisson = rng.poisson(means * depth).astype(np.float64)
    groups = {"made": made, "ceiling": asked, "class mean": means, "Poisson around the class mean": poisson}
    logs = {name: _normalise(values) for name, values in groups.items()}
    of_known = _normalise(real)
    centre = of_known.mean(axis=0)
    _, vectors = np.linalg.eigh((of_known - centre).T @ (of_known - centre))
    axes = vectors[:, -_AXES:]
    figures: dict[str, dict[str, float]] = {}
    for k in _NEIGHBOURS:
        figures[f"k-NN accuracy, k = {k}, log counts"] = {
            name: float((vote(of_known, classes, values, k) == of_left_out).mean())
            for name, values in logs.items()
        }
        figures[f"k-NN accuracy, k = {k}, {_AXES} axes"] = {
            name: float((vote(of_known @ axes, classes, values @ axes, k) == of_left_out).mean())
            for name, values in logs.items()
        }
    figures["real against made, AUROC (.5 = not told apart)"] = {
        name: tell_apart((of_known - centre) @ axes, (values - centre) @ axes, seed=seed)
        for name, values in logs.items()
    }
    figures["mean discrepancy (RBF, median width)"] = {
        name: mean_discrepancy((of_known - centre) @ axes, (values - centre) @ axes)
        for name, values in logs.items()
    }
    wanted = of_known.var(axis=0)
    figures["correlation of the variances of genes"] = {
        name: float(np.corrcoef(wanted, values.var(axis=0))[0, 1]) for name, values in logs.items()
    }
    zeros = (real == 0).mean(axis=0)
    figures["difference in the share of zeros, mean over genes"] = {
        name: float(np.abs((values == 0).mean(axis=0) - zeros).mean()) for name, values in groups.items()
    }
    return figures


def _draw(name: str, n: int, seed: int, genes: list[str]) -> Floats:
    drawn = draw_cells(read_query(name, ()), n, seed)
    place = {gene: i for i, gene in enumerate(drawn.genes)}
    part = sparse.csr_matrix(drawn.counts)[:, [place[g] for g in genes]]
    return np.asarray(part.toarray(), dtype=np.float64)


def _normalise(counts: Floats) -> Floats:
    return np.asarray(np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e3))
