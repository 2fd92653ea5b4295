"""AIRR tables, and any table in AIRR words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from contig_files import as_10x, as_airr, make_contig, make_contigs, write_table
from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.contigs import DropReason, RawChains

if TYPE_CHECKING:
    from pathlib import Path


def table_of(*contigs: dict[str, Any]) -> pd.DataFrame:
    return as_airr(pd.DataFrame(contigs))


def read(
    folder: Path, table: pd.DataFrame, name: str = "rearrangements.tsv", delimiter: str = "\t"
) -> RawChains:
    return read_receptors(write_table(folder / name, table, delimiter=delimiter))


def test_airr_and_10x_give_the_same_chains(tmp_path: Path) -> None:
    """The same contigs in AIRR words and in 10x words end in one chains table."""
    contigs = make_contigs(40, seed=6)
    ours = choose_chains(read(tmp_path, as_airr(contigs)), donor="d").chains
    theirs = choose_chains(read(tmp_path, as_10x(contigs), "c.csv", ","), donor="d").chains
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.tsv.gz", "\t"), ("a.csv", ","), ("a.tsv", ","), ("a.txt", ";")]
)
def test_any_delimiter_and_compression(tmp_path: Path, name: str, delimiter: str) -> None:
    """A plain CSV in AIRR words is as good, whatever its name."""
    assert read(tmp_path, table_of(make_contig()), name, delimiter).rows["junction_aa"].item() == "CASSLGF"


def test_cdr3_columns_are_never_taken_for_junctions(tmp_path: Path) -> None:
    """Here cdr3 is nucleotides without anchors and cdr1 nucleotides: only junction columns count."""
    table = table_of(make_contig()).drop(columns=["junction", "junction_aa"])
    with pytest.raises(InputError, match="lacks 1 of its columns: junction_aa or junction"):
        read(tmp_path, table)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"umi_count": 5, "duplicate_count": 6, "consensus_count": 7}, 5),
        ({"duplicate_count": 6, "consensus_count": 7}, 6),
        ({"consensus_count": 7}, 7),
        ({"umi_count": "", "duplicate_count": 6}, 6),
        ({"duplicate_count": "9.29463"}, 9.29463),
    ],
)
def test_the_best_count_ranks(tmp_path: Path, columns: dict[str, Any], expected: float) -> None:
    """umi_count, else duplicate_count, else consensus_count; TPM floats are accepted."""
    table = table_of(make_contig()).drop(columns=["umi_count", "consensus_count"]).assign(**columns)
    assert read(tmp_path, table).rows["umi_count"].item() == expected


def test_without_counts_a_warning(tmp_path: Path) -> None:
    """Chains rank by sequence then, which the user is told."""
    raw = read(tmp_path, table_of(make_contig()).drop(columns=["umi_count", "consensus_count"]))
    assert any("no counts" in warning for warning in raw.warnings)


def test_amino_acids_alone_or_nucleotides_alone(tmp_path: Path) -> None:
    """Either junction column is enough; nucleotides are translated."""
    for column in ("junction", "junction_aa"):
        chains = choose_chains(read(tmp_path, table_of(make_contig()).drop(columns=column)), donor="d").chains
        assert chains["junction_aa"].item() == "CASSLGF"


def test_the_locus_may_be_left_to_the_genes(tmp_path: Path) -> None:
    """Without a locus column usable calls decide."""
    contigs = (make_contig("TRA"), make_contig("TRD", sequence_id="x", v_call="TRAV29/DV5"))
    chains = choose_chains(read(tmp_path, table_of(*contigs).drop(columns="locus")), donor="d").chains
    assert list(chains["locus"]) == ["TRA", "TRD"]


def test_alleles_and_lists_are_resolved(tmp_path: Path) -> None:
    """Lists of alleles end in their common gene or family; the raw text is kept."""
    contig = make_contig(v_call="TRBV6-2*01,TRBV6-3*01", j_call="TRBJ2-7*01")
    chain = choose_chains(read(tmp_path, table_of(contig)), donor="d").chains.iloc[0]
    assert (chain["v_call"], chain["j_call"]) == ("TRBV6", "TRBJ2-7")
    assert (chain["v_call_raw"], chain["j_call_raw"]) == ("TRBV6-2*01,TRBV6-3*01", "TRBJ2-7*01")


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("is_cell", DropReason.NOT_A_CELL),
        ("putative_cell", DropReason.NOT_A_CELL),
        ("high_confidence", DropReason.LOW_CONFIDENCE),
        ("dominant", DropReason.NOT_DOMINANT),
    ],
)
def test_cell_flags_of_pipelines_are_honoured(tmp_path: Path, column: str, reason: DropReason) -> None:
    """An explicit no drops the row; a missing flag does not."""
    table = table_of(*(make_contig(sequence_id=str(n)) for n in range(3))).assign(**{column: ["T", "F", ""]})
    raw = read(tmp_path, table)
    assert (len(raw.rows), raw.dropped) == (2, {reason: 1})


def test_rows_without_a_cell_are_counted(tmp_path: Path) -> None:
    """A contig that names no cell is of no use."""
    raw = read(tmp_path, table_of(make_contig(), make_contig(cell_id="", sequence_id="x")))
    assert raw.dropped == {DropReason.NO_CELL: 1}


def test_bulk_tables_are_refused_with_all_missing_columns(tmp_path: Path) -> None:
    """A table without cells names none; all that is missing is told at once."""
    table = table_of(make_contig()).drop(columns=["cell_id", "productive", "junction", "junction_aa"])
    with pytest.raises(
        InputError, match="lacks 3 of its columns: cell_id, productive, junction_aa or junction"
    ):
        read(tmp_path, table)


def test_files_without_anchors_are_recognised_and_restored(tmp_path: Path) -> None:
    """A whole file of bare CDR3s is told from one of junctions, and its chains are completed."""
    contigs = make_contigs(30, seed=8)
    bare = as_airr(contigs).drop(columns=["junction", "junction_aa"])
    bare = bare.rename(columns={"cdr3": "junction", "cdr3_aa": "junction_aa"})
    raw = read(tmp_path, bare)
    assert any("lack their anchors" in warning for warning in raw.warnings)
    assert not raw.rows["anchored"].any()
    chains = choose_chains(raw, donor="d").chains
    whole = choose_chains(read(tmp_path, as_airr(contigs)), donor="d").chains
    columns = ["cell_id", "arm", "rank", "locus", "junction_aa", "v_call", "j_call"]
    pd.testing.assert_frame_equal(chains[columns], whole[columns])
    assert chains["anchor_added"].all()
    assert chains["junction"].isna().all()


@pytest.mark.data
@pytest.mark.parametrize("name", ["rearrangement_tra.tsv", "rearrangement_trb.tsv", "tra_issue_280.tsv"])
def test_real_fixtures_are_read(shared_data: Path, name: str) -> None:
    """T-cell tables of several programs, one of them with rows that are too short."""
    chosen = choose_chains(read_receptors(shared_data / "tcr_io_fixtures" / "airr" / name), donor="d")
    assert len(chosen.chains) + sum(chosen.dropped.values()) == chosen.rows_read > 0
    assert len(chosen.chains) >= 2


@pytest.mark.data
@pytest.mark.parametrize(("name", "n_rows"), [("rearrangement_ig.tsv", 4), ("issue_625.tsv", 158)])
def test_b_cell_tables_give_zero_chains(shared_data: Path, name: str, n_rows: int) -> None:
    """B-cell tables are read, and all their contigs counted as immunoglobulins."""
    chosen = choose_chains(read_receptors(shared_data / "tcr_io_fixtures" / "airr" / name), donor="d")
    assert chosen.chains.empty
    assert chosen.dropped == {DropReason.IMMUNOGLOBULIN: n_rows}


@pytest.mark.data
def test_v_that_contradicts_the_locus_is_kept_as_unknown(shared_data: Path) -> None:
    """One real fixture has IGKV under TRB."""
    chosen = choose_chains(
        read_receptors(shared_data / "tcr_io_fixtures" / "airr" / "rearrangement_trb.tsv"), donor="d"
    )
    assert list(chosen.chains["v_level"]) == ["contradicts_locus"] * 4


def test_a_hash_before_the_first_name_is_no_part_of_it(tmp_path):
    """So TRUST4 begins its tables; a line of words behind a hash stays a comment."""
    names = "cell_id\tlocus\tv_call\tj_call\tjunction_aa\tproductive"
    row = "AAAC-1\tTRB\tTRBV9\tTRBJ1-1\tCASSLGF\tT"
    (tmp_path / "a.tsv").write_text(f"# made by hand\n#{names}\n{row}\n")
    assert read_receptors(tmp_path / "a.tsv").rows["cell_id"].tolist() == ["AAAC-1"]
