"""Vectors on disk while a step runs, so that memory does not grow with the number of chains.

Invariant: the scratch file has no name, so nothing of it outlives the process, however it ends.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


class VectorScratch:
    """Rows of float32 in an unnamed file, appended in order and gathered in any order.

    Parameters
    ----------
    folder
        Where there is room, e.g. the output folder.
    dimension
        Width D of the vectors.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed on leaving
        self.dimension = dimension

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, vectors: Vectors) -> None:
        """Add rows (N, D) at the end."""
        rest = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1).view(np.uint8).data
        while len(rest):  # a single write takes at most 2 GiB
            rest = rest[self._file.write(rest) :]

    def gather(self, rows: npt.NDArray[np.intp]) -> Vectors:
        """Read rows by their numbers (N,), in any order; negative = missing.

        Returns
        -------
        numpy.ndarray
            (N, D) float32, NaN where missing.

        Raises
        ------
        IndexError
            If a row was not appended.
        """
        vectors = np.full((len(rows), self.dimension), np.nan, np.float32)
        width = vectors.itemsize * self.dimension
        handle = self._file.fileno()
        for place in np.argsort(rows, kind="stable"):  # in file order, which disks like
            row = int(rows[place])
            if row >= 0 and os.preadv(handle, [vectors[place]], row * width) != width:
                message = f"row {row} was not appended"
                raise IndexError(message)
        return vectors

    def as_array(self) -> Vectors:
        """Give all rows as an array that stays on disk.

        Returns
        -------
        numpy.ndarray
            (N, D) float32, read only, with the rows appended so far.
        """
        n_rows = os.fstat(self._file.fileno()).st_size // (np.float32().itemsize * self.dimension)
        if not n_rows:  # an empty file cannot be mapped
            return np.empty((0, self.dimension), np.float32)
        return np.memmap(self._file, np.float32, mode="r", shape=(n_rows, self.dimension))
