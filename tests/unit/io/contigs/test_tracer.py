"""Per-cell tables of full-length protocols; pickles are refused with a way out."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from contig_files import write_table
from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import ChosenChains, choose_chains
from tcellflow.receptors.contigs import DropReason

if TYPE_CHECKING:
    from pathlib import Path

CELL = {
    "cell_id": "SRR1",
    "cdr3_alpha": "AVSDIHASGGSYIPT",
    "cdr3_nt_alpha": "GCTGTTTCGGATATTCATGCATCAGGAGGAAGCTACATACCTACA",
    "count_alpha": "9.29463",
    "v_alpha": "TRAV38-2_DV8",
    "j_alpha": "TRAJ6",
    "cdr3_beta": "ASSWWQNTEAF",
    "cdr3_nt_beta": "GCCAGCAGCTGGTGGCAGAACACTGAAGCTTTC",
    "count_beta": "37.5984",
    "v_beta": "TRBV5-1",
    "d_beta": "None",
    "j_beta": "TRBJ1-1",
    "productive_alpha": "True",
    "productive_beta": "True",
}
NO_ALPHA = {name: "None" if "alpha" in name else value for name, value in CELL.items()} | {"cell_id": "SRR2"}


def choose(folder: Path, *rows: dict[str, str], delimiter: str = "\t") -> ChosenChains:
    path = write_table(folder / "table.tsv", pd.DataFrame(rows), delimiter=delimiter)
    return choose_chains(read_receptors(path), donor="d")


def test_tracer_tables_are_completed(tmp_path: Path) -> None:
    """TPM are counts, underscores become slashes, anchors come from the germline."""
    chains = choose(tmp_path, CELL).chains
    assert list(chains["junction_aa"]) == ["CAVSDIHASGGSYIPTF", "CASSWWQNTEAFF"]
    assert list(chains["v_call"]) == ["TRAV38-2/DV8", "TRBV5-1"]
    assert list(chains["umi_count"]) == [9.29463, 37.5984]
    assert chains["anchor_added"].all()


def test_absent_chains_are_no_contigs(tmp_path: Path) -> None:
    """A slot of None is nothing, not a chain of N, O, N and E."""
    chosen = choose(tmp_path, CELL, NO_ALPHA | {"productive_alpha": "True", "count_alpha": ""})
    assert chosen.rows_read == 3
    assert list(chosen.chains["cell_id"]) == ["SRR1", "SRR1", "SRR2"]


def test_tables_with_anchors_are_left_alone(tmp_path: Path) -> None:
    """The same columns may hold whole junctions."""
    chains = choose(tmp_path, CELL | {"cdr3_alpha": "CAVSF", "cdr3_beta": "CASSF"}).chains
    assert list(chains["junction_aa"]) == ["CAVSF", "CASSF"]
    assert not chains["anchor_added"].any()


def test_alpha_beta_tables_of_one_chain_each(tmp_path: Path) -> None:
    """cdr3a, cdr3b and their genes are one chain per arm; names may stand in an unnamed column."""
    row = {"": "AAAC-1", "cdr3a": "CAVRDW", "v_alpha": "TRAV1-2", "j_alpha": "TRAJ33", "cdr3b": "None"}
    row |= {"v_beta": "", "j_beta": ""}
    chains = choose(tmp_path, row, delimiter=",").chains
    assert list(zip(chains["cell_id"], chains["locus"], chains["junction_aa"], strict=True)) == [
        ("AAAC-1", "TRA", "CAVRDW")
    ]


def test_tables_without_cells_are_refused(tmp_path: Path) -> None:
    """Some column must name the cells."""
    with pytest.raises(InputError, match="no column names the cells; the file has cdr3a, cdr3b"):
        choose(tmp_path, {"cdr3a": "CAVF", "cdr3b": "CASF"})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_never_opened(tmp_path: Path, protocol: int) -> None:
    """Whatever its protocol or name, a pickle is refused and the table named instead."""
    for name, content in (("cell.pkl", [1]), ("cell.csv", {"a": 1}), ("cell.txt", pd.DataFrame({"a": [1]}))):
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=protocol))
        with pytest.raises(InputError) as caught:
            read_receptors(tmp_path / name)
        assert "pickles" in caught.value.what or protocol < 2
        if name.endswith(".pkl"):
            assert "can run any program" in caught.value.what
            assert "cdr3_alpha" in caught.value.mend


@pytest.mark.data
def test_real_pickles_and_their_folder_are_refused(shared_data: Path) -> None:
    """TraCeR's output folder gets the same answer as each of its files."""
    folder = shared_data / "tcr_io_fixtures" / "tracer"
    for path in (folder, *folder.rglob("*.pkl")):
        with pytest.raises(InputError, match="pickles are not opened"):
            read_receptors(path)


@pytest.mark.data
def test_real_tracer_table(shared_data: Path) -> None:
    """Of 155 chains 154 get their anchors; one V is a pseudogene of unknown sequence."""
    chosen = choose_chains(
        read_receptors(shared_data / "chung2017_breast" / "tcr_table.original.tsv"), donor="d"
    )
    assert (len(chosen.chains), int(chosen.chains["anchor_added"].sum())) == (155, 154)
    assert chosen.chains["v_call"].notna().all()


@pytest.mark.data
def test_bracer_table_gives_zero_t_cell_chains(shared_data: Path) -> None:
    """B-cell chains in Change-O words are read, counted and not used."""
    path = shared_data / "tcr_io_fixtures" / "bracer" / "changeodb.tab"
    chosen = choose_chains(read_receptors(path), donor="d")
    assert chosen.chains.empty
    assert chosen.dropped == {DropReason.IMMUNOGLOBULIN: 9}


def test_changeo_tables_of_t_cells(tmp_path: Path) -> None:
    """Change-O letters name loci; junctions are translated."""
    row = {"CELL": "a", "LOCUS": "B", "FUNCTIONAL": "T", "V_CALL": "TRBV9*01", "J_CALL": "TRBJ1-1*01"}
    chains = choose(tmp_path, row | {"JUNCTION": "TGTGCCAGCAGCTTC", "TPM": "3.5"}).chains
    assert (chains["locus"].item(), chains["junction_aa"].item(), chains["umi_count"].item()) == (
        "TRB",
        "CASSF",
        3.5,
    )
    with pytest.raises(InputError, match="lacks 1 of its columns: JUNCTION"):
        choose(tmp_path, row)
