"""The distilled bundle against CellTypist without voting, and the ensemble against the matrix product.

    python -m benchmarks.states.speed --folder /scratch/bench [--bundle states] [--cells 100000] [--members 8]

Cells of the packaged sample drawn again and again (seed 0), log1p(counts per 10,000), as an uncompressed
h5ad that both read: CellTypist as a whole, as its command does, the bundle in blocks. Alternating fresh
processes, one thread, CPU seconds without imports and loading the model. CellTypist's own models cannot
be had offline, so one of the size of its immune model is made on the spot: 24 labels, 4,000 genes. What a
cell costs depends on these two numbers, not on the weights.

The ensemble's share is its floating-point rate (products of its weights) over that of a plain matrix
product in the same process tree. `--members` adds a graph of so many members of the bundle's shape, with
random weights, on which the time does not depend.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.harness.machine import describe_machine, measure_limits
from benchmarks.harness.processes import pair_ratios, run_pairs, summarise
from benchmarks.predict.run import write_sample
from tcellflow.io.bundles.description import ENSEMBLE_FILE
from tcellflow.io.bundles.folders import find_bundle

SAMPLED = 2_000
LABELS, FEATURES = 24, 4_000
BATCH, BATCHES = 256, 40


def read_sample(folder: Path) -> ad.AnnData:
    """Read some cells of the packaged sample as preprocess writes them: X holds log1p(counts per 10,000)."""
    return ad.read_h5ad(write_sample(folder, SAMPLED))


def write_matrix(folder: Path, n_cells: int) -> Path:
    """Write cells drawn from the packaged sample, log-normalised."""
    path = folder / f"{n_cells}.log.h5ad"
    if not path.exists():
        source = read_sample(folder)
        drawn = np.random.default_rng(0).integers(0, source.n_obs, n_cells)
        cells = ad.AnnData(source.X[drawn], var=source.var[[]])
        cells.obs_names = [f"cell{i:07d}" for i in range(n_cells)]
        cells.write_h5ad(path)
    return path


def write_celltypist_model(folder: Path) -> Path:
    """Make a CellTypist model of the size of its immune model."""
    from celltypist.models import Model  # noqa: PLC0415 (slow to import)

    path = folder / "celltypist.pkl"
    if path.exists():
        return path
    source = read_sample(folder)
    seen = np.sort(np.argsort(-np.asarray(source.X.sum(axis=0)).ravel(), kind="stable")[:FEATURES])
    expression = source.X[:, seen].toarray()
    scaler = StandardScaler().fit(expression)
    labels = np.array([f"label {i % LABELS}" for i in range(len(expression))])
    classifier = LogisticRegression(max_iter=2).fit(scaler.transform(expression), labels)
    classifier.features = scaler.features = source.var_names[seen].to_numpy(str)
    Model(classifier, scaler, {"date": "", "details": "stand-in", "number_celltypes": LABELS}).write(
        str(path)
    )
    return path


def count_flop(model: onnx.ModelProto) -> int:
    """Count the floating-point operations per cell of the products with weights."""
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    return sum(
        2 * weights[name].size
        for node in model.graph.node
        if node.op_type in {"MatMul", "Gemm", "FusedMatMul"}
        for name in node.input[:2]
        if name in weights
    )


def write_ensemble(bundle: Path, folder: Path, members: int) -> Path:
    """Export a stack of so many members of the bundle's shape, with random weights."""
    import torch  # noqa: PLC0415 (slow to import)

    from tcellflow.models.axes import AxesNetwork  # noqa: PLC0415
    from tcellflow.models.configurations import AxesConfig  # noqa: PLC0415
    from tcellflow.models.exported_states import Calibration  # noqa: PLC0415
    from tcellflow.states.axes import possible_joint  # noqa: PLC0415
    from tcellflow.training.states.train import export_states  # noqa: PLC0415

    document = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    genes, recipe = document["panel"]["n_genes"], document["recipe"]
    torch.manual_seed(0)
    possible = torch.from_numpy(possible_joint().copy())
    config = AxesConfig(genes, recipe["width"], recipe["latent"], members=members)
    network = AxesNetwork(config, torch.zeros(genes), torch.ones(genes), possible)
    path = folder / f"ensemble-{members}.onnx"
    path.write_bytes(export_states(network.eval(), Calibration(1.0, torch.zeros(len(possible))))[0])
    return path


def measure_ensemble(path: Path) -> dict[str, Any]:
    """Give the rate of the ensemble's graph on dense blocks, and the matrix product's before and after."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    inputs = {}
    for tensor in session.get_inputs():
        width = [axis if isinstance(axis, int) else BATCH for axis in tensor.shape]
        inputs[tensor.name] = rng.random(width, dtype=np.float32)
    before = measure_limits()["sgemm_gflop_per_cpu_s"]
    times = []
    for _ in range(BATCHES):
        start = time.process_time()
        session.run(None, inputs)
        times.append(time.process_time() - start)
    after = measure_limits()["sgemm_gflop_per_cpu_s"]
    flop, seconds = count_flop(onnx.load(path)), float(np.median(times))
    rate = BATCH * flop / seconds / 1e9
    return {
        "flop_per_cell": flop,
        "cells_per_cpu_second": round(BATCH / seconds),
        "gflop_per_cpu_second": round(rate, 1),
        "sgemm_before_after": [before, after],
        "share_of_sgemm": round(rate / ((before + after) / 2), 3),
    }


def main() -> None:
    """Run the benchmark and print one JSON document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, 1.5 GB at full size")
    parser.add_argument("--bundle", default="states")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--members", type=int, help="members of a second ensemble, made on the spot")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    bundle = find_bundle(options.bundle)
    path, model = write_matrix(options.folder, options.cells), write_celltypist_model(options.folder)
    child = [sys.executable, "-m", "benchmarks.states.speed_child"]
    result: dict[str, Any] = {
        "machine": describe_machine(("tcellflow", "onnxruntime", "celltypist", "scikit-learn", "numpy")),
        "limits_before": measure_limits(),
        "bundle": options.bundle,
        "cells": options.cells,
    }
    ours, theirs = run_pairs(
        [*child, "distilled", str(path), str(bundle)],
        [*child, "celltypist", str(path), str(model)],
        options.pairs,
    )
    result |= {"distilled": summarise(ours), "celltypist": summarise(theirs), **pair_ratios(ours, theirs)}
    for name, runs in (("distilled", ours), ("celltypist", theirs)):
        result[f"{name}_read_seconds"] = [round(float(str(r.report["read_seconds"])), 2) for r in runs]
    if (bundle / ENSEMBLE_FILE).exists():
        result["ensemble"] = measure_ensemble(bundle / ENSEMBLE_FILE)
    if options.members:
        path = write_ensemble(bundle, options.folder, options.members)
        result[f"ensemble_of_{options.members}"] = measure_ensemble(path)
    result["limits_after"] = measure_limits()
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
