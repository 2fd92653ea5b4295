"""The scripts that label cells and judge states bundles run on tiny data, and find what lies in them."""

from __future__ import annotations

import importlib
import json
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import yaml
from onnx import helper, numpy_helper
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import state_bundles
from benchmarks.states import curves, evaluate, held_out, receptor_gain, receptor_rows, speed
from receptor_bundles import make_native_model, write_native_bundle
from recipes.datasets import cells as cells_of_sets
from recipes.datasets import labels
from recipes.states import cohorts
from state_bundles import write_states_bundle
from tcellflow.inference.states.predictor import StatePredictor

pytestmark = pytest.mark.slow
NAMES = ("zheng_facs_mudan", "citeseq_malt_1k", "trex_pt17_trimodal")
N_CELLS, N_GENES = 25, 1_000
MARKERS = {
    "naive": ("CCR7", "LEF1", "TCF7", "SELL", "CD3E", "CD3D", "TRAC"),
    "memory": ("S100A4", "ANXA1", "IL32", "LTB", "CD3E", "CD3D", "TRAC"),
    "treg": ("FOXP3", "IL2RA", "CTLA4", "RTKN2", "CD3E", "CD3D", "TRAC"),
    "effector": ("GZMB", "PRF1", "FGFBP2", "CD8A", "CD3E", "CD3D", "TRAC"),
    "b": ("MS4A1", "CD79A", "CD79B"),
}
LETTERS = {"naive": "A", "memory": "L", "treg": "R", "b": "Y", "effector": "W"}
LABELS = {
    "zheng_facs_mudan": ("facs_label", {
        "naivet": "naive", "memoryt": "memory", "regulatoryt": "treg", "bcells": "b"}),
    "citeseq_malt_1k": (
        "cell_type_l2",
        {"naive CD4": "naive", "memory CD4": "memory", "Treg": "treg", "undefined": "b"},
    ),
    "trex_pt17_trimodal": (
        "label_orig",
        {
            "CD8_TEMRA_RA+RO-62L-": "effector",
            "CD4_CM_RO+62L+": "memory",
            "CD4_Treg_25+127-": "treg",
            "CD8_naive_RA+RO-62L+": "naive",
        },
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def three_sets(monkeypatch):
    """The scripts see three sets only."""
    chosen = tuple(labels.find_set(name) for name in NAMES)
    for module in (held_out, cohorts):
        monkeypatch.setattr(module, "SETS", chosen)
    for more in ("MORE_LABELLED", "UNLABELLED", "RECEPTOR_SETS"):
        monkeypatch.setattr(cohorts, more, ())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder like the real one: cells whose markers stand far above the rest."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    panel = StatePredictor("states-linear", threads=1, device="cpu").bundle.panel
    loud = panel.symbols[np.argsort(-panel.weights)[:N_GENES]]
    genes = sorted({*loud, *(gene for markers in MARKERS.values() for gene in markers)})
    for name, (column, kinds) in LABELS.items():
        labels = np.repeat(list(kinds), N_CELLS)
        rates = np.full((len(labels), len(genes)), 0.3)
        for row, label in enumerate(labels):
            rates[row, [genes.index(gene) for gene in MARKERS[kinds[label]]]] = 8
        obs = pd.DataFrame({column: labels}, index=[f"cell{i}" for i in range(len(labels))])
        obs["cell_type_l1"] = np.where(labels == "undefined", "B", "CD4 T")
        obs["donor"], obs["is_T"] = "one", [kinds[label] != "b" for label in labels]
        # the fifth residue tells the state, the others the clone
        told = [f"CASS{LETTERS[kinds[label]]}" for label in labels]
        names = ["".join(rng.choice(list("DEGNQ"), 6)) for _ in labels]
        for chain in ("TRA", "TRB"):
            obs[f"{chain}_cdr3_aa"] = [f"{a}{b}F" for a, b in zip(told, names, strict=True)]
            obs[f"{chain}_v"], obs[f"{chain}_j"] = f"{chain}V1*01", ""
        cells = ad.AnnData(sparse.csr_matrix(rng.poisson(rates)), obs, pd.DataFrame(index=genes))
        (folder / name).mkdir()
        chains = [
            {"cell_id": cell, "sequence_id": f"{cell}{locus}", "locus": locus, "productive": "T",
             "v_call": "", "j_call": "", "junction": "", "junction_aa": junction}
            for locus in ("TRA", "TRB")
            for cell, junction in zip(obs.index, obs[f"{locus}_cdr3_aa"], strict=True)
        ]  # fmt: skip
        pd.DataFrame(chains).to_csv(folder / name / "tcr.airr.tsv.gz", sep="\t", index=False)
        file = "counts.h5ad" if name.startswith("trex") else f"{name}.h5ad"
        cells.write_h5ad(folder / name / file)
        (folder / name / "dataset.json").write_text(json.dumps({"licence": "MIT", "source": "made"}))
        (folder / name / "tcr.airr.tsv.gz").touch()
    return folder


def test_cohorts_say_what_the_labels_say(data, tmp_path):
    """Gates that are wrong are left out, other cells are named, and memory is one of three functions."""
    cohorts.write_cohorts(data, tmp_path, frozenset({"citeseq_malt_1k"}))
    entries = yaml.safe_load((tmp_path / "cohorts.yaml").read_text())["cohorts"]
    assert [entry["name"] for entry in entries] == ["zheng_facs_mudan", "trex_pt17_trimodal"]
    gates = entries[0]["labels"][0]
    assert gates["evidence"] == "gated"
    assert gates["map"]["memoryt"]["function"] == ["central_memory", "effector_memory", "resident_memory"]
    sorted_cells = pd.read_csv(tmp_path / entries[0]["cells"], sep="\t", keep_default_na=False)
    assert (sorted_cells.query("kind == 'B'")["label"] == "").all()
    assert (sorted_cells["kind"] == "B").sum() == N_CELLS
    trex = pd.read_csv(tmp_path / entries[1]["cells"], sep="\t", keep_default_na=False)
    assert (trex["label"] != "").sum() == 3 * N_CELLS
    assert (trex["library_size"] > 0).all()


def test_a_set_is_judged_by_rows_that_did_not_see_it(data, tmp_path, monkeypatch, capsys):
    """Clear cells are told apart by what learns from the other sets, and other cells by the gate."""
    output = tmp_path / "result.json"
    words = ["evaluate.py", "--data", data, "--bundle", "states-linear", "--seeds", 1]
    words += ["--unseen", NAMES[0], "--sets", NAMES[0], "--cache", tmp_path, "-o", output]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    evaluate.main()
    result = json.loads(output.read_text())
    rows = result["held_out"][NAMES[0]]["rows"]
    assert rows["logistic regression"]["figures"]["macro_f1"][0] > 0.9
    assert rows["majority"]["figures"]["balanced_accuracy"][0] == pytest.approx(1 / 3, abs=1e-4)
    low, high = rows["logistic regression"]["compared"]["macro_f1"]["ours_less_this"][1:]
    assert low <= high
    others = result["out_of_distribution"][NAMES[0]]
    assert others["B"]["ood_score"] is None
    assert others["B"]["with_gate"] > 0.9
    assert others["genes named as in mice"]["refused"]
    assert result["curves"]["as measured"]["logistic regression"] > 0.9
    assert result["random_split"]["logistic regression"]["figures"]["macro_f1"][0] > 0.9
    assert "| majority |" in capsys.readouterr().out
    assert list(tmp_path.glob("*.npy"))


def test_thinning_halves_the_molecules(data):
    """Counts and library sizes fall together, genes that are lost are gone."""
    cells = held_out.read_sets(data)[NAMES[0]]
    half = curves.thin(cells, 0.5, 0)
    assert half.library.sum() == pytest.approx(cells.library.sum() / 2, rel=0.02)
    assert half.counts.sum() == half.library.sum()
    fewer = curves.lose_genes(cells, 0.25, 0)
    assert fewer.counts.shape[1] == len(fewer.symbols) < 0.8 * len(cells.symbols)
    assert list(fewer.library) == list(cells.library)


class LetterEncoder:
    """An encoder that sees one residue."""

    def embed_chains(self, chains):
        """Give a column per letter, and that the gene was read without its allele."""
        assert set(chains.v_call) <= {"TRAV1", "TRBV1"}
        assert set(chains.j_call) == {None}
        letters = list(LETTERS.values())
        return np.eye(5, dtype=np.float32)[[letters.index(junction[4]) for junction in chains.junction_aa]]


def test_receptors_that_tell_the_state_are_seen_to(data, monkeypatch):
    """Chains that name the state are enough, on either split, and add nothing where expression is clear."""
    monkeypatch.setattr(receptor_gain, "NAMES", ("trex_pt17_trimodal",))
    monkeypatch.setattr(receptor_gain, "SEEDS", 1)
    result = receptor_gain.evaluate(data, LetterEncoder())
    assert len(result) == 2
    for rows in result.values():
        assert rows["both chains alone"]["value"][0] > 0.95
        assert rows["expression"]["gain"] == [0, 0, 0]
        assert rows["expression and both chains"]["value"][0] > 0.9
    assert receptor_gain.render(result).count("|") > 20


def test_rows_of_a_bundle_with_receptors_are_what_is_shown(data, tmp_path, monkeypatch):
    """Without its chains it is the bundle of expression alone; clones are compared cohort by cohort."""
    monkeypatch.setattr(receptor_rows, "WITH_RECEPTORS", ("trex_pt17_trimodal",))
    model = make_native_model(state_bundles.DIMENSION)
    encoder = write_native_bundle(tmp_path / "encoder", model=model, dimension=state_bundles.DIMENSION)
    for side, score in (("expression", 0.5), ("receptors", 0.75)):
        metrics = [{"cohort": "one", "judge": "", "cells": 60, "macro_f1": score, "ece": 0}]
        for name in ("trex_pt17_trimodal", "clone"):
            folder = tmp_path / side / "0" / name / "bundle"
            write_states_bundle(folder, with_receptors=side == "receptors", metrics=metrics)
    result = receptor_rows.evaluate(data, tmp_path / "expression", tmp_path / "receptors", str(encoder))
    rows = result["held_out"]["trex_pt17_trimodal"]["distilled"]["macro_f1"]
    assert rows["both chains missing"]["gain"] == [0, 0, 0]
    values = {row: found["value"][0] for row, found in rows.items()}
    assert values["both chains"] != values["both chains missing"]
    assert result["clones"]["one"]["gain"] == [0.25]
    assert receptor_rows.render(result).count("|") > 30
    cells = cells_of_sets.read_set(data, labels.find_set("trex_pt17_trimodal"))
    shown = receptor_rows.show_rows(cells, receptor_rows.read_chains(data, cells, str(encoder)), 0)
    there = {row: (block.has_tra.all(), block.has_trb.all()) for row, block in shown.items() if block}
    assert there["without alpha"] == (False, True)
    assert there["without beta"] == (True, False)
    assert (shown["shuffled within donor and state"].trb != shown["both chains"].trb).any()


def test_products_with_weights_are_counted():
    """Two operations for each weight of a product, stacked members too; sums cost nothing."""
    weights = [np.zeros((10, 5), np.float32), np.zeros((3, 5, 2), np.float32), np.zeros(2, np.float32)]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["y"]),
        helper.make_node("MatMul", ["y", "b"], ["z"]),
        helper.make_node("Add", ["z", "c"], ["out"]),
    ]
    given = [numpy_helper.from_array(w, name) for w, name in zip(weights, "abc", strict=True)]
    graph = helper.make_graph(nodes, "made", [], [], given)
    assert speed.count_flop(helper.make_model(graph)) == 2 * (50 + 30)


def test_labels_of_celltypist_are_read_as_states(data, tmp_path):
    """A CellTypist model is a row; a model without any T-cell state is refused."""
    pytest.importorskip("celltypist", reason="the peers of the benchmarks are not installed (make bench)")
    row = importlib.import_module("benchmarks.states.celltypist_row")
    sets = held_out.read_sets(data)
    taught, judged = sets["citeseq_malt_1k"], sets["zheng_facs_mudan"]
    names = {
        "Naive": "Tcm/Naive helper T cells",
        "Memory": "Tem/Effector helper T cells",
        "Treg": "Treg(diff)",
    }
    for words, path in ((names, tmp_path / "states.pkl"), (dict.fromkeys(names), tmp_path / "none.pkl")):
        scaler = StandardScaler().fit(taught.expression.toarray())
        y = [words[state] or f"other {state}" for state in taught.state.astype(str)]
        model = LogisticRegression().fit(scaler.transform(taught.expression.toarray()), y)
        model.features = taught.symbols.astype(str)
        row.Model(model, scaler, {"date": "", "details": "", "number_celltypes": 3}).write(str(path))
    p = row.open_celltypist(str(tmp_path / "states.pkl")).predict(judged)
    assert held_out.measure_probabilities(judged.state.astype(str).astype(object), p)["macro_f1"] > 0.75
    with pytest.raises(SystemExit, match="none of its labels"):
        row.open_celltypist(str(tmp_path / "none.pkl"))
