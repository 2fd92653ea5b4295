"""The antibody counts of the cells that stay, as the tables of the cells file.

Invariant: a cell without an antibody library has NaN ratios, never zeros, so that forgetting the
mask fails visibly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy import sparse

from tcellflow.cells.counts import check_counts_block
from tcellflow.proteins.normalise import clr
from tcellflow.proteins.panel import name_antibodies
from tcellflow.vocabulary import OBSM_ADT_CLR, OBSM_ADT_COUNTS, OBSM_HTO_COUNTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.ingest.inputs import Expression
    from tcellflow.ingest.proteins import Proteins
    from tcellflow.provenance import JsonValue

_SHOWN: Final = 5


class ProteinTables:
    """Collects the antibody counts of one sample.

    Parameters
    ----------
    proteins
        Antibodies and where their counts are.
    expression
        The matrix whose rows they share.

    Raises
    ------
    InputError
        If an antibody name occurs twice.
    """

    def __init__(self, proteins: Proteins, expression: Expression) -> None:
        self._proteins, self._source = proteins, expression.source
        self._columns = np.flatnonzero(expression.features.antibodies)
        self._panel = name_antibodies(proteins.names, where=proteins.path)
        self._blocks: list[sparse.csr_matrix] = []

    @property
    def warnings(self) -> list[str]:
        """What the user should know, as sentences."""
        unknown = self._panel.unknown
        if not unknown:
            return []
        shown = ", ".join(unknown[:_SHOWN])
        more = "" if len(unknown) <= _SHOWN else f" and {len(unknown) - _SHOWN} more"
        return [f"antibodies that are unknown are kept without a gene: {shown}{more}"]

    @property
    def antibodies(self) -> pd.DataFrame:
        """One row per antibody by its name: ``name_raw``, ``gene`` and ``kind``."""
        panel = self._panel
        columns = {"name_raw": panel.raw_names, "gene": panel.genes, "kind": panel.kinds.astype(str)}
        return pd.DataFrame(columns, index=pd.Index(panel.names, dtype=object))

    def keep(self, block: sparse.csr_matrix, first: int, is_kept: NDArray[np.bool_]) -> None:
        """Keep the antibody columns of a block of the matrix, where it has any.

        Parameters
        ----------
        block
            Rows of the matrix, shape (cells, features).
        first
            Row that the block begins with.
        is_kept
            Which of its cells stay, shape (cells,).

        Raises
        ------
        InputError
            If a value is no count.
        """
        if self._proteins.counts is not None:
            return
        part = block[:, self._columns]
        check_counts_block(part, first, self._source.barcodes, self._proteins.names, where=self._source.path)
        self._blocks.append(sparse.csr_matrix(part[np.flatnonzero(is_kept)].astype(np.int32)))

    def has_adt(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Say which of the cells that stay (in `mask`) have an antibody library."""
        return self._proteins.has_adt[mask]

    def tables(self, mask: NDArray[np.bool_]) -> dict[str, pd.DataFrame]:
        """Lay out the counts of the cells that stay (in `mask`).

        Returns
        -------
        dict
            obsm key to table: counts and centred log-ratios of the antibodies; counts of hashtags
            where there are any.
        """
        panel = self._panel
        if self._proteins.counts is None:
            empty = sparse.csr_matrix(np.zeros((0, len(self._proteins.names)), dtype=np.int32))
            kept = sparse.vstack([empty, *self._blocks], format="csr")
        else:
            kept = self._proteins.counts[np.flatnonzero(mask)]
        counts = pd.DataFrame(kept.toarray(), columns=panel.names)
        own = ~panel.is_hashtag
        ratios = clr(counts.loc[:, own].to_numpy(), panel.is_isotype[own])
        ratios[~self.has_adt(mask)] = np.nan
        tables = {
            OBSM_ADT_COUNTS: counts.loc[:, own],
            OBSM_ADT_CLR: pd.DataFrame(ratios, columns=panel.names[own]),
        }
        return tables if own.all() else {**tables, OBSM_HTO_COUNTS: counts.loc[:, ~own]}

    def account(self, mask: NDArray[np.bool_]) -> dict[str, JsonValue]:
        """Count the antibodies and the cells without them: the ``proteins`` part of qc.json."""
        found: dict[str, JsonValue] = {
            **self._panel.as_dict(),
            "place": self._proteins.place,
            "cells_without_antibodies": int((~self.has_adt(mask)).sum()),
        }
        barcodes = self._proteins.barcodes
        return found if barcodes is None else {**found, "barcodes": barcodes.as_dict()}
