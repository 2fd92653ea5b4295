"""Types told in words, on labelled sets that the profiles did not see, and pseudo-cells beside real ones.

Run as ``python -m benchmarks.language.types DATA``. For every set the profiles are built anew without it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from recipes.language.build_profiles import TypedCells, build, read_typed
from recipes.language.label_terms import CANDIDATES, WORDS
from tcellflow.evaluation.classification import balanced_accuracy, calibration_error, macro_f1
from tcellflow.language.calibration import read_calibration, sharpen
from tcellflow.language.candidates import make_candidates
from tcellflow.language.few_shots import teach
from tcellflow.language.panel import read_profiles
from tcellflow.language.pseudo_cells import draw_cells
from tcellflow.language.queries import read_query
from tcellflow.language.smoothing import place_cells, smooth
from tcellflow.language.typing import NONE, CellTyper

TESTS = tuple((name, f"{len(set(words.values()))} names", words) for name, words in CANDIDATES.items())
SHOTS = (1, 3, 10, 30)
PROMPTS = ("CL:0000895", "CL:0000913", "CL:0000939", "CL:0000236", "CL:0000860", "CL:0000875")


def judge(data: Path, name: str, words: dict[str, str]) -> dict[str, object]:
    """Tell the types of one set by profiles that never saw it."""
    cells = read_typed(data, name)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "profiles.parquet"
        build(data, place, frozenset({name}))
        profiles = read_profiles(place)
    truth = np.array([words.get(term, "") for term in cells.terms], dtype=object)
    candidates = make_candidates([{"label": label} for label in sorted(set(truth) - {""})], name)
    typer = CellTyper(cells.symbols, candidates, profiles)
    start = time.perf_counter()
    raw = typer.score(cells.counts).probabilities
    averaged = smooth(raw, place_cells(typer.take(cells.counts)), 20)
    smoothed = sharpen(averaged, read_calibration().smoothed)
    seconds = time.perf_counter() - start
    labels = np.array([*(c.label for c in candidates), NONE], dtype=object)
    known = truth != ""
    result: dict[str, object] = {"cells": int(known.sum()), "types": len(candidates)}
    for kind, values in (("raw", raw), ("smoothed", smoothed)):
        called = labels[values.argmax(axis=1)]
        result[kind] = {
            "accuracy": round(float((called == truth)[known].mean()), 3),
            "macro_recall": round(balanced_accuracy(truth[known], called[known]), 3),
            "macro_f1": round(macro_f1(truth[known], called[known]), 3),
            "none": round(float((called == NONE).mean()), 3),
            "ece": round(calibration_error(values.max(axis=1)[known], (called == truth)[known]), 3),
        }
    result["few-shot, raw accuracy"] = learn_few(typer, cells, truth)
    result["cells_per_second"] = round(len(cells.terms) / seconds)
    return result


def learn_few(typer: CellTyper, cells: TypedCells, truth: np.ndarray) -> dict[str, float]:
    """Give the raw accuracy on the other cells after a few labelled ones per type, mean of three draws."""
    place = {candidate.label: i for i, candidate in enumerate(typer.candidates)}
    at = np.array([place.get(label, -1) for label in truth])
    taken, found = typer.take(cells.counts), {}
    for shots in SHOTS:
        shares = []
        for seed in range(3):
            rng = np.random.default_rng(seed)
            known = np.concatenate([rng.permutation(np.flatnonzero(at == i))[:shots] for i in place.values()])
            taught = teach(typer, taken[known], at[known], np.ones(typer.n_genes, dtype=bool))
            asked = np.setdiff1d(np.flatnonzero(at >= 0), known)
            called = taught.score(cells.counts[asked]).probabilities.argmax(axis=1)
            shares.append(float((called == at[asked]).mean()))
        found[str(shots)] = round(float(np.mean(shares)), 3)
    return found


def judge_pseudo(data: Path) -> dict[str, object]:
    """Classify pseudo-cells by models that learnt from real cells, beside real cells left out."""
    cells = read_typed(data, "pbmc3k")
    profiles = read_profiles()
    shared = [g for g in profiles.genes[profiles.scored] if g in set(cells.symbols)]
    real = _normalise(cells, shared)
    rng = np.random.default_rng(0)
    rows = [rng.permutation(np.flatnonzero(cells.terms == t))[:120] for t in PROMPTS]
    train, test = np.concatenate([r[::2] for r in rows]), np.concatenate([r[1::2] for r in rows])
    drawn, truth = [], []
    for t in PROMPTS:
        query = read_query({"CL:0000913": "effector memory CD8 T cells"}.get(t, WORDS[t]), set())
        made = draw_cells(query, 60, 1)
        drawn.append(_normalise(TypedCells(made.counts, made.genes, np.ones(60), made.types), shared))
        truth += [t] * 60
    fake = np.concatenate(drawn)
    result: dict[str, object] = {}
    for k in (5, 10, 25):
        model = KNeighborsClassifier(k).fit(real[train], cells.terms[train].astype(str))
        ceiling = float((model.predict(real[test]) == cells.terms[test].astype(str)).mean())
        found = float((model.predict(fake) == np.array(truth)).mean())
        result[f"knn_{k}"] = {"generated": round(found, 3), "real ceiling": round(ceiling, 3)}
    model = LogisticRegression(C=0.1, max_iter=500).fit(real[train], cells.terms[train].astype(str))
    result["logistic regression"] = {
        "generated": round(float((model.predict(fake) == np.array(truth)).mean()), 3),
        "real ceiling": round(float((model.predict(real[test]) == cells.terms[test].astype(str)).mean()), 3),
    }
    return result


def _normalise(cells: TypedCells, genes: list[str]) -> np.ndarray:
    place = {gene: i for i, gene in enumerate(cells.symbols)}
    counts = sparse.csr_matrix(cells.counts)[:, [place[g] for g in genes]].toarray().astype(float)
    return np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 1e3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    rows = {f"{name}, {what}": judge(given.data, name, words) for name, what, words in TESTS}
    print(json.dumps({**rows, "pseudo-cells": judge_pseudo(given.data)}, indent=1))
