"""Receptors in the expression file, which a run without receptor files uses."""

import h5py
import numpy as np
import pandas as pd
import pytest

from factories import make_anndata, make_counts, write_10x_h5
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.pipeline import RunOptions, run_sample
from tcellflow.pipeline.receptors import take_receptors_of_gex
from tcellflow.steps.options import PreprocessOptions

SAMPLE = make_counts(40, 300)
CHAIN = {
    "locus": "TRB",
    "v_call": "TRBV9",
    "j_call": "TRBJ1-1",
    "junction_aa": "CASSLGTEAFF",
    "productive": True,
    "umi_count": 4,
}


def by_columns(path):
    """Write an expression file whose obs holds a beta chain of every second cell, as scirpy 0.7 did."""
    columns = {f"IR_VDJ_1_{name}": str(value) for name, value in CHAIN.items() if name != "productive"}
    has_chain = np.arange(len(SAMPLE.barcodes)) % 2 == 0
    adata = make_anndata(SAMPLE)
    for name, value in columns.items():
        adata.obs[name] = pd.Series(np.where(has_chain, value, None), index=adata.obs_names, dtype=object)
    adata.write_h5ad(path)
    return path


def by_array(path):
    """Write an expression file whose obsm holds the chains, as scirpy does now."""
    ak = pytest.importorskip("awkward")
    adata = make_anndata(SAMPLE)
    adata.obsm["airr"] = ak.Array([[CHAIN] if row % 2 == 0 else [] for row in range(adata.n_obs)])
    adata.write_h5ad(path)
    return path


def by_modality(path):
    """Write a MuData file with the chains in a modality beside the expression."""
    ak = pytest.importorskip("awkward")
    genes, chains = make_anndata(SAMPLE), make_anndata(SAMPLE)[::2, :0].copy()
    chains.obsm["airr"] = ak.Array([[CHAIN]] * chains.n_obs)
    for name, part in (("gex", genes), ("airr", chains)):
        part.write_h5ad(path.with_suffix(f".{name}"))
    with h5py.File(path, "w") as file:
        for name in ("gex", "airr"):
            with h5py.File(path.with_suffix(f".{name}")) as part:
                part.copy("/", file.require_group("mod"), name=name)
    return path


def ask(folder, *, gex, tcr=(), **more):
    """Make options of a first step on an expression file."""
    given = PreprocessOptions(output=folder / "out", prefix="s", gex=gex, tcr=tcr, min_genes=0)
    return RunOptions(preprocess=given, **{"steps": ("preprocess",), **more})


@pytest.mark.parametrize(
    ("write", "name", "place"),
    [
        (by_columns, "a.h5ad", "columns of obs"),
        (by_array, "a.h5ad", "obsm['airr']"),
        (by_modality, "a.h5mu", "modality airr"),
    ],
)
def test_receptors_in_the_expression_file_are_used(tmp_path, caplog, write, name, place):
    """Without --tcr the run reads them, says so in one line, and is kept the next time."""
    caplog.set_level("INFO", "tcellflow")
    options = ask(tmp_path, gex=write(tmp_path / name))
    run_sample(options)
    told = [line for line in caplog.messages if "receptors: those of the expression file" in line]
    assert told == [
        f"receptors: those of the expression file are used ({place}); --no-gex-receptors leaves them out"
    ]
    chains = read_table(tmp_path / "out" / "s.chains.parquet", CHAINS).to_pandas()
    assert sorted(chains["cell_id"]) == sorted(SAMPLE.barcodes[::2])
    assert set(chains["junction_aa"]) == {"CASSLGTEAFF"}
    caplog.clear()
    run_sample(options)
    assert "preprocess: kept" in caplog.messages


def test_they_can_be_refused(tmp_path, caplog):
    """On request the run goes without them, and the first step names them."""
    caplog.set_level("INFO", "tcellflow")
    run_sample(ask(tmp_path, gex=by_columns(tmp_path / "a.h5ad"), receptors_of_gex=False))
    assert not (tmp_path / "out" / "s.chains.parquet").exists()
    assert any("holds receptors too (columns of obs)" in line for line in caplog.messages)


def test_a_receptor_file_goes_first(tmp_path):
    """What the user names is used, and nothing beside it."""
    gex = by_columns(tmp_path / "a.h5ad")
    options = ask(tmp_path, gex=gex, tcr=(tmp_path / "contigs.csv",))
    assert take_receptors_of_gex(options) is options


def test_nothing_changes_where_there_are_none(tmp_path):
    """Files without receptors, matrices of other kinds and runs of later steps alone stay as they are."""
    make_anndata(SAMPLE).write_h5ad(tmp_path / "none.h5ad")
    for options in (
        ask(tmp_path, gex=tmp_path / "none.h5ad"),
        ask(tmp_path, gex=write_10x_h5(tmp_path / "a.h5", SAMPLE)),
        ask(tmp_path, gex=tmp_path),
        ask(tmp_path, gex=None),
        ask(tmp_path, gex=by_columns(tmp_path / "a.h5ad"), steps=("predict",)),
    ):
        assert take_receptors_of_gex(options) is options


def test_a_damaged_expression_file_is_refused(tmp_path):
    """It is told as a fault of the input, before any folder is made."""
    path = by_columns(tmp_path / "a.h5ad")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="truncated"):
        run_sample(ask(tmp_path, gex=path))
    assert not (tmp_path / "out").exists()
