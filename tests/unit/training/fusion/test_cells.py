"""Sets of any panel become cells over one panel; what was not measured stays apart from zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion_sets import GENES, make_set, write_sets
from tcellflow.errors import InputError, OptionsError
from tcellflow.training.fusion.basis import find_axes, make_patches
from tcellflow.training.fusion.cells import choose_fold, choose_genes, list_classes, pool_sets
from tcellflow.training.fusion.description import tell_between_sets
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import read_set


def read(folder, *entries):
    return [read_set(entry) for entry in read_fusion_manifest(write_sets(folder, *entries))]


def pool(sets, n_genes=30):
    panel = choose_genes(sets, n_genes)
    proteins = np.array(sorted({str(t) for one in sets for t in one.targets}), dtype=object)
    fold = np.zeros(sum(map(len, sets)), np.int8)
    return pool_sets(sets, panel, proteins, list_classes(sets), fold), panel, proteins


def test_antibodies_stand_under_their_targets(tmp_path):
    """Isotype controls measure nothing, and test cells are not there."""
    (one,) = read(tmp_path, make_set(tmp_path, "one", 0, split="role"))
    assert one.targets.tolist() == ["CD14", "CD19", "CD3E", "CD4", "CD8A", "PTPRC:RA"]
    assert len(one) == 157
    assert one.has_adt.all()
    assert set(one.role) == {"train", "validation", "unlabelled"}


def test_labels_of_unlabelled_cells_are_not_there(tmp_path):
    """The table has labels for them, which may judge but never teach; the others keep theirs."""
    (one,) = read(tmp_path, make_set(tmp_path, "one", 0, split="role"))
    is_unlabelled = one.role == "unlabelled"
    assert is_unlabelled.sum() == 22
    assert (one.label[is_unlabelled] == "").all()
    assert (one.label[~is_unlabelled] != "").all()
    cells, _, _ = pool([one])
    assert (cells.has_label == ~is_unlabelled).all()


def test_clones_against_one_target_are_summed(tmp_path):
    """A panel may hold two antibodies against PD-1."""
    entry = make_set(tmp_path, "one", 0)
    table = pd.DataFrame({"PD-1 (CD279)": 3, "PD1": 4}, index=[f"one-{i}" for i in range(160)])
    table.to_csv(tmp_path / "adt.csv")
    make_set(tmp_path, "one", 0, antibodies=())
    (one,) = read(tmp_path, {**entry, "adt": "adt.csv"})
    assert one.targets.tolist() == ["PDCD1"]
    assert (one.proteins == 7).all()


def test_a_set_without_antibodies_is_a_set(tmp_path):
    """Its proteins are masked, not zero."""
    sets = read(tmp_path, make_set(tmp_path, "one", 0), make_set(tmp_path, "two", 1, antibodies=()))
    cells, _, _ = pool(sets)
    assert cells.measured[:160].all()
    assert not cells.measured[160:].any()


def test_a_narrow_cell_depends_on_the_genes_of_the_panel_alone(tmp_path):
    """Files without the other genes have no depth but that of their own."""
    (one,) = read(tmp_path, make_set(tmp_path, "one", 0))
    cells, _, _ = pool([one])
    deeper, _, _ = pool([replace(one, library=one.library * np.linspace(1, 5, len(one)))])
    counts, rows = cells.counts.toarray(), np.arange(len(cells))
    narrow = cells.standardise_panel(counts, cells.set_of)
    assert np.array_equal(narrow, deeper.standardise_panel(counts, cells.set_of))
    assert not np.allclose(cells.standardise(rows), deeper.standardise(rows), atol=0.1)
    assert np.allclose(narrow.mean(axis=0), 0, atol=1e-4)
    assert np.allclose(narrow.std(axis=0), 1, atol=1e-3)


def test_every_set_is_standardised_by_itself(tmp_path):
    """Mean 0 and deviation 1 of every measured gene and protein in each set; genes not measured are 0."""
    few = tuple(gene for gene in GENES if gene != "CD79A")
    sets = read(tmp_path, make_set(tmp_path, "one", 0), make_set(tmp_path, "two", 1, genes=few))
    cells, panel, _ = pool(sets)
    values = cells.standardise(np.arange(len(cells)))
    for number in (0, 1):
        own = cells.set_of == number
        present = cells.present[number]
        np.testing.assert_allclose(values[own][:, present].mean(axis=0), 0, atol=0.02)
        np.testing.assert_allclose(cells.proteins[own].std(axis=0), 1, atol=0.02)
    missing = panel.tolist().index("CD79A")
    assert not cells.present[1, missing]
    assert (values[cells.set_of == 1, missing] == 0).all()


def test_genes_of_clones_are_in_no_panel(tmp_path):
    """V genes and immunoglobulins tell donors, not kinds."""
    _, panel, _ = pool(read(tmp_path, make_set(tmp_path, "one", 0)))
    assert not {"TRBV9", "IGKC"} & set(panel)


def test_a_label_may_allow_several_classes(tmp_path):
    """What a coarse label leaves open stays open; a label outside the classes is none."""
    classes = {"CD4 T cell": ["CD4 T cell", "CD8 T cell"], "CD8 T cell": "CD8 T cell", "B cell": "B cell"}
    cells, _, _ = pool(read(tmp_path, make_set(tmp_path, "one", 0, classes=classes)))
    assert sorted(set(cells.allowed.sum(axis=1))) == [0, 1, 2]


def test_labels_that_match_no_class_are_told(tmp_path):
    """The message lists the labels there are."""
    with pytest.raises(InputError, match="there are: B cell, CD4 T cell"):
        read(tmp_path, make_set(tmp_path, "one", 0, classes={"T": "T"}))


def test_an_unknown_role_is_told(tmp_path):
    """A column that holds something else is named."""
    with pytest.raises(InputError, match="says"):
        read(tmp_path, make_set(tmp_path, "one", 0, split="donor"))


@pytest.mark.parametrize("unit", ["cell", "donor", "set"])
def test_units_stay_together(tmp_path, unit):
    """No donor and no set is on both sides, and about a tenth of the cells or the least unit is kept."""
    sets = read(tmp_path, make_set(tmp_path, "one", 0), make_set(tmp_path, "two", 1))
    fold = choose_fold(sets, unit, 0.1, 0)
    assert 0 < fold.sum() < len(fold)
    names = {
        "cell": np.arange(320),
        "donor": np.concatenate([one.donor for one in sets]),
        "set": np.repeat([0, 1], 160),
    }[unit]
    assert not set(names[fold == 1]) & set(names[fold == 0])


def test_one_unit_cannot_be_split(tmp_path):
    """Nobody would be left to judge."""
    with pytest.raises(OptionsError, match="all cells are of one set"):
        choose_fold(read(tmp_path, make_set(tmp_path, "one", 0)), "set", 0.1, 0)


def test_a_fold_by_column_needs_the_role(tmp_path):
    """Without a column nobody has it."""
    with pytest.raises(InputError, match="role validation"):
        choose_fold(read(tmp_path, make_set(tmp_path, "one", 0)), "column", 0.1, 0)


def test_axes_find_the_kinds(tmp_path):
    """Loadings are unit columns, and the kinds of cells lie apart along the first axes."""
    cells, _, _ = pool(read(tmp_path, make_set(tmp_path, "one", 0)))
    loadings, spread = find_axes(cells, 3)
    np.testing.assert_allclose(np.linalg.norm(loadings, axis=0), 1, atol=1e-5)
    projected = cells.standardise(np.arange(len(cells))) @ loadings / spread
    kind = cells.allowed.argmax(axis=1)
    centres = np.stack([projected[kind == k].mean(axis=0) for k in range(4)])
    gaps = np.linalg.norm(centres[:, None] - centres[None], axis=-1)[np.triu_indices(4, 1)]
    assert gaps.min() > 1


@pytest.mark.parametrize("order", ["genome", "reverse", "shuffle", "input"])
def test_patches_hold_every_gene_once(order):
    """Whatever the order; along the genome no patch straddles chromosomes."""
    symbols = np.array(GENES, dtype=object)
    patches, chromosome = make_patches(symbols, 3, order, 1)
    flat = patches[patches < len(symbols)]
    assert sorted(flat.tolist()) == list(range(len(symbols)))
    assert patches.shape[0] == len(chromosome)


def test_the_reverse_order_is_the_genome_backwards():
    """The same patches from the other end, each turned round."""
    symbols = np.array(GENES, dtype=object)
    forward, _ = make_patches(symbols, 3, "genome", 0)
    backward, _ = make_patches(symbols, 3, "reverse", 0)
    n = len(symbols)
    along = [g for patch in forward for g in patch if g < n]
    assert [g for patch in backward for g in patch if g < n] == along[::-1]


def test_sets_tell_how_much_amounts_of_antibodies_differ(tmp_path):
    """The deviation of a new set from the mean of those that were learnt from; one set tells nothing."""
    one, other = read(tmp_path, make_set(tmp_path, "one", 0), make_set(tmp_path, "other", 1))
    assert tell_between_sets([one]) == 0
    assert tell_between_sets([one, one]) == 0
    apart = replace(other, proteins=np.expm1(np.log1p(one.proteins) + 1), has_adt=one.has_adt)
    assert tell_between_sets([one, apart]) == pytest.approx(np.sqrt(0.5 * 1.5), abs=1e-3)
