"""Datasets that grow by blocks: values of one type, and counts in the smallest type that holds them.

Invariant: the same blocks give the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import h5py
    from numpy.typing import DTypeLike, NDArray

    from tcellflow.vocabulary import Compression

# 256 KiB of float32 per chunk: small samples waste little, and a million cells make 20,000 chunks.
_CHUNK_VALUES: Final = 1 << 16
# Bytes of equal rank stand together before they are compressed; more effort of gzip costs more than it saves.
_FILTERS: Final[dict[Compression, dict[str, Any]]] = {
    "none": {},
    "lzf": {"compression": "lzf", "shuffle": True},
    "gzip": {"compression": "gzip", "compression_opts": 1, "shuffle": True},
}
# No 32-bit type without sign: R knows none.
_COUNT_TYPES: Final = (np.uint8, np.uint16, np.int32)


class GrowingDataset:
    """A dataset that grows at its end.

    Parameters
    ----------
    group, name
        Where it lies; it must not exist.
    dtype
        Of the values.
    compression
        How its chunks are stored.
    """

    def __init__(self, group: h5py.Group, name: str, dtype: DTypeLike, compression: Compression) -> None:
        self._group, self._name, self._compression = group, name, compression
        self._dataset = self._create(name, dtype)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        dtype: np.dtype[Any] = self._dataset.dtype
        return dtype

    def __len__(self) -> int:
        """Count the values."""
        return int(self._dataset.shape[0])

    def append(self, values: NDArray[Any]) -> None:
        """Append values, which must fit into the type."""
        if len(values):
            start = len(self)
            self._dataset.resize((start + len(values),))
            self._dataset[start:] = values

    def _create(self, name: str, dtype: DTypeLike) -> h5py.Dataset:
        return self._group.create_dataset(
            name,
            shape=(0,),
            maxshape=(None,),
            chunks=(_CHUNK_VALUES,),
            dtype=dtype,
            **_FILTERS[self._compression],
        )

    def _widen(self, dtype: DTypeLike) -> None:
        """Store what there is in a wider type; the file uses the freed space again."""
        old = self._dataset
        wider = self._create(f"{self._name}.wider", dtype)
        wider.resize(old.shape)
        for start in range(0, len(self), _CHUNK_VALUES):
            wider[start : start + _CHUNK_VALUES] = old[start : start + _CHUNK_VALUES]
        del self._group[self._name]
        self._group.move(wider.name, self._name)
        self._dataset = self._group[self._name]


class GrowingCounts(GrowingDataset):
    """Counts that grow at their end, in the smallest of three types that holds them all.

    Parameters
    ----------
    group, name, compression
        As of `GrowingDataset`.
    """

    def __init__(self, group: h5py.Group, name: str, compression: Compression) -> None:
        super().__init__(group, name, _COUNT_TYPES[0], compression)

    def append(self, values: NDArray[Any]) -> None:
        """Append whole numbers from 0 to 2**31 - 1."""
        largest = int(values.max()) if len(values) else 0
        if largest > np.iinfo(self.dtype).max:
            self._widen(next(dtype for dtype in _COUNT_TYPES if largest <= np.iinfo(dtype).max))
        super().append(values)
