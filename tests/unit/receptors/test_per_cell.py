"""Rows per cell over several samples: barcodes that repeat between samples stay apart."""

from __future__ import annotations

import pandas as pd

from receptor_tables import make_chain_rows
from tcellflow.receptors.per_cell import describe_cells

ALPHA, BETA = "CAVRDSNYQLIF", "CASSLGQAYEQYF"


def cells_of(*rows):
    """Make the list of cells of (sample, cell, donor) rows."""
    return pd.DataFrame(rows, columns=["sample_id", "cell_id", "donor"], dtype=object)


def test_equal_barcodes_of_two_samples_stay_apart():
    """A barcode means another cell in another sample."""
    chains = pd.concat(
        [
            make_chain_rows([("a", "TRA", ALPHA)], sample="s1"),
            make_chain_rows([("a", "TRB", BETA)], sample="s2"),
        ],
        ignore_index=True,
    )
    described = describe_cells(cells_of(("s2", "a", "d1"), ("s1", "a", "d1"), ("s3", "a", "d1")), chains)
    assert described["sample_id"].tolist() == ["s2", "s1", "s3"]
    assert described["chain_pairing"].tolist() == ["orphan VDJ", "orphan VJ", "no IR"]
    assert described["clone_size"].isna().tolist() == [False, False, True]


def test_clone_sizes_count_cells_of_one_sample():
    """A clone of two samples of one donor has one id and a size in each sample."""
    chains = pd.concat(
        [
            make_chain_rows([(cell, "TRB", BETA) for cell in cells], sample=sample)
            for sample, cells in (("s1", "ab"), ("s2", "a"))
        ],
        ignore_index=True,
    )
    rows = cells_of(("s1", "a", "d1"), ("s1", "b", "d1"), ("s2", "a", "d1"))
    described = describe_cells(rows, chains)
    assert len(set(described["clone_id"])) == 1
    assert described["clone_size"].tolist() == [2, 2, 1]


def test_no_cells_give_no_rows_but_all_columns():
    """The columns are there for an empty sample too."""
    described = describe_cells(cells_of(), make_chain_rows([]))
    assert len(described) == 0
    assert {"has_tra", "chain_pairing", "doublet_suspect", "clone_id", "clone_size"} <= set(described.columns)
