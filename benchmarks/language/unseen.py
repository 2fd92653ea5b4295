"""Types and names that nothing has seen, and the eight labels that LangCell was tested with.

Run as ``python -m benchmarks.language.unseen DATA``. Left out are the set that is tested on and every cell of
three types in ten of all other sets: their profiles come from the panel's markers and the nearest type.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from recipes.language.build_profiles import TypedCells, build, read_typed
from recipes.language.label_terms import CANDIDATES, NAIVE_CD4
from tcellflow.evaluation.classification import macro_f1
from tcellflow.language.calibration import read_calibration, sharpen
from tcellflow.language.candidates import make_candidates
from tcellflow.language.naming.likeness import Likeness
from tcellflow.language.ontology import Ontology, Term, read_ontology, spell
from tcellflow.language.panel import Profiles, read_profiles
from tcellflow.language.smoothing import place_cells, smooth
from tcellflow.language.typing import CellTyper

SETS = ("citeseq_pbmc10k", "citeseq_cbmc8k", "zheng_facs_mudan")
STRANGERS = ("citeseq_pbmc5k", "pbmc3k")
DRAWS = 3
T_CELL = "CL:0000084"
# Terms of the set under the eight names; these do not tell MAIT and gamma-delta cells, which are left out.
EIGHT = {
    "CL:0000895": "CD4 T cell", "CL:0000897": "CD4 T cell", "CL:0000792": "CD4 T cell",
    "CL:0000900": "CD8 T cell", "CL:0000913": "CD8 T cell", "CL:0000939": "NK cell", "CL:0000236": "B cell",
    "CL:0000860": "CD14+ monocyte", "CL:0000875": "FCGR3A+ monocyte", "CL:0002399": "dendritic cell",
    "CL:0000784": "dendritic cell", "CL:0000233": "megakaryocyte",
}  # fmt: skip


def leave_types_out(data: Path, name: str) -> list[dict[str, object]]:
    """Tell the cells of types whose cells nothing learnt from, by raw probabilities, in several draws."""
    cells, words = read_typed(data, name), CANDIDATES[name]
    truth = np.array([words.get(term, "") for term in cells.terms], dtype=object)
    labels = sorted(set(truth) - {""})
    found: list[dict[str, object]] = []
    for seed in range(DRAWS):
        n_unseen = max(1, round(0.3 * len(labels)))
        unseen = set(np.random.default_rng(seed).permutation(np.array(labels, dtype=object))[:n_unseen])
        terms = frozenset(term for term, word in words.items() if word in unseen)
        values, candidates = _score(cells, labels, _build(data, name, terms))
        called = np.array(candidates, dtype=object)
        is_unseen = np.isin(truth.astype(str), list(unseen))
        is_seen = (truth != "") & ~is_unseen
        order = called[np.argsort(-values, axis=1)]
        own = [i for i, label in enumerate(candidates) if label in unseen]
        among = called[own][values[:, own].argmax(axis=1)]
        first = _mean_by_type(order[:, 0] == truth, truth, is_unseen)
        seen = _mean_by_type(order[:, 0] == truth, truth, is_seen)
        found.append({
            "unseen": sorted(unseen), "cells": int(is_unseen.sum()),
            "R@1": round(float((order[:, 0] == truth)[is_unseen].mean()), 3),
            "R@1 by type": round(first, 3),
            "R@3": round(float((order[:, :3] == truth[:, None]).any(axis=1)[is_unseen].mean()), 3),
            "R@1 among the unseen": round(float((among == truth)[is_unseen].mean()), 3),
            "chance among the unseen": round(1 / len(own), 3),
            "seen, by type": round(seen, 3),
            "harmonic mean": round(2 * first * seen / max(first + seen, 1e-9), 3),
        })  # fmt: skip
    return found


def tell_eight(data: Path) -> dict[str, float]:
    """Tell LangCell's eight labels on citeseq_pbmc10k, whose cells the profiles never saw."""
    name = "citeseq_pbmc10k"
    cells = read_typed(data, name)
    truth = np.array([EIGHT.get(term, "") for term in cells.terms], dtype=object)
    labels, profiles = sorted(set(EIGHT.values())), _build(data, name, frozenset())
    raw, names = _score(cells, labels, profiles)
    typer = CellTyper(cells.symbols, make_candidates([{"label": label} for label in labels], name), profiles)
    averaged = smooth(raw, place_cells(typer.take(cells.counts)), 20)
    known, result = truth != "", {"cells": float((truth != "").sum())}
    for kind, values in (("raw", raw), ("smoothed", sharpen(averaged, read_calibration().smoothed))):
        called = np.array(names, dtype=object)[values.argmax(axis=1)]
        result[f"{kind} accuracy"] = round(float((called == truth)[known].mean()), 3)
        result[f"{kind} macro-F1"] = round(macro_f1(truth[known], called[known]), 3)
    return result


def refuse_strangers(data: Path, name: str) -> dict[str, float]:
    """Tell T cells of other subsets where naive CD4 cells are the only T cells among the candidates."""
    cells, words, above = read_typed(data, name), CANDIDATES[name], read_ontology().above
    truth = np.array([words.get(term, "") for term in cells.terms], dtype=object)
    other = np.array([term in words and T_CELL in above(term) and term != NAIVE_CD4 for term in cells.terms])
    labels = sorted(set(truth[~other]) - {""})
    values, _ = _score(cells, labels, _build(data, name, frozenset()))
    called = np.array([*labels, "none"], dtype=object)[
        np.column_stack([values, 1 - values.sum(axis=1)]).argmax(axis=1)
    ]
    named = (truth != "") & ~other
    taken = other & (called == words[NAIVE_CD4])
    return {
        "other T cells": int(other.sum()),
        "refused": round(float((called[other] == "none").mean()), 3),
        "taken for naive CD4 cells": round(float(taken.sum() / other.sum()), 3),
        "their mean probability": round(float(values[taken].max(axis=1).mean()), 3),
        "accuracy of the named": round(float((called == truth)[named].mean()), 3),
    }


def find_synonyms() -> dict[str, float]:
    """Find the T-cell term that a synonym means where names alone, and no synonym, are in the index."""
    whole = read_ontology()
    bare = Ontology(tuple(Term(t.cl_id, t.name, (), t.parents, t.definition) for t in whole.terms.values()))
    t_cells = [term for term in whole.terms.values() if T_CELL in whole.above(term.cl_id)]
    asked = [(name, t.cl_id) for t in t_cells for name in t.synonyms if spell(name) != spell(t.name)]
    every = [(name, t.cl_id) for t in t_cells for name in t.synonyms]
    likeness = Likeness(bare.terms[term.cl_id] for term in t_cells)
    bearers: dict[str, set[str]] = {}
    for name, cl_id in [*every, *((term.name, term.cl_id) for term in t_cells)]:
        bearers.setdefault(name.lower(), set()).add(cl_id)

    def rank(name: str) -> list[str]:
        exact, near = bare.find(name), likeness.rank(name)
        return near if exact is None else [exact, *(cl_id for cl_id in near if cl_id != exact)][:5]

    ranked = [(rank(name), cl_id) for name, cl_id in every]
    return {
        "synonyms": len(every),
        "of them other words than the name": len(asked),
        "told by the index of names alone": round(float(np.mean([bare.find(n) == c for n, c in every])), 3),
        "told wrongly by it": round(float(np.mean([bare.find(n) not in (None, c) for n, c in every])), 3),
        "R@1 with the likest where it is silent": round(float(np.mean([r[:1] == [c] for r, c in ranked])), 3),
        "R@5": round(float(np.mean([c in r for r, c in ranked])), 3),
        "R@1, any term that bears the name": round(
            float(
                np.mean(
                    [
                        bool(bearers[n.lower()] & set(r[:1]))
                        for (n, _), (r, _) in zip(every, ranked, strict=True)
                    ]
                )
            ),
            3,
        ),
        "R@5, any term that bears the name": round(
            float(
                np.mean(
                    [bool(bearers[n.lower()] & set(r)) for (n, _), (r, _) in zip(every, ranked, strict=True)]
                )
            ),
            3,
        ),
        "told with synonyms indexed": round(float(np.mean([whole.find(n) == c for n, c in every])), 3),
    }


def _build(data: Path, name: str, without_types: frozenset[str]) -> Profiles:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "profiles.parquet"
        build(data, place, frozenset({name}), without_types)
        return read_profiles(place)


def _score(cells: TypedCells, labels: list[str], profiles: Profiles) -> tuple[np.ndarray, list[str]]:
    typer = CellTyper(cells.symbols, make_candidates([{"label": label} for label in labels], "set"), profiles)
    return typer.score(cells.counts).probabilities[:, : len(labels)], labels


def _mean_by_type(right: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> float:
    return float(np.mean([right[rows & (truth == label)].mean() for label in sorted(set(truth[rows]))]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    given = parser.parse_args()
    results = {
        "synonyms": find_synonyms(),
        "eight labels": tell_eight(given.data),
        "other T cells": {name: refuse_strangers(given.data, name) for name in (*SETS[:1], *STRANGERS)},
        "types left out": {name: leave_types_out(given.data, name) for name in SETS},
    }
    print(json.dumps(results, indent=1))
