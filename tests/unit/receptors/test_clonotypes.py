"""Clones are told within a donor, by content, and never across donors."""

from __future__ import annotations

import pandas as pd
import pytest

from tcellflow.receptors.clonotypes import assign_clones

A1, A2 = ("TRA", "CAVRDW", "TGTGCAGTA"), ("TRA", "CAVEDW", "TGTGCAGTT")
B1, B2 = ("TRB", "CASSLGF", "TGTGCCAGC"), ("TRB", "CASSYGF", "TGTGCCAGT")


def chains(cells: dict[str, list[tuple]], donor: str = "d") -> pd.DataFrame:
    rows = []
    for cell, some in cells.items():
        ranks = {"VJ": 0, "VDJ": 0}
        for locus, aa, nt, *genes in some:
            arm = "VJ" if locus in {"TRA", "TRG"} else "VDJ"
            ranks[arm] += 1
            v, j = genes or (f"{locus}V1", f"{locus}J1")
            rows.append((cell, donor, arm, ranks[arm], locus, aa, nt, v, j))
    names = ["cell_id", "donor", "arm", "rank", "locus", "junction_aa", "junction", "v_call", "j_call"]
    return pd.DataFrame(rows, columns=names)


def clone_of(cells: dict[str, list[tuple]], **options: str) -> dict[str, str]:
    return assign_clones(chains(cells), **options)["clone_id"].to_dict()


def test_cells_with_the_same_pair_are_one_clone() -> None:
    """Same junctions and genes of both first chains; the size counts cells."""
    clones = assign_clones(chains({"a": [A1, B1], "b": [A1, B1], "c": [A1, B2]}))
    assert clones.loc["a", "clone_id"] == clones.loc["b", "clone_id"] != clones.loc["c", "clone_id"]
    assert clones["clone_size"].to_dict() == {"a": 2, "b": 2, "c": 1}
    assert set(clones["clone_level"]) == {"nucleotides"}


def test_second_chains_do_not_count() -> None:
    """Dual-alpha cells belong to the clone of their first chains."""
    ids = clone_of({"a": [A1, B1], "b": [A1, A2, B1]})
    assert ids["a"] == ids["b"]


@pytest.mark.parametrize(
    "other",
    [
        ("TRB", "CASSLGF", "TGTGCTAGC"),
        ("TRB", "CASSLGF", "TGTGCCAGC", "TRBV2", "TRBJ1"),
        ("TRB", "CASSLGF", "TGTGCCAGC", "TRBV1", "TRBJ2"),
        ("TRB", "CASSLGF", "TGTGCCAGC", None, "TRBJ1"),
    ],
)
def test_nucleotides_and_genes_tell_clones_apart(other: tuple) -> None:
    """The same amino acids from other nucleotides or genes are another clone."""
    ids = clone_of({"a": [A1, B1], "b": [A1, other]})
    assert ids["a"] != ids["b"]


def test_amino_acids_stand_in_for_missing_nucleotides() -> None:
    """Without nucleotides the amino acids decide, and the level is recorded."""
    bare = [("TRA", "CAVRDW", None), ("TRB", "CASSLGF", None)]
    clones = assign_clones(chains({"a": bare, "b": bare, "c": [A1, bare[1]]}))
    assert clones.loc["a", "clone_id"] == clones.loc["b", "clone_id"]
    assert clones["clone_level"].to_dict() == {"a": "amino_acids", "b": "amino_acids", "c": "mixed"}


def test_ids_are_stable_within_and_distinct_between_donors() -> None:
    """Two samples of one donor agree on the id; the same receptor of another donor is public."""
    first = assign_clones(chains({"a": [A1, B1], "b": [A2, B2]}))
    second = assign_clones(chains({"z": [A2, B1], "y": [A1, B1]}))
    other = assign_clones(chains({"a": [A1, B1]}, donor="e"))
    assert first.loc["a", "clone_id"] == second.loc["y", "clone_id"]
    assert other.loc["a", "clone_id"] not in set(first["clone_id"])


def test_donors_in_one_table_stay_apart() -> None:
    """A table of two donors gives two clones for one receptor, each of size one."""
    both = pd.concat([chains({"a": [A1, B1]}, "d"), chains({"b": [A1, B1]}, "e")], ignore_index=True)
    clones = assign_clones(both, orphans="rescue")
    assert clones["clone_id"].nunique() == 2
    assert list(clones["clone_size"]) == [1, 1]


def test_orphans_are_clones_of_their_chain() -> None:
    """Strictly, a cell with one chain is of the clone of that chain alone."""
    ids = clone_of({"a": [A1, B1], "b": [B1], "c": [B1], "d": [A1]})
    assert ids["b"] == ids["c"]
    assert len({ids["a"], ids["b"], ids["d"]}) == 3


def test_orphans_are_rescued_by_the_only_pair() -> None:
    """On request a single chain joins the one paired clone of its donor that has it."""
    ids = clone_of({"a": [A1, B1], "b": [B1], "c": [A1], "d": [B2]}, orphans="rescue")
    assert ids["a"] == ids["b"] == ids["c"] != ids["d"]


def test_orphans_with_two_candidates_stay_alone() -> None:
    """A beta chain of two paired clones is not forced into one of them."""
    ids = clone_of({"a": [A1, B1], "b": [A2, B1], "c": [B1], "d": [A1]}, orphans="rescue")
    assert ids["c"] not in {ids["a"], ids["b"]}
    assert ids["d"] == ids["a"]


def test_rescue_stays_within_the_donor() -> None:
    """A pair of another donor rescues nothing."""
    both = pd.concat([chains({"a": [A1, B1]}, "d"), chains({"b": [B1]}, "e")], ignore_index=True)
    strict, rescued = (assign_clones(both, orphans=mode) for mode in ("strict", "rescue"))
    assert strict.loc["b", "clone_id"] == rescued.loc["b", "clone_id"]


def test_gamma_delta_cells_have_clones_too() -> None:
    """The first chain of each arm tells the clone, whatever its locus."""
    ids = clone_of({"a": [("TRG", "CALF", "TGT"), ("TRD", "CALF", "TGT")], "b": [("TRA", "CALF", "TGT")]})
    assert len(set(ids.values())) == 2


def test_no_chains_no_clones() -> None:
    """An empty table gives an empty table of the same columns."""
    clones = assign_clones(chains({}))
    assert list(clones.columns) == ["clone_id", "clone_size", "clone_level"]
    assert clones.empty


def test_ids_are_no_numbers() -> None:
    """An id never looks like a number to a spreadsheet."""
    ids = assign_clones(chains({str(n): [("TRB", f"CA{n}F", None)] for n in range(50)}))["clone_id"]
    assert ids.str.fullmatch("c[0-9a-f]{20}").all()


SWAPPED = {
    **{f"a{n}": [A1, A2, B1] for n in range(8)},
    **{f"b{n}": [A2, A1, B1] for n in range(4)},
    **{f"c{n}": [A2, B1] for n in range(4)},
}


def test_any_chain_in_common_unites_cells_with_two_alphas() -> None:
    """A clone whose two alphas swap places is one under "any", as in scirpy's dual_ir, and two without."""
    assert sorted(set(assign_clones(chains(SWAPPED))["clone_size"])) == [8]
    united = assign_clones(chains(SWAPPED), dual_chains="any")
    assert united["clone_size"].tolist() == [16] * 16
    first = assign_clones(chains({"x": [A1, B1]}))["clone_id"].iloc[0]
    assert set(united["clone_id"]) == {first}, "ties go to the first in order: A1 before A2"


def test_cells_are_united_through_others_but_never_by_one_arm() -> None:
    """Pairs count, directly or through a cell that has both; a shared beta alone unites nothing."""
    ids = clone_of({"a": [A1, B1], "b": [A1, A2, B1], "c": [A2, B1], "d": [A2, B2]}, dual_chains="any")
    assert ids["a"] == ids["b"] == ids["c"] != ids["d"]
    apart = clone_of({"a": [A1, B1], "c": [A2, B1]}, dual_chains="any")
    assert apart["a"] != apart["c"]


def test_donors_are_never_united() -> None:
    """Any chain in common means within a donor."""
    both = pd.concat(
        [chains({"a": [A1, A2, B1]}, "d1"), chains({"b": [A2, A1, B1]}, "d2")], ignore_index=True
    )
    assert assign_clones(both, dual_chains="any")["clone_size"].tolist() == [1, 1]
