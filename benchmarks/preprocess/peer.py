"""One fresh process: scanpy does what ``tcellflow preprocess`` does to the matrix.

Read, quality metrics, cell filter, counts layer, log1p(counts per 10,000), write.
"""

import sys
import time
from pathlib import Path

import scanpy as sc

from benchmarks.harness.child import report_child

imports = time.process_time()
source, target = Path(sys.argv[1]), Path(sys.argv[2])
cells = sc.read_10x_h5(source) if source.name.endswith("_10x.h5") else sc.read_h5ad(source)
cells.var["mt"] = cells.var_names.str.startswith("MT-")
sc.pp.calculate_qc_metrics(cells, qc_vars=["mt"], percent_top=None, log1p=False, inplace=True)
cells = cells[(cells.obs["n_genes_by_counts"] >= 200) & (cells.obs["pct_counts_mt"] <= 20)].copy()
cells.layers["counts"] = cells.X.copy()
sc.pp.normalize_total(cells, target_sum=1e4)
sc.pp.log1p(cells)
cells.write_h5ad(target)
report_child(imports, cells=cells.n_obs)
