"""Harmonising gene names to approved symbols."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from tcellflow.errors import InputError
from tcellflow.genes.symbols import HarmonisedGenes, harmonise_genes

if TYPE_CHECKING:
    from pathlib import Path


def by_name(*names: str) -> HarmonisedGenes:
    """Harmonise genes that have names only."""
    return harmonise_genes([""] * len(names), list(names))


def test_approved_symbols_stay() -> None:
    """Approved symbols are kept, in order."""
    genes = by_name("CD3E", "TRAC", "C1orf159", "HLA-DRA", "MT-CO1")
    assert genes.symbols.tolist() == ["CD3E", "TRAC", "C1orf159", "HLA-DRA", "MT-CO1"]
    assert genes.report.kept.count == 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MARCH1", "MARCHF1"),
        ("SEPT2", "SEPTIN2"),
        ("GNB2L1", "RACK1"),
        ("FYB", "FYB1"),
        ("IL8", "CXCL8"),
        ("GBA", "GBA1"),
        ("QARS", "QARS1"),  # also an alias of EPRS1: a former official symbol outranks nicknames
        ("C1ORF159", "C1orf159"),
        ("C2ORF40", "ECRG4"),
        ("HLA.DRA", "HLA-DRA"),  # R writes hyphens as dots
        ("MT.CO1", "MT-CO1"),
        ("3-Mar", "MARCHF3"),
        ("Mar-03", "MARCHF3"),
        ("2023-03-03", "MARCHF3"),
        ("2023-03-03 00:00:00", "MARCHF3"),
        ("9/2", "SEPTIN2"),
        ("2-Sep", "SEPTIN2"),
        ("15-Sep", "SELENOF"),  # SEP15: there is no SEPT15
        ("1-Dec", "DELEC1"),
    ],
)
def test_older_and_mangled_names_are_renamed(old: str, new: str) -> None:
    """A name with exactly one meaning gets the approved symbol, and the report says so."""
    genes = by_name(old, "CD3E")
    assert genes.symbols.tolist() == [new, "CD3E"]
    assert genes.raw_names.tolist() == [old, "CD3E"]
    assert genes.report.renamed.examples == (f"{old} -> {new}",)


def test_an_alias_is_not_renamed_onto_a_gene_of_the_matrix() -> None:
    """MARCH1 keeps its name where MARCHF1 is measured too, and is reported."""
    genes = by_name("MARCH1", "MARCHF1")
    assert genes.symbols.tolist() == ["MARCH1", "MARCHF1"]
    assert genes.report.target_present.examples == ("MARCH1 (MARCHF1)",)


def test_two_aliases_of_one_gene_both_stay() -> None:
    """Two old names of one symbol cannot both get it, so neither does."""
    genes = by_name("FAM49B", "BM-009")
    assert genes.symbols.tolist() == ["FAM49B", "BM-009"]
    assert genes.report.target_present.count == 2


@pytest.mark.parametrize("name", ["1-Mar", "COX1", "MUM1"])
def test_ambiguous_names_stay(name: str) -> None:
    """A name with several meanings keeps its name and is counted with its candidates."""
    genes = by_name(name)
    assert genes.symbols.tolist() == [name]
    assert genes.report.ambiguous.count == 1
    assert "," in genes.report.ambiguous.examples[0]


def test_the_id_settles_an_ambiguous_name() -> None:
    """1-Mar with the Ensembl id of MTARC1 is MTARC1."""
    assert harmonise_genes(["ENSG00000186205"], ["1-Mar"]).symbols.tolist() == ["MTARC1"]


def test_unknown_names_and_clones_stay() -> None:
    """Unknown names are counted apart from clone names, which have no symbol."""
    genes = by_name("AL627309.1", "RP11-206L10.2", "SMOX-custom-seq")
    assert genes.symbols.tolist() == ["AL627309.1", "RP11-206L10.2", "SMOX-custom-seq"]
    assert genes.report.no_symbol.count == 2
    assert genes.report.unknown.examples == ("SMOX-custom-seq",)


@pytest.mark.parametrize("name", ["", "ENSG00000198851", "ENSG00000198851.17", "nan"])
def test_the_id_names_a_nameless_gene(name: str) -> None:
    """An Ensembl id, with or without version, gives the symbol where the name is missing or repeats it."""
    genes = harmonise_genes(["ENSG00000198851.17"], [name])
    assert genes.symbols.tolist() == ["CD3E"]
    assert genes.ensembl_ids.tolist() == ["ENSG00000198851"]


def test_ids_in_the_name_column_are_read() -> None:
    """A matrix whose names are Ensembl ids, without an id column, gets symbols and ids."""
    genes = by_name("ENSG00000198851.17", "ENSG00000153563")
    assert genes.symbols.tolist() == ["CD3E", "CD8A"]
    assert genes.ensembl_ids.tolist() == ["ENSG00000198851", "ENSG00000153563"]


def test_a_nameless_id_without_symbol_stays_an_id() -> None:
    """An Ensembl id that has no symbol is the gene's name."""
    genes = harmonise_genes(["ENSG00000999999"], [""])
    assert genes.symbols.tolist() == ["ENSG00000999999"]
    assert genes.report.no_symbol.count == 1


def test_ids_of_other_kinds_are_ignored() -> None:
    """Entrez numbers or repeated names in the id column do no harm."""
    genes = harmonise_genes(["916", "CD4"], ["CD3E", "CD4"])
    assert genes.symbols.tolist() == ["CD3E", "CD4"]
    assert genes.ensembl_ids.tolist() == ["", ""]


def test_one_symbol_on_two_ids_is_summed() -> None:
    """Rows that share a symbol but not the id are one gene; the map tells which rows to sum."""
    genes = harmonise_genes(
        ["ENSG00000285053", "ENSG00000198851", "ENSG00000284770"], ["TBCE", "CD3E", "TBCE"]
    )
    assert genes.symbols.tolist() == ["TBCE", "CD3E"]
    assert genes.column_map.tolist() == [0, 1, 0]
    assert genes.ensembl_ids.tolist() == ["ENSG00000285053", "ENSG00000198851"]
    assert genes.report.merged.examples == ("TBCE (ENSG00000285053, ENSG00000284770)",)


@pytest.mark.parametrize("mark", ["-1", ".1"])
def test_names_made_unique_get_their_name_back(mark: str) -> None:
    """TBCE-1 (scanpy) and TBCE.1 (R) are summed with TBCE where ids tell the rows apart."""
    genes = harmonise_genes(["ENSG00000285053", "ENSG00000284770"], ["TBCE", "TBCE" + mark])
    assert genes.symbols.tolist() == ["TBCE"]


def test_pseudoautosomal_copies_are_summed() -> None:
    """The X and Y copy of one gene (GENCODE writes _PAR_Y) are one gene."""
    genes = harmonise_genes(["ENSG00000182378.15", "ENSG00000182378.15_PAR_Y"], ["PLCXD1", "PLCXD1"])
    assert genes.symbols.tolist() == ["PLCXD1"]
    assert genes.ensembl_ids.tolist() == ["ENSG00000182378"]


@pytest.mark.parametrize("prefix", ["GRCh38_", "hg19_", "__hg19_", "GRCh38______", "HUMAN_"])
def test_genome_prefixes_are_dropped(prefix: str) -> None:
    """The genome name in front of gene names and ids is dropped and counted."""
    genes = harmonise_genes([prefix + "ENSG00000198851", ""], [prefix + "CD3E", prefix + "CD4"])
    assert genes.symbols.tolist() == ["CD3E", "CD4"]
    assert genes.ensembl_ids.tolist() == ["ENSG00000198851", ""]
    assert genes.report.n_prefixed == 2


def test_merging_columns_sums_counts() -> None:
    """Merged columns hold the sum of their rows' counts, in the new order, without stored duplicates."""
    genes = harmonise_genes(
        ["ENSG00000285053", "ENSG00000198851", "ENSG00000284770"], ["TBCE", "CD3E", "TBCE"]
    )
    block = sparse.csr_matrix(np.array([[1, 2, 3], [0, 0, 4], [0, 0, 0]], dtype=np.int32))
    merged = genes.merge_columns(block)
    assert merged.toarray().tolist() == [[4, 2], [4, 0], [0, 0]]
    assert merged.nnz == 3
    assert merged.has_sorted_indices
    assert merged.dtype == np.int32
    assert block.toarray().tolist() == [[1, 2, 3], [0, 0, 4], [0, 0, 0]]


def test_merging_nothing_gives_the_block_itself() -> None:
    """Without summed genes a block is passed on untouched."""
    block = sparse.csr_matrix(np.eye(2))
    assert by_name("CD3E", "CD4").merge_columns(block) is block


def test_a_repeated_id_is_refused() -> None:
    """One Ensembl id twice is an input error that names it, even with different versions."""
    with pytest.raises(InputError, match="ENSG00000198851"):
        harmonise_genes(["ENSG00000198851.1", "ENSG00000198851.2"], ["CD3E", "CD3E-1"])


def test_a_repeated_name_without_ids_is_refused() -> None:
    """One name twice, without ids, is an input error that names it."""
    with pytest.raises(InputError, match="CD4") as caught:
        by_name("CD3E", "CD4", "CD4")
    assert "Ensembl" in caught.value.mend


def test_a_gene_without_name_and_id_is_refused() -> None:
    """A gene with neither name nor id is an input error that gives its place."""
    with pytest.raises(InputError, match="gene 2 of 2"):
        by_name("CD3E", "")


def test_unequal_lengths_are_refused() -> None:
    """Ids and names must go together."""
    with pytest.raises(InputError, match="1 gene ids but 2"):
        harmonise_genes([""], ["CD3E", "CD4"])


def test_the_error_names_the_file() -> None:
    """The place given by the caller is the place of the error."""
    with pytest.raises(InputError) as caught:
        harmonise_genes(["", ""], ["CD4", "CD4"], where="donor1.h5")
    assert caught.value.where == "donor1.h5"


def test_no_genes_at_all() -> None:
    """A matrix without genes gives empty tables."""
    genes = harmonise_genes([], [])
    assert genes.symbols.shape == (0,)
    assert genes.column_map.shape == (0,)


def test_the_report_is_json() -> None:
    """The report goes into JSON, and its outcomes count every gene once."""
    report = by_name("MARCH1", "CD3E", "AL627309.1", "COX1").report.as_dict()
    assert json.loads(json.dumps(report)) == report
    outcomes = ("kept", "renamed", "target_present", "ambiguous", "no_symbol", "unknown")
    assert sum(report[outcome]["count"] for outcome in outcomes) == report["n_input"] == 4


def test_examples_are_limited() -> None:
    """At most 20 examples of an outcome are kept."""
    tally = by_name(*(f"NOVEL{i}" for i in range(30))).report.unknown
    assert (tally.count, len(tally.examples)) == (30, 20)


@pytest.mark.data
def test_ten_x_reference_is_read_quickly(shared_data: Path) -> None:
    """The 36,601 genes of a Cell Ranger reference take well under a second, and nine symbols are summed."""
    var = ad.read_h5ad(shared_data / "tenx_healthy_T_1k" / "counts.h5ad", backed="r").var
    start = time.process_time()
    genes = harmonise_genes(var["gene_ids"].to_numpy(object), var.index.to_numpy(object))
    assert time.process_time() - start < 0.9  # 0.25 s alone; slack for a busy machine
    assert genes.report.merged.count == 9
    assert genes.report.unknown.count == 0
    assert {"CD3E", "TRAC", "MARCHF1", "SEPTIN2"} <= set(genes.symbols)


@pytest.mark.data
@pytest.mark.parametrize("name", ["pbmc3k/pbmc3k", "citeseq_pbmc10k/citeseq_pbmc10k"])
def test_nearly_all_names_of_real_matrices_are_known(shared_data: Path, name: str) -> None:
    """In real matrices of 2016 and 2019, fewer than 1 in 200 names is unknown or ambiguous."""
    names = ad.read_h5ad(shared_data / f"{name}.h5ad", backed="r").var_names.to_numpy(object)
    report = by_name(*names).report
    assert report.unknown.count + report.ambiguous.count < 0.005 * report.n_input


NAMES = ["CD3E", "TRAC", "MARCH1", "HLA-DRA", "NOSUCH1"]
IDS = ["ENSG00000198851", "ENSG00000277734", "ENSG00000145416", "ENSG00000204287", "ENSG00000000999"]
READ = ["CD3E", "TRAC", "MARCHF1", "HLA-DRA", "NOSUCH1"]


@pytest.mark.parametrize(
    "form",
    [
        "{id}_{name}",
        "{name}_{id}",
        "{id}.4|{name}",
        "{name} ({id})",
        "{name}|NM_000732|Reference_end",
        "{name}:protein_coding",
        "{name};chr11",
        "chr11--{name}",
        "{name}_exon1",
    ],
)
def test_ids_and_symbols_inside_composite_names_are_read(form: str) -> None:
    """An id or symbol joined with other words is read where names mean nothing as they stand, and counted."""
    raw = [form.format(name=name, id=own_id) for name, own_id in zip(NAMES, IDS, strict=True)]
    genes = by_name(*raw)
    assert genes.symbols.tolist()[:4] == READ[:4]
    assert genes.raw_names.tolist() == raw
    assert genes.report.n_composite == 5
    assert genes.report.as_dict()["n_composite"] == 5
    assert "n_composite" not in by_name(*NAMES).report.as_dict()


def test_several_probes_of_a_gene_are_summed() -> None:
    """BD panels have several amplicons of a gene under names of their own."""
    genes = by_name("CD3E|NM_1|Reference_end", "CD3E|NM_1|PolyA_2", "TRAC|NM_2|Reference_end")
    assert genes.symbols.tolist() == ["CD3E", "TRAC"]
    assert genes.report.merged.count == 1


def test_odd_names_among_known_ones_are_left_alone() -> None:
    """Few composite names are names of their own: IGHM_membrane is a probe, not IGHM."""
    genes = by_name("CD3E", "TRAC", "IGHM_membrane", "IGHM")
    assert genes.symbols.tolist() == ["CD3E", "TRAC", "IGHM_membrane", "IGHM"]
    assert genes.report.n_composite == 0
