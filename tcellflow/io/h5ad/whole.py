"""A whole AnnData object written at once, for objects that are small and made here.

Invariant: the same object gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py

from tcellflow.vocabulary import LAYER_COUNTS, UNS_KEY

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from scipy import sparse

    from tcellflow.provenance import StepNote


def write_whole(
    path: Path,
    matrices: tuple[sparse.csr_matrix, sparse.csr_matrix],
    obs: pd.DataFrame,
    var: pd.DataFrame,
    note: StepNote,
) -> None:
    """Write X and counts, both (cells, genes), with columns about cells and genes, as an h5ad file."""
    import anndata as ad  # noqa: PLC0415 (takes a second)

    x, counts = matrices
    notes: dict[str, Any] = {note.step.replace(" ", "_"): note.as_json()}
    made = ad.AnnData(x, obs=obs, var=var, layers={LAYER_COUNTS: counts}, uns={UNS_KEY: notes})
    with h5py.File(path, "w", locking=False) as file:
        ad.io.write_elem(file, "/", made)
