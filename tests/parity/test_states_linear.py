"""The packaged states-linear model computes what its card says, on paper and on real cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tcellflow.genes.panel import align_panel
from tcellflow.genes.symbols import harmonise_genes
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.vocabulary import Function, Lineage, State

LINEAGES, FUNCTIONS, STATES = list(Lineage), list(Function), list(State)
CONVENTIONAL = ("CD4", "CD8")
MEMORY = ("central_memory", "effector_memory", "resident_memory")
EPSILON = 1e-6


@pytest.fixture(scope="module")
def bundle():
    return read_bundle(PACKAGED_FOLDER / "states-linear")


@pytest.fixture(scope="module")
def stored(bundle):
    """The model's own constants, in float64."""
    initializers = onnx.load(bundle.model_path).graph.initializer
    return {t.name: numpy_helper.to_array(t).astype(np.float64) for t in initializers}


def allowed_functions(lineage):
    """Functions without a structural zero."""
    if lineage == "Treg":
        return ["regulatory"]
    names = ["naive", *MEMORY, "effector", "exhausted_terminal"]
    return [*names, "th_effector"] if lineage == "CD4" else names


def reference_cell(decision, temperature, classes):
    """One cell by the text of the specification, with dictionaries instead of matrices."""
    shifted = np.exp((decision - decision.max()) / temperature)
    p = shifted / shifted.sum()
    lineage_mass = dict.fromkeys(LINEAGES, 0.0)
    known = {(lin, fun): 0.0 for lin in LINEAGES for fun in FUNCTIONS}
    cycling = regulating = 0.0
    for mass, entry in zip(p, classes, strict=True):
        cycling += mass * entry["cycling"]
        if entry["regulating"]:
            regulating += mass
            continue
        lineage_mass[entry["lineage"]] += mass
        if entry["function"] is not None:
            known[entry["lineage"], entry["function"]] += mass
    # {regulatory, memory}: in proportion to what the cell's other classes say of these
    options = [("Treg", "regulatory"), *(("CD4", memory) for memory in MEMORY)]
    total = sum(known[option] + EPSILON for option in options)
    extra = {option: regulating * (known[option] + EPSILON) / total for option in options}
    for option, mass in extra.items():
        known[option] += mass
        lineage_mass[option[0]] += mass
    joint = np.zeros((6, 9))
    for i, lineage in enumerate(LINEAGES):
        names = allowed_functions(lineage)
        sources = [lineage] if lineage in {"CD4", "CD8", "Treg"} else CONVENTIONAL
        mass = {f: sum(known[s, f] for s in sources) + EPSILON / len(names) for f in names}
        for f in names:
            joint[i, FUNCTIONS.index(f)] = lineage_mass[lineage] * mass[f] / sum(mass.values())
    states = dict.fromkeys(STATES, 0.0)
    states["Proliferating"] = cycling
    for i, lineage in enumerate(LINEAGES):
        for f in allowed_functions(lineage):
            state = {
                "naive": "Naive",
                "effector": "Effector",
                "th_effector": "Th_effector",
                "exhausted_terminal": "Exhausted",
                "regulatory": "Treg",
            }.get(f, "Memory")
            states[state] += (1 - cycling) * joint[i, FUNCTIONS.index(f)]
    return np.array([states[s] for s in STATES]), joint, cycling


def reference(x, present, stored, classes):
    """Decision values and calls in float64."""
    z = np.minimum((x.astype(np.float64) - stored["mean"]) / stored["scale"], 10.0) * present
    decisions = z @ stored["coef"] + stored["intercept"]
    cells = [reference_cell(d, float(stored["temperature"]), classes) for d in decisions]
    return decisions, *(np.array(part) for part in zip(*cells, strict=True))


def check_against_reference(predictor, x, present, stored):
    calls = predictor.predict(x, present)
    document = predictor.bundle.description.document
    decisions, states, joint, cycling = reference(x, present, stored, document["teacher_classes"])
    tolerance = document["parity"]["tolerance"]
    assert tolerance <= 1e-5
    assert np.abs(calls.state_probabilities - states).max() <= tolerance
    assert np.abs(calls.p_lineage - joint.sum(axis=2)).max() <= tolerance
    assert np.abs(calls.p_cycling - cycling).max() <= tolerance
    reported = ~np.isnan(calls.p_function).any(axis=0)
    assert np.abs(calls.p_function[:, reported] - joint.sum(axis=1)[:, reported]).max() <= tolerance
    assert joint.sum(axis=1)[:, ~reported].max() == 0
    assert np.abs(calls.latent - decisions).max() <= tolerance * np.abs(decisions).max()
    np.testing.assert_array_equal(
        calls.predicted_state, np.array([str(s) for s in STATES], dtype=object)[states.argmax(axis=1)]
    )


def test_the_model_is_the_specification(bundle, stored):
    """On cells of every kind, with a third of the genes absent, model and float64 reference agree."""
    rng = np.random.default_rng(5)
    centred = stored["coef"].T - stored["coef"].mean(axis=1)
    towards = centred[rng.integers(0, 68, 400)] / centred.std()
    x = stored["mean"] + stored["scale"] * (0.5 * towards + rng.normal(size=(400, centred.shape[1])))
    x = x.clip(0, 9).astype(np.float32)
    predictor = StatePredictor(bundle, threads=1, device="cpu")
    for present in (np.ones(x.shape[1], bool), rng.random(x.shape[1]) > 1 / 3):
        check_against_reference(predictor, x, present, stored)


def test_extreme_cells_stay_within_the_tolerance(bundle, stored):
    """Empty cells and saturated cells give finite distributions equal to the reference."""
    n_genes = stored["mean"].size
    x = np.stack([np.zeros(n_genes), np.full(n_genes, 9.2), np.eye(n_genes)[0] * 9.2]).astype(np.float32)
    predictor = StatePredictor(bundle, threads=1, device="cpu")
    check_against_reference(predictor, x, np.ones(n_genes, bool), stored)
    check_against_reference(predictor, x, np.zeros(n_genes, bool), stored)


def test_every_class_of_the_teacher_has_a_place(bundle):
    """The class table has the 68 classes in the model's order, with the counts of the specification."""
    entries = bundle.description.document["teacher_classes"]
    assert tuple(entry["name"] for entry in entries) == bundle.states.labels["latent"]
    cycling = [e for e in entries if e["cycling"]]
    resting = [e for e in entries if not e["cycling"]]
    memory = [e for e in resting if e["function"] in MEMORY]
    counts = {f: sum(e["function"] == f for e in resting) for f in FUNCTIONS}
    assert (len(entries), len(cycling), len(memory)) == (68, 4, 11)
    assert counts["naive"] == 9
    assert counts["effector"] == 10
    assert counts["th_effector"] == 3
    assert counts["exhausted_terminal"] == 4
    assert counts["regulatory"] == 6
    assert sum(e["function"] is None for e in resting) == 21
    assert sum(e["regulating"] for e in entries) == 4


@pytest.mark.data
def test_the_latent_is_the_published_rule(bundle, shared_data):
    """On real cells the latent equals the teacher's rule applied to its published coefficients."""
    teacher = np.load(shared_data / "teachers" / "tcellatlas_linear.npz", allow_pickle=False)
    part = {k: teacher[f"T_cell__{k}"] for k in ("coef", "intercept", "mean", "scale", "genes", "classes")}
    assert tuple(part["classes"].astype(str)) == bundle.states.labels["latent"]
    genes = part["genes"].astype(str)
    symbols = harmonise_genes([""] * len(genes), list(genes)).symbols
    in_panel = np.isin(symbols, bundle.panel.symbols)
    assert in_panel.sum() == bundle.panel.symbols.size

    adata = ad.read_h5ad(shared_data / "citeseq_malt_1k" / "citeseq_malt_1k.h5ad")[:200]
    counts = adata.X.toarray().astype(np.float64)
    harmonised = harmonise_genes([""] * adata.n_vars, list(adata.var_names))
    summed = np.zeros((len(counts), harmonised.symbols.size))
    np.add.at(summed.T, harmonised.column_map, counts.T)
    x = np.log1p(summed / counts.sum(axis=1, keepdims=True) * 1e4)

    column_of = {symbol: i for i, symbol in enumerate(harmonised.symbols)}
    used = np.flatnonzero(in_panel & np.array([s in column_of for s in symbols]))
    columns = [column_of[symbols[i]] for i in used]
    z = np.minimum((x[:, columns] - part["mean"][used]) / part["scale"][used], 10)  # missing genes dropped
    expected = z @ part["coef"].astype(np.float64)[:, used].T + part["intercept"]

    panel = align_panel(harmonised.symbols, bundle.panel.symbols)
    gathered = np.zeros((len(x), panel.columns.size), np.float32)
    gathered[:, panel.present] = x[:, panel.columns[panel.present]]
    calls = StatePredictor(bundle, threads=1, device="cpu").predict(gathered, panel.present)
    assert np.abs(calls.latent - expected).max() <= 1e-5 * np.abs(expected).max()
    np.testing.assert_array_equal(calls.latent.argmax(axis=1), expected.argmax(axis=1))
