"""One fresh process: ``tcellflow preprocess`` on one matrix."""

import sys
import time
from pathlib import Path

import anndata.io  # noqa: F401 (imported where the tables are written; counted as import time, as for the peer)

import tcellflow.steps.preprocess as step
from benchmarks.harness.child import report_child

imports = time.process_time()
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
step.preprocess(step.PreprocessOptions(gex=source, output=folder, prefix="ours", force=True))
report_child(imports)
