"""What is aimed at is judged by labels that were never seen, and told as met only where it is."""

from __future__ import annotations

from functools import partial

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.fusion import target_tables, targets
from fusion_sets import make_set
from recipes.fusion.sets import SETS
from tcellflow.training.fusion.options import FusionBatchOptions, FusionTaskOptions, TrainFusionOptions
from tcellflow.training.options import LoopOptions


@pytest.fixture
def data(tmp_path):
    """A folder like the real one with two small sets of two donors."""
    folder = tmp_path / "data"
    for seed, name in enumerate((targets.TEACHER, targets.PUPIL)):
        path = folder / SETS[name].file
        path.parent.mkdir(parents=True)
        make_set(path.parent, name, seed, n_cells=400)
        cells = ad.read_h5ad(path)
        kinds = pd.read_csv(path.parent / f"{name}.tsv", sep="\t")["kind_of_cell"]
        cells.obs[targets.LABELS[name]] = kinds.to_numpy(dtype=object)
        cells.obs["n_umi_all_genes"] = np.asarray(cells.X.sum(axis=1)).ravel()
        cells.write_h5ad(path)
    return folder


def test_labels_that_judge_are_in_no_table(data, tmp_path):
    """Training is given 30 % of the labels and nothing of the others."""
    names = ad.read_h5ad(data / SETS[targets.PUPIL].file).obs_names
    role = pd.Series(targets.draw_roles(len(names), 0, is_unseen=False), names)
    manifest = targets.write_manifest(data, tmp_path, targets.PUPIL, role)
    entry = yaml.safe_load(manifest.read_text())["sets"][0]
    table = pd.read_csv(tmp_path / entry["cells"], sep="\t", keep_default_na=False)
    hidden = table["role"] == "unlabelled"
    assert hidden.sum() == 280
    assert (table["label"][hidden] == "").all()
    assert (table["label"][~hidden] != "").all()


def test_half_of_the_judges_may_be_left_out():
    """The same cells teach."""
    usual, unseen = (targets.draw_roles(1_000, 3, is_unseen=one) for one in (False, True))
    assert (np.isin(usual, ["train", "validation"]) == np.isin(unseen, ["train", "validation"])).all()
    assert (unseen == "test").sum() == (unseen == "unlabelled").sum() == 350


@pytest.mark.slow
def test_kinds_and_proteins_that_genes_tell_are_told(data, tmp_path, monkeypatch):
    """One bundle is judged by hidden labels in every view, and by another set's proteins."""
    quick = partial(
        TrainFusionOptions, members=1, n_genes=40,
        task=FusionTaskOptions(components=6, width=32, batch=FusionBatchOptions(32, 32)),
        loop=LoopOptions(steps=120, learning_rate=5e-3, warm_up_steps=10, validate_every=60),
    )  # fmt: skip
    monkeypatch.setattr(targets, "TrainFusionOptions", quick)
    row = targets.measure(data, tmp_path / "run", targets.TEACHER, 0, is_unseen=False)
    for view in targets.VIEWS:
        assert row[view]["judged"] == 280
        assert row[view]["accuracy"] > 0.8
        assert row[view]["label_ari"] > 0.5
        assert 0 <= row[view]["ece"] < 0.3
    assert set(row["imputed"]) == {"CD14", "CD19", "CD3E", "CD4", "CD8A", "PTPRC:RA"}
    for one in row["imputed"].values():
        assert one["r"] > 0.5
        assert 0 < one["coverage"] <= 1
        assert one["rmsle_calibrated"] < 2


def test_confidence_is_judged_by_bins():
    """Sure and wrong is an error of one; as sure as right is none."""
    assert targets.measure_calibration(np.ones(30), np.zeros(30, bool)) == 1
    assert targets.measure_calibration(np.full(300, 0.5), np.arange(300) % 2 == 0) < 0.03


def test_an_aim_is_met_by_the_mean_of_the_seeds():
    """Some of several figures may be met, and deviations stand where there are seeds."""

    def make(seed, accuracy):
        groups = {"ari": 0.5, "nmi": 0.5}
        view = {"accuracy": accuracy, "macro_f1": 0.97, "label_ari": 0.9, "ece": 0.01, "leiden": groups}
        told = {
            target: {"r": 0.99, "rmsle": 1.0, "rmsle_calibrated": 0.5, "coverage": 0.8}
            for target in target_tables.TOTALVI
        }
        return {
            "set": target_tables.PBMC_10K, "seed": seed, "unseen": False, "imputed": told,
            **dict.fromkeys(targets.VIEWS, view),
        }  # fmt: skip

    lines = target_tables.tell_learnt([make(0, 0.96), make(1, 0.98)])
    cells = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[2:] for line in lines[2:]}
    assert cells["PBMC 10k, both: accuracy / macro-F1 / label ARI"] == [
        "≥ .966 / .962 / .932", "2", ".970 ± .014 / .970 ± .000 / .900 ± .000", "2 of 3 |",
    ]  # fmt: skip
    assert cells["PBMC 10k, both: calibration error"][-1] == "yes |"
    assert cells["of these told better than by totalVI"][2:] == ["14 ± .000", "yes |"]
    assert cells["cells in their 90 % intervals: distance from .90"][-1] == "no |"
    assert not any("cord blood" in quantity for quantity in cells)
