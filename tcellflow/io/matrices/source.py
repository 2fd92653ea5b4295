"""What every expression source offers: cells, features, and count blocks in file order.

Invariant: cells are rows and features are columns, whichever way round the file stores them;
a source holds names only, and counts exist for one block of rows at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tcellflow.io.files.csr_blocks import BLOCK_ROWS
from tcellflow.io.matrices.slot_choice import SlotChoice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse

GENE_EXPRESSION: Final = "Gene Expression"
ANTIBODY_CAPTURE: Final = "Antibody Capture"


class MatrixKind(StrEnum):
    """File formats of expression matrices."""

    TENX_H5_V2 = "10x h5 v2"
    TENX_H5_V3 = "10x h5 v3"
    TENX_MTX = "10x mtx"
    H5AD = "h5ad"
    H5MU = "h5mu"


@dataclass(frozen=True)
class FeatureTable:
    """The columns of a matrix, as the file spells them.

    Parameters
    ----------
    ids
        Object array of str (features,): Ensembl ids or the vendor's ids; empty where unknown.
    names
        Object array of str (features,): gene symbols and antibody names.
    types
        Object array of str (features,): 10x library types; `GENE_EXPRESSION` where the file
        knows none.
    """

    ids: NDArray[np.object_]
    names: NDArray[np.object_]
    types: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class FeatureSplit:
    """Which columns are genes, which antibodies, and what else there is.

    Parameters
    ----------
    genes
        Boolean mask (features,).
    antibodies
        Boolean mask (features,).
    others
        Boolean mask (features,) of everything else, e.g. CRISPR guides or peaks.
    other_types
        Library type of the others to the number of its features, by name.
    """

    genes: NDArray[np.bool_]
    antibodies: NDArray[np.bool_]
    others: NDArray[np.bool_]
    other_types: dict[str, int]


@dataclass(frozen=True)
class AntibodyCounts:
    """Antibody counts of some cells.

    Parameters
    ----------
    names
        Antibody names as the file spells them, length P.
    cell_ids
        Cell names as the file spells them, shape (cells,), distinct.
    counts
        int32 CSR, shape (cells, P).
    """

    names: tuple[str, ...]
    cell_ids: NDArray[np.object_]
    counts: sparse.csr_matrix


@dataclass(frozen=True)
class MatrixSource(ABC):
    """One opened expression matrix; made by `tcellflow.io.matrices.opening.open_matrix`.

    Parameters
    ----------
    path
        The file or folder.
    kind
        Its format.
    slot
        The place of the matrix inside the file, e.g. ``matrix`` or ``layers/counts``.
    barcodes
        Names of the cells, distinct, in file order, shape (cells,), object.
    features
        The columns, in file order.
    """

    path: Path
    kind: MatrixKind
    slot: str
    barcodes: NDArray[np.object_]
    features: FeatureTable

    @property
    def obs(self) -> pd.DataFrame | None:
        """The user's own columns about the cells, indexed by barcode; None where the format has none."""
        return None

    @property
    def choice(self) -> SlotChoice:
        """How the matrix was chosen among those of the file."""
        return SlotChoice(self.slot)

    def read_antibodies(self) -> AntibodyCounts | None:
        """Read antibody counts stored beside the matrix (obsm, or another modality); None without any.

        Antibodies among the features are not repeated here: see `split_features`.
        """
        return None

    @abstractmethod
    def blocks(self, n_rows: int = BLOCK_ROWS) -> Iterator[sparse.csr_matrix]:
        """Stream the matrix as CSR blocks (up to `n_rows` cells, features), values as stored.

        Each call starts anew. Indices are int32, sorted and distinct within a row.

        Raises
        ------
        InputError
            If the matrix is damaged.
        """


def split_features(source: MatrixSource) -> FeatureSplit:
    """Split the features of an expression source by library type: three masks cover each once."""
    types = source.features.types
    genes = types == GENE_EXPRESSION
    antibodies = types == ANTIBODY_CAPTURE
    others = ~(genes | antibodies)
    return FeatureSplit(genes, antibodies, others, dict(sorted(Counter(types[others]).items())))
