"""Small states bundles made on the spot: real folders whose models have every optional part.

The models are untrained and readable: twelve genes, seven of which each speak for one state. A state's
probability is a softmax of its gene's log-expression, where a gene that was not measured counts as 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from receptor_bundles import write_bundle_folder
from tcellflow.io.bundles.folders import Bundle, read_bundle
from tcellflow.io.bundles.states import digest_symbols
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, mark_joint_cells
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# One gene per state in the order of `State`, then genes without a say.
SPEAKING = ("GZMB", "HAVCR2", "IL7R", "CCR7", "MKI67", "CXCL13", "FOXP3")
SILENT = ("ACTB", "B2M", "GAPDH", "MALAT1", "RPL3")
GENES = (*SPEAKING, *SILENT)
DIMENSION = 3  # of the receptor vectors
SLOPE = 2.0
# A receptor speaks for Treg by its first column, half as loudly as a gene.
RECEPTOR_SLOPE = 1.0
_RESTING = [i for i, state in enumerate(STATES) if state is not State.PROLIFERATING]


def _constants(n_members: int, dimension: int) -> dict[str, np.ndarray]:
    speak = np.zeros((len(GENES), 7), np.float32)
    speak[range(7), range(7)] = SLOPE
    # each state's joint cells share its mass evenly
    cells = mark_joint_cells().astype(np.float32)
    cells[STATES.index(State.PROLIFERATING)] = 0
    cells /= np.maximum(cells.sum(axis=1, keepdims=True), 1)
    hear = np.zeros((dimension, 7), np.float32)
    hear[0, STATES.index(State.TREG)] = RECEPTOR_SLOPE
    cycling = np.zeros((7, 1), np.float32)
    cycling[STATES.index(State.PROLIFERATING)] = 1
    tilts = np.linspace(-1, 1, n_members, dtype=np.float32)[None, :, None] if n_members else np.zeros(0)
    return {
        "one": np.float32(1),
        "speak": speak,
        "hear": hear,
        "cells": cells,
        "cycling": cycling,
        "to_lineage": np.kron(np.eye(6), np.ones((9, 1))).astype(np.float32),
        "to_function": np.kron(np.ones((6, 1)), np.eye(9)).astype(np.float32),
        "grid": np.array([-1, 6, 9], np.int64),
        "total": np.ones((len(GENES), 1), np.float32),
        "middle": np.array([1], np.int64),
        "tilts": tilts.astype(np.float32),
        "tiny": np.float32(1e-6),
    }


def _nodes(*, receptors: bool, flat_flags: bool, ood: bool, n_members: int) -> list[onnx.NodeProto]:
    node = helper.make_node
    flags = [f"has_{name}" for name in ("tra", "trb")]
    nodes = []
    if flat_flags:
        nodes = [node("Unsqueeze", [name, "middle"], [f"{name}_column"]) for name in flags]
        flags = [f"{name}_column" for name in flags]
    nodes += [
        node("Sub", ["expression", "one"], ["centred"]),
        node("Mul", ["centred", "present"], ["seen"]),
        node("MatMul", ["seen", "speak"], ["spoken"]),
    ]
    logits = "spoken"
    if receptors:
        nodes += [
            node("Mul", ["tra", flags[0]], ["alpha"]),
            node("Mul", ["trb", flags[1]], ["beta"]),
            node("Add", ["alpha", "beta"], ["chains"]),
            node("MatMul", ["chains", "hear"], ["heard"]),
            node("Add", ["spoken", "heard"], ["both"]),
        ]
        logits = "both"
    nodes += [
        node("Identity", [logits], ["latent"]),
        node("Softmax", [logits], ["state_probabilities"], axis=1),
        node("MatMul", ["state_probabilities", "cycling"], ["p_cycling"]),
        node("Sub", ["one", "p_cycling"], ["p_resting"]),
        node("Add", ["p_resting", "tiny"], ["p_resting_safe"]),
        node("MatMul", ["state_probabilities", "cells"], ["resting"]),
        node("Div", ["resting", "p_resting_safe"], ["joint_flat"]),
        node("Reshape", ["joint_flat", "grid"], ["joint"]),
        node("MatMul", ["joint_flat", "to_lineage"], ["p_lineage"]),
        node("MatMul", ["joint_flat", "to_function"], ["p_function"]),
    ]
    if ood:
        nodes += [node("MatMul", ["expression", "total"], ["ood_score"])]
    if n_members:
        nodes += [
            node("Unsqueeze", [logits, "middle"], ["logits_of_one"]),
            node("Mul", ["logits_of_one", "tilts"], ["tilted"]),
            node("Add", ["logits_of_one", "tilted"], ["member_logits"]),
            node("Softmax", ["member_logits"], ["member_states"], axis=2),
        ]
    return nodes


def make_states_model(
    *,
    receptors: bool = False,
    dimension: int = DIMENSION,
    flat_flags: bool = False,
    ood: bool = False,
    n_members: int = 0,
) -> bytes:
    """Give an ONNX model of the chosen parts; members have slopes from 0 to twice the model's."""

    def value(name: str, *axes: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)

    inputs = [value("expression", "B", len(GENES)), value("present", "M", len(GENES))]
    if receptors:
        inputs += [value(name, "B", dimension) for name in ("tra", "trb")]
        inputs += [value(name, "B", *(() if flat_flags else (1,))) for name in ("has_tra", "has_trb")]
    outputs = [
        value("state_probabilities", "B", 7),
        value("p_lineage", "B", len(LINEAGES)),
        value("p_function", "B", len(FUNCTIONS)),
        value("p_cycling", "B", 1),
        value("joint", "B", len(LINEAGES), len(FUNCTIONS)),
        value("latent", "B", 7),
    ]
    outputs += [value("ood_score", "B", 1)] if ood else []
    outputs += [value("member_states", "B", n_members, 7)] if n_members else []
    constants = [
        numpy_helper.from_array(np.asarray(v), name) for name, v in _constants(n_members, dimension).items()
    ]
    nodes = _nodes(receptors=receptors, flat_flags=flat_flags, ood=ood, n_members=n_members)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "states", inputs, outputs, [c for c in constants if c.name in used])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return bytes(onnx.ModelProto.SerializeToString(model, deterministic=True))


def describe_states_bundle(**changes: Any) -> dict[str, Any]:
    """Give a complete bundle.json of the task "states", without its files."""
    states = [str(state) for state in STATES]
    curve = [(0.0, 1.0, 0.3), (0.5, 0.8, 0.1), (0.9, 0.5, 0.02)]
    return {
        "format": 1,
        "name": "tiny-states",
        "version": "1",
        "task": "states",
        "summary": "Untrained states model for tests",
        "inputs": [],
        "outputs": [],
        "training": [],
        "metrics": [],
        "limits": [],
        "intended_use": "tests",
        "licence": "MIT",
        "parity": {"tolerance": 1e-4},
        "calibration": {"method": "none"},
        "panel": {"file": "panel.tsv", "n_genes": len(GENES), "sha256": digest_symbols(list(GENES))},
        "labels": {"state": states},
        "evidence": dict.fromkeys(states, "gated"),
        "abstention": {
            "target_risk": 0.1,
            "dataset": "none",
            "curve": [dict(zip(("threshold", "coverage", "risk"), point, strict=True)) for point in curve],
        },
        **changes,
    }


RECEPTORS_ENTRY = {"dimension": DIMENSION, "encoder": "kmer", "encoder_sha256": None}
REFERENCE_ENTRY = {
    "dataset": "none",
    "state_shares": {str(state): round(1 / 7, 6) for state in STATES},
    "ood_quantiles": [0.0, 10.0, 20.0],
    "confidence_quantiles": [0.2, 0.6, 1.0],
}


def write_states_bundle(
    folder: Path,
    *,
    with_receptors: bool = False,
    with_ood: bool = False,
    n_members: int = 0,
    files: Iterable[tuple[str, bytes]] = (),
    **changes: Any,
) -> Bundle:
    """Write a states bundle of the chosen parts and read it."""
    entries = {"receptors": RECEPTORS_ENTRY} if with_receptors else {}
    if with_ood:
        entries |= {"reference": REFERENCE_ENTRY, "ood": {"threshold": 0.9}}
    panel = "symbol\tweight\n" + "".join(f"{gene}\t{float(gene in SPEAKING):g}\n" for gene in GENES)
    model = make_states_model(receptors=with_receptors, ood=with_ood, n_members=n_members)
    content = {"model.onnx": model, "panel.tsv": panel.encode(), **dict(files)}
    write_bundle_folder(folder, describe_states_bundle(**{**entries, **changes}), content)
    return read_bundle(folder)
