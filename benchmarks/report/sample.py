"""Samples of any number of cells: the outputs of one real run, repeated.

Invariant: every copy has barcodes and clones of its own, so that keys stay unique; its vectors are moved a
little, so that no two cells lie in one place.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tcellflow.vocabulary import OBSM_STATE, OutputName, output_name

if TYPE_CHECKING:
    from pathlib import Path

# Columns that name a cell or a clone, per table; other tables are taken as they are.
OWN_COLUMNS = {
    OutputName.CHAINS: ("cell_id",),
    OutputName.RECEPTORS: ("cell_id", "clone_id"),
    OutputName.PREDICTIONS: ("barcode", "clone_id"),
    OutputName.CLONOTYPES: ("clone_id",),
    OutputName.FUSED: ("cell_id",),
}
AS_THEY_ARE = (
    OutputName.QC,
    OutputName.EMBED_QC,
    OutputName.METRICS,
    OutputName.FUSE_QC,
    OutputName.DESCRIPTIONS,
    OutputName.CLAIMS,
)

# Row groups as large as those of real files: one for each copy would weigh more than the cells.
_COPIES_AT_ONCE = 256


def repeat_sample(source: Path, prefix: str, folder: Path, name: str, n_cells: int) -> list[Path]:
    """Write the outputs of a run as often as it takes to have so many cells; give the files."""
    folder.mkdir(parents=True, exist_ok=True)
    n_own = pq.read_metadata(source / output_name(prefix, OutputName.PREDICTIONS)).num_rows
    copies = -(-n_cells // n_own)
    files = []
    for suffix, columns in OWN_COLUMNS.items():
        table = pq.read_table(source / output_name(prefix, suffix))
        path = folder / output_name(name, suffix)
        with pq.ParquetWriter(path, table.schema) as writer:
            for start in range(0, copies, _COPIES_AT_ONCE):
                numbers = range(start, min(start + _COPIES_AT_ONCE, copies))
                copied = pa.concat_tables(_rename(table, columns, number) for number in numbers)
                writer.write_table(copied.combine_chunks())
        files.append(path)
    for suffix in AS_THEY_ARE:
        path = folder / output_name(name, suffix)
        shutil.copy(source / output_name(prefix, suffix), path)
        files.append(path)
    path = folder / output_name(name, OutputName.ANNOTATED)
    _write_vectors(source / output_name(prefix, OutputName.ANNOTATED), path, copies)
    return [*files, path]


def _rename(table: pa.Table, columns: tuple[str, ...], number: int) -> pa.Table:
    for column in columns:
        place = table.schema.get_field_index(column)
        own = pc.binary_join_element_wise(table.column(column), f"c{number}", "-")
        table = table.set_column(place, table.schema.field(place), own.cast(table.schema.field(place).type))
    return table


def _write_vectors(source: Path, path: Path, copies: int) -> None:
    """Write barcodes and vectors alone: the report reads nothing else of the annotated cells."""
    generator = np.random.default_rng(0)
    with h5py.File(source) as own, h5py.File(path, "w") as file:
        obs = own["obs"]
        barcodes = obs[obs.attrs["_index"]].asstr()[:]
        vectors = own["obsm"][OBSM_STATE][:]
        group = file.create_group("obs")
        group.attrs["_index"] = "_index"
        repeated = [f"{barcode}-c{number}" for number in range(copies) for barcode in barcodes]
        group.create_dataset("_index", data=repeated, dtype=h5py.string_dtype())
        moved = np.tile(vectors, (copies, 1))
        moved += generator.normal(0, 0.05 * vectors.std(), moved.shape).astype(moved.dtype)
        file.create_group("obsm").create_dataset(OBSM_STATE, data=moved)
