"""One fresh process: ``tcellflow predict`` on one cells file, with options as on the command line."""

import sys
import time
from pathlib import Path

import anndata.io  # noqa: F401 (imported where the copy is written; counted as import time)
import onnxruntime  # noqa: F401 (imported when a model is loaded)

import tcellflow.steps.predict as step
from benchmarks.harness.child import report_child

imports = time.process_time()
source, folder, *asked = sys.argv[1:]
genes = int(asked[asked.index("--genes") + 1]) if "--genes" in asked else 0
step.predict(
    step.PredictOptions(
        cells=Path(source),
        output=Path(folder),
        prefix="ours",
        bundle=asked[asked.index("--bundle") + 1],
        device="cpu",
        threads=1,
        evidence_genes=genes,
        h5ad="--no-h5ad" not in asked,
        force=True,
    )
)
report_child(imports)
