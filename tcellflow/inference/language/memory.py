"""Arrays of the encoder: expression in the order of a bundle's genes, and plans side by side.

Invariant: a gene that was not measured has mask 0 and value 0; a row that is padding has kind 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.language.realising.rows import N_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.language.realising.rows import Told

_FARTHEST: Final = 5.0  # deviations


@dataclass(frozen=True)
class LanguagePanel:
    """The genes of a network, and log1p(molecules per 10,000) of the groups that it learnt from.

    Parameters
    ----------
    symbols
        Shape (G,), str.
    mean, scale
        Over groups, shape (G,).
    """

    symbols: NDArray[np.object_]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @cached_property
    def place(self) -> dict[str, int]:
        """Number of each gene."""
        return {str(symbol): i for i, symbol in enumerate(self.symbols)}

    def standardise(
        self, symbols: Sequence[str] | NDArray[np.object_], expression: NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Give deviations and mask, (2, G), of a group's expression over any genes.

        Parameters
        ----------
        symbols, expression
            Genes, and log1p(molecules per 10,000) of the whole group.
        """
        values = np.zeros((2, len(self.symbols)), dtype=np.float32)
        places = np.array([self.place.get(str(symbol), -1) for symbol in symbols], dtype=np.int64)
        own = np.flatnonzero(places >= 0)
        if own.size:
            at = places[own]
            deviation = (np.asarray(expression)[own] - self.mean[at]) / self.scale[at]
            values[0, at], values[1, at] = np.clip(deviation, -_FARTHEST, _FARTHEST), 1
        return values


def stack_memory(
    vectors: Sequence[NDArray[np.float32]], rows: Sequence[Told]
) -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """Put groups side by side as the inputs of the encoder.

    Parameters
    ----------
    vectors
        Of `LanguagePanel.standardise`.
    rows
        What a network reads of each group's rows.
    """
    stacked = np.stack(vectors)
    most = max(1, *(len(one.kinds) for one in rows))
    kinds, genes = np.zeros((2, len(rows), most), dtype=np.int64)
    numbers = np.zeros((len(rows), most, N_NUMBERS), dtype=np.float32)
    for i, told in enumerate(rows):
        n = len(told.kinds)
        kinds[i, :n], genes[i, :n], numbers[i, :n] = told.kinds, told.genes, told.numbers
    return {
        "genes": np.ascontiguousarray(stacked[:, 0]), "gene_mask": np.ascontiguousarray(stacked[:, 1]),
        "kinds": kinds, "row_genes": genes, "numbers": numbers,
    }  # fmt: skip
