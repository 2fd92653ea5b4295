"""Any receptor file is recognised by its content, or refused with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from contig_files import as_10x, as_airr, make_contigs, write_json, write_table
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.contracts.tables import CHAINS
from tcellflow.errors import InputError, OptionsError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.tables.chains import build_chain_table
from tcellflow.receptors.chains import choose_chains

if TYPE_CHECKING:
    from pathlib import Path

REAL_FILES = [
    "tenx_healthy_T_1k/filtered_contig_annotations.csv",
    "tenx_healthy_T_1k/tcr.airr.tsv.gz",
    "screp_ards/filtered_contig_annotations.all8.csv.gz",
    "screp_ards/tcr.airr.tsv.gz",
    "bd_rhapsody_pbmc_targeted/meta_tcr.original.csv",
    "bd_rhapsody_pbmc_targeted/tcr.airr.tsv.gz",
    "trex_pt17_trimodal/meta.original.csv",
    "trex_pt17_trimodal/tcr.airr.tsv.gz",
    "chung2017_breast/tcr_table.original.tsv",
    "chung2017_breast/tcr.airr.tsv.gz",
    "tcr_labels_corvino2024_hnscc_cd8/tcr.airr.tsv.gz",
]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.json", "a", "a.h5ad"])
def test_content_decides_not_the_name(tmp_path: Path, name: str) -> None:
    """A contig table is read under any name."""
    contigs = make_contigs(5, seed=2)
    assert read_receptors(write_table(tmp_path / name, as_10x(contigs))).layout == "10x contig table"
    assert read_receptors(write_json(tmp_path / name, contigs)).layout == "10x contig JSON"
    assert read_receptors(write_table(tmp_path / name, as_airr(contigs))).layout == "AIRR rearrangement table"


def test_unknown_layouts_are_told_with_their_columns(tmp_path: Path) -> None:
    """The error lists the columns seen and the layouts known."""
    path = write_table(tmp_path / "a.csv", pd.DataFrame({"gene": ["CD3E"], "count": [1]}))
    with pytest.raises(
        InputError, match="layout of the receptor file is unknown; its columns are gene, count"
    ) as caught:
        read_receptors(path)
    assert "AIRR tables" in caught.value.mend


def test_clonotype_tables_are_named(tmp_path: Path) -> None:
    """Cell Ranger's clonotypes.csv has no cells; the right file is named."""
    path = write_table(
        tmp_path / "clonotypes.csv", pd.DataFrame({"clonotype_id": ["c"], "cdr3s_aa": ["TRB:CASF"]})
    )
    with pytest.raises(InputError, match="table of clonotypes") as caught:
        read_receptors(path)
    assert "filtered_contig_annotations.csv" in caught.value.mend


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1xxxx", "a Parquet file"),
        (b"PK\x03\x04xxxx", "a zip archive"),
        (b"RDX3\nxxxx\0", "an R data file"),
        (b"\x01\x02\x03\x00", "of an unknown binary format"),
    ],
)
def test_binary_files_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    """A workbook, Parquet or R file is called what it is."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_receptors(tmp_path / "a.csv")


def test_empty_absent_and_folder(tmp_path: Path) -> None:
    """Nothing to read is an error of its own kind."""
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        read_receptors(tmp_path / "a.csv")
    with pytest.raises(InputError, match="does not exist"):
        read_receptors(tmp_path / "b.csv")
    with pytest.raises(InputError, match="a folder stands where a receptor file belongs"):
        read_receptors(tmp_path)


def test_folders_name_the_file_inside(tmp_path: Path) -> None:
    """A Cell Ranger folder gets told which of its files is meant."""
    (tmp_path / "vdj_t").mkdir()
    (tmp_path / "vdj_t" / "filtered_contig_annotations.csv").write_text("x")
    with pytest.raises(InputError) as caught:
        read_receptors(tmp_path)
    assert "vdj_t/filtered_contig_annotations.csv" in caught.value.mend


def test_other_species_are_refused(tmp_path: Path) -> None:
    """The species argument exists and knows human only."""
    path = write_table(tmp_path / "a.csv", as_10x(make_contigs(2, seed=2)))
    with pytest.raises(OptionsError, match="mouse"):
        read_receptors(path, species="mouse")


def test_the_chains_table_fulfils_its_contract(tmp_path: Path) -> None:
    """The table has the contract's columns, types and key; without chains too."""
    contigs = make_contigs(40, seed=3)
    for table in (contigs, contigs.iloc[:0]):
        chains = choose_chains(
            read_receptors(write_table(tmp_path / "a.csv", as_10x(table))), donor="d"
        ).chains
        arrow = build_chain_table(chains, sample_id="s1")
        assert arrow.schema.equals(CHAINS.schema())
        assert find_table_faults(arrow, CHAINS) == []
        assert arrow.num_rows == len(chains)


@pytest.mark.data
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files_are_read_and_every_contig_is_accounted_for(shared_data: Path, name: str) -> None:
    """Kept and dropped contigs add up, and the table fulfils its contract."""
    chosen = choose_chains(read_receptors(shared_data / name), donor="d")
    assert len(chosen.chains) > 0
    assert chosen.rows_read == len(chosen.chains) + sum(chosen.dropped.values())
    assert find_table_faults(build_chain_table(chosen.chains, sample_id="s"), CHAINS) == []


@pytest.mark.data
@pytest.mark.parametrize("folder", ["tenx_healthy_T_1k", "screp_ards"])
def test_original_and_derived_tables_agree(shared_data: Path, folder: str) -> None:
    """10x originals and the AIRR tables made from them give the same chains."""
    original = next((shared_data / folder).glob("filtered_contig*"))
    columns = ["cell_id", "arm", "rank", "locus", "junction_aa", "junction", "v_call", "j_call", "emb_id"]
    tables = [
        choose_chains(read_receptors(path), donor="d").chains[columns]
        for path in (original, shared_data / folder / "tcr.airr.tsv.gz")
    ]
    pd.testing.assert_frame_equal(*tables)
