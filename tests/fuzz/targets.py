"""What is fuzzed: for each kind of file a whole one, the damage done to it, and the reader.

Invariant: a reader is given files alone and goes as far as the product does before it computes.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper

from contig_files import as_10x, as_airr, make_contigs, write_json
from factories import ANTIBODIES, make_counts, write_10x_h5, write_10x_mtx, write_cells_file, write_h5ad
from fuzz.mutations import mutate_bytes, mutate_hdf5, mutate_json, mutate_text
from receptor_bundles import write_native_bundle
from state_bundles import write_states_bundle
from step_outputs import make_step_frames, write_step_files
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.qc import Qc
from tcellflow.contracts.tables import CHAINS, PREDICTIONS, RECEPTORS
from tcellflow.errors import TcellflowError
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.bundles.onnx_structure import check_onnx_is_plain
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.h5ad.frames import as_storable
from tcellflow.io.matrices.antibody_tables import read_antibody_table
from tcellflow.io.matrices.opening import open_matrix
from tcellflow.io.matrices.source import split_features
from tcellflow.io.outputs.record_file import read_steps
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.io.tables.step_documents import read_document
from tcellflow.receptors.chains import choose_chains

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Make = Callable[[Path, random.Random], Path]

_SAMPLE = make_counts(12, 30, antibodies=ANTIBODIES)


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Parameters
    ----------
    name
        What it is called.
    make
        Writes the files of a case into an empty folder and gives the one to read.
    read
        Reads it, and does with it what the product does.
    share
        Of a thousand cases, how many are of this kind: quick ones more often.
    """

    name: str
    make: Make
    read: Callable[[Path], object]
    share: int


def make_targets() -> tuple[Target, ...]:
    """Make the whole files, which stay in a scratch folder while the process lives."""
    seeds = Path(tempfile.mkdtemp(prefix="tcellflow-fuzz-seeds-"))
    tables = write_step_files(seeds / "steps", make_step_frames(20))
    parquets = [path for path in tables if path.suffix == ".parquet"]
    antibodies = pd.DataFrame(_SAMPLE.antibody_counts, index=_SAMPLE.barcodes, columns=list(ANTIBODIES))
    antibodies.to_csv(seeds / "adt.csv")
    antibodies.to_parquet(seeds / "adt.parquet")
    contigs = make_contigs(10)
    as_10x(contigs).to_csv(seeds / "10x.csv", index=False)
    as_airr(contigs).to_csv(seeds / "airr.tsv", index=False, sep="\t")
    (seeds / "s.run.json").write_text(json.dumps(_RECORD))
    documents = [path for path in tables if path.suffix == ".json"]
    return (
        Target("h5", _copies(mutate_hdf5, write_10x_h5(seeds / "a.h5", _SAMPLE)), _read_matrix, 10),
        Target(
            "h5ad",
            _copies(
                mutate_hdf5,
                write_h5ad(seeds / "a.h5ad", _SAMPLE),
                write_cells_file(seeds / "cells.h5ad", _SAMPLE),
            ),
            _read_anndata,
            3,
        ),
        Target("mtx", _make_mtx(write_10x_mtx(seeds / "mtx", _SAMPLE)), _read_matrix, 70),
        Target("contigs", _texts(seeds / "10x.csv"), _read_contigs, 20),
        Target("airr", _texts(seeds / "airr.tsv"), _read_contigs, 20),
        Target("antibodies", _texts(seeds / "adt.csv"), _read_antibodies, 40),
        Target("contig json", _documents(write_json(seeds / "all.json", contigs)), _read_contigs, 40),
        Target("json", _documents(*documents, seeds / "s.run.json"), _read_json, 220),
        Target("parquet", _make_parquet(*parquets, seeds / "adt.parquet"), _read_parquet, 50),
        Target(
            "bundle.json",
            _make_bundle(write_native_bundle(seeds / "native"), write_states_bundle(seeds / "states").folder),
            read_bundle,
            120,
        ),
        Target("onnx", _make_onnx(), check_onnx_is_plain, 407),
    )


_RECORD = {
    "contract": "run/1",
    "steps": {
        "preprocess": {
            "fingerprint": {"version": "0.1.0"},
            "outputs": {"s.qc.json": "ab", "s.cells.h5ad": None},
        },
        "predict": {"fingerprint": {}, "outputs": {"s.metrics.json": "cd"}, "previous": {"s.x.csv": "ef"}},
    },
}


# ------------------------------------------------------------------------------ readers


def _read_matrix(path: Path) -> None:
    source = open_matrix(path)
    split_features(source)
    for _ in source.blocks():
        pass
    source.read_antibodies()
    if source.obs is not None:
        as_storable(source.obs, where=path)


def _read_cells_file(path: Path) -> None:
    cells = read_cells(path)
    as_storable(cells.obs, where=path)
    _ = cells.var, cells.notes
    for _ in cells.blocks():
        pass
    for _ in cells.blocks(layer="counts"):
        pass


def _read_contigs(path: Path) -> None:
    choose_chains(read_receptors(path), donor="d")


def _read_anndata(path: Path) -> None:
    refusals = []
    for read in (_read_matrix, _read_cells_file, _read_contigs):
        try:
            read(path)
        except TcellflowError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _read_antibodies(path: Path) -> None:
    read_antibody_table(path, _SAMPLE.barcodes.tolist())


def _read_json(path: Path) -> None:
    if path.name.endswith("run.json"):
        read_steps(path.parent, "s")
    else:
        read_document(path, Qc if "qc" in path.name else Metrics)


def _read_parquet(path: Path) -> None:
    for contract in (CHAINS, RECEPTORS, PREDICTIONS):
        if f".{contract.name}." in path.name:
            read_table(path, contract)
            read_table_note(path)
    _read_antibodies(path)


# ------------------------------------------------------------------------------ cases


def _copies(mutate: Callable[[Path, random.Random], None], *seeds: Path) -> Make:
    def make(folder: Path, rng: random.Random) -> Path:
        seed = rng.choice(seeds)
        target = folder / seed.name
        shutil.copyfile(seed, target)
        mutate(target, rng)
        return target

    return make


def _texts(seed: Path) -> Make:
    content = seed.read_bytes()

    def make(folder: Path, rng: random.Random) -> Path:
        (folder / seed.name).write_bytes(mutate_text(content, rng))
        return folder / seed.name

    return make


def _documents(*seeds: Path) -> Make:
    documents = [(seed.name, json.loads(seed.read_bytes())) for seed in seeds]

    def make(folder: Path, rng: random.Random) -> Path:
        name, document = rng.choice(documents)
        (folder / name).write_bytes(mutate_json(document, rng))
        return folder / name

    return make


def _make_mtx(seed: Path) -> Make:
    contents = {
        path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes())
        for path in sorted(seed.glob("*.gz"))
    }

    def make(folder: Path, rng: random.Random) -> Path:
        changed = rng.choice(list(contents))
        for name, content in contents.items():
            (folder / name).write_bytes(mutate_text(content, rng) if name == changed else content)
        return folder

    return make


def _make_parquet(*seeds: Path) -> Make:
    contents = [(seed.name, seed.read_bytes(), pq.read_table(seed)) for seed in seeds]

    def make(folder: Path, rng: random.Random) -> Path:
        name, content, table = rng.choice(contents)
        if rng.randrange(3):
            (folder / name).write_bytes(mutate_bytes(content, rng))
        else:
            pq.write_table(_change_table(table, rng), folder / name)
        return folder / name

    return make


def _change_table(table: pa.Table, rng: random.Random) -> pa.Table:
    place = rng.randrange(table.num_columns)
    name, n = table.column_names[place], table.num_rows
    odd: list[Any] = [
        pa.nulls(n),
        pa.array([[1, 2]] * n),
        pa.array([{"a": 1}] * n),
        pa.array([b"\xff"] * n),
        pa.array([float("nan")] * n),
        pa.array([-1] * n),
        pa.array(["x"] * n).dictionary_encode(),
        pa.array([None, "\U0001f9ec"] * n, pa.string())[:n],
        pa.array([1 << 40] * n, pa.timestamp("s")),
        pa.array([[0.0]] * n, pa.list_(pa.float32(), 1)),
    ]
    what = rng.randrange(4)
    if what == 0:
        return table.drop_columns([name])
    if what == 1:
        return table.append_column(name, table.column(place))
    if what == 2:
        return table.replace_schema_metadata(
            {k: mutate_bytes(v, rng) for k, v in table.schema.metadata.items()}
        )
    return table.set_column(place, name, rng.choice(odd))


def _make_bundle(*seeds: Path) -> Make:
    contents = [{path.name: path.read_bytes() for path in seed.iterdir()} for seed in seeds]
    documents = [json.loads(files["bundle.json"]) for files in contents]

    def make(folder: Path, rng: random.Random) -> Path:
        number = rng.randrange(len(contents))
        for name, content in contents[number].items():
            (folder / name).write_bytes(content)
        (folder / "bundle.json").write_bytes(mutate_json(documents[number], rng))
        return folder

    return make


def _make_onnx() -> Make:
    value = helper.make_tensor_value_info
    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    branch = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["b"])],
        "branch",
        [],
        [value("b", TensorProto.FLOAT, None)],
        [weight],
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["B", 2]), value("c", TensorProto.BOOL, [])],
        [value("y", TensorProto.FLOAT, None)],
        [weight],
    )
    whole = onnx.helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()

    def make(folder: Path, rng: random.Random) -> Path:
        (folder / "model.onnx").write_bytes(mutate_bytes(whole, rng))
        return folder / "model.onnx"

    return make
