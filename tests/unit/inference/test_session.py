"""Sessions run on the device that was asked for, or say why not."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import subprocess
import sys
import types

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tcellflow.errors import BundleError, OptionsError
from tcellflow.inference import session as module
from tcellflow.inference.session import count_processors, open_session
from tcellflow.io.bundles.folders import PACKAGED_FOLDER

MODEL = PACKAGED_FOLDER / "states-linear" / "model.onnx"


def install(monkeypatch, *packages):
    """Pretend that exactly these onnxruntime packages are installed."""

    def distribution(name):
        if name in packages:
            return object()
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module.importlib.metadata, "distribution", distribution)


class FakeRuntime(types.ModuleType):
    """An onnxruntime that loads onto the given providers, whatever was asked for."""

    def __init__(self, available, loaded):
        super().__init__("onnxruntime")
        real = sys.modules.get("onnxruntime") or __import__("onnxruntime")
        self.SessionOptions, self.ExecutionMode = real.SessionOptions, real.ExecutionMode
        self.asked = []
        self.preloaded = 0

        self.loaded = loaded
        self.get_available_providers = lambda: available

    def InferenceSession(self, path, options, providers):  # noqa: N802 - onnxruntime's name
        self.asked = [p if isinstance(p, str) else p[0] for p in providers]
        return types.SimpleNamespace(get_inputs=list, get_outputs=list, get_providers=lambda: self.loaded)

    def preload_dlls(self):
        self.preloaded += 1


CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.fixture
def fake(monkeypatch):
    def make(available, loaded, *, driver=True):
        runtime = FakeRuntime(available, loaded)
        monkeypatch.setattr(module, "_has_driver", lambda: driver)
        monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
        install(monkeypatch, "onnxruntime-gpu")
        return runtime

    return make


def test_a_real_model_loads_and_runs():
    """The packaged model gives every declared output by name."""
    session = open_session(MODEL, threads=1, device="cpu")
    n_genes = 3080
    out = session.run(
        {"expression": np.zeros((2, n_genes), np.float32), "present": np.ones((1, n_genes), np.float32)}
    )
    assert set(out) == set(session.output_names)
    assert session.device == "cpu"
    np.testing.assert_allclose(out["state_probabilities"].sum(axis=1), 1, atol=1e-6)


def test_cuda_without_a_gpu_is_an_error(fake):
    """--device cuda never falls back to the CPU silently."""
    runtime = fake([CUDA, CPU], [CPU])
    with pytest.raises(OptionsError, match="loaded on the CPU"):
        open_session(MODEL, device="cuda")
    assert runtime.asked == [CUDA, CPU]


def test_cuda_with_the_cpu_package_is_an_error():
    """--device cuda with the CPU build of onnxruntime ends with a mend, not with a slow run."""
    with pytest.raises(OptionsError, match="CPU build") as caught:
        open_session(MODEL, device="cuda")
    assert "'.[gpu]'" in caught.value.mend


def test_cuda_is_used_where_it_loads(fake):
    """With a working GPU the session says cuda, and the CUDA libraries were loaded first."""
    runtime = fake([CUDA, CPU], [CUDA, CPU])
    assert open_session(MODEL, device="cuda").device == "cuda"
    assert runtime.preloaded == 1


@pytest.mark.parametrize(
    ("available", "loaded", "device"),
    [([CPU], [CPU], "cpu"), ([CUDA, CPU], [CPU], "cpu"), ([CUDA, CPU], [CUDA, CPU], "cuda")],
)
def test_auto_says_what_it_chose(fake, caplog, monkeypatch, available, loaded, device):
    """--device auto takes a GPU that works, else the CPU, and logs the choice."""
    fake(available, loaded)
    monkeypatch.setattr(logging.getLogger("tcellflow"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="tcellflow"):
        assert open_session(MODEL, device="auto").device == device
    assert f"device: {device}" in caplog.text


def test_without_a_driver_the_gpu_is_not_tried(fake):
    """Without NVIDIA's driver auto takes the CPU at once, and cuda says what is missing."""
    runtime = fake([CUDA, CPU], [CPU], driver=False)
    assert open_session(MODEL, device="auto").device == "cpu"
    assert runtime.asked == [CPU]
    with pytest.raises(OptionsError, match="no NVIDIA driver"):
        open_session(MODEL, device="cuda")


def test_onnxruntime_leaves_no_trace_of_its_user(tmp_path):
    """Opening a model makes no identifier of this computer and starts no sender of usage data."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    code = (
        "import sys; from pathlib import Path; from tcellflow.inference.session import open_session; "
        "open_session(Path(sys.argv[1]), device='cpu')"
    )
    subprocess.run([sys.executable, "-c", code, MODEL], check=True, env=environment)
    assert list(tmp_path.rglob("*")) == []


def test_cpu_never_asks_for_the_gpu(fake):
    """--device cpu leaves a GPU alone."""
    runtime = fake([CUDA, CPU], [CPU])
    open_session(MODEL, device="cpu")
    assert runtime.asked == [CPU]
    assert runtime.preloaded == 0


def test_both_packages_are_refused(monkeypatch):
    """Both onnxruntime packages at once are refused, with the way out."""
    install(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    with pytest.raises(OptionsError, match="both installed") as caught:
        open_session(MODEL)
    assert "pip uninstall" in caught.value.mend


def test_no_package_is_told(monkeypatch):
    """Without onnxruntime the error names the extras."""
    install(monkeypatch)
    with pytest.raises(OptionsError, match="not installed") as caught:
        open_session(MODEL)
    assert "'.[cpu]'" in caught.value.mend


def test_an_empty_package_is_told(monkeypatch):
    """The empty folder that removing one of the two packages leaves is recognised."""
    install(monkeypatch, "onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    with pytest.raises(OptionsError, match="empty shell"):
        open_session(MODEL)


def test_a_package_that_cannot_be_imported_is_told(monkeypatch):
    """A broken installation is told as such."""
    install(monkeypatch, "onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OptionsError, match="cannot be imported"):
        open_session(MODEL)


def test_an_interruption_while_the_package_loads_is_no_broken_package(monkeypatch, tmp_path):
    """Native modules turn Ctrl-C while they load into an ImportError; it stays a Ctrl-C."""
    install(monkeypatch, "onnxruntime")
    (tmp_path / "onnxruntime.py").write_text(
        "try:\n    raise KeyboardInterrupt\nexcept KeyboardInterrupt as stop:\n"
        "    raise ImportError('initialization failed') from stop\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with pytest.raises(KeyboardInterrupt):
        open_session(MODEL)


def test_no_model_is_a_bundle_error(tmp_path):
    """A file that onnxruntime cannot load is a fault of the bundle."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(BundleError, match="cannot be loaded"):
        open_session(path, device="cpu")


def test_zero_threads_are_refused():
    """A thread count below 1 contradicts itself."""
    with pytest.raises(OptionsError, match="0 threads"):
        open_session(MODEL, threads=0)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({}, 64),
    ],
)
def test_processors_follow_the_quota(tmp_path, monkeypatch, files, expected):
    """A container's CPU quota limits the threads, on either version of control groups."""
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(64)))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert count_processors(tmp_path) == expected


def write_division(path):
    """Write a model that divides its input by itself."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Div", ["x", "x"], ["y"])], "g", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_model_that_gives_nan_is_the_bundle_s_fault(tmp_path):
    """NaN is told with the output and the file, before it becomes a number of a table."""
    session = open_session(write_division(tmp_path / "m.onnx"), threads=1, device="cpu")
    assert session.run({"x": np.ones((1, 2), np.float32)})["y"].tolist() == [[1, 1]]
    with pytest.raises(BundleError, match="NaN in its output 'y'") as caught:
        session.run({"x": np.zeros((1, 2), np.float32)})
    assert caught.value.where == str(tmp_path / "m.onnx")


def test_a_model_that_cannot_be_run_is_the_bundle_s_fault(tmp_path):
    """Errors of onnxruntime over shapes, names and operators are told as such."""
    session = open_session(write_division(tmp_path / "m.onnx"), threads=1, device="cpu")
    with pytest.raises(BundleError, match="cannot be run"):
        session.run({"x": np.ones((1, 3), np.float32)})
