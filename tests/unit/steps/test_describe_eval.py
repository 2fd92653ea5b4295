"""describe eval: figures with controls and ceilings."""

from __future__ import annotations

import json

import pytest

from language_samples import make_sample
from tcellflow.errors import InputError
from tcellflow.steps.describe.evaluation import evaluate
from tcellflow.steps.describe.options import EvaluateOptions

NAMES = {
    "CL_0000236": "B cell", "CL_0000860": "CD14+ monocyte",
    "CL_0000895": "naive CD4 T cell", "CL_0000939": "NK cell",
}  # fmt: skip


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Give a file of cells of four types with their names."""
    made = make_sample()
    made.obs["truth"] = made.obs["kind"].map(NAMES).astype(str)
    made.obs["one"] = "B cell"
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    made.write_h5ad(path)
    return path


def run(cells, folder, **options):
    """Evaluate and read the figures."""
    (path,) = evaluate(EvaluateOptions(cells, folder, "s", **options))
    return json.loads(path.read_text())["figures"]


def test_annotation_is_measured_beside_controls_and_a_ceiling(cells, tmp_path):
    """Cells drawn from the profiles are told; shuffled labels are at chance."""
    figures = run(cells, tmp_path, truth="truth")
    accuracy = figures["raw: accuracy"]
    assert accuracy["value"] > 0.95
    assert accuracy["ceiling"] > 0.95
    assert accuracy["controls"]["most frequent label"] == 0.25
    assert accuracy["controls"]["shuffled labels"] < 0.4 < accuracy["controls"]["markers alone"]
    assert figures["smoothed: ontology similarity"]["value"] > 0.9
    assert figures["few-shot, 3 per type: macro_f1"]["value"] > 0.9


def test_pseudo_cells_are_measured_beside_real_ones(cells, tmp_path):
    """Cells drawn from the profiles of these types are near those of the file; class means are told apart."""
    figures = run(cells, tmp_path, truth="truth", task="pseudo-cells")
    near = figures["k-NN accuracy, k = 5, 20 axes"]
    assert near["value"] > 0.9
    assert {"class mean", "Poisson around the class mean"} == set(near["controls"])
    zeros = figures["difference in the share of zeros, mean over genes"]
    assert zeros["value"] < 0.1 < zeros["controls"]["class mean"]


def test_texts_are_measured_beside_those_of_other_groups(cells, tmp_path):
    """Own texts hold, another group's do not; a group is found by its text."""
    figures = run(cells, tmp_path, truth="truth", task="text")
    grounded = figures["grounded sentences"]
    assert grounded["value"] == 1
    assert grounded["controls"]["text of another group, numbers left aside"] < 0.6
    found = figures["group found by its text, other half of the cells"]
    assert found["value"] > 0.9
    assert figures["claims that go with their gene"]["value"] == 1
    overlap = figures["label and definition: ROUGE-L"]
    assert overlap["value"] > overlap["controls"]["most frequent label recited"] + 0.1


@pytest.mark.parametrize(
    ("truth", "message"), [("nothing", "no column 'nothing'"), ("one", "1 labels"), ("kind", "nothing tells")]
)
def test_labels_that_measure_nothing_are_refused(cells, tmp_path, truth, message):
    """Each fault is told, and nothing is written."""
    with pytest.raises(InputError, match=message):
        evaluate(EvaluateOptions(cells, tmp_path, "s", truth=truth))
    assert not list(tmp_path.iterdir())
