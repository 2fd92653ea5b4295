"""Types told in words: candidates, probabilities, smoothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from language_samples import MONOCYTE, NAIVE_CD4, NK, B, make_sample
from tcellflow.errors import InputError
from tcellflow.language.candidates import list_panel, make_candidates
from tcellflow.language.smoothing import place_cells, smooth
from tcellflow.language.typing import NONE, CellTyper

NAMES = {B: "B cell", MONOCYTE: "CD14+ monocyte", NAIVE_CD4: "naive CD4 T", NK: "NK cell"}


def test_cells_get_the_candidate_that_they_were_drawn_from():
    """Four candidates named in words are told apart, at a quarter of the depth too."""
    for depth in (4_000, 1_000):
        sample = make_sample(depth=depth)
        candidates = make_candidates([{"label": name} for name in NAMES.values()], "x")
        found = CellTyper(sample.var_names.to_numpy(), candidates).score(sample.X).probabilities
        labels = np.array([c.label for c in candidates])[found[:, :-1].argmax(axis=1)]
        truth = sample.obs["kind"].str.replace("_", ":").map(NAMES).to_numpy()
        assert (labels == truth).mean() > 0.97
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_cells_of_no_candidate_are_none_of_these():
    """Monocytes among lymphocyte candidates go to none of them, and so does a cell without counts."""
    sample = make_sample((MONOCYTE,), n_each=20)
    candidates = make_candidates([{"label": "B cell"}, {"label": "NK cell"}], "x")
    typer = CellTyper(sample.var_names.to_numpy(), candidates)
    assert (typer.score(sample.X).probabilities.argmax(axis=1) == 2).mean() > 0.9
    empty = sparse.csr_matrix(sample.X.shape, dtype=np.int32)
    assert (typer.score(empty).probabilities[:, -1] == 1).all()
    assert NONE == "none of these"


def test_markers_alone_tell_a_candidate():
    """A label without meaning is told by the markers that the user gives."""
    sample = make_sample()
    rows = [{"label": "X1", "positive": "CD79A, MS4A1"}, {"label": "X2", "markers": "LYZ;S100A8"}]
    typer = CellTyper(sample.var_names.to_numpy(), make_candidates(rows, "x"))
    found = typer.score(sample.X).probabilities[:, :2].argmax(axis=1)
    kinds = sample.obs["kind"].to_numpy()
    assert (found[kinds == "CL_0000236"] == 0).mean() > 0.9
    assert (found[kinds == "CL_0000860"] == 1).mean() > 0.9


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no column 'label'"),
        ([{"name": "B"}], "no column 'label'"),
        ([{"label": "B cell"}, {"label": "B cell"}], "given twice"),
        ([{"label": " "}], "is empty"),
        ([{"label": "a\x1bb"}], "control characters"),
        ([{"label": "B", "cl_id": "CL:9999999"}], "no live term"),
        ([{"label": "unicorn"}], "nothing tells the candidate"),
        ([{"label": str(i), "positive": "CD3E"} for i in range(2_001)], "more than 2000"),
    ],
)
def test_candidates_that_cannot_be_used_are_refused(rows, message):
    """Each fault names the candidate and the way out."""
    with pytest.raises(InputError, match=message):
        make_candidates(rows, "candidates.tsv")


def test_the_panel_is_a_list_of_candidates():
    """Without a list of their own, users get every type of the panel."""
    assert len(list_panel()) >= 60


def test_smoothing_averages_over_like_cells():
    """Noise on single cells goes, and the two kinds stay apart, in parts of the sample too."""
    sample = make_sample((B, MONOCYTE), n_each=100)
    typer = CellTyper(sample.var_names.to_numpy(), list_panel())
    places = place_cells(sparse.csr_matrix(typer.take(sample.X)))
    truth = np.repeat([0.0, 1.0], 100)
    noisy = (truth + np.random.default_rng(0).normal(0, 0.4, 200)).astype(np.float32)[:, None]
    smoothed = smooth(noisy, places, 20)
    assert ((smoothed[:, 0] > 0.5) == truth).all()
    np.testing.assert_array_equal(smoothed, smooth(noisy, places, 20))
    np.testing.assert_array_equal(smooth(noisy, places, 1), noisy)


def test_the_only_candidate_of_a_lineage_stands_for_it():
    """Dendritic cells go to the only phagocyte among the candidates; other T cells are doubted."""
    sample = make_sample(("CL:0002399", "CL:0000900", "CL:0000895"), n_each=20)
    candidates = make_candidates([{"label": "CD14+ monocyte"}, {"label": "naive CD4 T cell"}], "x")
    found = CellTyper(sample.var_names.to_numpy(), candidates).score(sample.X).probabilities
    assert (found[:20].argmax(axis=1) == 0).mean() > 0.9
    assert found[:20, 0].max() < 0.8
    assert found[20:40, 2].mean() > 0.15
    assert found[40:, 2].max() < 0.05
