"""From torch to ONNX: a graph with named, dynamic axes that says what the network says.

Invariant: bytes that are handed out were run by onnxruntime and agree with torch within the
tolerance on every example given; the same weights give the same bytes.
"""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
import torch

from tcellflow.errors import BundleError
from tcellflow.inference.session import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    Arrays = Mapping[str, np.ndarray]

OPSET: Final = 18  # the lowest that torch's exporter writes without converting; onnxruntime >= 1.14 reads it
PARITY_TOLERANCE: Final = 1e-4


@dataclass(frozen=True)
class GraphSpec:
    """Names of a graph's tensors.

    Parameters
    ----------
    inputs
        Input to the names of its axes; an axis without a name (None) has a fixed size.
    outputs
        Names of the outputs, in the order the network returns them.
    one_or_all
        Inputs that are traced with one row for the whole batch and may have one row per cell as well:
        wherever they are used one row is spread over all.
    is_unrolled
        Whether the network has loops of a fixed number of rounds, which the tracing exporter writes down
        twenty times as fast; only first axes may be dynamic then.
    """

    inputs: Mapping[str, tuple[str | None, ...]]
    outputs: Sequence[str]
    one_or_all: Sequence[str] = ()
    is_unrolled: bool = False


def export_onnx(network: nn.Module, spec: GraphSpec, examples: Sequence[Arrays]) -> tuple[bytes, float]:
    """Export a trained network to ONNX and compare the graph with it.

    Parameters
    ----------
    network
        Takes the inputs by name and returns a tuple of tensors; it is put into evaluation mode.
    spec
        Names of inputs, axes and outputs.
    examples
        Inputs to compare on, of several sizes of every dynamic axis; the first one is traced.

    Returns
    -------
    tuple
        The ONNX file, and the largest difference between it and torch, in deviations of an output that
        varies by more than one.

    Raises
    ------
    BundleError
        If graph and network differ by more than `PARITY_TOLERANCE` on any example.
    """
    network = network.eval().cpu()
    content = _make_graph(network, spec, examples[0])
    difference = max(_compare(network, content, spec, example) for example in examples)
    if not difference <= PARITY_TOLERANCE:  # so that NaN is refused too
        raise BundleError(
            f"graph and network differ by {difference:.2g}; allowed are {PARITY_TOLERANCE:g}",
            where="ONNX export",
            mend="train in float32, or look for an operator that the export changes",
        )
    return content, difference


def _make_graph(network: nn.Module, spec: GraphSpec, example: Arrays) -> bytes:
    # one Dim object per name: axes of one name have one size
    sizes = {name: torch.export.Dim(name) for axes in spec.inputs.values() for name in axes if name}
    shapes = {
        name: {axis: sizes[label] for axis, label in enumerate(axes) if label}
        for name, axes in spec.inputs.items()
    }
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as scratch:
        warnings.simplefilter("ignore")  # of the exporter, about itself
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        if spec.is_unrolled:
            return _trace_graph(network, spec, example)
        program: Any = torch.onnx.export(
            network,
            kwargs={name: torch.from_numpy(np.asarray(example[name])) for name in spec.inputs},
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        path = Path(scratch) / "model.onnx"
        program.save(path, external_data=False)
        model = onnx.load(path)
    _free_rows(model, spec.one_or_all)
    return _without_traces(model)


def _trace_graph(network: nn.Module, spec: GraphSpec, example: Arrays) -> bytes:
    file: Any = io.BytesIO()  # the exporter takes files, which its annotation does not say
    torch.onnx.export(
        network,
        tuple(torch.from_numpy(np.asarray(example[name])) for name in spec.inputs),
        file,
        input_names=list(spec.inputs),
        output_names=list(spec.outputs),
        dynamic_axes={
            **{name: {0: axes[0]} for name, axes in spec.inputs.items() if axes[0]},
            **{name: {0: "batch"} for name in spec.outputs},
        },
        opset_version=OPSET,
        dynamo=False,
    )
    return _without_traces(onnx.load_from_string(file.getvalue()))


def _free_rows(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Let inputs that were traced with one row have any number of them."""
    for value in model.graph.input:
        if value.name in names:
            value.type.tensor_type.shape.dim[0].dim_param = f"{value.name}_rows"
    if names:
        del model.graph.value_info[:]  # sizes that follow from one row


def _without_traces(model: onnx.ModelProto) -> bytes:
    """Drop what the exporter notes about files and lines of this machine."""
    model.doc_string = ""
    del model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _compare(network: nn.Module, content: bytes, spec: GraphSpec, example: Arrays) -> float:
    with torch.no_grad():
        expected = network(**{name: torch.from_numpy(np.asarray(example[name])) for name in spec.inputs})
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        path.write_bytes(content)
        session = open_session(path, threads=1, device="cpu")
        found = session.run({name: np.asarray(example[name]) for name in spec.inputs})
    worst = 0.0
    for name, tensor in zip(spec.outputs, expected, strict=True):
        told = tensor.numpy()
        if not told.size:  # probabilities of no classes
            continue
        difference = np.abs(found[name] - told) / max(1.0, float(told.std()))
        worst = max(worst, float(difference.max()) if np.isfinite(difference).all() else np.inf)
    return worst
