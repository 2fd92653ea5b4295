"""Small receptors bundles made on the spot: real folders with an untrained model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tcellflow.receptors.encoding.bert_tokens import write_bert_vocabulary
from tcellflow.receptors.encoding.tokens import build_vocabulary

if TYPE_CHECKING:
    from pathlib import Path


def identity_model() -> bytes:
    """Give the smallest model that is one: it returns its input."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 4]) for name in ("x", "vector")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["vector"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(model, deterministic=True))


def describe_receptors_bundle(**changes: Any) -> dict[str, Any]:
    """Give a complete bundle.json of the task "receptors", without its files."""
    return {
        "format": 1,
        "name": "tiny",
        "version": "1",
        "task": "receptors",
        "summary": "Untrained receptor encoder for tests",
        "inputs": [],
        "outputs": [{"name": "vector", "dtype": "float32", "axes": ["B", "D"], "meaning": "unit length"}],
        "training": [],
        "metrics": [],
        "limits": [],
        "intended_use": "tests",
        "licence": "MIT",
        "parity": {"tolerance": 1e-4},
        "backend": "native",
        "vocabulary": "vocabulary.json",
        "dimension": 4,
        "pooling": "class token",
        "max_length": 40,
        "loci": ["TRA", "TRB"],
        "cluster_distances": {"pair": 0.1, "trb": 0.1, "tra": 0.1},
        **changes,
    }


def write_bundle_folder(folder: Path, document: dict[str, Any], files: dict[str, bytes]) -> Path:
    """Write files, the bundle.json that lists their digests, and a card."""
    folder.mkdir(parents=True)
    files = {"CARD.md": b"# A bundle for tests\n", **files}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    (folder / "bundle.json").write_text(json.dumps({**document, "files": digests}), encoding="utf-8")
    return folder


def make_native_model(dimension: int = 4, *, n_genes: int | None = None, output: str = "features") -> bytes:
    """Give a small network with the inputs of the native encoder and a place for each residue."""
    rng = np.random.default_rng(0)
    vocabulary = build_vocabulary()
    widths = {
        "locus": 2,
        "residues": 22,
        "v_call": 1 + (n_genes or len(vocabulary.v_calls)),
        "j_call": 1 + len(vocabulary.j_calls),
    }
    weights = {name: rng.normal(size=(rows, dimension)).astype(np.float32) for name, rows in widths.items()}
    nodes = [helper.make_node("Gather", [f"{name}_table", name], [f"of_{name}"]) for name in widths]
    # an LSTM would tell places apart; a running sum does so with one operator
    nodes += [
        helper.make_node("CumSum", ["of_residues", "one"], ["summed"]),
        helper.make_node("Tanh", ["summed"], ["places"]),
        helper.make_node("ReduceMean", ["places"], ["pooled"], axes=[1], keepdims=0),
        helper.make_node("Sum", ["pooled", "of_locus", "of_v_call", "of_j_call"], [output]),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "L"] if name == "residues" else ["B"])
        for name in widths
    ]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["B", dimension])]
    tables = [numpy_helper.from_array(table, f"{name}_table") for name, table in weights.items()]
    tables.append(numpy_helper.from_array(np.array(1, np.int64), "one"))
    graph = helper.make_graph(nodes, "g", inputs, outputs, tables)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(model, deterministic=True))


def write_native_bundle(folder: Path, *, model: bytes | None = None, **changes: Any) -> Path:
    """Write a native bundle with a small network of random weights."""
    files = {
        "model.onnx": make_native_model() if model is None else model,
        "vocabulary.json": build_vocabulary().to_json().encode(),
    }
    return write_bundle_folder(folder, describe_receptors_bundle(**changes), files)


def make_bert_model(dimension: int = 4) -> bytes:
    """Give a small network with the input of TCR-BERT: the mean of a table's rows, and a running sum."""
    table = np.random.default_rng(1).normal(size=(26, dimension)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["each"]),
        helper.make_node("CumSum", ["each", "one"], ["summed"]),
        helper.make_node("ReduceMean", ["summed"], ["vector"], axes=[1], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["B", "L"])]
    outputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["B", dimension])]
    weights = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array(1, np.int64), "one")]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(model, deterministic=True))


def write_bert_bundle(folder: Path, **changes: Any) -> Path:
    """Write a tcr-bert bundle of beta-only weights with a small network of random weights."""
    files = {"model.onnx": make_bert_model(), "vocabulary.json": write_bert_vocabulary().encode()}
    about = {
        "backend": "tcr-bert",
        "pooling": "mean of residues",
        "loci": ["TRB"],
        "max_length": 62,
        "cluster_distances": None,
        **changes,
    }
    return write_bundle_folder(folder, describe_receptors_bundle(**about), files)
