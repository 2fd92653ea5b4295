"""What a trained states bundle tells of itself: ``bundle.json``, gene panel and card.

Invariant: cells, cohorts and settings are those of the run, not of its defaults.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.io.bundles.states import TASK_STATES, digest_symbols
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES
from tcellflow.training.description import describe_parity, describe_tensor, name_bundle, write_card
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.receptors.encoder import EncoderChoice
    from tcellflow.training.cohorts.cells import Cohort
    from tcellflow.training.cohorts.truth import CellTruth
    from tcellflow.training.states.options import TrainStatesOptions

READ_WITH_PROGRAMMES: Final = (
    "figures, curve and coverages here are of the network alone; predict reads it with programmes, marker "
    "genes and receptors, by which Exhausted, Effector and Th_effector are told: marker evidence, of few "
    "labelled tumours and no labelled helpers"
)
PANEL_FILE: Final = "panel.tsv"
EXCLUDED_GENES: Final = "V, D and J genes of T-cell receptors; all immunoglobulin genes"
_LEAST_CELLS: Final = 20  # that speak for a state before their kind of truth stands behind it
_STRENGTH: Final = (Evidence.GATED, Evidence.AUTHOR, Evidence.MARKER, Evidence.TEACHER)


def describe_training(cohorts: Sequence[Cohort]) -> list[dict[str, Any]]:
    """Describe in a states bundle what was learnt from."""
    return [
        {
            "name": cohort.entry.name,
            "source": cohort.entry.source,
            "licence": cohort.entry.licence,
            "counts": cohort.entry.counts_kind if cohort.has_expression else "none, receptors alone",
            "cells": len(cohort.truth),
            "t_cells": int(cohort.truth.is_t.sum()),
            "donors": len(set(cohort.truth.donor)),
            "labelled": {
                f"{state}, {kind}": n
                for (state, kind), n in sorted(
                    Counter(zip(cohort.truth.state, cohort.truth.evidence, strict=True)).items()
                )
                if state
            },
            **(
                {}
                if cohort.chains is None
                else dict(
                    zip(("with_tra", "with_trb"), cohort.chains.is_there.sum(axis=0).tolist(), strict=True)
                )
            ),
        }
        for cohort in cohorts
    ]


def describe_receptors(encoder: EncoderChoice, dimension: int) -> dict[str, Any]:
    """Describe the receptor vectors that a trained states bundle takes.

    Parameters
    ----------
    encoder
        What makes them.
    dimension
        Width of a chain's vector.

    Returns
    -------
    dict
        The entry ``receptors`` of ``bundle.json``.
    """
    return {
        "dimension": dimension,
        "encoder": str(encoder.backend),
        "encoder_name": encoder.name,
        "encoder_sha256": None if encoder.bundle is None else encoder.bundle.sha256,
    }


def find_evidence(truth: CellTruth) -> dict[str, str]:
    """Name, for a states bundle's description, the kind of truth behind each state.

    Parameters
    ----------
    truth
        Of the cells that were learnt from.

    Returns
    -------
    dict
        The strongest kind that 20 cells or more have; teacher where no kind has so many.
    """
    found = {}
    for state in STATES:
        kinds = Counter(truth.evidence[truth.state == state])
        enough = [kind for kind in _STRENGTH if kinds[str(kind)] >= _LEAST_CELLS]
        found[str(state)] = str(enough[0] if enough else Evidence.TEACHER)
    return found


def find_reported(truth: CellTruth) -> list[str]:
    """Name, for a states bundle's description, the functions that labels tell apart.

    Parameters
    ----------
    truth
        Of the cells that were learnt from.

    Returns
    -------
    list of str
        Those which 20 cells or more have alone.
    """
    joint = truth.joint.reshape(len(truth), len(LINEAGES), len(FUNCTIONS))
    functions = np.asarray(joint.any(axis=1))
    alone = functions[(functions.sum(axis=1) == 1) & truth.is_t].sum(axis=0)
    return [str(f) for f, n in zip(FUNCTIONS, alone, strict=True) if n >= _LEAST_CELLS]


def describe_bundle(
    options: TrainStatesOptions,
    truth: CellTruth,
    panel: NDArray[np.object_],
    measured: dict[str, Any],
    difference: float,
) -> dict[str, Any]:
    """Describe a trained states bundle: its run and result.

    Parameters
    ----------
    options
        The run.
    truth
        Of the cells with expression that were learnt from.
    panel
        Gene symbols.
    measured
        Entries that were measured: ``training``, ``calibration``, ``abstention``, ``reference``, ``ood``,
        ``conformal``, ``metrics``; and ``receptors`` where the bundle takes them.
    difference
        Largest difference between graph and network.

    Returns
    -------
    dict
        Content of ``bundle.json`` but for format and files.
    """
    return {
        "name": name_bundle(options.name, options.output),
        "version": options.version,
        "task": TASK_STATES,
        "summary": f"Lineage, function, cycle of T cells; cohorts learnt from: {len(measured['training'])}",
        "inputs": [*_INPUTS, *(_RECEPTOR_INPUTS if "receptors" in measured else ())],
        "outputs": _OUTPUTS,
        "panel": {
            "file": PANEL_FILE,
            "n_genes": len(panel),
            "sha256": digest_symbols(list(panel)),
            "weight": "share of the gene's variance that lies between states, mean over cohorts",
            "excluded": EXCLUDED_GENES,
        },
        "labels": {
            "state": list(map(str, STATES)),
            "lineage": list(map(str, LINEAGES)),
            "function": list(map(str, FUNCTIONS)),
            "function_reported": find_reported(truth),
        },
        "evidence": find_evidence(truth),
        "parity": describe_parity(difference),
        "recipe": {
            "architecture": options.architecture,
            "split": options.split,
            "members": options.n_members,
            "held_out": sorted(options.hold_out),
            **({} if options.architecture == "seed" else _describe_axes(options)),
        },
        "limits": [
            "human T cells only; states that no cell was labelled with rest on the teacher or on nothing",
            "labels of few donors: the variation between donors is known only in part",
            "a confidence holds for cells like those it was calibrated on; see ood_score",
            *(() if options.architecture == "seed" else (READ_WITH_PROGRAMMES,)),
        ],
        "intended_use": "States of human T cells from single-cell expression data; no clinical use",
        "licence": options.licence,
        **measured,
    }


def _describe_axes(options: TrainStatesOptions) -> dict[str, Any]:
    """Give the settings of the axes network; members of the seed network bring their own."""
    return {
        "steps": options.loop.steps,
        "distil_steps": options.distil_steps,
        "learning_rate": options.loop.learning_rate,
        **asdict(options.task),
    }


def write_panel(panel: NDArray[np.object_], weights: NDArray[np.float64]) -> bytes:
    """Write the gene panel beside what describes a trained states bundle.

    Parameters
    ----------
    panel
        Gene symbols.
    weights
        Their importance.

    Returns
    -------
    bytes
        Table of ``symbol`` and ``weight``.
    """
    rows = [f"{symbol}\t{weight:.6g}" for symbol, weight in zip(panel, weights, strict=True)]
    return ("\n".join(["symbol\tweight", *rows]) + "\n").encode()


_INPUTS: Final = [
    describe_tensor("expression", ["B", "G"], "log1p(counts per 10,000)"),
    describe_tensor("present", ["1 or B", "G"], "1 where the gene was measured, else 0"),
]
_RECEPTOR_INPUTS: Final = [
    describe_tensor("tra", ["B", "R"], "vector of the alpha chain, 0 where there is none"),
    describe_tensor("trb", ["B", "R"], "vector of the beta chain, 0 where there is none"),
    describe_tensor("has_tra", ["B", "1"], "1 where there is an alpha vector, else 0"),
    describe_tensor("has_trb", ["B", "1"], "1 where there is a beta vector, else 0"),
]
_OUTPUTS: Final = [
    describe_tensor("state_probabilities", ["B", "K"], "labels/state"),
    describe_tensor("joint", ["B", "lineages", "functions"], "joint probability of lineage and function"),
    describe_tensor("p_lineage", ["B", "lineages"], "labels/lineage"),
    describe_tensor("p_function", ["B", "functions"], "labels/function"),
    describe_tensor("p_cycling", ["B", "1"], "probability of cycling"),
    describe_tensor("latent", ["B", "D"], "last hidden layer"),
    describe_tensor("ood_score", ["B", "1"], "log-odds of not being a T cell of the kind that was learnt"),
]


def write_state_card(document: Mapping[str, Any], evaluation: str) -> str:
    """Write the card that describes a trained states bundle."""
    return write_card(document, _tell_states(document), evaluation=evaluation)


def _tell_states(document: Mapping[str, Any]) -> Iterator[str]:
    recipe = document["recipe"]
    yield "\n## Truth behind each state\n\n| state | kind of truth |\n|---|---|"
    yield from (f"| {state} | {kind} |" for state, kind in sorted(document["evidence"].items()))
    yield "\nFunctions told apart: " + ", ".join(document["labels"]["function_reported"]) + "."
    yield "\n## Data\n\n| cohort | T cells | donors | labels | licence |\n|---|---|---|---|---|"
    for cohort in document["training"]:
        labels = "; ".join(f"{label} {n:,}" for label, n in cohort["labelled"].items()) or "none"
        yield (
            f"| {cohort['name']} | {cohort['t_cells']:,} of {cohort['cells']:,} | {cohort['donors']} "
            f"| {labels} | {cohort['licence']} |"
        )
    held_out = ", ".join(recipe["held_out"]) or "none"
    is_seed = recipe["architecture"] == "seed"
    judging = "one share of the units, by which they were chosen" if is_seed else "its own share of the units"
    yield (
        f"\n{recipe['members']} members, split by {recipe['split']}: each learnt from all but {judging}. "
        f"Cells of that share judge. Held out from all members: {held_out}.\n"
    )
    yield "## Figures\n\nCells that the judging member had not learnt from, or that were held out from all.\n"
    yield "| cohort | judged by | cells | macro-F1 | calibration error |\n|---|---|---|---|---|"
    for row in document["metrics"]:
        f1, error = row["macro_f1"], row["ece"]
        yield f"| {row['cohort']} | {row['judge']} | {row['cells']:,} | {f1:.3f} | {error:.3f} |"
    yield f"\n**Calibration.** {document['calibration']['method']}."
    yield from _tell_receptors(document)


def _tell_receptors(document: Mapping[str, Any]) -> Iterator[str]:
    receptors = document.get("receptors")
    if receptors is None:
        return
    yield (
        "\n**Receptors.** Optional: a missing chain is a mask. Vectors of the encoder "
        f"{receptors['encoder_name']}, {receptors['dimension']} wide. Figures and calibration are of cells "
        "whose chains, where known, were shown.\n\n| cohort | cells with alpha | with beta |\n|---|---|---|"
    )
    for cohort in document["training"]:
        if "with_tra" in cohort:
            yield f"| {cohort['name']} | {cohort['with_tra']:,} | {cohort['with_trb']:,} |"
