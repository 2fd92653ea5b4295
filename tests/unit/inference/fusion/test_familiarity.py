"""Cells unlike those learnt from score high, by the vectors of those shown with the same modalities."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.errors import BundleError
from tcellflow.inference.fusion.familiarity import fit_familiarity, read_familiarity, score_strangeness
from tcellflow.io.bundles.fusion import FamiliarityEntry, FamiliarView, write_familiar_vectors


def make_known(seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 5, (4, 8))
    group = rng.integers(0, 4, 1_000)
    vectors = centres[group] + rng.normal(size=(1_000, 8))
    return fit_familiarity(vectors[:700], group[:700], vectors[700:]), vectors, group


def test_strange_cells_score_high():
    """Cells between all groups are stranger than those not learnt from, whose scores are spread evenly."""
    known, vectors, _ = make_known()
    kinds = np.full(300, "rna", dtype=object)
    usual = score_strangeness({"rna": known}, vectors[700:], kinds)
    assert usual.mean() == pytest.approx(0.5, abs=0.02)
    middle = np.tile(vectors[:700].mean(axis=0), (300, 1)) + np.random.default_rng(1).normal(size=(300, 8))
    assert np.median(score_strangeness({"rna": known}, middle, kinds)) > 0.99


def test_cells_without_a_vector_or_view_have_no_score():
    """Nothing is told where nothing was learnt."""
    known, vectors, _ = make_known()
    found = score_strangeness({"rna": known}, vectors[:3], np.array(["rna", "adt", "none"], dtype=object))
    assert np.isfinite(found).tolist() == [True, False, False]


def test_a_bundle_gives_back_what_was_learnt(tmp_path):
    """Views are written one after another and read back; another number of rows is refused."""
    known, vectors, _ = make_known()
    (tmp_path / "f.tsv").write_bytes(write_familiar_vectors(np.concatenate([known.stack(), known.stack()])))
    view = FamiliarView(4, known.quantiles)
    back = read_familiarity(tmp_path, FamiliarityEntry("f.tsv", {"rna": view, "adt": view}))
    np.testing.assert_allclose(back["adt"].measure(vectors), known.measure(vectors), rtol=1e-3, atol=1e-2)
    with pytest.raises(BundleError, match="no table"):
        read_familiarity(tmp_path, FamiliarityEntry("f.tsv", {"rna": view}))
    assert read_familiarity(tmp_path, None) == {}
