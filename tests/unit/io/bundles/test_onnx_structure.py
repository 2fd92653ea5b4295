"""ONNX files are judged by their structure, without being loaded."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tcellflow.errors import BundleError
from tcellflow.io.bundles.onnx_structure import check_onnx_is_plain


def make_model(*, domain: str = "", weight: onnx.TensorProto | None = None) -> onnx.ModelProto:
    weight = weight or numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], domain=domain)],
        "g",
        [value("x", TensorProto.FLOAT, ["B", 2])],
        [value("y", TensorProto.FLOAT, ["B", 2])],
        [weight],
    )
    imports = [helper.make_opsetid("", 17)]
    if domain:
        imports.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=imports)


def save(tmp_path, model):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_plain_model_passes(tmp_path):
    """A model of standard operators with its weights inside is accepted."""
    check_onnx_is_plain(save(tmp_path, make_model()))


def test_foreign_operators_are_refused(tmp_path):
    """An operator of another domain, which would need foreign code, is refused by name."""
    with pytest.raises(BundleError, match=r"my\.company"):
        check_onnx_is_plain(save(tmp_path, make_model(domain="my.company")))


def test_outside_weights_are_refused(tmp_path):
    """Weights kept in another file are refused, as they could point anywhere."""
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, "../../etc/passwd")
    weight.ClearField("raw_data")
    with pytest.raises(BundleError, match="outside its own file"):
        check_onnx_is_plain(save(tmp_path, make_model(weight=weight)))


def test_outside_weights_within_a_nested_graph_are_refused(tmp_path):
    """Outside weights are found inside the branches of control flow too."""
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, "w.bin")
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 2])
    branch = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "b", [], [out], [weight])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    model = helper.make_model(helper.make_graph([node], "g", [condition], [out]))
    with pytest.raises(BundleError, match="outside its own file"):
        check_onnx_is_plain(save(tmp_path, model))


@pytest.mark.parametrize("content", [b"", b"not an onnx model", b"\x3a\xff\xff\xff\x7f", b"\xff" * 40])
def test_other_files_are_refused(tmp_path, content):
    """What is not an ONNX model is refused instead of misread."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match="not an ONNX model"):
        check_onnx_is_plain(path)


def test_a_cut_model_is_refused(tmp_path):
    """A model cut short on the way is refused."""
    path = save(tmp_path, make_model())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(BundleError, match="not an ONNX model"):
        check_onnx_is_plain(path)
