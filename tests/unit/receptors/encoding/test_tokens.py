"""Chains become whole numbers that say all of the chain, and a vocabulary file is not trusted."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tcellflow.errors import BundleError, InputError
from tcellflow.receptors.encoding.sequences import RESIDUES, ChainSequences
from tcellflow.receptors.encoding.tokens import (
    FIRST_RESIDUE,
    PADDING,
    UNKNOWN_GENE,
    build_vocabulary,
    parse_vocabulary,
    tokenise_junctions,
)


def chains(*rows):
    """Give chains from (locus, junction, v, j)."""
    return ChainSequences(*(np.array(column, dtype=object) for column in zip(*rows, strict=True)))


def read_back(row, tokens):
    """Read one chain out of its tokens."""
    vocabulary = build_vocabulary()
    names = {key: ("?", *getattr(vocabulary, f"{key}s"))[tokens[key][row]] for key in ("v_call", "j_call")}
    junction = "".join(
        RESIDUES[token - FIRST_RESIDUE] for token in tokens["residues"][row] if token != PADDING
    )
    return vocabulary.loci[tokens["locus"][row]], junction, names["v_call"], names["j_call"]


def test_a_chain_can_be_read_back_from_its_tokens():
    """Locus, junction, V and J gene of chains of several lengths are all in the tokens."""
    rows = [
        ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
        ("TRA", "C" + RESIDUES + "F", "TRAV38-2/DV8", "TRAJ33"),
        ("TRB", "CASSF", "TRBV6", "TRBJ1"),
    ]
    tokens = build_vocabulary().tokenise(chains(*rows))
    assert [read_back(row, tokens) for row in range(3)] == rows
    assert all(array.dtype == np.int64 for array in tokens.values())


def test_padding_stands_at_the_end_alone():
    """A shorter junction is filled up behind its last residue."""
    tokens = tokenise_junctions(np.array(["CAF", "CASSF"], dtype=object))
    assert tokens.shape == (2, 5)
    assert (tokens == PADDING).tolist() == [[False, False, False, True, True], [False] * 5]


def test_genes_without_a_place_are_unknown():
    """A missing gene and a name the vocabulary does not hold get the same number."""
    tokens = build_vocabulary().tokenise(chains(("TRB", "CASF", None, "TRBJ9-9")))
    assert tokens["v_call"].tolist() == tokens["j_call"].tolist() == [UNKNOWN_GENE]


def test_no_chains_give_no_tokens():
    """An empty table is no error."""
    empty = np.array([], dtype=object)
    tokens = build_vocabulary().tokenise(ChainSequences(empty, empty, empty, empty))
    assert {name: array.shape for name, array in tokens.items()} == {
        "locus": (0,),
        "residues": (0, 0),
        "v_call": (0,),
        "j_call": (0,),
    }


@pytest.mark.parametrize("junction", ["", "CAS*F", "cassf", "CAXF", "CÄSF", "CA_F", "CA1F"])
def test_other_letters_are_refused(junction):
    """Whatever is not made of the 20 amino acids is an error that quotes it."""
    with pytest.raises(InputError, match="20 amino acids") as caught:
        build_vocabulary().tokenise(chains(("TRB", "CASSF", None, None), ("TRB", junction, None, None)))
    assert repr(junction) in str(caught.value)


def test_other_loci_are_refused():
    """A gamma chain is no input of an alpha-beta encoder."""
    with pytest.raises(InputError, match="TRG"):
        build_vocabulary().tokenise(chains(("TRG", "CATWF", None, None)))


def test_a_vocabulary_is_read_back_as_written():
    """Writing and reading give the same names in the same order, and the text is always the same."""
    vocabulary = build_vocabulary()
    assert parse_vocabulary(vocabulary.to_json(), where="here") == vocabulary
    assert vocabulary.to_json() == build_vocabulary().to_json()


def test_the_vocabulary_holds_every_gene_of_the_corpus():
    """Genes, pseudogenes and families have a place; orphons, which cannot rearrange, have none."""
    vocabulary = build_vocabulary()
    assert {"TRAV38-2/DV8", "TRBV20-1", "TRBV21-1", "TRBV6", "TRAV29/DV5"} <= set(vocabulary.v_calls)
    assert {"TRAJ35", "TRBJ2-7", "TRBJ2"} <= set(vocabulary.j_calls)
    assert not [name for name in vocabulary.v_calls if "/OR" in name]
    assert max(len(vocabulary.v_calls), len(vocabulary.j_calls)) < 256  # the corpus keeps them as bytes


def forge(**changes):
    """Give a vocabulary file with changes; None removes."""
    document = {**json.loads(build_vocabulary().to_json()), **changes}
    return json.dumps({key: value for key, value in document.items() if value is not None})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        (forge(format=2), "format 2"),
        (forge(residues=None), "'residues' is missing"),
        (forge(residues=RESIDUES[::-1]), "residues are 'YW"),
        (forge(residues=RESIDUES.lower()), "residues are 'acd"),
        (forge(extra=1), "'extra' is not known"),
        (forge(loci=["TRG"]), "'TRG' is neither"),
        (forge(v_calls="TRBV1"), "'v_calls' is no list"),
        (forge(v_calls=[]), "'v_calls' is no list"),
        (forge(v_calls=["TRBV19", 7]), "'v_calls' is no list"),
        (forge(v_calls=["TRBV19", "TRBV19"]), "repeats"),
        (forge(j_calls=["TRBV19"]), "'TRBV19' among 'j_calls'"),
    ],
)
def test_a_forged_vocabulary_is_refused(text, fault):
    """A file that would give residues or genes other numbers is an error that says what is wrong."""
    with pytest.raises(BundleError, match=fault.replace("[", r"\[")):
        parse_vocabulary(text, where="vocabulary.json")


def test_all_faults_are_told_together():
    """The reader does not stop at the first fault."""
    with pytest.raises(BundleError) as caught:
        parse_vocabulary(forge(residues="AB", j_calls=[]), where="vocabulary.json")
    assert "residues" in str(caught.value)
    assert "j_calls" in str(caught.value)
