"""The packaged gene table is the IMGT table, and its families hold what can rearrange."""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from recipes.tables.build_segments import derive_segments
from tcellflow.errors import OptionsError
from tcellflow.receptors.germline import (
    check_species,
    family_of,
    load_genes,
    loci_of,
    rearranging_families,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.data
def test_packaged_table_is_derived_from_imgt(shared_data: Path) -> None:
    """Deriving the table anew gives the packaged file, byte for byte."""
    derived = derive_segments(shared_data / "tcr_reference" / "imgt_human_tr_genes.tsv")
    assert derived == files("tcellflow").joinpath("data", "human_tr_segments.tsv").read_text()


@pytest.mark.data
def test_functional_genes_equal_the_vocabulary(shared_data: Path) -> None:
    """The functional alpha and beta genes are the 158 of the reference vocabulary."""
    vocabulary = json.loads((shared_data / "tcr_reference" / "vj_vocab_functional.json").read_text())
    for key, names in vocabulary.items():
        ours = {
            gene.name
            for gene in load_genes().values()
            if gene.is_functional and gene.locus == key[:3] and gene.segment == key[3]
        }
        assert ours == set(names)


def test_anchors_of_j_genes() -> None:
    """TRAJ33 and TRAJ38 end in W, TRAJ35 in C, every other functional J gene in F."""
    anchors = {g.name: g.anchor for g in load_genes().values() if g.segment == "J" and g.is_functional}
    others = {name: anchor for name, anchor in anchors.items() if anchor != "F"}
    assert others == {"TRAJ33": "W", "TRAJ38": "W", "TRAJ35": "C"}


def test_every_functional_v_gene_has_loops_and_the_cysteine() -> None:
    """CDR1, CDR2 and the anchor C are there; only TRAV40 has no CDR2."""
    genes = [gene for gene in load_genes().values() if gene.segment == "V" and gene.is_functional]
    assert all(gene.cdr1_aa and gene.anchor == "C" for gene in genes)
    assert [gene.name for gene in genes if not gene.cdr2_aa] == ["TRAV40"]


@pytest.mark.parametrize(
    ("gene", "family"),
    [
        ("TRBV6-2", "TRBV6"),
        ("TRAV38-2/DV8", "TRAV38"),
        ("TRBJ2-1", "TRBJ2"),
        ("TRBV9", "TRBV9"),
        ("TRAJ20", None),
        ("TRGV9", None),
        ("TRBD1", None),
    ],
)
def test_families(gene: str, family: str | None) -> None:
    """V genes of alpha and beta and J genes of beta have families."""
    assert family_of(gene) == family


def test_families_hold_no_orphons_and_prefer_genes_that_can_be_productive() -> None:
    """TRBV20/OR9-2 lies on another chromosome; TRAV14-1 is a pseudogene beside TRAV14/DV4."""
    families = rearranging_families()
    assert families["TRBV20"] == ("TRBV20-1",)
    assert families["TRAV14"] == ("TRAV14/DV4",)


@pytest.mark.parametrize(
    ("name", "loci"),
    [("TRBV9", {"TRB"}), ("TRAV29/DV5", {"TRA", "TRD"}), ("TRAV38", {"TRA", "TRD"}), ("TRDV1", {"TRD"})],
)
def test_loci_of_names(name: str, loci: set[str]) -> None:
    """Alpha-delta V genes and their families belong to two loci."""
    assert loci_of(name) == loci


def test_other_species_are_refused() -> None:
    """Only human genes are known; anything else is an error of options that says so."""
    check_species("human")
    with pytest.raises(OptionsError, match="'mouse'"):
        check_species("mouse")


def test_the_table_has_a_provenance_entry() -> None:
    """Source, licence and checksum of the packaged table are written beside it."""
    folder = files("tcellflow").joinpath("data")
    notes = tomllib.loads(folder.joinpath("PROVENANCE.toml").read_text())["table"]
    (note,) = [note for note in notes if note["file"] == "human_tr_segments.tsv"]
    digest = hashlib.sha256(folder.joinpath("human_tr_segments.tsv").read_bytes()).hexdigest()
    assert note["sha256"] == digest
    assert "CC BY 4.0" in note["licence"]
