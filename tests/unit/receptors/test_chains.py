"""Usable chains are chosen, named and ranked; every contig is accounted for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from contig_files import make_contig, make_contigs
from tcellflow.errors import OptionsError
from tcellflow.receptors.chains import CHAIN_COLUMNS, ChosenChains, choose_chains
from tcellflow.receptors.contigs import MULTI_LOCUS, DropReason, RawChains, make_rows


def choose(*contigs: dict[str, Any], **options: Any) -> ChosenChains:
    table = pd.DataFrame(contigs or None, columns=list(make_contig()), dtype=object)
    table = table.where(table != "", None)
    rows = make_rows(
        {name: table[name] for name in table if name not in {"is_cell", "high_confidence"}}, len(table)
    )
    for name in ("anchored", "donor", "cdr3", "duplicate_count"):
        if contigs and name in contigs[0]:
            rows[name] = [contig[name] for contig in contigs]
    return choose_chains(RawChains("table", "file", rows, len(rows)), donor="d1", **options)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"locus": MULTI_LOCUS}, DropReason.MULTI_LOCUS),
        ({"locus": "IGH"}, DropReason.IMMUNOGLOBULIN),
        ({"locus": "XYZ"}, DropReason.UNKNOWN_LOCUS),
        (
            {"locus": None, "v_call": None, "j_call": None, "c_call": None, "d_call": None},
            DropReason.UNKNOWN_LOCUS,
        ),
        ({"productive": False}, DropReason.NOT_PRODUCTIVE),
        ({"junction_aa": None, "junction": None}, DropReason.NO_JUNCTION),
        ({"junction_aa": None, "junction": "TGTGC"}, DropReason.NO_JUNCTION),
    ],
)
def test_unusable_contigs_are_dropped_for_one_reason(changes: dict[str, Any], reason: DropReason) -> None:
    """Each contig that is no usable chain is counted under its reason."""
    chosen = choose(make_contig(), make_contig(sequence_id="x", **changes))
    assert len(chosen.chains) == 1
    assert chosen.dropped == {reason: 1}


def test_the_first_reason_counts() -> None:
    """An unproductive chain of several loci is counted once, under its locus."""
    chosen = choose(make_contig(locus=MULTI_LOCUS, productive=False, junction_aa=None))
    assert chosen.dropped == {DropReason.MULTI_LOCUS: 1}


def test_immunoglobulins_are_kept_on_request() -> None:
    """The classes of B cells can be computed when wanted."""
    assert len(choose(make_contig(locus="IGH"), keep_immunoglobulins=True).chains) == 1


def test_chains_rank_by_counts_then_sequences() -> None:
    """UMIs first, then older counts, reads, junction and amino acids, all descending."""
    contigs = [
        make_contig(
            sequence_id=aa,
            umi_count=umi,
            duplicate_count=dup,
            consensus_count=reads,
            junction=nt,
            junction_aa=aa,
        )
        for umi, dup, reads, nt, aa in [
            (1, 1, 9, None, "CFF"),
            (1, 1, 9, None, "CEF"),
            (1, 1, 9, "TGTA", "CDF"),
            (1, 1, 9, "TGTC", "CCF"),
            (1, 1, 10, None, "CBF"),
            (1, 2, 1, None, "CAF"),
            (2, 0, 0, None, "CZF"),
        ]
    ]
    chains = choose(*contigs).chains
    assert list(chains["rank"]) == [1, 2, 3, 4, 5, 6, 7]
    assert list(chains["junction_aa"].str[1]) == ["Z", "A", "B", "C", "D", "F", "E"]


def test_missing_counts_rank_last() -> None:
    """A missing count is no evidence."""
    chains = choose(make_contig(umi_count=np.nan, junction_aa="CASSYYF"), make_contig(umi_count=1)).chains
    assert list(chains["junction_aa"]) == ["CASSLGF", "CASSYYF"]


def test_all_ranks_are_kept() -> None:
    """Multichain cells lose nothing, so that their class can be recomputed from the table."""
    contigs = [make_contig("TRA", junction_aa=f"CA{letter}VF") for letter in "DEFG"]
    assert list(choose(*contigs, make_contig("TRB")).chains["rank"]) == [1, 2, 3, 4, 1]


def test_ranks_do_not_depend_on_row_order() -> None:
    """Shuffled contigs give the same chains, cell by cell."""
    contigs = make_contigs(30, seed=3).to_dict("records")
    shuffled = [contigs[i] for i in np.random.default_rng(0).permutation(len(contigs))]
    order = ["cell_id", "arm", "rank"]
    first, second = (
        choose(*some).chains.sort_values(order, ignore_index=True) for some in (contigs, shuffled)
    )
    pd.testing.assert_frame_equal(first, second)


def test_cells_keep_their_order_and_arms_follow() -> None:
    """Cells in order of appearance, VJ before VDJ."""
    chains = choose(make_contig("TRB", "b"), make_contig("TRA", "a"), make_contig("TRA", "b")).chains
    assert list(zip(chains["cell_id"], chains["arm"], strict=True)) == [
        ("b", "VJ"),
        ("b", "VDJ"),
        ("a", "VJ"),
    ]


def test_loci_are_inferred_where_missing() -> None:
    """Without a locus the genes decide; TRAV29/DV5 with TRDJ1 is a delta chain."""
    contig = make_contig("TRD", locus=None, v_call="TRAV29/DV5", d_call=None)
    chain = choose(contig).chains.iloc[0]
    assert (chain["locus"], chain["arm"], chain["v_call"]) == ("TRD", "VDJ", "TRAV29/DV5")


def test_contradicting_genes_become_unknown_and_the_contig_stays() -> None:
    """IGKV under TRB: the chain is kept, its V unknown, the raw name too."""
    chain = choose(make_contig(v_call="IGKV1-33*01")).chains.iloc[0]
    assert chain["v_call"] is None
    assert (chain["v_call_raw"], chain["v_level"]) == ("IGKV1-33*01", "contradicts_locus")


def test_missing_amino_acids_are_translated() -> None:
    """A junction of nucleotides alone is enough."""
    chain = choose(make_contig(junction_aa=None, junction="TGTGCCAGCAGCTTC")).chains.iloc[0]
    assert chain["junction_aa"] == "CASSF"


def test_letter_case_is_levelled() -> None:
    """Lower-case sequences mean the same."""
    chain = choose(make_contig(junction_aa="cassf", junction="tgtgccagcagcttc")).chains.iloc[0]
    assert (chain["junction_aa"], chain["junction"]) == ("CASSF", "TGTGCCAGCAGCTTC")


def test_missing_anchors_are_restored_and_marked() -> None:
    """Chains of files without anchors get them, and say so."""
    contig = make_contig(junction_aa="ASSLGTEAF", j_call="TRBJ1-1", junction=None, anchored=False, cdr3=None)
    chain = choose(contig).chains.iloc[0]
    assert (chain["junction_aa"], chain["anchor_added"]) == ("CASSLGTEAFF", True)
    assert chain["emb_id"] is not None


@pytest.mark.parametrize("junction", ["CASS*GF", "CAS_SGF", "CASXGF", "CAS?GF", "cas*gf", "CAS#GF"])
def test_junctions_without_a_reading_frame_are_no_chains(junction: str) -> None:
    """Stops, frame shifts and unknown residues are not usable, whatever the flag says, and are counted."""
    chosen = choose(make_contig(), make_contig(sequence_id="x", junction_aa=junction, junction=None))
    assert len(chosen.chains) == 1
    assert chosen.dropped == {DropReason.NOT_TRANSLATED: 1}


def test_a_stop_in_the_nucleotides_is_seen_where_residues_are_missing() -> None:
    """The translation is held to the same rule."""
    assert choose(make_contig(junction_aa=None, junction="TGTTAATTT")).dropped == {
        DropReason.NOT_TRANSLATED: 1
    }


def test_contigs_of_one_chain_are_one_chain() -> None:
    """Cell, locus, genes and junction tell a chain: its molecules are summed, and the contigs counted."""
    again = {"v_call": f"{make_contig()['v_call']}*01", "c_call": None}
    chosen = choose(
        make_contig(umi_count=3, consensus_count=10),
        make_contig(sequence_id="x", umi_count=4, consensus_count=5, **again),
        make_contig(sequence_id="y", umi_count=None, consensus_count=None, junction=None),
        make_contig("TRA", sequence_id="z"),
        make_contig(sequence_id="w", cell_id="other"),
    )
    assert chosen.dropped == {DropReason.SAME_CHAIN: 2}
    first = chosen.chains[chosen.chains["locus"] == "TRB"].iloc[0]
    assert (first["rank"], first["umi_count"], first["consensus_count"]) == (1, 7, 15)
    assert len(chosen.chains) == 3


def test_junctions_of_other_nucleotides_are_other_chains() -> None:
    """Equal residues from two rearrangements stay two chains; which one a third belongs to stays open."""
    text = make_contig()["junction"]
    other = text[:3] + ("GCA" if text[3:6] == "GCC" else "GCC") + text[6:]
    residues = make_contig()["junction_aa"]
    chosen = choose(
        make_contig(junction_aa=residues),
        make_contig(sequence_id="x", junction=other, junction_aa=residues),
        make_contig(sequence_id="y", junction=None, junction_aa=residues),
    )
    assert chosen.dropped == {}
    assert sorted(chosen.chains["rank"]) == [1, 2, 3]


@pytest.mark.parametrize(
    ("chains", "ranks"),
    [
        ({"TRA": 3, "TRB": 5, "TRG": 9}, {"TRA": 1, "TRB": 1, "TRG": 2}),
        ({"TRB": 1, "TRG": 9}, {"TRB": 1, "TRG": 2}),
        ({"TRA": 1, "TRG": 9}, {"TRA": 1, "TRG": 2}),
        ({"TRG": 2, "TRD": 2, "TRA": 9}, {"TRG": 1, "TRD": 1, "TRA": 2}),
        ({"TRG": 2, "TRD": 2, "TRB": 9}, {"TRG": 1, "TRD": 1, "TRB": 2}),
        ({"TRA": 2, "TRB": 2, "TRD": 9}, {"TRA": 1, "TRB": 1, "TRD": 2}),
        ({"TRA": 2, "TRB": 2, "TRG": 3, "TRD": 3}, {"TRG": 1, "TRD": 1, "TRA": 2, "TRB": 2}),
        ({"TRA": 3, "TRB": 3, "TRG": 3, "TRD": 3}, {"TRA": 1, "TRB": 1, "TRG": 2, "TRD": 2}),
        ({"TRA": 2, "TRD": 3}, {"TRD": 1, "TRA": 2}),
        ({"TRB": 3, "TRD": 2}, {"TRB": 1, "TRD": 2}),
        ({"TRG": 3}, {"TRG": 1}),
    ],
)
def test_ranks_keep_the_two_receptors_apart(chains: dict[str, int], ranks: dict[str, int]) -> None:
    """The first chains of both arms are of one receptor; gamma beside alpha-beta stays further."""
    contigs = [
        make_contig("TRB", locus=locus, v_call=None, j_call=None, d_call=None, c_call=None, umi_count=count)
        | {"sequence_id": locus}
        for locus, count in chains.items()
    ]
    found = choose(*contigs).chains
    assert dict(zip(found["locus"], found["rank"], strict=True)) == ranks


@pytest.mark.parametrize("junction", ["ASSGF", "CASSC"])
def test_unsound_junctions_are_kept_without_a_key(junction: str) -> None:
    """Junctions without anchors are never embedded, but not dropped."""
    chains = choose(make_contig(junction_aa=junction, junction=None)).chains
    assert list(chains["emb_id"]) == [None]


def test_the_missing_letters_of_none_are_no_residues() -> None:
    """The text None never reaches the table as a sequence."""
    assert choose(make_contig(junction_aa=None, junction=None)).chains.empty


def test_donors_of_the_file_win() -> None:
    """A donor column is used; its gaps get the sample's donor."""
    contigs = (make_contig(cell_id="a", donor="x"), make_contig(cell_id="b", donor=None))
    assert list(choose(*contigs).chains["donor"]) == ["x", "d1"]


def test_constant_genes_lose_their_allele() -> None:
    """IGKC*01 style names are shortened."""
    assert choose(make_contig(c_call="TRBC2*01")).chains["c_call"].item() == "TRBC2"


def test_cells_can_be_restricted_with_the_account_kept() -> None:
    """Chains of filtered cells are counted."""
    chosen = choose(make_contig(cell_id="a"), make_contig(cell_id="b"), make_contig("TRA", "b"))
    kept = chosen.of_cells({"a"})
    assert list(kept.chains["cell_id"]) == ["a"]
    assert kept.dropped == {DropReason.CELL_FILTERED: 2}
    assert chosen.of_cells({"a", "b"}).dropped == {}


def test_zero_contigs_are_valid() -> None:
    """No contigs, no chains, no error."""
    chosen = choose()
    assert list(chosen.chains.columns) == list(CHAIN_COLUMNS)
    assert len(chosen.chains) == 0


def test_foreign_names_raise_a_warning() -> None:
    """If most V names are unknown, the sample may be of another species."""
    assert "is the sample human?" in choose(make_contig(v_call="Vb8.2")).warnings[0]
    assert choose(make_contig(v_call=None)).warnings == ()


def test_other_species_are_refused() -> None:
    """The species argument knows human only."""
    with pytest.raises(OptionsError, match="mouse"):
        choose(make_contig(), species="mouse")
