"""Small receptors bundles made on the spot: real folders with an untrained model."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import onnx
from onnx import TensorProto, helper

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
