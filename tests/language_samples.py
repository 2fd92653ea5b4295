"""Small made samples with types that the profiles know, for tests of describe."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.language.panel import read_profiles

B, MONOCYTE, NAIVE_CD4, NK = "CL:0000236", "CL:0000860", "CL:0000895", "CL:0000939"


def make_sample(types=(B, MONOCYTE, NAIVE_CD4, NK), n_each=40, depth=4_000, seed=2):
    """Draw cells of each type from its profile; obs["kind"] names the type."""
    profiles = read_profiles()
    rng = np.random.default_rng(seed)
    rows, kinds = [], []
    for cl_id in types:
        share = np.exp(profiles.logs[profiles.types.index(cl_id)])
        rows.append(rng.poisson(depth * share, size=(n_each, share.size)))
        kinds += [cl_id.replace(":", "_")] * n_each
    counts = sparse.csr_matrix(np.concatenate(rows).astype(np.int32))
    obs = pd.DataFrame({"kind": kinds}, index=[f"c{i}" for i in range(len(kinds))])
    return ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=profiles.genes.astype(str)))
