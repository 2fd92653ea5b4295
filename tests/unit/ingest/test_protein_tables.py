"""Antibody counts of the cells that stay: never zeros where nothing was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from factories import ANTIBODIES, make_counts, write_10x_h5
from tcellflow.errors import InputError
from tcellflow.ingest.inputs import open_sample
from tcellflow.ingest.protein_tables import ProteinTables

SAMPLE = make_counts(24, 80, antibodies=ANTIBODIES)
BARE = make_counts(24, 80)
MASK = np.arange(24) % 3 != 0
SHOWN = ["CD3", "CD4", "CD8a", "CD45RA", "IgG1_control"]


def open_inside(folder, antibodies=ANTIBODIES):
    """Give the flow of antibodies among the features, and their matrix."""
    sample = make_counts(24, 80, antibodies=antibodies)
    inputs = open_sample(write_10x_h5(folder / "a.h5", sample), [], None, sample_id="s")
    return ProteinTables(inputs.proteins, inputs.expression), inputs.expression.source, sample


def open_beside(folder, cells=24):
    """Give the flow of an antibody table of the first cells."""
    table = pd.DataFrame(SAMPLE.antibody_counts, index=SAMPLE.barcodes, columns=list(ANTIBODIES))
    table.iloc[:cells].to_csv(folder / "adt.csv")
    gex = write_10x_h5(folder / "a.h5", BARE)
    inputs = open_sample(gex, [], folder / "adt.csv", sample_id="s")
    return ProteinTables(inputs.proteins, inputs.expression), inputs.expression.source


def stream(flow, source, n_rows=5):
    """Send the whole matrix through, keeping the masked cells."""
    done = 0
    for block in source.blocks(n_rows):
        flow.keep(block, done, MASK[done : done + block.shape[0]])
        done += block.shape[0]


@pytest.mark.parametrize("n_rows", [1, 5, 100])
def test_counts_among_the_features_are_collected(tmp_path, n_rows):
    """The kept rows of every block end up in the table, under clean names."""
    flow, source, sample = open_inside(tmp_path)
    stream(flow, source, n_rows)
    tables = flow.tables(MASK)
    assert list(tables) == ["adt_counts", "adt_clr"]
    assert list(tables["adt_counts"].columns) == SHOWN
    assert np.array_equal(tables["adt_counts"].to_numpy(), sample.antibody_counts[MASK])
    assert tables["adt_clr"].to_numpy().dtype == np.float32
    # isotype controls do not enter the centre
    centre = np.log1p(sample.antibody_counts[MASK][:, :4]).mean(axis=1, keepdims=True)
    expected = np.log1p(sample.antibody_counts[MASK]) - centre
    np.testing.assert_allclose(tables["adt_clr"], expected, atol=1e-5)


def test_counts_of_a_table_are_cut_to_the_cells(tmp_path):
    """Counts beside the matrix need no block, and are those of the kept cells."""
    flow, source = open_beside(tmp_path)
    stream(flow, source)
    assert np.array_equal(flow.tables(MASK)["adt_counts"].to_numpy(), SAMPLE.antibody_counts[MASK])


def test_cells_without_a_library_have_no_ratios(tmp_path):
    """A cell that the antibody file lacks has NaN ratios and is counted."""
    flow, source = open_beside(tmp_path, cells=10)
    stream(flow, source)
    has_adt = flow.has_adt(MASK)
    assert has_adt.tolist() == (np.arange(24) < 10)[MASK].tolist()
    ratios = flow.tables(MASK)["adt_clr"]
    assert ratios[~has_adt].isna().all(axis=None)
    assert ratios[has_adt].notna().all(axis=None)
    assert flow.account(MASK)["cells_without_antibodies"] == (~has_adt).sum()
    assert flow.account(MASK)["barcodes"]["n_shared"] == 10


def test_hashtags_have_a_table_of_their_own(tmp_path):
    """Sample hashtags are no proteins: they are kept apart and enter no ratio."""
    flow, source, sample = open_inside(tmp_path, ("CD3", "HTO_1", "CD4", "HTO_2"))
    stream(flow, source)
    tables = flow.tables(MASK)
    assert list(tables["adt_counts"].columns) == list(tables["adt_clr"].columns) == ["CD3", "CD4"]
    assert list(tables["hto_counts"].columns) == ["HTO_1", "HTO_2"]
    assert np.array_equal(tables["hto_counts"].to_numpy(), sample.antibody_counts[MASK][:, [1, 3]])
    assert flow.account(MASK)["n_hashtags"] == 2
    np.testing.assert_allclose(tables["adt_clr"].sum(axis=1), 0, atol=1e-5)


def test_unknown_antibodies_stay_and_are_told(tmp_path):
    """An antibody nobody knows keeps its counts, has no gene, and is named in a warning."""
    flow, source, sample = open_inside(tmp_path, ("CD3", "Frobnicase"))
    stream(flow, source)
    assert flow.warnings == ["antibodies that are unknown are kept without a gene: Frobnicase"]
    assert np.array_equal(flow.tables(MASK)["adt_counts"]["Frobnicase"], sample.antibody_counts[MASK][:, 1])
    assert flow.antibodies.loc["Frobnicase"].tolist() == ["Frobnicase", "", "protein"]
    assert flow.account(MASK)["unknown"] == ["Frobnicase"]


def test_known_antibodies_name_their_genes(tmp_path):
    """Each antibody has its raw name, gene and kind."""
    flow, _, _ = open_inside(tmp_path)
    assert flow.antibodies.loc["CD45RA"].tolist() == ["CD45RA_TotalSeqC", "PTPRC", "protein"]
    assert flow.antibodies.loc["IgG1_control", "kind"] == "isotype"
    assert flow.warnings == []


def test_no_cell_left_gives_empty_tables(tmp_path):
    """Without cells the tables have their columns and no rows."""
    flow, source, _ = open_inside(tmp_path)
    flow.keep(next(source.blocks()), 0, np.zeros(24, dtype=bool))
    tables = flow.tables(np.zeros(24, dtype=bool))
    assert tables["adt_counts"].shape == tables["adt_clr"].shape == (0, 5)


def test_repeated_antibodies_are_refused_with_the_file(tmp_path):
    """Two antibodies of one name and id are an error that names the file."""
    with pytest.raises(InputError, match="repeated") as caught:
        open_inside(tmp_path, ("CD3", "CD3"))
    assert caught.value.where == str(tmp_path / "a.h5")


def test_values_that_are_no_counts_are_refused(tmp_path):
    """A fraction among the antibody features is refused with cell and antibody."""
    flow, source, _ = open_inside(tmp_path)
    block = next(source.blocks()).astype(float)
    block[2, 81] = 0.5
    with pytest.raises(InputError, match=f"0.5 in cell {SAMPLE.barcodes[2]}, CD4_TotalSeqC, is fractional"):
        flow.keep(block, 0, np.ones(24, dtype=bool))
