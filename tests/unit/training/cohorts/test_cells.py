"""Cohorts: manifests say all their faults, labels fix only what they speak about, splits keep units whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from state_cohorts import CLONAL, MAP, write_cohort, write_manifest, write_three
from tcellflow.errors import InputError, OptionsError
from tcellflow.states.axes import FUNCTIONS, LINEAGES, possible_joint
from tcellflow.states.labels import Meaning, find_state, parse_meaning
from tcellflow.training.cohorts.cells import read_cohort
from tcellflow.training.cohorts.manifest import read_manifest
from tcellflow.training.cohorts.truth import read_truth
from tcellflow.training.states.cells import choose_panel, measure_scales, pool_cohorts
from tcellflow.training.states.splits import split_folds


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    return [read_cohort(entry) for entry in read_manifest(write_three(tmp_path_factory.mktemp("cohorts")))]


def test_all_faults_of_a_manifest_are_told_at_once(tmp_path):
    """Wrong keys, kinds, files and labels stand in one message."""
    bad_map = {"x": {"lineage": "CD5"}, "y": {"lineage": "CD8", "function": "th_effector"}, "z": 3}
    path = write_manifest(
        tmp_path,
        write_cohort(tmp_path, "one", 1, counts_kind="pints", counts="absent.h5ad", colour="red"),
        write_cohort(tmp_path, "one", 1, labels=[{"column": "gate", "evidence": "guess", "map": bad_map}]),
        {"name": "none"},
        "text",
    )
    with pytest.raises(InputError) as caught:
        read_manifest(path)
    said = str(caught.value)
    for part in (
        "pints", "absent.h5ad", "colour", "guess", "CD5", "CD8 th_effector", "'z'",
        "two cohorts are called one", "neither counts nor receptors", "cohort 4 is no mapping",
    ):  # fmt: skip
        assert part in said, part


@pytest.mark.parametrize(
    "text",
    [
        "cohorts: [",
        "cohorts: {}",
        "[]",
        "",
        "cohorts: " + "[" * 5000,
        "cohorts: [{name: " + "9" * 5000 + "}]",
        "\n".join(
            ["a0: &a0 x", *(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]" for n in range(40)), "cohorts: [*a40]"]
        ),
        "cohorts: &a [*a]",
        "cohorts: [!!timestamp 2024-99-99]",
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, text):
    """Broken YAML, and YAML without cohorts, are refused."""
    path = tmp_path / "cohorts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="manifest"):
        read_manifest(path)


def test_dates_of_a_manifest_are_the_text_that_they_are(tmp_path):
    """A cohort may be called after a day, even one that no calendar has."""
    entry = write_cohort(tmp_path, "2024-02-30", 1, licence="2024-02-30")
    path = write_manifest(tmp_path, entry)
    path.write_text(path.read_text().replace("'2024-02-30'", "2024-02-30"), encoding="utf-8")
    (parsed,) = read_manifest(path)
    assert parsed.name == "2024-02-30"
    assert parsed.licence == "2024-02-30"


def test_a_label_allows_what_it_says_and_no_structural_zero():
    """Sets are combinations without the impossible ones; silence allows everything."""
    faults: list[str] = []
    regulating = parse_meaning(
        {"lineage": ["Treg", "CD4"], "function": ["regulatory", "memory"]}, faults, "x"
    )
    cells = np.argwhere(regulating.mark_joint().reshape(6, 9))
    said = {(LINEAGES[i], FUNCTIONS[j]) for i, j in cells}
    assert said == {
        ("Treg", "regulatory"),
        *(("CD4", f"{kind}_memory") for kind in ("central", "effector", "resident")),
    }
    assert not faults
    assert Meaning().mark_joint().sum() == possible_joint().sum() == 5 * 7 + 1 + 1


def test_the_state_of_a_cell_is_named_where_one_is_possible():
    """Naive is a state whatever the lineage; a lineage alone is none; cycling beats all."""
    assert find_state(Meaning(functions=("naive",)).mark_joint(), None) == "Naive"
    assert find_state(Meaning(lineages=("CD8",)).mark_joint(), None) is None
    assert find_state(Meaning(lineages=("Treg",)).mark_joint(), None) == "Treg"
    assert find_state(possible_joint(), True) == "Proliferating"


def test_the_first_column_that_speaks_about_an_axis_counts(tmp_path):
    """A teacher adds the function to a gated lineage, and is not heard where it contradicts."""
    teacher = {
        "a": {"lineage": "CD4", "function": "naive"},
        "b": {"lineage": "Treg", "function": "regulatory"},
    }
    entry = write_cohort(tmp_path, "one", 1)
    entry["labels"] = [
        {"column": "gate", "evidence": "gated", "map": {"cd8": {"lineage": "CD8"}}},
        {"column": "guess", "evidence": "teacher", "map": teacher},
    ]
    (parsed,) = read_manifest(write_manifest(tmp_path, entry))
    table = pd.DataFrame({"gate": ["cd8", "cd8", ""], "guess": ["a", "b", "b"]})
    for column in ("cell_id", "donor", "clone", "library_size", "kind"):
        table[column] = ""
    truth = read_truth(table, parsed)
    assert list(truth.state) == ["Naive", "", "Treg"]
    assert list(truth.evidence) == ["teacher", "", "teacher"]
    assert truth.joint[0].sum() == 1
    assert set(np.argwhere(truth.joint[1].reshape(6, 9))[:, 0]) == {LINEAGES.index("CD8")}


def test_a_cohort_is_read_with_its_labels_and_library_sizes(cohorts):
    """States, kinds and evidence follow the map; the stated library size is used."""
    truth = cohorts[0].truth
    assert set(truth.state[truth.is_t & (truth.cycle == 0)]) == {"Naive", "Memory", "Treg"}
    assert set(truth.state[truth.cycle == 1]) == {"Proliferating", ""}
    assert set(truth.kind[~truth.is_t]) == {"B"}
    sums = np.asarray(cohorts[0].counts.sum(axis=1)).ravel()
    np.testing.assert_allclose(cohorts[0].library, sums + 10)
    assert cohorts[0].truth.donor[0] == "set0-donor0"


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [("cell_id", "other", "0 of 90 cells|named twice"), ("library_size", "-3", "no positive numbers")],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, column, value, match):
    """Foreign cells and impossible library sizes are named."""
    entry = write_cohort(tmp_path, "one", 1)
    table = pd.read_csv(tmp_path / "one.tsv", sep="\t", dtype=str)
    table[column] = [f"{value}{i}" if column == "cell_id" else value for i in range(len(table))]
    table.to_csv(tmp_path / "one.tsv", sep="\t", index=False)
    (parsed,) = read_manifest(write_manifest(tmp_path, entry))
    with pytest.raises(InputError, match=match):
        read_cohort(parsed)


def test_missing_columns_and_counts_are_refused(tmp_path):
    """A label column that is not there, and a cohort without counts, are named."""
    entry = write_cohort(tmp_path, "one", 1)
    entry["labels"] = [{"column": "nothing", "evidence": "gated", "map": MAP}]
    (parsed,) = read_manifest(write_manifest(tmp_path, entry))
    with pytest.raises(InputError, match="no column nothing"):
        read_cohort(parsed)
    alone = {"name": "alone", "receptors": "one.tsv", "cells": "one.tsv"}
    (parsed,) = read_manifest(write_manifest(tmp_path, alone))
    with pytest.raises(InputError, match="no counts"):
        read_cohort(parsed)


def test_the_panel_leads_with_what_tells_states_and_has_no_clonal_genes(cohorts):
    """Markers come first, V and immunoglobulin genes never."""
    panel, weights = choose_panel(cohorts, 200)
    assert not set(panel) & set(CLONAL)
    first = [gene for gene, weight in sorted(zip(panel, weights, strict=True), key=lambda x: -x[1])][:6]
    assert set(first) <= {
        "CCR7",
        "LEF1",
        "SELL",
        "S100A4",
        "IL7R",
        "ANXA1",
        "FOXP3",
        "IL2RA",
        "CTLA4",
        "MKI67",
        "TOP2A",
        "TYMS",
    }
    mean, scale = measure_scales(pool_cohorts(cohorts, panel))
    assert (scale > 0).all()
    assert np.isfinite(mean).all()


@pytest.mark.parametrize("unit", ["random", "clone", "donor", "cohort"])
def test_units_are_never_split(cohorts, unit):
    """All labelled cells are in a fold, and no donor or cohort is in two."""
    panel, _ = choose_panel(cohorts, 30)
    cells = pool_cohorts(cohorts, panel)
    folds = split_folds(cells, unit, 3, seed=1)
    assert set(folds[cells.truth.state != ""]) == {0, 1, 2}
    if unit in {"donor", "cohort"}:
        names = cells.truth.donor if unit == "donor" else cells.cohort
        assert all(len(set(folds[names == name])) == 1 for name in set(names))
    np.testing.assert_array_equal(folds, split_folds(cells, unit, 3, seed=1))


def test_cohorts_of_one_donor_stay_together(cohorts):
    """Two cohorts of the same person are one unit."""
    panel, _ = choose_panel(cohorts, 30)
    cells = pool_cohorts(cohorts, panel)
    cells.truth.donor[cells.cohort < 2] = "the same"
    folds = split_folds(cells, "cohort", 2, seed=0)
    assert len(set(folds[cells.cohort < 2])) == 1
    with pytest.raises(OptionsError, match="2 cohorts have labelled cells, and 3"):
        split_folds(cells, "cohort", 3, seed=0)


def test_a_label_that_no_cell_has_is_refused(tmp_path):
    """A misspelt label would teach nothing in silence; the message says what the column holds."""
    labels = [{"column": "gate", "evidence": "gated", "map": {**MAP, "Naive": {"function": "naive"}}}]
    path = write_manifest(tmp_path, write_cohort(tmp_path, "one", 1, labels=labels))
    with pytest.raises(InputError, match=r"the label 'Naive'; the column gate holds: .*'naive'"):
        read_cohort(read_manifest(path)[0])


def test_labels_and_their_cells_are_told(tmp_path, caplog):
    """Before anything is learnt the log says how many cells each label has."""
    with caplog.at_level("INFO", logger="tcellflow"):
        cohort = read_cohort(read_manifest(write_manifest(tmp_path, write_cohort(tmp_path, "one", 1)))[0])
    n_naive = int((cohort.truth.state == "Naive").sum())
    told = next(line for line in caplog.messages if "one, gate (gated)" in line)
    assert f"not in the map {int((cohort.truth.kind == 'B').sum())}" in told
    assert n_naive <= int(told.split("naive ")[1].split(",")[0]) < len(cohort.cell_ids)


def test_cells_that_nobody_calls_t_cells_are_told(tmp_path, caplog):
    """Without a column of kinds every cell counts as a T cell: where some have no label, that is said."""
    described = write_cohort(tmp_path, "one", 1)
    (entry,) = read_manifest(write_manifest(tmp_path, described))
    read_cohort(entry)
    assert not any("count as T cells" in line for line in caplog.messages)
    table = pd.read_csv(entry.cells, sep="\t", dtype=str)
    n_others = int((table["gate"] == "B").sum())
    table.drop(columns="kind").to_csv(entry.cells, sep="\t", index=False)
    cohort = read_cohort(entry)
    assert set(cohort.truth.kind) == {"T"}
    assert any(f"the {n_others} cells that are not in the map count as T" in line for line in caplog.messages)


def test_kinds_may_be_read_from_a_column_of_labels(tmp_path):
    """`kinds` says which values are T cells; a value that it leaves out is named."""
    changes = {"columns": {"kind": "gate"}, "kinds": {"naive": "T", "memory": "T", "treg": "T", "B": "B"}}
    (entry,) = read_manifest(write_manifest(tmp_path, write_cohort(tmp_path, "one", 1, **changes)))
    plain = read_cohort(read_manifest(write_manifest(tmp_path, write_cohort(tmp_path, "one", 1)))[0])
    np.testing.assert_array_equal(read_cohort(entry).truth.kind, plain.truth.kind)
    del changes["kinds"]["treg"]
    (entry,) = read_manifest(write_manifest(tmp_path, write_cohort(tmp_path, "one", 1, **changes)))
    with pytest.raises(InputError, match="does not explain: treg"):
        read_cohort(entry)


MEMORIES = ("central", "effector", "resident")


@pytest.mark.parametrize(
    ("found", "functions", "is_cycling"),
    [
        ({"state": "Naive"}, ("naive",), None),
        (
            {"state": "Memory", "lineage": "CD8"},
            ("central_memory", "effector_memory", "resident_memory"),
            None,
        ),
        ({"state": "Exhausted"}, ("exhausted_progenitor", "exhausted_terminal"), None),
        ({"state": "Treg"}, ("regulatory",), None),
        ({"state": "Proliferating"}, (), True),
    ],
)
def test_a_state_stands_for_function_and_cycle(found, functions, is_cycling):
    """A label may name one of the seven states instead of the axes."""
    faults: list[str] = []
    meaning = parse_meaning(found, faults, "x")
    assert (meaning.functions, meaning.is_cycling, faults) == (functions, is_cycling, [])
    if functions:
        assert find_state(meaning.mark_joint(), meaning.is_cycling) == found["state"]


@pytest.mark.parametrize("found", [{"state": "naive"}, {"state": "Naive", "function": "naive"}])
def test_a_state_that_is_none_or_said_twice_is_a_fault(found):
    """States have their names, and leave function and cycle out."""
    faults: list[str] = []
    parse_meaning(found, faults, "x")
    assert len(faults) == 1
    assert "leaves out function and cycle" in faults[0]
