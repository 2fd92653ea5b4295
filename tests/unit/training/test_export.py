"""An exported graph says what the network says, or is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tcellflow.errors import BundleError
from tcellflow.io.bundles.onnx_structure import check_onnx_is_plain
from tcellflow.models.configurations import ReceptorEncoderConfig
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.training import export
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.receptors.options import ReceptorTaskOptions
from tcellflow.training.receptors.task import build_encoder
from tcellflow.training.receptors.train import export_encoder

SPEC = GraphSpec({"x": ("batch", None)}, ("y",))
EXAMPLES = [{"x": np.ones((rows, 3), np.float32)} for rows in (4, 1, 9)]


class Scale(nn.Module):
    """One matrix."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.arange(6.0).reshape(3, 2))

    def forward(self, x):
        return (x @ self.weight,)


@pytest.mark.slow
def test_a_graph_has_named_axes_and_no_traces_of_the_machine():
    """Inputs and outputs bear their names, the batch is free, and no path or line is in the file."""
    content, difference = export_onnx(Scale(), SPEC, EXAMPLES)
    model = onnx.load_from_string(content)
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["x", "y"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert b".py" not in content
    assert difference <= 1e-6


def test_the_same_weights_give_the_same_bytes():
    """Exporting twice gives the same file."""
    assert export_onnx(Scale(), SPEC, EXAMPLES)[0] == export_onnx(Scale(), SPEC, EXAMPLES)[0]


@pytest.mark.parametrize("found", [1.0, np.nan])
def test_a_graph_that_differs_is_refused(monkeypatch, found):
    """A difference above the tolerance, or no number at all, gives no file."""
    monkeypatch.setattr(export, "_compare", lambda *_: found)
    with pytest.raises(BundleError, match="differ"):
        export_onnx(Scale(), SPEC, EXAMPLES)


def test_differences_are_seen():
    """A network that says something else than its graph is caught by the comparison itself."""
    content = export_onnx(Scale(), SPEC, EXAMPLES)[0]
    other = Scale()
    with torch.no_grad():
        other.weight[0, 0] = 0.5
    assert export._compare(other, content, SPEC, EXAMPLES[0]) == pytest.approx(0.5 / 1.25)  # deviations
    with torch.no_grad():
        other.weight[0, 0] = torch.nan
    assert export._compare(other, content, SPEC, EXAMPLES[0]) == np.inf


def test_the_encoder_is_exported_for_any_batch_and_length(tmp_path):
    """The receptor graph agrees with torch on single chains and batches, needs nothing but itself."""
    config = ReceptorEncoderConfig(width=16, layers=1, heads=2, feed_forward=32, dimension=8)
    encoder = build_encoder(build_vocabulary(), ReceptorTaskOptions(network=config))
    content, difference = export_encoder(encoder, build_vocabulary())
    assert difference <= 1e-5
    (tmp_path / "model.onnx").write_bytes(content)
    check_onnx_is_plain(tmp_path / "model.onnx")
