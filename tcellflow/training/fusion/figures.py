"""What is measured of a trained fusion network: calibration, coverage, and how well it does.

Invariant: every figure is of cells that the network had not learnt from, under the view that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.training.fusion.task import predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.models.fusion import FusionNetwork
    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.task import Predicted

    Floats = NDArray[np.float64]

_TEMPERATURES: Final = np.geomspace(0.3, 4, 60)
_LEVELS: Final = (0.8, 0.9, 0.95)
_INTERVAL: Final = 1.6448536269514722  # 90 % of a normal distribution lies within so many deviations
_LEAST_CELLS: Final = 30
_BINS: Final = 15
_LEAST_DEVIATION: Final = 1e-6  # below it a protein is constant and has no correlation
VIEWS: Final = {"rna+adt": (True, True), "rna": (True, False), "adt": (False, True)}


@dataclass(frozen=True)
class FusionCalibration:
    """How far the network's numbers may be trusted.

    Parameters
    ----------
    temperature
        Of the classes' logits; 1 where no label of the validation fold could tell.
    deviation
        Factor of each protein's standard deviation, shape (P,); 1 where it was not measured.
    conformal
        Coverage to the least probability of a class in the set.
    cells
        Labelled cells behind them.
    """

    temperature: float
    deviation: NDArray[np.float32]
    conformal: dict[float, float]
    cells: int


def calibrate(network: FusionNetwork, cells: FusionCells) -> FusionCalibration:
    """Calibrate on the validation fold.

    Parameters
    ----------
    network
        Trained.
    cells
        All cells.

    Returns
    -------
    FusionCalibration
        The temperature makes both views, whole cells and their expression alone, most likely; the factors
        make 90 % intervals of proteins told from expression hold 90 %.
    """
    rows = np.flatnonzero(cells.fold == 1)
    labelled = rows[cells.has_label[rows]]
    temperature, conformal = 1.0, {}
    if labelled.size >= _LEAST_CELLS:
        views = [predict(network, cells, labelled, has_adt=has_adt).logits for has_adt in (True, False)]
        logits, allowed = np.concatenate(views), np.tile(cells.allowed[labelled], (2, 1))
        losses = [-np.log(_true_share(logits, allowed, t) + 1e-12).mean() for t in _TEMPERATURES]
        temperature = float(_TEMPERATURES[int(np.argmin(losses))])
        truth = np.sort(_best_allowed(views[0], cells.allowed[labelled], temperature))
        n = len(truth)
        conformal = {
            level: float(truth[max(int(np.floor((1 - level) * (n + 1))) - 1, 0)]) for level in _LEVELS
        }
    deviation = np.ones(cells.proteins.shape[1], dtype=np.float32)
    if rows.size:
        told = predict(network, cells, rows, has_adt=False)
        ratio = np.abs(told.protein_mean - cells.levels[rows]) / np.exp(0.5 * told.protein_log_variance)
        for column in range(len(deviation)):
            seen = ratio[cells.measured[rows, column], column]
            if seen.size >= _LEAST_CELLS:
                deviation[column] = max(float(np.quantile(seen, 0.9)) / _INTERVAL, 0.1)
    return FusionCalibration(temperature, deviation, conformal, int(labelled.size))


def measure(
    network: FusionNetwork,
    cells: FusionCells,
    rows: NDArray[np.intp],
    names: Sequence[str],
    calibration: FusionCalibration,
    judge: str,
) -> list[dict[str, Any]]:
    """Measure the network on cells it had not learnt from, set by set and view by view.

    Parameters
    ----------
    network
        Trained.
    cells
        All cells.
    rows
        Which.
    names
        Of the sets.
    calibration
        Of the network.
    judge
        What these cells are, in words.

    Returns
    -------
    list of dict
        An entry per set and view with labelled cells or proteins to tell.
    """
    found = []
    for number in np.unique(cells.set_of[rows]):
        own = rows[cells.set_of[rows] == number]
        for view, (has_rna, has_adt) in VIEWS.items():
            if has_adt and not cells.measured[own].any():
                continue
            said = predict(network, cells, own, has_rna=has_rna, has_adt=has_adt)
            entry: dict[str, Any] = {"set": names[number], "view": view, "judge": judge, "cells": len(own)}
            entry |= _measure_classes(said, cells.allowed[own], calibration.temperature)
            if not has_adt:
                entry |= _measure_proteins(said, cells, own, calibration.deviation)
            if len(entry) > 4:
                found.append(entry)
    return found


def _measure_classes(said: Predicted, allowed: NDArray[np.bool_], temperature: float) -> dict[str, Any]:
    labelled = np.flatnonzero(allowed.any(axis=1))
    if labelled.size < _LEAST_CELLS or not said.logits.shape[1]:
        return {}
    share = _softmax(said.logits[labelled], temperature)
    chosen = share.argmax(axis=1)
    right = allowed[labelled, chosen]
    single = labelled[allowed[labelled].sum(axis=1) == 1]
    entry = {
        "labelled": len(labelled),
        "accuracy": round(float(right.mean()), 4),
        "ece": round(_measure_error(share.max(axis=1), right), 4),
    }
    if single.size >= _LEAST_CELLS:
        truth, told = allowed[single].argmax(axis=1), said.logits[single].argmax(axis=1)
        entry["balanced_accuracy"] = round(
            float(np.mean([(told[truth == k] == k).mean() for k in np.unique(truth)])), 4
        )
    return entry


def _measure_proteins(
    said: Predicted, cells: FusionCells, rows: NDArray[np.intp], deviation: NDArray[np.float32]
) -> dict[str, Any]:
    correlations, held = [], []
    for column in range(len(deviation)):
        seen = cells.measured[rows, column]
        if seen.sum() < _LEAST_CELLS:
            continue
        mean, truth = said.protein_mean[seen, column], cells.levels[rows[seen], column]
        if min(mean.std(), truth.std()) > _LEAST_DEVIATION:
            correlations.append(float(np.corrcoef(mean, truth)[0, 1]))
        sd = np.exp(0.5 * said.protein_log_variance[seen, column]) * deviation[column]
        held.append(float((np.abs(mean - truth) <= _INTERVAL * sd).mean()))
    if not correlations:
        return {}
    return {
        "proteins": len(correlations),
        "protein_correlation": round(float(np.mean(correlations)), 4),
        "interval_coverage": round(float(np.mean(held)), 4),
    }


def _measure_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Give the expected calibration error over bins of equally many cells."""
    parts = np.array_split(np.argsort(confidence, kind="stable"), _BINS)
    gaps = [len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts if len(part)]
    return float(sum(gaps) / len(confidence))


def _true_share(logits: NDArray[np.float32], allowed: NDArray[np.bool_], temperature: float) -> Floats:
    return np.asarray((_softmax(logits, temperature) * allowed).sum(axis=1))


def _best_allowed(logits: NDArray[np.float32], allowed: NDArray[np.bool_], temperature: float) -> Floats:
    return np.asarray(np.where(allowed, _softmax(logits, temperature), 0).max(axis=1))


def _softmax(logits: NDArray[np.float32], temperature: float) -> Floats:
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
