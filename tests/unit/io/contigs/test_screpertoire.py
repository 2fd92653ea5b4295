"""scRepertoire's CTgene, CTnt and CTaa are taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from contig_files import write_table
from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import choose_chains

if TYPE_CHECKING:
    from pathlib import Path

CELL = {
    "barcode": "P_AAAC-1",
    "CTgene": "TRAV14/DV4.TRAJ33.TRAC_TRBV9.None.TRBJ2-7.TRBC2",
    "CTnt": "TGTGCAGTATGG_TGTGCCAGCTTC",
    "CTaa": "CAVW_CASF",
}


def read(folder: Path, *rows: dict[str, str]) -> pd.DataFrame:
    path = write_table(folder / "meta.csv", pd.DataFrame(rows))
    return choose_chains(read_receptors(path), donor="d").chains


def test_a_pair_is_two_chains(tmp_path: Path) -> None:
    """Arms are joined by _, genes by dots, an absent D is None."""
    chains = read(tmp_path, CELL)
    assert list(chains["v_call"]) == ["TRAV14/DV4", "TRBV9"]
    assert list(chains["d_call"]) == [None, None]
    assert list(chains["j_call"]) == ["TRAJ33", "TRBJ2-7"]
    assert list(chains["c_call"]) == ["TRAC", "TRBC2"]
    assert list(chains["junction_aa"]) == ["CAVW", "CASF"]
    assert list(chains["junction"]) == ["TGTGCAGTATGG", "TGTGCCAGCTTC"]


def test_older_versions_order_genes_differently(tmp_path: Path) -> None:
    """V.J.D.C of older versions is understood, for genes are known by their names."""
    chains = read(tmp_path, CELL | {"CTgene": "TRAV14/DV4.TRAJ33.TRAC_TRBV9.TRBJ2-7.TRBD1.TRBC2"})
    assert list(chains["d_call"]) == [None, "TRBD1"]
    assert list(chains["j_call"]) == ["TRAJ33", "TRBJ2-7"]


@pytest.mark.parametrize("word", ["NA", "None"])
def test_missing_arms(tmp_path: Path, word: str) -> None:
    """An arm of NA is no chain."""
    row = CELL | {
        "CTgene": f"{word}_TRBV9.None.TRBJ2-7.TRBC2",
        "CTnt": f"{word}_TGTGCCAGCTTC",
        "CTaa": f"{word}_CASF",
    }
    assert list(read(tmp_path, row)["locus"]) == ["TRB"]


def test_two_chains_of_one_arm(tmp_path: Path) -> None:
    """Chains of one arm are joined by semicolons."""
    row = CELL | {
        "CTgene": "TRAV1-2.TRAJ33.TRAC;TRAV9-2.TRAJ20.TRAC_TRBV9.None.TRBJ2-7.TRBC2",
        "CTnt": "TGTGCAGTATGG;TGTGCAGTATTC_TGTGCCAGCTTC",
        "CTaa": "CAVW;CAVF_CASF",
    }
    chains = read(tmp_path, row)
    pairs = {(v, aa) for v, aa in zip(chains["v_call"], chains["junction_aa"], strict=True)}
    assert pairs == {("TRAV1-2", "CAVW"), ("TRAV9-2", "CAVF"), ("TRBV9", "CASF")}


def test_cells_without_a_receptor_have_no_contigs(tmp_path: Path) -> None:
    """Empty metadata are nothing."""
    assert set(read(tmp_path, CELL, {"barcode": "B"})["cell_id"]) == {"P_AAAC-1"}


def test_row_names_stand_in_for_missing_barcodes(tmp_path: Path) -> None:
    """R keeps the cell names as row names; the barcode column may have gaps."""
    assert read(tmp_path, {"": "x"} | CELL | {"barcode": ""})["cell_id"].unique().tolist() == ["x"]


def test_gamma_delta_and_missing_nucleotides(tmp_path: Path) -> None:
    """The locus comes from the genes; CTnt is not needed."""
    row = {"barcode": "a", "CTgene": "TRGV9.TRGJP.TRGC1_TRDV2.TRDD3.TRDJ1.TRDC", "CTaa": "CALF_CACF"}
    assert list(read(tmp_path, row)["locus"]) == ["TRG", "TRD"]


def test_genes_and_sequences_must_go_together(tmp_path: Path) -> None:
    """Different numbers of chains are refused, naming the cell."""
    with pytest.raises(InputError, match="cell P_AAAC-1 has different numbers of genes and sequences"):
        read(tmp_path, CELL | {"CTaa": "CAVW;CAVF;CAVY_CASF", "CTnt": "A;C;G_T", "CTgene": "x;y_z"})
    with pytest.raises(InputError, match="two arms joined by one _"):
        read(tmp_path, CELL | {"CTaa": "CAVW"})
    with pytest.raises(InputError, match="lacks 1 of its columns: CTaa"):
        read(tmp_path, {"barcode": "a", "CTgene": "x_y"})


@pytest.mark.data
def test_real_metadata_equal_the_airr_table(shared_data: Path) -> None:
    """The Trex example gives the same chains as the AIRR table made from it."""
    folder = shared_data / "trex_pt17_trimodal"
    columns = ["cell_id", "locus", "junction_aa", "junction", "v_call", "j_call", "c_call"]
    tables = [
        choose_chains(read_receptors(folder / name), donor="d")
        .chains[columns]
        .sort_values(columns, ignore_index=True)
        for name in ("meta.original.csv", "tcr.airr.tsv.gz")
    ]
    pd.testing.assert_frame_equal(*tables)
    assert len(tables[0]) == 516
