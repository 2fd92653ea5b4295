"""Matching: every file finds its cells by itself."""

from __future__ import annotations

import numpy as np
import pytest

from contig_files import as_10x, make_sample_contigs, write_table
from factories import make_barcodes
from tcellflow.errors import InputError, OptionsError
from tcellflow.ingest.barcode_matching import Matching, match_receptors
from tcellflow.io.contigs.reading import read_receptors

CELLS = make_barcodes(20)


def read(path, cells, mark=""):
    """Write contigs of these cells, their names ending in a mark, and read them back."""
    contigs = make_sample_contigs(cells)
    return read_receptors(
        write_table(path, as_10x(contigs.assign(sequence_id=contigs["sequence_id"] + mark)))
    )


def test_a_single_file_is_accounted_for_as_it_is(tmp_path):
    """The account of one file is that of its map."""
    raw, match = match_receptors([read(tmp_path / "a.csv", CELLS[:15])], CELLS, Matching())
    assert match.as_dict() == match.maps[0].as_dict()
    assert match.as_dict()["n_shared"] == raw.rows["cell_id"].nunique() == 15


def test_libraries_of_one_aggregated_matrix_find_their_numbers(tmp_path):
    """Two libraries that both end in -1 find the cells that end in -1 and -2."""
    bare = [cell.removesuffix("-1") for cell in CELLS]
    matrix = np.array([f"{cell}-{1 + (i >= 10)}" for i, cell in enumerate(bare)], dtype=object)
    parts = [read(tmp_path / "one.csv", CELLS[:10]), read(tmp_path / "two.csv", CELLS[10:])]
    raw, match = match_receptors(parts, matrix, Matching())
    assert set(raw.rows["cell_id"]) == set(matrix)
    account = match.as_dict()
    assert (account["n_left"], account["n_right"], account["n_shared"]) == (20, 20, 20)
    assert account["overlap"] == 1
    assert "; " in account["rule"]


def test_cells_of_several_files_count_once(tmp_path):
    """A cell in both files is one cell, and cells that the matrix lacks are counted per file."""
    strange = make_barcodes(4, seed=5)
    parts = [
        read(tmp_path / "one.csv", [*CELLS[:10], *strange[:2]]),
        read(tmp_path / "two.csv", [*CELLS[5:15], *strange[2:]], mark="_of_two"),
    ]
    _, match = match_receptors(parts, CELLS, Matching())
    account = match.as_dict()
    assert (account["n_shared"], account["n_right"]) == (15, 19)
    assert account["fraction_left"] == 0.75
    assert account["fraction_right"] == round(15 / 19, 4)
    assert account["rule"] == "identity,identity"


def test_warnings_name_the_file(tmp_path):
    """A doubtful overlap is told with the file's name."""
    cells = [*CELLS[:5], *make_barcodes(15, seed=5)]
    _, match = match_receptors([read(tmp_path / "c.csv", cells)], CELLS, Matching())
    assert match.warnings[0].startswith("c.csv: 5 of 20 cells")


def test_half_of_the_cells_may_be_foreign(tmp_path):
    """Where every cell of the matrix is found, half of the others may be foreign; one more is told."""
    foreign = list(make_barcodes(11, seed=5))
    for cells, n_told in (([*CELLS[:10], *foreign[:10]], 0), ([*CELLS[:10], *foreign], 1)):
        _, match = match_receptors([read(tmp_path / "c.csv", cells)], CELLS[:10], Matching())
        assert len(match.warnings) == n_told


def test_errors_name_the_file_and_the_rule(tmp_path):
    """A file of other cells and a rule that is none are refused."""
    part = read(tmp_path / "c.csv", make_barcodes(15, seed=5))
    with pytest.raises(InputError) as caught:
        match_receptors([part], CELLS, Matching())
    assert caught.value.where == str(tmp_path / "c.csv")
    with pytest.raises(OptionsError):
        match_receptors([part], CELLS, Matching("identity"))


def test_empty_files_match(tmp_path):
    """A file without contigs, or a matrix without cells, is matched to nothing."""
    parts = [read(tmp_path / "a.csv", []), read(tmp_path / "b.csv", CELLS)]
    raw, match = match_receptors(parts, CELLS, Matching())
    assert raw.rows["cell_id"].nunique() == 20
    assert match.as_dict()["n_shared"] == 20
    raw, match = match_receptors(parts, CELLS[:0], Matching())
    assert len(raw.rows) == 0
    assert match.as_dict()["overlap"] == 0
