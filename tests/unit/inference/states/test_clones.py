"""Clone figures are what their formulas say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from made_calls import STATES, facts_of, make_calls, sure
from tcellflow.contracts.predictions import CLONOTYPES
from tcellflow.contracts.table_faults import find_table_faults
from tcellflow.inference.states.abstention import Rules, decide_verdicts
from tcellflow.inference.states.clones import (
    SHRINKAGE_CELLS,
    find_clones,
    list_clusters,
    pool_lineages,
    tabulate_clonotypes,
)
from tcellflow.io.tables.cell_receptors import CellReceptors
from tcellflow.vocabulary import Function

FUNCTIONS = [str(function) for function in Function]


def tabulate(calls, clones, facts, threshold=0.5):
    verdicts = decide_verdicts(calls, *facts, Rules(0.1, threshold))
    found = find_clones(np.array(clones, dtype=object), verdicts)
    table = tabulate_clonotypes(found, np.array(["d1"] * len(clones), dtype=object), calls, verdicts)
    assert find_table_faults(table, CLONOTYPES) == []
    return table.to_pandas().set_index("clone_id")


def test_pooled_probabilities_are_shrunk_to_the_sample():
    """p = (sum of the clone + k sample mean) / (n + k), so a single cell moves less than a large clone."""
    calls = make_calls([sure("Naive"), sure("Naive"), sure("Treg"), sure("Memory")])
    table = tabulate(calls, ["a", "a", "b", None], facts_of(4))
    p = calls.state_probabilities.astype(float)
    mean = p.mean(axis=0)
    for clone, rows in (("a", [0, 1]), ("b", [2])):
        expected = (p[rows].sum(axis=0) + SHRINKAGE_CELLS * mean) / (len(rows) + SHRINKAGE_CELLS)
        np.testing.assert_allclose(
            table.loc[clone, [f"p_{s}" for s in STATES]].astype(float), expected, atol=1e-6
        )
        entropy = -(expected * np.log(expected)).sum()
        assert table.loc[clone, "entropy"] == pytest.approx(entropy, abs=1e-5)


def test_mode_purity_and_lineage_are_of_the_clone_alone():
    """Mode, purity and lineage come from the clone's own cells, without shrinkage."""
    rows = [sure("Naive"), sure("Treg"), sure("Treg"), sure("Memory"), sure("Memory")]
    calls = make_calls(rows, ["CD4", "Treg", "Treg", "CD8", "CD8"])
    table = tabulate(calls, ["a", "a", "a", "b", "b"], facts_of(5))
    assert list(table.index) == ["a", "b"]
    assert list(table["state_mode"]) == ["Treg", "Memory"]
    np.testing.assert_allclose(table["purity"], [2 / 3, 1], atol=1e-6)
    assert list(table["lineage"]) == ["Treg", "CD8"]
    assert list(table["n_cells"]) == [3, 2]


def test_cells_that_are_no_single_t_cell_are_counted_but_not_pooled():
    """Doublets and non-T cells count in n_cells and n_abstained, and move no probability."""
    calls = make_calls([sure("Naive"), sure("Treg"), sure("Treg"), sure("Exhausted", 0.3)])
    table = tabulate(calls, ["a"] * 4, facts_of(4, not_t=[1], doublets=[2]))
    assert table.loc["a", "n_cells"] == 4
    assert table.loc["a", "n_abstained"] == 3
    assert table.loc["a", "purity"] == pytest.approx(0.5)
    # the low-confidence cell is pooled: its probabilities say what they say
    assert table.loc["a", "p_Exhausted"] > table.loc["a", "p_Treg"]


def test_a_clone_without_poolable_cells_has_nulls():
    """A clone of doublets alone is listed, with its size and without figures."""
    calls = make_calls([sure("Naive"), sure("Treg"), sure("Treg")])
    table = tabulate(calls, ["a", "b", "b"], facts_of(3, doublets=[1, 2]))
    assert table.loc["b", "n_cells"] == table.loc["b", "n_abstained"] == 2
    assert table.loc["b", ["state_mode", "purity", "entropy", "lineage", "p_Naive"]].isna().all()


def test_a_sample_without_any_t_cell_has_nulls_everywhere():
    """Without a single poolable cell there is no sample mean either."""
    calls = make_calls([sure("Naive"), sure("Treg")])
    table = tabulate(calls, ["a", None], facts_of(2, not_t=[0, 1]))
    assert table.loc["a", [f"p_{s}" for s in STATES]].isna().all()


def test_ties_go_to_the_more_probable_state():
    """Of two equally frequent states the one with more probability is the mode."""
    calls = make_calls([sure("Naive", 0.6), sure("Treg", 0.9)])
    assert tabulate(calls, ["a", "a"], facts_of(2)).loc["a", "state_mode"] == "Treg"


def test_functions_are_shrunk_and_lineages_are_not():
    """A clone's functions lean on the sample's mean, its lineages are its own cells' mean."""
    calls = make_calls([sure("Naive"), sure("Naive"), sure("Treg")], ["CD4", "CD4", "Treg"])
    functions = np.zeros((3, 9), np.float32)
    functions[[0, 1, 2], [0, 4, 8]] = 1
    functions[:, 6] = np.nan  # the bundle has no such class
    calls = replace(calls, p_function=functions, function=np.array(FUNCTIONS, dtype=object)[[0, 4, 8]])
    table = tabulate(calls, ["a", "a", "b"], facts_of(3))
    assert table.loc["a", "p_lineage_CD4"] == 1
    assert table.loc["b", "p_lineage_Treg"] == 1
    share = (0 + SHRINKAGE_CELLS / 3) / (1 + SHRINKAGE_CELLS)
    assert table.loc["b", f"p_function_{FUNCTIONS[0]}"] == pytest.approx(share, abs=1e-6)
    assert table[f"p_function_{FUNCTIONS[6]}"].isna().all()
    assert table.loc["b", "function_mode"] == "regulatory"
    assert table.loc["a", "function_purity"] == pytest.approx(0.5)
    assert table.loc["a", "function_entropy"] > 0


def test_pooled_lineages_go_to_the_cells_of_a_clone_alone():
    """Each cell is told the lineage of its clone; without one, or with doublets alone, nothing."""
    calls = make_calls([sure("Naive")] * 5, ["CD4", "CD8", "CD8", "CD4", "CD4"])
    verdicts = decide_verdicts(calls, *facts_of(5, doublets=[4]), Rules(0.1, 0.5))
    clones = find_clones(np.array(["a", "a", "a", None, "b"], dtype=object), verdicts)
    assert list(pool_lineages(clones, calls)) == ["CD8", "CD8", "CD8", None, None]
    assert list(calls.lineage) == ["CD4", "CD8", "CD8", "CD4", "CD4"]


def test_a_clone_has_the_cluster_of_its_most_complete_cell():
    """Clusters join the table where they were asked for; of a rescued clone the paired cell's counts."""
    calls = make_calls([sure("Naive")] * 4)
    verdicts = decide_verdicts(calls, *facts_of(4), Rules(0.1, 0.5))
    clones = find_clones(np.array(["a", "a", "b", None], dtype=object), verdicts)
    donor = np.array(["d1"] * 4, dtype=object)
    tra, trb = (np.array(keys, dtype=object) for keys in ([None, "x", None, "y"], ["u", "u", None, "v"]))
    names = [f"{number:020x}" for number in range(4)]
    told = pd.DataFrame(
        {"receptor_cluster": [*names[:2], None, names[3]], "receptor_cluster_size": [1, 5, None, 2]}
    )
    receptors = CellReceptors(clones.clone_id, tra, trb, told.astype(object))
    table = tabulate_clonotypes(clones, donor, calls, verdicts, list_clusters(clones, receptors))
    assert find_table_faults(table, CLONOTYPES) == []
    assert table["receptor_cluster"].to_pylist() == [names[1], None]
    assert table["receptor_cluster_size"].to_pylist() == [5, None]
    assert list_clusters(clones, None) == {}
    assert "receptor_cluster" not in tabulate_clonotypes(clones, donor, calls, verdicts).column_names
