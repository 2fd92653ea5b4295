"""Contigs of Cell Ranger: both generations of tables and the JSON give the same chains."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from contig_files import as_10x, make_contig, make_contigs, write_json, write_table
from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.contigs import DropReason, RawChains

if TYPE_CHECKING:
    from pathlib import Path


def table_of(*contigs: dict[str, Any], generation: int = 18) -> pd.DataFrame:
    return as_10x(pd.DataFrame(contigs), generation=generation)


def read(path: Path, table: pd.DataFrame) -> RawChains:
    return read_receptors(write_table(path / "contigs.csv", table))


def test_all_layouts_give_the_same_chains(tmp_path: Path) -> None:
    """18 columns, 31 columns and JSON of the same contigs are equal, row for row."""
    contigs = make_contigs(40, seed=5)
    old = read(tmp_path, as_10x(contigs))
    new = read(tmp_path, as_10x(contigs, generation=31, missing=""))
    as_json = read_receptors(write_json(tmp_path / "all_contig_annotations.json", contigs))
    pd.testing.assert_frame_equal(old.rows, new.rows)
    pd.testing.assert_frame_equal(old.rows, as_json.rows)
    assert (old.layout, as_json.layout) == ("10x contig table", "10x contig JSON")


def test_cdr3_is_the_junction_and_cdr1_is_never_read(tmp_path: Path) -> None:
    """In this file type cdr3 has its anchors; cdr1 (amino acids here) plays no part."""
    row = read(tmp_path, table_of(make_contig(), generation=31)).rows.iloc[0]
    assert (row["junction_aa"], row["junction"][:3], row["anchored"]) == ("CASSLGF", "TGT", True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_cell": False}, DropReason.NOT_A_CELL),
        ({"high_confidence": False}, DropReason.LOW_CONFIDENCE),
        ({"cell_id": ""}, DropReason.NO_CELL),
        ({"is_cell": False, "high_confidence": False}, DropReason.NOT_A_CELL),
    ],
)
def test_only_confident_contigs_of_cells_count(
    tmp_path: Path, changes: dict[str, Any], reason: DropReason
) -> None:
    """Other rows are dropped under one reason."""
    raw = read(tmp_path, table_of(make_contig(), make_contig(sequence_id="x", **changes)))
    assert (len(raw.rows), raw.dropped) == (1, {reason: 1})


def test_missing_words_and_productive_none(tmp_path: Path) -> None:
    """None is missing everywhere; as productive it means no."""
    table = table_of(make_contig(v_call="", junction_aa="", productive=""))
    assert table.loc[0, "cdr3"] == "None"
    row = read(tmp_path, table).rows.iloc[0]
    assert row["junction_aa"] is row["v_call"] is None
    assert not row["productive"]


@pytest.mark.parametrize("word", ["True", "true", "TRUE", "T", "1"])
def test_booleans_of_all_spellings(tmp_path: Path, word: str) -> None:
    """Versions and programs write booleans differently."""
    table = table_of(make_contig())
    table[["is_cell", "high_confidence", "productive"]] = word
    assert read(tmp_path, table).rows["productive"].all()


def test_clonotype_numbers_are_never_read(tmp_path: Path) -> None:
    """clonotype1 restarts in each library, so it is no column of ours."""
    raw = read(tmp_path, table_of(make_contig()))
    assert not raw.rows.isin(["clonotype1"]).any().any()


def test_multi_and_immunoglobulin_contigs_are_counted(tmp_path: Path) -> None:
    """Multi and IG chains inside a T-cell library are dropped per reason, in any case of letters."""
    contigs = [
        make_contig(sequence_id=str(n), locus=word) for n, word in enumerate(["Multi", "multi", "IGH", "trb"])
    ]
    chosen = choose_chains(read(tmp_path, table_of(*contigs)), donor="d")
    assert len(chosen.chains) == 1
    assert chosen.dropped == {DropReason.MULTI_LOCUS: 2, DropReason.IMMUNOGLOBULIN: 1}


def test_further_columns_are_allowed(tmp_path: Path) -> None:
    """A leading sample column, as merged tables have it, does no harm; a donor column is used."""
    table = table_of(make_contig())
    table.insert(0, "sample", "P17B")
    table["donor"] = "D1"
    assert read(tmp_path, table).rows["donor"].item() == "D1"


def test_two_samples_under_one_barcode_are_refused(tmp_path: Path) -> None:
    """A merged table whose barcodes repeat between samples would mix cells."""
    table = table_of(make_contig(), make_contig(junction_aa="CASSYYF"))
    with pytest.raises(InputError, match="several samples share their barcodes"):
        read(tmp_path, table)


def test_missing_columns_are_listed_together(tmp_path: Path) -> None:
    """One error names all missing columns and what the file has."""
    table = table_of(make_contig()).drop(columns=["is_cell", "j_gene", "cdr3", "cdr3_nt"])
    with pytest.raises(InputError, match="lacks 3 of its columns: is_cell, j_gene, cdr3 or cdr3_nt"):
        read(tmp_path, table)


def test_missing_counts_are_told(tmp_path: Path) -> None:
    """Without UMIs and reads the ranks follow the sequences, and a warning says so."""
    raw = read(tmp_path, table_of(make_contig()).drop(columns=["umis", "reads"]))
    assert any("ranked by their sequences" in warning for warning in raw.warnings)


def test_a_table_without_rows_is_valid(tmp_path: Path) -> None:
    """A library without a single contig is no error."""
    raw = read(tmp_path, table_of(make_contig()).iloc[:0])
    assert (len(raw.rows), raw.rows_read, raw.warnings) == (0, 0, ())


def test_compressed_json_is_read(tmp_path: Path) -> None:
    """gzip is recognised here too."""
    path = write_json(tmp_path / "c.json", make_contigs(3, seed=1))
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_receptors(tmp_path / "c.json.gz").rows_read == read_receptors(path).rows_read > 0


def test_json_locus_needs_agreeing_regions(tmp_path: Path) -> None:
    """Regions of two loci make a contig Multi, none leaves the locus unknown."""
    path = write_json(tmp_path / "c.json", pd.DataFrame([make_contig(), make_contig(sequence_id="x")]))
    records = json.loads(path.read_text())
    records[0]["annotations"][0]["feature"]["chain"] = "TRA"
    records[1]["annotations"] = []
    path.write_text(json.dumps(records))
    assert list(read_receptors(path).rows["locus"]) == ["Multi", None]


def test_json_larger_than_one_block_is_read_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contigs that straddle blocks are decoded whole."""
    contigs = make_contigs(20, seed=7)
    path = write_json(tmp_path / "c.json", contigs)
    whole = read_receptors(path).rows
    monkeypatch.setattr("tcellflow.io.contigs.cellranger._BLOCK_CHARACTERS", 37)
    pd.testing.assert_frame_equal(read_receptors(path).rows, whole)


@pytest.mark.parametrize("content", ['{"a": 1}', "[1, 2]", "[[]]"])
def test_other_json_is_refused(tmp_path: Path, content: str) -> None:
    """Only Cell Ranger's list of contigs is understood."""
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(InputError, match="not Cell Ranger's list of contigs"):
        read_receptors(tmp_path / "c.json")


def test_an_empty_json_list_is_valid(tmp_path: Path) -> None:
    """No contigs, no error."""
    (tmp_path / "c.json").write_text(" [ ]\n")
    assert read_receptors(tmp_path / "c.json").rows_read == 0


def test_json_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    """Half a file is an error, wherever it ends."""
    whole = write_json(tmp_path / "c.json", make_contigs(3, seed=1)).read_text()
    for end in (len(whole) // 2, len(whole) - 2):
        (tmp_path / "c.json").write_text(whole[:end])
        with pytest.raises(InputError, match="cut off or damaged"):
            read_receptors(tmp_path / "c.json")


def test_json_contigs_without_fields_are_named(tmp_path: Path) -> None:
    """The error says which contig lacks what."""
    (tmp_path / "c.json").write_text('[{"barcode": "A"}]')
    with pytest.raises(InputError, match="contig 1 lacks the fields annotations, cdr3"):
        read_receptors(tmp_path / "c.json")


@pytest.mark.parametrize("annotations", [[{"feature": {"chain": "TRB"}}], [None], 3])
def test_json_annotations_of_another_shape_are_named(tmp_path: Path, annotations: Any) -> None:
    """Annotations that are not Cell Ranger's are an error with the contig's number."""
    path = write_json(tmp_path / "c.json", pd.DataFrame([make_contig()]))
    records = json.loads(path.read_text())
    records[0]["annotations"] = annotations
    path.write_text(json.dumps(records))
    with pytest.raises(InputError, match="annotations of contig 1 are not understood"):
        read_receptors(path)


@pytest.mark.data
def test_one_fixture_has_637_missing_junctions(shared_data: Path) -> None:
    """Of 4,004 real contigs 637 have no cdr3, and none becomes N-o-n-e."""
    path = (
        shared_data / "tcr_io_fixtures" / "10x" / "vdj_nextgem_hs_pbmc3_t_filtered_contig_annotations.csv.gz"
    )
    rows = read_receptors(path).rows
    assert (len(rows), int(rows["junction_aa"].isna().sum())) == (4004, 637)
    assert not rows["junction_aa"].str.contains("one", na=False).any()


@pytest.mark.data
def test_csv_and_json_of_the_same_run_agree(shared_data: Path) -> None:
    """Cell Ranger's own CSV and JSON of one run give the same chains."""
    stem = "10k_BMMNC_5pv2_nextgem_Multiplex_vdj_t_all_contig_annotations_small"
    folder = shared_data / "tcr_io_fixtures" / "10x"
    chains = [
        choose_chains(read_receptors(folder / f"{stem}.{ending}"), donor="d").chains
        for ending in ("csv", "json")
    ]
    pd.testing.assert_frame_equal(*chains)
