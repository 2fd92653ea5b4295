"""What holds however the genes of a matrix are named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcellflow.errors import InputError
from tcellflow.genes.reference import read_gene_reference
from tcellflow.genes.symbols import harmonise_genes

REFERENCE = read_gene_reference()
APPROVED = sorted(REFERENCE.approved)
ALIASES = sorted(REFERENCE.symbols_of_alias)
# letters enough that the mouse spelling differs from the human one
MOUSE_NAMES = [
    s.capitalize()
    for s in APPROVED
    if s.isupper() and s[:2].isalpha() and s.capitalize() not in REFERENCE.approved
]
human_names = st.one_of(st.sampled_from(APPROVED), st.sampled_from(ALIASES))
gene_lists = st.lists(
    st.one_of(human_names, st.text("ABCxyz019-.", min_size=2, max_size=6)), unique=True, max_size=40
)


def by_name(names: list[str]):
    return harmonise_genes([""] * len(names), names)


@given(gene_lists)
def test_every_gene_goes_to_exactly_one_place(names: list[str]) -> None:
    """No gene is lost: the map covers all symbols, in order of first occurrence, and counts add up."""
    genes = by_name(names)
    assert genes.column_map.shape == (len(names),)
    assert len(set(genes.symbols)) == len(genes.symbols)
    firsts = [int(np.flatnonzero(genes.column_map == g)[0]) for g in range(len(genes.symbols))]
    assert firsts == sorted(firsts)
    report = genes.report
    tallies = (
        report.kept,
        report.renamed,
        report.target_present,
        report.ambiguous,
        report.no_symbol,
        report.unknown,
    )
    assert sum(t.count for t in tallies) == len(names)


@given(gene_lists)
def test_harmonising_twice_changes_nothing(names: list[str]) -> None:
    """The symbols given once are given again."""
    once = by_name(names).symbols.tolist()
    assert by_name(once).symbols.tolist() == once


@given(gene_lists, st.randoms(use_true_random=False))
def test_order_does_not_matter(names: list[str], random) -> None:
    """A gene gets the same symbol wherever it stands in the matrix."""
    shuffled = names.copy()
    random.shuffle(shuffled)
    first, second = by_name(names), by_name(shuffled)
    assert dict(zip(names, first.symbols[first.column_map], strict=True)) == dict(
        zip(shuffled, second.symbols[second.column_map], strict=True)
    )


@given(st.lists(st.sampled_from(APPROVED), unique=True, max_size=40))
def test_approved_symbols_are_never_touched(names: list[str]) -> None:
    """A name that is an approved symbol keeps it."""
    assert by_name(names).symbols.tolist() == names


@settings(max_examples=60)
@given(
    st.lists(human_names, unique=True, min_size=10, max_size=400),
    st.lists(st.sampled_from(["Gfp", "Cas9", "Luciferase", "Cd3e", "tdTomato"]), unique=True, max_size=2),
)
def test_human_panels_are_never_called_mouse(names: list[str], spiked: list[str]) -> None:
    """A human panel of any size passes, with up to two reporter or mouse genes spiked in."""
    by_name([*names, *(gene for gene in spiked if gene not in names)])


@settings(max_examples=60)
@given(st.lists(st.sampled_from(MOUSE_NAMES), unique=True, min_size=5, max_size=400))
def test_mouse_panels_are_always_refused(names: list[str]) -> None:
    """Genes in mouse spelling are refused, whatever their number."""
    with pytest.raises(InputError, match="mouse"):
        by_name(names)


@given(st.lists(st.sampled_from(sorted(REFERENCE.symbol_of_id)), unique=True, max_size=30))
def test_ids_alone_give_the_same_symbols_as_the_table(numbers: list[int]) -> None:
    """Ids without names get the table's symbols."""
    ids = [f"ENSG{number:011d}" for number in numbers]
    genes = harmonise_genes(ids, [""] * len(ids))
    assert genes.symbols[genes.column_map].tolist() == [REFERENCE.symbol_of_id[n] for n in numbers]
