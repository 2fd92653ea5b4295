"""The scripts that judge fused vectors count what they say, and the page holds what they measured."""

from __future__ import annotations

import json
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml

from benchmarks.fusion import ablations, neighbours, published, tables
from fusion_sets import make_set
from recipes.fusion.sets import SETS

pytestmark = pytest.mark.slow
NAME = "citeseq_pbmc5k"


@pytest.fixture
def data(tmp_path):
    """A folder like the real one with one small set; a tenth of its cells belong to no cluster."""
    folder = tmp_path / "data"
    path = folder / SETS[NAME].file
    path.parent.mkdir(parents=True)
    make_set(path.parent, NAME, 0)
    cells = ad.read_h5ad(path)
    kinds = pd.read_csv(path.parent / f"{NAME}.tsv", sep="\t")["kind_of_cell"].to_numpy(dtype=object)
    cells.obs[ablations.GATES] = kinds
    kinds = kinds.copy()
    kinds[::10] = "unmatched"
    cells.obs[ablations.LABEL] = kinds
    cells.write_h5ad(path)
    return folder


def test_a_label_is_learnt_or_judges_and_none_is_neither(data, tmp_path):
    """Cells whose labels are learnt never judge, and cells without a label do neither."""
    manifest, truth = ablations.write_manifest(data, tmp_path, NAME, 0)
    entry = yaml.safe_load(manifest.read_text())["sets"][0]
    table = pd.read_csv(tmp_path / entry["cells"], sep="\t")
    has_label = table["label"] != "unmatched"
    learnt = table["role"].isin(["train", "validation"])
    assert has_label[learnt].all()
    assert ((truth != "") == (has_label & ~learnt)).all()
    assert 0.15 < (table["role"] == "train").mean() < 0.27


def test_a_row_is_trained_once_and_judged_by_hidden_labels(data, tmp_path, monkeypatch):
    """A second run adds nothing, and kinds that genes and proteins tell are told."""
    output = tmp_path / "rows.jsonl"
    words = ["--data", data, "--scratch", tmp_path / "s", "-o", output, "--rows", 1, "--seeds", 1]
    monkeypatch.setattr(sys, "argv", [str(word) for word in ["ablations.py", *words, "--steps", 60]])
    for _ in range(2):
        ablations.main()
    (row,) = tables.read_rows(output)
    assert row["accuracy"] > 0.9
    assert row["ari_gates"] > 0.8
    assert len(np.load(tmp_path / "s" / f"{NAME}.fusion.seed0.npz")["vectors"]) == 160


def test_a_class_that_nobody_learnt_is_missed(monkeypatch):
    """Classes are those learnt, so a hidden one cannot shift the others."""
    truth = np.array(["a", "b", "c", ""], dtype=object)
    told = np.eye(2)[[0, 0, 1]]  # of the classes a and c

    class Told:
        logits = told

    monkeypatch.setattr(ablations, "predict", lambda *_, **__: Told)
    found = ablations.judge(None, None, ("a", "c"), truth, np.array(["x", "x", "y", "y"]))
    assert found["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["ari_gates"] == 1


def test_pairs_are_counted():
    """The indices of pairs are those of a count by hand."""
    label, group = np.array(list("aaabbb")), np.array([0, 0, 1, 1, 2, 2])
    found = published.compare(label, group)
    # pairs together in both: 2 (a a, b b); in groups alone 1; in labels alone 4
    assert found["ji"] == pytest.approx(2 / 7)
    assert found["f"] == pytest.approx(4 / 9)
    assert found["fmi"] == pytest.approx(2 / np.sqrt(3 * 6))


def test_protocols_leave_out_what_has_no_label():
    """Groups that lie apart agree wholly with their labels, whatever cells without one do."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 60)
    vectors = rng.normal(size=(180, 5)) + 30 * np.eye(5)[group]
    clusters = group.astype(str).astype(object)
    clusters[rng.choice(180, 20, replace=False)] = "unmatched"
    rows = published.judge(
        [(0, *published.draw(vectors))], {"clusters": clusters, "gates": group.astype(str)}
    )
    assert [(row["protocol"], row["labels"]) for row in rows] == [
        ("paper", "clusters"), ("honest", "clusters"), ("honest", "gates"),
    ]  # fmt: skip
    # Leiden may cut a group in two, but never joins two of them
    assert all(row["ari"][0] > 0.5 for row in rows)
    assert rows[1]["sc"][0] > 0.8
    assert rows[0]["asw"][0] > 0.8


def make_rows(mixer, accuracy, architecture="scfusionttt", **other):
    """Three seeds of a design."""
    usual = {"patch": 40, "masked": 0.15, "pretrained": True, "order": "genome", "cpu_seconds": 1}
    return [
        {"architecture": architecture, "mixer": mixer, "seed": seed, "accuracy": accuracy + seed / 100,
         "accuracy_rna": 0.5, "ari_gates": 0.5, "masked_error": accuracy, **(usual | other)}
        for seed in range(3)
    ]  # fmt: skip


def test_designs_are_compared_with_the_row_that_differs_in_one_thing():
    """Other patches are set against the same mixer, mixers against the perceptron."""
    lines = tables.tell_ablations(
        make_rows("none", 0.8, "fusion")
        + make_rows("attention", 0.9)
        + make_rows("attention", 0.92, patch=10)
    )
    assert lines[-2].split("|")[7].strip().startswith("+.100 (+.100")
    assert lines[-1].split("|")[7].strip().startswith("+.020 (+.020")
    assert "patches of 10" in lines[-1]


def test_a_row_without_its_base_has_no_difference():
    """What was not measured is not compared with."""
    lines = tables.tell_ablations(make_rows("attention", 0.92, patch=10))
    assert [cell.strip() for cell in lines[-1].split("|")][6:8] == [".930", ""]


def test_orders_are_compared_by_masked_genes():
    """Every other row is set against TTT in genome order."""
    lines = tables.tell_masked(make_rows("ttt", 0.7) + make_rows("ttt", 0.71, order="shuffle"))
    assert lines[-2].endswith("| 3 | .700 |  |")
    assert lines[-1].startswith("| ttt | shuffle | 3 | .710 | +.010 (")


def test_what_has_no_gates_leaves_cells_empty():
    """A set of one kind of labels has empty cells, not another's figures."""
    row = {"protocol": "honest", "set": "citeseq_cbmc8k", "system": "PCA", "labels": "rna_annotation"}
    line = tables.tell_honest([row | {key: [0.5, 0.01] for key in ("ari", "nmi", "sc", "dbi")}])[-1]
    assert line.count(".500") == 4
    assert line.count("|  |") == 4


def test_programs_say_how_long_they_trained():
    """Epochs stand where a program counts them."""
    row = {"set": NAME, "cells": 3994, "cpu_seconds": 1234.5, "peak_mib": 900}
    lines = tables.tell_peers([
        {"program": "totalvi", "epochs": 380, "of": 400, **row}, {"program": "wnn", **row}
    ])  # fmt: skip
    assert "| 380 of 400 | 1,234.5 | 900 |" in lines[-2]
    assert "| 3,994 |  | 1,234.5 |" in lines[-1]


def test_labels_that_others_learn_from_are_a_part(data, tmp_path):
    """What is exported holds 27 % of the labels, and none where a cell has none."""
    manifest, _ = ablations.write_manifest(data, tmp_path, NAME, 0)
    entry = neighbours.read_fusion_manifest(manifest)[0]
    neighbours.export_set(neighbours.read_set(entry), tmp_path / "peers.h5ad")
    learnt = ad.read_h5ad(tmp_path / "peers.h5ad").obs["learnt0"].astype(str)
    assert "unmatched" not in set(learnt)
    assert 0.15 < (learnt != "unknown").mean() <= 0.27


def test_the_page_holds_what_was_measured(monkeypatch):
    """Tables in the docs are those of the rows kept beside the scripts."""
    monkeypatch.setattr(sys, "argv", ["tables.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        tables.main()
    assert ended.value.code == 0
    rows = [json.loads(line) for path in tables.RESULTS.glob("*.jsonl") for line in path.open()]
    assert len(rows) > 100
