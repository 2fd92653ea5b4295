"""ONNX files are judged by their structure, without being loaded."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
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


def varint(value):
    """Encode a number as protocol buffers do."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, content):
    """Encode a field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize("number", [7 + (1 << 29), 7 + (1 << 40)])
def test_tags_that_are_wider_than_a_parser_reads_are_refused(tmp_path, number):
    """A parser that takes 32 bits of a tag sees a second graph here, with operators that we would not see."""
    hidden = make_model(domain="my.company").graph.SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(make_model().SerializeToString() + field(number, hidden))
    with pytest.raises(BundleError, match="not an ONNX model"):
        check_onnx_is_plain(path)


def test_tags_with_superfluous_bytes_and_sizes_beyond_two_gigabytes_are_refused(tmp_path):
    """What is written in more bytes than it needs may be read differently elsewhere."""
    whole = make_model().SerializeToString()
    for more in (b"\xba\x80\x80\x80\x80\x00\x00", b"\x3a" + varint((1 << 31) + 5), b"\x00\x00"):
        path = tmp_path / "model.onnx"
        path.write_bytes(whole + more)
        with pytest.raises(BundleError, match="not an ONNX model"):
            check_onnx_is_plain(path)


def test_outside_weights_of_training_graphs_are_refused(tmp_path):
    """A graph for training is a graph like any other."""
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, "w.bin")
    model = make_model()
    model.training_info.add().algorithm.CopyFrom(make_model(weight=weight).graph)
    with pytest.raises(BundleError, match="outside its own file"):
        check_onnx_is_plain(save(tmp_path, model))


def test_the_runtime_confines_external_data_too(tmp_path):
    """The second fence: the ONNX Runtime that is required refuses files outside the model's folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(np.ones((2, 2), np.float32).tobytes())
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, "../secret")
    weight.ClearField("raw_data")
    path = save(tmp_path / "in", make_model(weight=weight))
    for model in (str(path), path.read_bytes()):
        with pytest.raises(Exception, match=r"(?i)external data"):
            onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
