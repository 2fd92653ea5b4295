"""Files of every contract version ever released stay readable."""

import pytest

from contract_archive import archived_path
from tcellflow.contracts.cells import ANNDATA_CONTRACTS
from tcellflow.contracts.documents import DOCUMENTS
from tcellflow.contracts.tables import TABLES
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.io.tables.step_documents import read_document


@pytest.mark.parametrize("contract", TABLES, ids=lambda c: c.stamp)
def test_archived_tables_are_read(contract):
    """Each table version has its archived file, which keeps its contract and tells who made it."""
    for version in range(1, contract.version + 1):
        path = archived_path(contract.name, version)
        assert read_table(path, contract).num_rows > 0
        assert read_table_note(path)["version"]


@pytest.mark.parametrize("contract", ANNDATA_CONTRACTS, ids=lambda c: c.stamp)
def test_archived_cells_are_read(contract):
    """Each cells version has its archived file, whose counts and values can be streamed."""
    for version in range(1, contract.version + 1):
        cells = read_cells(archived_path(contract.name, version), contract)
        for layer in ("X", "counts"):
            assert sum(block.shape[0] for block in cells.blocks(5, layer)) == cells.n_obs > 0


@pytest.mark.parametrize("contract", DOCUMENTS, ids=lambda c: c.stamp())
def test_archived_documents_are_read(contract):
    """Each version of a JSON document has its archived file, which fits today's model and tells its maker."""
    for version in range(1, contract.version + 1):
        document = read_document(archived_path(contract.contract, version), contract)
        assert document.note.version
