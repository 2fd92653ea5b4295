"""Fit ``type_calibration.tsv``: how evidence on types becomes probability.

Run as ``python -m recipes.language.calibrate DATA TARGET``. For every labelled set the profiles are built
anew without it and its cells are told in words. The numbers with the least error of calibration, averaged
over sets, are written; log loss would answer to the few labels that are wrong, and doubt all cells for them.
The error that is printed for a set is that of numbers fitted on the other sets.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.language.build_profiles import build, read_typed
from recipes.language.label_terms import CANDIDATES
from tcellflow.evaluation.classification import calibration_error
from tcellflow.language.calibration import sharpen
from tcellflow.language.candidates import make_candidates
from tcellflow.language.panel import read_profiles
from tcellflow.language.smoothing import place_cells, smooth
from tcellflow.language.typing import CellTyper

TEMPERATURES = np.round(np.geomspace(0.05, 1.0, 25), 3)
POWERS = np.round(np.geomspace(0.4, 3.0, 25), 2)


@dataclass(frozen=True)
class LeftOut:
    """One set told by profiles that never saw it: its cells' place in the candidates, -1 = no label."""

    truth: np.ndarray
    typer: CellTyper
    counts: object
    places: np.ndarray

    def tell(self, temperature: float) -> np.ndarray:
        """Give raw probabilities (B, C + 1) at one temperature."""
        self.typer.temperature = temperature
        return self.typer.score(self.counts).probabilities  # type: ignore[arg-type]


def leave_out(data: Path, name: str) -> LeftOut:
    """Prepare one set."""
    cells = read_typed(data, name)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "profiles.parquet"
        build(data, place, frozenset({name}))
        profiles = read_profiles(place)
    labels = [CANDIDATES[name].get(term, "") for term in cells.terms]
    candidates = make_candidates([{"label": label} for label in sorted(set(labels) - {""})], name)
    at = {candidate.label: i for i, candidate in enumerate(candidates)}
    typer = CellTyper(cells.symbols, candidates, profiles, temperature=1.0)
    truth = np.array([at.get(label, -1) for label in labels])
    return LeftOut(truth, typer, cells.counts, place_cells(typer.take(cells.counts)))


def err(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Give the expected calibration error of labelled cells."""
    known = truth >= 0
    best = probabilities[known]
    return calibration_error(best.max(axis=1), best.argmax(axis=1) == truth[known])


def calibrate(data: Path, target: Path) -> dict[str, object]:
    """Fit both numbers on all sets, write them, and measure them on each set left out."""
    sets = {name: leave_out(data, name) for name in CANDIDATES}
    raw_errors = np.array([[err(s.tell(t), s.truth) for t in TEMPERATURES] for s in sets.values()])
    errors = {}
    for row, (name, of_set) in enumerate(sets.items()):
        others = np.arange(len(sets)) != row
        t, power = fit(sets, raw_errors, others)
        raw = of_set.tell(t)
        smoothed = sharpen(smooth(raw, of_set.places, 20), power)
        errors[name] = {
            "temperature": t, "power": power, "raw": round(err(raw, of_set.truth), 3),
            "smoothed": round(err(smoothed, of_set.truth), 3),
        }  # fmt: skip
    t, power = fit(sets, raw_errors, np.ones(len(sets), dtype=bool))
    target.write_text(f"quantity\tvalue\nraw\t{t:g}\nsmoothed\t{power:g}\n", encoding="utf-8")
    return {"raw": t, "smoothed": power, "sets left out": errors}


def fit(sets: dict[str, LeftOut], raw_errors: np.ndarray, used: np.ndarray) -> tuple[float, float]:
    """Choose the temperature, then the power, with the least mean error on the sets used."""
    t = float(TEMPERATURES[raw_errors[used].mean(axis=0).argmin()])
    found = []
    for of_set in np.array(list(sets.values()), dtype=object)[used]:
        averaged = smooth(of_set.tell(t), of_set.places, 20)
        found.append([err(sharpen(averaged, power), of_set.truth) for power in POWERS])
    return t, float(POWERS[np.mean(found, axis=0).argmin()])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("target", type=Path)
    given = parser.parse_args()
    print(json.dumps(calibrate(given.data, given.target), indent=1))
