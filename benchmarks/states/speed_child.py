"""One fresh process of `speed.py`: the bundle, or CellTypist without voting, on one log-normalised matrix."""

import sys
import time

import anndata as ad

from benchmarks.harness.child import report_child

what, path, model = sys.argv[1:]
if what == "celltypist":
    import celltypist
    from celltypist.models import Model

    celltypist.logger.set_level(40)
    loaded = Model.load(model)
    imports = time.process_time()
    cells = ad.read_h5ad(path)
    read = time.process_time()
    labels = celltypist.annotate(cells, model=loaded, majority_voting=False).predicted_labels
else:
    from tcellflow.inference.states.predictor import StatePredictor

    predictor = StatePredictor(model, threads=1, device="cpu", ensemble=what == "ensemble")
    imports = time.process_time()
    cells = ad.read_h5ad(path, backed="r")
    read = time.process_time()
    labels = predictor.predict_cells(cells.X, list(cells.var_names)).predicted_state
report_child(imports, cells=len(labels), read_seconds=read - imports)
