"""Build the bundle states-linear from the teacher's linear model.

    python -m recipes.states_linear.build --data FOLDER [-o tcellflow/bundles/states-linear]

Two numbers are fitted, both on one protein-gated data set: the softmax temperature (least negative
log-likelihood of the gated states) and the coverage-risk curve. Everything else is the teacher's. The
same input and package versions give the same bytes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from scipy.optimize import minimize_scalar

from recipes.datasets.cells import LabelledSet, read_set
from recipes.datasets.labels import CALIBRATION_SET, SETS
from recipes.states_linear.evaluate import evaluate, predict_set, render
from recipes.states_linear.graph import (
    CLASSES,
    FUNCTIONS,
    LINEAGES,
    NOT_REPORTED,
    STATES,
    LinearWeights,
    build_model,
)
from tcellflow.evaluation.classification import coverage_risk_curve
from tcellflow.genes.receptor_genes import CLONE_GENE
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.io.bundles.states import digest_symbols
from tcellflow.io.bundles.writing import write_bundle, write_manifest
from tcellflow.training.description import describe_tensor
from tcellflow.training.states.description import EXCLUDED_GENES, PANEL_FILE, write_panel
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from tcellflow.io.bundles.folders import Bundle

NAME, VERSION = "states-linear", "1"
SUMMARY = "Baseline: the linear teacher of STCAT, mapped to seven states, with a fitted temperature"
TARGET_RISK = 0.1
LEAST_CALLED_CELLS = 50  # a risk estimated from fewer cells is noise
N_QUANTILES = 21
TEMPERATURES = (10.0, 5000.0)
LIMITS = (
    "The teacher's labels are silver: no class was learnt from sorted or gated cells.",
    "Memory CD4 T cells of blood scatter over Memory, Th_effector, Naive and Effector.",
    "Only part of the gated regulatory T cells is found (recall in the figures).",
    "MAIT absorbs CD8 memory cells.",
    "The function of a gamma-delta, innate-like or unresolved cell is borrowed from its CD4 and CD8 classes.",
    "exhausted_progenitor cannot be told from exhausted_terminal: both stand under exhausted_terminal.",
    "Non-T cells get T states; the T-cell gate of preprocess must remove them.",
    "Expression normalised by the sum of a gene subset drifts into the teacher's stress classes.",
    "Receptors and proteins are not used.",
    "Confidence was calibrated on one protein-gated blood sample and transfers badly; see the figures.",
)
CARD = """# {name} {version}

{summary}. {intended_use}

**Every class rests on the teacher alone (`state_evidence` = `teacher`): these are silver labels.**

## What it does

log1p(counts per 10,000) of {n_genes:,} genes (no V, D, J or immunoglobulin genes) is standardised, clipped
above at 10 and scored by the teacher's {n_classes} one-vs-rest classifiers. A softmax with temperature
{temperature:g} turns the decision values into a distribution; the class table in bundle.json turns that into
lineage, function and cycle, and these into seven states. A gene that was not measured counts as average.

The teacher's published tool adds cluster voting, a CD4/CD8 split and marker rules; its accuracy is not this
bundle's.

## Data

{training}

## Figures

Value and 95 % bootstrap interval over cells; one or few donors per set, so the variation between donors is
not covered. *panel*: weighted share of the genes measured. *majority row*: macro-F1 / balanced accuracy /
accuracy of always calling the commonest class. *called*, *risk*: share of cells called at the default target
risk of {target_risk:.0%}, and share of wrong calls among them (threshold from {calibration_set}).

{figures}

## Limits

{limits}

## Licence

The coefficients come from STCAT (MIT, see LICENSE.STCAT): Shen et al. 2025, doi:10.1016/j.scib.2025.02.043.
"""


def read_teacher(path: Path) -> LinearWeights:
    """Read the teacher's T-cell model without receptor genes, under today's symbols."""
    with np.load(path, allow_pickle=False) as stored:
        part = {key: stored[f"T_cell__{key}"] for key in ("coef", "intercept", "mean", "scale")}
        genes, classes = stored["T_cell__genes"].astype(str), stored["T_cell__classes"].astype(str)
    if set(classes) != set(CLASSES):
        raise SystemExit(f"the class table does not fit: {sorted(set(classes) ^ set(CLASSES))}")
    kept = np.array([CLONE_GENE.fullmatch(gene) is None for gene in genes])
    harmonised = harmonise_genes([""] * int(kept.sum()), list(genes[kept]))
    if harmonised.symbols.size != kept.sum():
        raise SystemExit("two of the teacher's genes have the same symbol")
    print(f"genes: {len(genes)}, without receptor genes {kept.sum()}")
    print(f"renamed: {harmonised.report.renamed.count}, unknown: {harmonised.report.unknown.count}")
    return LinearWeights(
        tuple(classes),
        tuple(harmonised.symbols),
        np.ascontiguousarray(part["coef"][:, kept], np.float32),
        part["intercept"].astype(np.float32),
        part["mean"][kept].astype(np.float32),
        part["scale"][kept].astype(np.float32),
    )


def gene_weights(weights: LinearWeights) -> np.ndarray:
    """Give the spread of each gene's coefficient over the classes: how much it can change the call."""
    return weights.coef.astype(np.float64).std(axis=0)


def teacher_table(classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Write the class table as JSON."""
    return [
        {
            "name": name,
            "lineage": None if CLASSES[name].lineage is None else str(CLASSES[name].lineage),
            "function": None if CLASSES[name].function is None else str(CLASSES[name].function),
            "cycling": CLASSES[name].is_cycling,
            "regulating": CLASSES[name].is_regulating,
        }
        for name in classes
    ]


def describe(weights: LinearWeights, temperature: float, curve: list[dict[str, float]]) -> dict[str, Any]:
    """Give bundle.json without files and metrics."""
    return {
        "name": NAME,
        "version": VERSION,
        "task": "states",
        "summary": SUMMARY,
        "licence": "MIT (LICENSE.STCAT)",
        "inputs": [
            describe_tensor("expression", ["B", "G"], "log1p(counts per 10,000)"),
            describe_tensor("present", ["1 or B", "G"], "1 where the gene was measured, else 0"),
        ],
        "outputs": [
            describe_tensor("state_probabilities", ["B", "K"], "labels/state"),
            describe_tensor("p_lineage", ["B", "lineages"], "labels/lineage"),
            describe_tensor("p_function", ["B", "functions"], "labels/function"),
            describe_tensor("p_cycling", ["B", "1"], "probability of cycling"),
            describe_tensor(
                "joint", ["B", "lineages", "functions"], "joint probability of lineage and function"
            ),
            describe_tensor("latent", ["B", "D"], "decision values of labels/latent, not a distribution"),
        ],
        "panel": {
            "file": PANEL_FILE,
            "n_genes": len(weights.genes),
            "sha256": digest_symbols(list(weights.genes)),
            "weight": "standard deviation of the gene's coefficient over the classes",
            "excluded": EXCLUDED_GENES,
        },
        "labels": {
            "state": list(map(str, STATES)),
            "lineage": list(map(str, LINEAGES)),
            "function": list(map(str, FUNCTIONS)),
            "function_reported": [str(f) for f in FUNCTIONS if f not in NOT_REPORTED],
            "latent": list(weights.classes),
        },
        "teacher_classes": teacher_table(weights.classes),
        "evidence": {str(state): "teacher" for state in STATES},
        "calibration": {
            "method": "temperature of the softmax over the teacher's classes",
            "temperature": temperature,
            "dataset": CALIBRATION_SET,
        },
        "abstention": {"target_risk": TARGET_RISK, "dataset": CALIBRATION_SET, "curve": curve},
        "training": [
            {
                "name": "STCAT (T-cell model)",
                "source": "https://github.com/GuoBioinfoLab/STCAT commit 652ffbb6c55d",
                "paper": "10.1016/j.scib.2025.02.043",
                "licence": "MIT",
                "cells": "1,677,799 T cells, 37 conditions, 16 tissues; cluster labels of its authors",
                "donors": "not stated with the released model",
                "split": "none known: all of it trained the teacher",
            },
            {
                "name": CALIBRATION_SET,
                "source": "10x Genomics pbmc_10k_protein_v3",
                "licence": "CC BY 4.0",
                "cells": "gated T cells of one donor",
                "donors": 1,
                "split": "all of it: temperature and coverage-risk curve only",
            },
        ],
        "parity": {"against": "numpy reference in float64", "tolerance": 1e-5},
        "intended_use": "A first look at the states of human T cells from 10x-like expression data, and the "
        "baseline that trained bundles must beat. Not for clinical decisions.",
        "limits": list(LIMITS),
    }


def write_folder(
    folder: Path,
    weights: LinearWeights,
    description: dict[str, Any],
    metrics: list[dict[str, Any]],
    licence: Path,
) -> Bundle:
    """Write all files of the bundle."""
    model = build_model(weights, description["calibration"]["temperature"])
    panel = write_panel(np.array(weights.genes, dtype=object), gene_weights(weights))
    files = {
        "model.onnx": onnx.ModelProto.SerializeToString(model, deterministic=True),
        PANEL_FILE: panel,
        "LICENSE.STCAT": licence.read_bytes(),
        "CARD.md": card(description, metrics).encode(),
    }
    return write_bundle(folder, {**description, "metrics": metrics}, files, force=True)


def card(description: dict[str, Any], metrics: list[dict[str, Any]]) -> str:
    """Write CARD.md."""
    return CARD.format(
        name=NAME,
        version=VERSION,
        summary=SUMMARY,
        intended_use=description["intended_use"],
        n_genes=description["panel"]["n_genes"],
        n_classes=len(CLASSES),
        temperature=description["calibration"]["temperature"],
        training="\n".join(
            f"- {t['name']}: {t['cells']}; {t['licence']}; split: {t['split']} ({t['source']})"
            for t in description["training"]
        ),
        target_risk=description["abstention"]["target_risk"],
        calibration_set=CALIBRATION_SET,
        figures=render(metrics).strip() if metrics else "not yet measured",
        limits="\n".join(f"- {limit}" for limit in LIMITS),
    )


def fit_temperature(weights: LinearWeights, cells: LabelledSet, licence: Path) -> float:
    """Find the temperature with the least negative log-likelihood of the gated states."""
    known = np.array([state is not None for state in cells.state])
    truth = np.array([STATES.index(State(state)) for state in cells.state[known]])

    def loss(log_temperature: float) -> float:
        calls = _predict(weights, describe(weights, float(np.exp(log_temperature)), []), cells, licence)
        p = calls.state_probabilities[known, truth].astype(np.float64)
        return float(-np.log(np.maximum(p, 1e-12)).mean())

    found = minimize_scalar(
        loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded", options={"xatol": 1e-3}
    )
    temperature = float(f"{np.exp(found.x):.4g}")
    print(f"temperature {temperature}: negative log-likelihood {found.fun:.4f}")
    return temperature


def _predict(weights: LinearWeights, description: dict[str, Any], cells: LabelledSet, licence: Path) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_folder(Path(folder) / NAME, weights, description, [], licence)
        return predict_set(StatePredictor(bundle, threads=1, device="cpu"), cells)[0]


def fit_curve(calls: Any, cells: LabelledSet) -> list[dict[str, float]]:
    """Measure the coverage-risk curve on the calibration set."""
    known = np.array([state is not None for state in cells.state])
    truth = np.array([str(state) for state in cells.state[known]], dtype=object)
    is_right = np.asarray(truth == calls.predicted_state[known], dtype=bool)
    confidence = calls.confidence[known].astype(np.float64)
    return coverage_risk_curve(confidence, is_right, least_cells=LEAST_CALLED_CELLS)


def measure_reference(calls: Any) -> dict[str, Any]:
    """Tell what the calls on the calibration set look like, as that from which samples differ.

    The shares are those of the probabilities, not of the gates: they are what the probabilities imply.
    """
    shares = calls.state_probabilities.mean(axis=0, dtype=np.float64)
    quantiles = np.quantile(calls.confidence.astype(np.float64), np.linspace(0, 1, N_QUANTILES))
    return {
        "dataset": CALIBRATION_SET,
        "state_shares": {str(s): round(float(x), 5) for s, x in zip(STATES, shares, strict=True)},
        "confidence_quantiles": [round(float(x), 4) for x in quantiles],
    }


def main() -> None:
    """Build, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of teachers/ and labelled data sets")
    parser.add_argument("-o", "--output", type=Path, default=Path("tcellflow/bundles") / NAME)
    options = parser.parse_args()
    licence = options.data / "teachers" / "LICENSE.STCAT"
    weights = read_teacher(options.data / "teachers" / "tcellatlas_linear.npz")
    cells = read_set(options.data, next(s for s in SETS if s.name == CALIBRATION_SET))
    temperature = fit_temperature(weights, cells, licence)
    calls = _predict(weights, describe(weights, temperature, []), cells, licence)
    curve = fit_curve(calls, cells)
    print(*(f"{p['threshold']:.2f} {p['coverage']:.3f} {p['risk']:.3f}" for p in curve[::5]), sep="\n")
    description = {**describe(weights, temperature, curve), "reference": measure_reference(calls)}
    with tempfile.TemporaryDirectory() as scratch:
        bundle = write_folder(Path(scratch) / NAME, weights, description, [], licence)
        metrics = evaluate(StatePredictor(bundle, threads=1, device="cpu"), options.data)
    write_folder(options.output, weights, description, metrics, licence)
    write_manifest(options.output.parent)
    print(render(metrics))


if __name__ == "__main__":
    main()
