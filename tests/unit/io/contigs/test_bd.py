"""BD Rhapsody: CDR3 without anchors, alpha or gamma in one column."""

from __future__ import annotations

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

PREAMBLE = "####################\n## BD Rhapsody Targeted Analysis Pipeline Version 1.10\n"
CONTIG = {
    "Cell_Index": "25",
    "Chain_Type": "TCR_Beta",
    "Contig_ID": "25_TRB_1",
    "Read_Count": "72",
    "Molecule_Count": "4",
    "V_gene": "TRBV5-1*01",
    "D_gene": "TRBD1*01",
    "J_gene": "TRBJ2-1*01",
    "C_gene": "TRBC2",
    "CDR3_Nucleotide": "GCCAGCAGCTTAAATGAGCAGTTC",
    "CDR3_Translation": "ASSLNEQF",
    "Productive": "True",
}


def choose(folder: Path, *rows: dict[str, str], name: str = "bd.csv") -> ChosenChains:
    return choose_chains(
        read_receptors(write_table(folder / name, pd.DataFrame(rows), start=PREAMBLE)), donor="d"
    )


def test_contig_tables_are_read_and_their_anchors_restored(tmp_path: Path) -> None:
    """The preamble is skipped; the germline completes the CDR3, its nucleotides are no junction."""
    chain = choose(tmp_path, CONTIG).chains.iloc[0]
    assert (chain["junction_aa"], chain["anchor_added"], chain["junction"]) == ("CASSLNEQFF", True, None)
    assert (chain["v_call"], chain["j_call"], chain["umi_count"]) == ("TRBV5-1", "TRBJ2-1", 4)


def test_the_contigs_own_frameworks_come_first(tmp_path: Path) -> None:
    """With FR3 and FR4 the anchors are the contig's own, nucleotides too."""
    frameworks = {"FR3_Nucleotide": "TATTTCTGC", "FR4_Nucleotide": "TTCGGGCCA"}
    chain = choose(tmp_path, CONTIG | frameworks).chains.iloc[0]
    assert (chain["junction_aa"], chain["anchor_added"]) == ("CASSLNEQFF", False)
    assert chain["junction"] == "TGCGCCAGCAGCTTAAATGAGCAGTTCTTC"


@pytest.mark.parametrize(
    "frameworks",
    [
        {"FR3_Nucleotide": "TATTTCTGC", "FR4_Nucleotide": ""},
        {"FR3_Nucleotide": "", "FR4_Nucleotide": "TTCGGGCCA"},
        {"FR3_Nucleotide": "TATTTCTGC", "FR4_Nucleotide": "TTCGGGCCA", "CDR3_Nucleotide": "GCC"},
    ],
)
def test_incomplete_frameworks_fall_back_to_the_germline(tmp_path: Path, frameworks: dict[str, str]) -> None:
    """A missing or contradicting framework is not used."""
    chain = choose(tmp_path, CONTIG | frameworks).chains.iloc[0]
    assert (chain["junction_aa"], chain["anchor_added"]) == ("CASSLNEQFF", True)


def test_dominant_files_carry_an_ending(tmp_path: Path) -> None:
    """V_gene_Dominant and its kin are the same columns."""
    plain = ("Cell_Index", "Chain_Type", "Contig_ID", "Read_Count", "Molecule_Count", "Productive")
    dominant = {name if name in plain else f"{name}_Dominant": value for name, value in CONTIG.items()}
    pd.testing.assert_frame_equal(choose(tmp_path, dominant).chains, choose(tmp_path, CONTIG).chains)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("Putative", DropReason.NOT_A_CELL),
        ("Putative_Cell", DropReason.NOT_A_CELL),
        ("Dominant", DropReason.NOT_DOMINANT),
    ],
)
def test_contigs_of_other_barcodes_are_counted(tmp_path: Path, column: str, reason: DropReason) -> None:
    """Only putative cells and dominant contigs are used."""
    other = CONTIG | {"Contig_ID": "x", column: "False"}
    chosen = choose(tmp_path, CONTIG | {column: "True"}, other)
    assert (len(chosen.chains), chosen.dropped) == (1, {reason: 1})


@pytest.mark.parametrize(
    ("word", "locus"),
    [("TCR_Alpha", "TRA"), ("TCR_Beta", "TRB"), ("TCR_Gamma", "TRG"), ("TCR_Delta", "TRD")],
)
def test_chain_types_are_loci(tmp_path: Path, word: str, locus: str) -> None:
    """BD's words for chains become AIRR loci."""
    assert choose(tmp_path, CONTIG | {"Chain_Type": word}).chains["locus"].item() == locus


def test_b_cell_chains_are_counted(tmp_path: Path) -> None:
    """BCR_Heavy, BCR_Kappa and BCR_Lambda are immunoglobulins."""
    rows = [CONTIG | {"Chain_Type": w, "Contig_ID": w} for w in ("BCR_Heavy", "BCR_Kappa", "BCR_Lambda")]
    assert choose(tmp_path, *rows).dropped == {DropReason.IMMUNOGLOBULIN: 3}


def test_missing_columns_are_listed(tmp_path: Path) -> None:
    """One error names all missing columns."""
    with pytest.raises(InputError, match="Productive, V_gene or V_gene_Dominant"):
        choose(tmp_path, {"Cell_Index": "1", "Chain_Type": "TCR_Beta"})


def test_per_cell_tables_hold_alpha_or_gamma_and_beta_or_delta(tmp_path: Path) -> None:
    """The genes of an AG or BD column tell which of its two loci it holds."""
    prefixes = {"TCR_Alpha_Gamma": ("TRGV9*01", "TRGJP*01"), "TCR_Beta_Delta": ("TRDV2*01", "TRDJ1*01")}
    row = {"Cell_Index": "7", "TCR_Paired_Chains": "True"}
    for prefix, (v, j) in prefixes.items():
        row |= {
            f"{prefix}_V_gene_Dominant": v,
            f"{prefix}_J_gene_Dominant": j,
            f"{prefix}_CDR3_Translation_Dominant": "ALWEELGKKIKV",
            f"{prefix}_Molecule_Count": "3",
        }
    chains = choose(tmp_path, row, {"Cell_Index": "8"}).chains
    assert list(chains["locus"]) == ["TRG", "TRD"]
    assert set(chains["cell_id"]) == {"7"}
    assert set(chains["umi_count"]) == {3}


def test_stop_codons_of_per_cell_tables_are_not_productive(tmp_path: Path) -> None:
    """Tables without a flag call a CDR3 with a stop unproductive."""
    row = {"Cell_Index": "1", "v_allele_BD": "TRBV9*01", "j_gene_BD": "TRBJ1-1*01", "cdr3_BD": "ASS*EAF"}
    assert choose(tmp_path, row).dropped == {DropReason.NOT_PRODUCTIVE: 1}


@pytest.mark.data
def test_real_per_cell_table(shared_data: Path) -> None:
    """Of the demo data all anchors but two are restored; the account adds up."""
    path = shared_data / "bd_rhapsody_pbmc_targeted" / "meta_tcr.original.csv"
    chosen = choose_chains(read_receptors(path), donor="d")
    assert chosen.rows_read == len(chosen.chains) + sum(chosen.dropped.values()) == 2744
    assert int(chosen.chains["anchor_added"].sum()) == len(chosen.chains) - 2
    assert chosen.chains["locus"].value_counts().to_dict() == {"TRB": 1020, "TRA": 1019, "TRD": 82, "TRG": 82}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_read", "n_chains"),
    [
        ("RhapVDJDemo_BCR_Dominant_Contigs.csv.gz", 2992, 1283),
        ("RhapVDJDemo_BCR_Unfiltered_Contigs.csv.gz", 2992, 0),
        ("test_per_cell_chain.csv", 9, 2),
        ("test_unfiltered_contigs.csv", 7, 0),
    ],
)
def test_real_fixtures(shared_data: Path, name: str, n_read: int, n_chains: int) -> None:
    """All tables of the pipeline are read, and every contig is accounted for."""
    chosen = choose_chains(read_receptors(shared_data / "tcr_io_fixtures" / "bd" / name), donor="d")
    assert (chosen.rows_read, len(chosen.chains)) == (n_read, n_chains)
    assert n_chains + sum(chosen.dropped.values()) == n_read
