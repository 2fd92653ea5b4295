"""Keys are hashes of content alone, and only sound junctions of alpha and beta get one."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tcellflow.receptors.encoding.keys import (
    NotEmbeddable,
    content_hash,
    embedding_key,
    embedding_keys,
    is_embeddable,
    pair_key,
    why_not_embeddable,
)


@pytest.mark.parametrize(
    ("locus", "junction", "reason"),
    [
        ("TRB", "CASSLGF", None),
        ("TRA", "CAVRDW", None),
        ("TRA", "CALSRGFGNVLHC", None),
        ("TRB", "CASSLGC", NotEmbeddable.ANCHORS),
        ("TRB", "ASSLGF", NotEmbeddable.ANCHORS),
        ("TRB", "CASSLG", NotEmbeddable.ANCHORS),
        ("TRB", "CASS*GF", NotEmbeddable.LETTERS),
        ("TRB", "CASS_GF", NotEmbeddable.LETTERS),
        ("TRB", "CASSXGF", NotEmbeddable.LETTERS),
        ("TRB", "", NotEmbeddable.LETTERS),
        ("TRB", "CASSF", NotEmbeddable.LENGTH),
        ("TRB", "C" + "A" * 38 + "F", None),
        ("TRB", "C" + "A" * 39 + "F", NotEmbeddable.LENGTH),
        ("TRG", "CALWEF", NotEmbeddable.LOCUS),
        ("TRD", "CALWEF", NotEmbeddable.LOCUS),
        ("IGH", "CARDYW", NotEmbeddable.LOCUS),
    ],
)
def test_only_sound_junctions_are_embedded(locus: str, junction: str, reason: NotEmbeddable | None) -> None:
    """C, 4-38 residues, F or W; a final C only for alpha; nothing but amino acids."""
    assert why_not_embeddable(locus, junction) is reason
    assert is_embeddable(locus, junction) is (reason is None)


def test_keys_are_frozen() -> None:
    """Keys never change between versions: tables of any age concatenate."""
    assert embedding_key("TRB", "CASSLGF", "TRBV9", "TRBJ1-1") == "3affac0e00718b09e99f"
    assert pair_key("a", "b") == "7d753f6c4a0be9f5170d"


def test_keys_tell_every_field_apart() -> None:
    """Fields cannot run into each other, and unknown differs from empty."""
    keys = {
        content_hash("ab", "c"),
        content_hash("a", "bc"),
        content_hash("abc"),
        content_hash("a", None),
        content_hash("a", ""),
        content_hash("a", "null"),
        content_hash("a"),
        content_hash('a","b'),
        content_hash("a", "b"),
    }
    assert len(keys) == 9
    assert all(re.fullmatch("[0-9a-f]{20}", key) for key in keys)
    assert pair_key("a", "b") != pair_key("b", "a")


def test_tables_of_keys() -> None:
    """A table gets the key of each sound chain and None for the others."""
    chains = pd.DataFrame(
        {
            "locus": ["TRB", "TRG", "TRB"],
            "junction_aa": ["CASSLGF", "CASSLGF", "CASSLGF"],
            "v_call": ["TRBV9", None, None],
            "j_call": ["TRBJ1-1", None, None],
        },
        dtype=object,
    )
    keys = embedding_keys(chains)
    assert keys[0] == embedding_key("TRB", "CASSLGF", "TRBV9", "TRBJ1-1")
    assert keys[1] is None
    assert keys[2] == embedding_key("TRB", "CASSLGF", None, None) != keys[0]
