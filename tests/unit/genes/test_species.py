"""Telling human genes from others."""

from __future__ import annotations

import time

import pytest

from tcellflow.errors import InputError
from tcellflow.genes.reference import is_clone_name
from tcellflow.genes.species import check_human, strip_genome_prefix

HUMAN = ["CD3E", "CD4", "CD8A", "TRAC", "ACTB", "MT-CO1", "C1orf159"]
MOUSE = ["Cd3e", "Cd4", "Cd8a", "Trac", "Actb", "mt-Co1"]


def check(names: list[str], ids: list[str] | None = None) -> None:
    check_human(ids or [""] * len(names), names, where="donor1.h5")


def test_human_genes_pass() -> None:
    """Human symbols, old names and clones raise nothing."""
    check([*HUMAN, "MARCH1", "AL627309.1", "RP11-206L10.2", "hsa-mir-1253"])


@pytest.mark.parametrize(
    "names",
    [MOUSE, ["ENSMUSG00000032093", "ENSMUSG00000023274", "ENSMUSG00000053977"], [f"mm10_{n}" for n in MOUSE]],
)
def test_mouse_genes_are_refused(names: list[str]) -> None:
    """Mouse names, mouse ids and mouse genome prefixes are an input error that shows some."""
    with pytest.raises(InputError, match="these look like mouse genes") as caught:
        check(names)
    assert names[0] in caught.value.what
    assert caught.value.where == "donor1.h5"


def test_mouse_ids_beside_symbols_are_refused() -> None:
    """Mouse ids are recognised in the id column too."""
    with pytest.raises(InputError, match="mouse"):
        check(["A", "B", "C"], ["ENSMUSG00000032093", "ENSMUSG00000023274", "ENSMUSG00000053977"])


@pytest.mark.parametrize(
    "names",
    [
        [*HUMAN, *MOUSE],
        [f"GRCh38_{n}" for n in HUMAN] + [f"mm10_{n}" for n in MOUSE],
        ["ENSG00000198851", "ENSG00000153563", "ENSG00000010610", "ENSMUSG00000032093"] * 3,
    ],
)
def test_two_species_are_refused_together(names: list[str]) -> None:
    """A barnyard matrix is an input error that names both species."""
    with pytest.raises(InputError, match=r"mixes two species.*human.*mouse"):
        check(names)


def test_other_species_are_refused() -> None:
    """Zebrafish ids are an input error."""
    with pytest.raises(InputError, match="non-human"):
        check(["ENSDARG00000000001", "ENSDARG00000000002", "ENSDARG00000000018"])


def test_a_few_odd_genes_of_a_human_panel_pass() -> None:
    """Two mouse-like names among thirty human genes are no mouse matrix."""
    check([*(HUMAN * 4)[:28], "Cd3e", "Actb"])


def test_no_genes_pass() -> None:
    """An empty list is not of another species."""
    check([])


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("GRCh38_CD3E", "CD3E"),
        ("__hg19_CD3E", "CD3E"),
        ("hg38-CD3E", "CD3E"),
        ("HUMAN_CD3E", "CD3E"),
        ("GRCh38_", "GRCh38_"),
        ("HGF", "HGF"),
        ("GRCC10", "GRCC10"),
        ("", ""),
    ],
)
def test_strip_genome_prefix(name: str, bare: str) -> None:
    """Only a genome name followed by a gene is dropped."""
    assert strip_genome_prefix(name) == bare


@pytest.mark.parametrize(
    "name", ["_" * 100_000, "g" + "_" * 100_000, "hg19" * 30_000, "A" * 100_000, "A1-" * 30_000]
)
def test_gene_names_of_any_length_are_judged_at_once(name: str) -> None:
    """Nothing about a name takes time with the square of its length."""
    start = time.process_time()
    assert strip_genome_prefix(name) == name
    assert not is_clone_name(name)
    assert time.process_time() - start < 1
