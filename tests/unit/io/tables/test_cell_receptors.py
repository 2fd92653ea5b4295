"""Receptors are brought onto cells by name, and only if they are those of the same sample."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factories import make_cells_obs, make_counts, write_cells_file
from step_tables import write_receptors
from tcellflow.contracts.tables import RECEPTORS
from tcellflow.errors import ContractError, InputError
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.cell_receptors import read_cell_receptors


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Six cells of which the first three have a receptor."""
    sample = make_counts(6, 40)
    obs = make_cells_obs(sample).assign(chain_pairing=["single pair"] * 3 + ["no IR"] * 3)
    return read_cells(write_cells_file(tmp_path_factory.mktemp("cells") / "c.h5ad", sample, obs))


def test_rows_follow_the_cells(cells, tmp_path):
    """Whatever the order of the table, each cell gets its own clone and keys; others get none."""
    ids = cells.cell_ids[[2, 0, 1]]
    path = write_receptors(
        tmp_path / "r", ids, ["third", "first", None], emb_tra=[f"{i:020x}" for i in range(3)]
    )
    found = read_cell_receptors(path, cells)
    assert list(found.clone_id) == ["first", None, "third", None, None, None]
    assert list(found.emb_tra) == [f"{1:020x}", f"{2:020x}", f"{0:020x}", None, None, None]
    assert list(found.emb_trb) == [None] * 6


def test_clusters_follow_the_cells(cells, tmp_path):
    """Clusters are there only where they were asked for, and follow the cells."""
    ids = cells.cell_ids[[2, 0, 1]]
    clones = ["third", "first", None]
    assert read_cell_receptors(write_receptors(tmp_path / "without", ids, clones), cells).clusters is None
    names = [(f"{2:020x}", 7), (f"{0:020x}", 1), (None, None)]
    found = read_cell_receptors(write_receptors(tmp_path / "with", ids, clones, clusters=names), cells)
    assert found.clusters["receptor_cluster"].isna().tolist() == [False, True, False, True, True, True]
    assert found.clusters["receptor_cluster"].dropna().tolist() == [f"{0:020x}", f"{2:020x}"]
    assert found.clusters["receptor_cluster_size"].dropna().tolist() == [1, 7]


def test_an_empty_table_suits_cells_without_receptors(tmp_path):
    """A sample without receptors has an empty table, which is no error."""
    sample = make_counts(4, 40)
    path = write_cells_file(tmp_path / "c.h5ad", sample, make_cells_obs(sample).assign(chain_pairing="no IR"))
    found = read_cell_receptors(write_receptors(tmp_path / "r", [], []), read_cells(path))
    assert list(found.clone_id) == [None] * 4


def test_receptors_of_another_sample_are_refused(cells, tmp_path):
    """The same barcodes under another sample's name are other cells."""
    path = write_receptors(tmp_path / "r", cells.cell_ids, [None] * 6, sample_id="s2")
    with pytest.raises(InputError, match="none of the 6 cells of the receptors table"):
        read_cell_receptors(path, cells)


def test_a_cut_table_is_refused(cells, tmp_path):
    """A cell that has a receptor must be in the table; the message names the first that is not."""
    path = write_receptors(tmp_path / "r", cells.cell_ids[:2], [None] * 2)
    with pytest.raises(InputError, match=rf"1 cells that have a receptor.*first: {cells.cell_ids[2]}"):
        read_cell_receptors(path, cells)


def test_another_table_is_refused(cells, tmp_path):
    """A table that breaks the contract of receptors is refused."""
    table = pa.table({"cell_id": ["a"]}, metadata={"tcellflow.contract": RECEPTORS.stamp})
    pq.write_table(table, tmp_path / "r")
    with pytest.raises(ContractError, match="'clone_id': the column is missing"):
        read_cell_receptors(tmp_path / "r", cells)
