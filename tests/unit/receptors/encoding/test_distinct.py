"""Distinct receptors: found once, tallied completely, keys checked."""

from __future__ import annotations

import pytest

from receptor_tables import make_chain_rows, make_repertoire
from tcellflow.errors import ContractError
from tcellflow.receptors.encoding.distinct import check_keys, find_distinct
from tcellflow.receptors.encoding.keys import embedding_key, pair_key
from tcellflow.vocabulary import Locus

LOCI = frozenset({Locus.TRA, Locus.TRB})


def test_pairs_name_the_rows_of_their_chains():
    """Every pair's row numbers lead to the chains whose keys make its own."""
    distinct = find_distinct(make_repertoire(80, n_distinct=12), LOCI)
    ids = distinct.chains["emb_id"].tolist()
    assert len(distinct.pairs) > 10
    for pair in distinct.pairs.itertuples():
        assert distinct.chains["kind"][pair.tra] == "tra"
        assert distinct.chains["kind"][pair.trb] == "trb"
        assert pair.emb_id == pair_key(ids[pair.tra], ids[pair.trb])


def test_duplicates_are_listed_once():
    """The chains are as many as there are distinct keys of first-ranked chains."""
    rows = make_repertoire(200, n_distinct=5)
    distinct = find_distinct(rows, LOCI)
    wanted = rows[rows["emb_id"].notna() & (rows["rank"] == 1)]
    assert distinct.chains["emb_id"].is_unique
    assert set(distinct.chains["emb_id"]) == set(wanted["emb_id"])
    assert distinct.pairs["emb_id"].is_unique


def test_chains_of_an_uncovered_locus_are_told_apart():
    """A chain that has a key but no place in the encoder is counted under the encoder's reason."""
    rows = make_chain_rows([("a", "TRA", "CAVRDSNYQLIF"), ("a", "TRB", "CASSLGQAYEQYF")])
    distinct = find_distinct(rows, {Locus.TRB})
    assert distinct.chains["kind"].tolist() == ["trb"]
    assert distinct.not_embedded == {"locus_not_covered_by_backend": 1}
    assert len(distinct.pairs) == 0


def test_a_second_chain_never_makes_the_pair():
    """Where the first alpha cannot be embedded, the second is no substitute for it."""
    rows = make_chain_rows(
        [("a", "TRA", "CAV*SNYQLIF"), ("a", "TRA", "CAVRDSNYQLIF"), ("a", "TRB", "CASSLGQAYEQYF")]
    )
    for which in ("first", "all"):
        cell = find_distinct(rows, LOCI, which=which).cells.loc[("s1", "a")]
        assert cell["emb_tra"] is None
        assert cell["emb_pair"] is None
        assert cell["emb_trb"] == embedding_key("TRB", "CASSLGQAYEQYF", "TRBV20-1", "TRBJ2-7")


def test_no_rows_give_empty_tables():
    """Nothing to embed is not an error."""
    distinct = find_distinct(make_chain_rows([]), LOCI)
    assert (len(distinct.chains), len(distinct.pairs), len(distinct.cells)) == (0, 0, 0)
    assert list(distinct.cells.columns) == ["emb_tra", "emb_trb", "emb_pair"]
    assert distinct.not_embedded == {}


@pytest.mark.parametrize("column", ["junction_aa", "v_call", "emb_id"])
def test_keys_must_belong_to_their_sequence(column):
    """A change of sequence, gene or key is found; untouched rows pass."""
    rows = make_chain_rows([("a", "TRB", "CASSLGQAYEQYF"), ("b", "TRB", "CASSF")])
    check_keys(rows, where="chains")
    rows.loc[0, column] = {"junction_aa": "CASSLGQAYEQFF", "v_call": None, "emb_id": None}[column]
    with pytest.raises(ContractError, match="cell 'a'"):
        check_keys(rows, where="chains")
