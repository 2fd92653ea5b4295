"""Cells are fused alike in any company, with either modality, any panel and any number of cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fusion_sets import GENES, make_set, write_sets
from tcellflow.cells.normalise import log_normalise
from tcellflow.errors import InputError
from tcellflow.inference.fusion.fuser import Fuser
from tcellflow.inference.fusion.standardise import sum_genes
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.options import FusionBatchOptions, FusionTaskOptions, TrainFusionOptions
from tcellflow.training.fusion.sets import read_set
from tcellflow.training.fusion.train import train_fusion
from tcellflow.training.options import LoopOptions


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small bundle, and 300 cells that it has not seen."""
    folder = tmp_path_factory.mktemp("fusion")
    manifest = write_sets(folder, make_set(folder, "one", 0, n_cells=400))
    loop = LoopOptions(
        steps=150, learning_rate=5e-3, warm_up_steps=5, validate_every=50, device="cpu",
        is_mixed_precision=False,
    )  # fmt: skip
    task = FusionTaskOptions(components=4, width=32, latent=8, batch=FusionBatchOptions(32, 32))
    bundle = train_fusion(
        TrainFusionOptions(manifest, folder / "run", n_genes=22, members=1, task=task, loop=loop)
    )
    (entry,) = read_fusion_manifest(write_sets(folder, make_set(folder, "new", 7, n_cells=300)))
    return Fuser(bundle, threads=1), read_set(entry)


def fuse(trained, cut=300, rows=slice(None), *, has_rna=True, has_adt=True, genes=None, panel=None):
    """Fuse cells in cuts of any size."""
    fuser, cells = trained
    columns = [i for i, s in enumerate(cells.symbols) if genes is None or s in genes]
    kept = [i for i, t in enumerate(cells.targets) if panel is None or t in panel]
    logs = log_expression(cells)[rows][:, columns]
    proteins = cells.proteins[rows][:, kept]
    cuts = [slice(i, i + cut) for i in range(0, logs.shape[0], cut)]
    sample = fuser.read_sample(
        cells.symbols[columns] if has_rna else np.empty(0, object),
        sum_genes((logs[c] for c in cuts), len(columns)) if has_rna else None,
        cells.targets[kept] if has_adt else np.empty(0, object),
        proteins if has_adt else np.zeros((0, 0)),
    )
    found = []
    for c in cuts:
        n = logs[c].shape[0]
        found.append(fuser.fuse(sample, logs[c], proteins[c], (np.full(n, has_rna), np.full(n, has_adt))))
    names = ("latent", "weights", "class_probabilities", "imputed", "imputed_sd")
    return {name: np.concatenate([getattr(part, name) for part in found]) for name in names}, sample


def log_expression(cells):
    counts = cells.counts.astype(np.int32)
    return sparse.csr_matrix(
        (log_normalise(counts, cells.library), counts.indices, counts.indptr), counts.shape
    )


def accuracy(trained, fused):
    fuser, cells = trained
    told = np.array(fuser.details.classes)[fused["class_probabilities"].argmax(axis=1)]
    return (told == cells.label[: len(told)]).mean()


@pytest.mark.parametrize("cut", [1, 7, 256, 299])
def test_the_cut_changes_no_bit(trained, cut):
    """Blocks of any size give the same bytes."""
    whole, _ = fuse(trained)
    parts, _ = fuse(trained, cut)
    for name, value in whole.items():
        assert value.tobytes() == parts[name].tobytes(), name


@pytest.mark.parametrize(
    ("views", "weights"), [({}, None), ({"has_adt": False}, [1, 0]), ({"has_rna": False}, [0, 1])]
)
def test_cells_are_told_from_either_modality(trained, views, weights):
    """The kinds of cells are found again; what is absent weighs nothing."""
    fused, sample = fuse(trained, **views)
    assert accuracy(trained, fused) > 0.85
    assert all(sample.is_own) == (weights is None)
    if weights:
        np.testing.assert_allclose(fused["weights"], np.tile(weights, (300, 1)))


def test_a_small_sample_is_standardised_by_the_bundle(trained):
    """Its cells are told nearly as well."""
    fused, sample = fuse(trained, rows=slice(0, 40))
    assert sample.is_own == (False, False)
    assert accuracy(trained, fused) > 0.8


def test_other_panels_are_masked(trained):
    """Genes and antibodies that are missing lower the coverage and stop nothing."""
    fused, sample = fuse(trained, genes=set(GENES[:14]), panel={"CD3E", "CD14"})
    assert 0.25 < sample.coverage[0] < 1
    assert sample.coverage[1] == pytest.approx(2 / 6)
    assert np.isfinite(fused["imputed"]).all()
    assert accuracy(trained, fused) > 0.8


def test_a_protein_is_imputed_without_its_own_value(trained):
    """Changing what was measured of a protein moves no number that is imputed for it."""
    fuser, cells = trained
    logs = log_expression(cells)
    sums = sum_genes([logs], len(cells.symbols))
    sample = fuser.read_sample(cells.symbols, sums, cells.targets, cells.proteins)
    there = np.ones(len(cells), bool)
    before = fuser.fuse(sample, logs, cells.proteins, (there, there))
    changed = cells.proteins.copy()
    changed[:, 2] = 0
    after = fuser.fuse(sample, logs, changed, (there, there))
    assert np.array_equal(before.imputed[:, 2], after.imputed[:, 2])
    assert not np.array_equal(before.latent, after.latent)
    truth = np.log1p(cells.proteins)
    assert all(np.corrcoef(before.imputed[:, i], truth[:, i])[0, 1] > 0.5 for i in range(6))


def test_what_was_not_measured_at_all_is_null(trained):
    """A cell with neither modality has no vector; one without genes has no imputed value of what it has."""
    fuser, cells = trained
    logs = log_expression(cells)
    sums = sum_genes([logs], len(cells.symbols))
    sample = fuser.read_sample(cells.symbols, sums, cells.targets, cells.proteins)
    has_rna, has_adt = np.ones(len(cells), bool), np.ones(len(cells), bool)
    has_rna[:2] = False
    has_adt[0] = False
    fused = fuser.fuse(sample, logs, cells.proteins, (has_rna, has_adt))
    assert np.isnan(fused.latent[0]).all()
    assert np.isfinite(fused.latent[1:]).all()
    assert np.isnan(fused.imputed[1]).all()


def test_unknown_antibodies_are_told(trained):
    """They are named and not used."""
    fuser, cells = trained
    targets = np.array([*cells.targets[:-1], "NCAM1"], dtype=object)
    sums = sum_genes([log_expression(cells)], len(cells.symbols))
    sample = fuser.read_sample(cells.symbols, sums, targets, cells.proteins)
    assert sample.unknown == ("NCAM1",)


def test_a_bundle_for_something_else_is_refused():
    """States do not fuse."""
    with pytest.raises(InputError, match="not for fusion"):
        Fuser(read_bundle(find_bundle("states-linear")))
