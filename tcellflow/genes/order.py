"""Where genes lie: chromosomes and positions, and the order along the genome.

Invariant: the order depends on the symbols alone; genes without a place come last, by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

CHROMOSOMES: Final = (*map(str, range(1, 23)), "X", "Y", "MT")
UNPLACED: Final = len(CHROMOSOMES)


@dataclass(frozen=True)
class GenePlaces:
    """Places of genes on GRCh38.

    Parameters
    ----------
    chromosome
        Number in `CHROMOSOMES`, `UNPLACED` where unknown; shape (G,), int64.
    start
        First base, 0 where unknown; shape (G,), int64.
    order
        The genes along the genome, as a permutation; shape (G,), int64.
    """

    chromosome: NDArray[np.int64]
    start: NDArray[np.int64]
    order: NDArray[np.int64]


def place_genes(symbols: Sequence[str] | NDArray[np.object_]) -> GenePlaces:
    """Look up where genes lie.

    Parameters
    ----------
    symbols
        Approved symbols, shape (G,).

    Returns
    -------
    GenePlaces
        Places and order.

    Notes
    -----
    Ensembl release 109, GRCh38.
    """
    table = _read_places()
    found = [table.get(str(symbol), (UNPLACED, 0)) for symbol in symbols]
    chromosome = np.array([place for place, _ in found], dtype=np.int64)
    start = np.array([first for _, first in found], dtype=np.int64)
    order = sorted(range(len(found)), key=lambda i: (*found[i], str(symbols[i])))
    return GenePlaces(chromosome, start, np.array(order, dtype=np.int64))


@cache
def _read_places() -> Mapping[str, tuple[int, int]]:
    table = pq.read_table(str(files("tcellflow") / "data" / "gene_places.parquet"))
    columns = (table[name].to_pylist() for name in ("symbol", "chromosome", "start"))
    return {symbol: (chromosome, start) for symbol, chromosome, start in zip(*columns, strict=True)}
