"""One fresh process: the packaged encoder on the chains of a file, all of them or the distinct ones."""

import sys
import time
from pathlib import Path

import onnxruntime  # noqa: F401 (imported when a model is loaded)

from benchmarks.harness.child import report_child
from benchmarks.receptors.speed_chains import keep_distinct, load_chains
from tcellflow.inference.receptors.encoder import choose_encoder

imports = time.process_time()
path, bundle, which = sys.argv[1:]
chains = load_chains(Path(path))
encoder = choose_encoder("native", bundle).open(threads=1, device="cpu")
start = time.process_time()
if which == "distinct":
    chains = keep_distinct(chains)
encoder.embed_chains(chains)
report_child(imports, chains=len(chains), embed_seconds=time.process_time() - start)
