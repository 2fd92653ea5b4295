"""Clone figures are what their formulas say, and verdicts follow the order of reasons."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.contracts.columns import find_table_faults
from tcellflow.contracts.tables import CLONOTYPES
from tcellflow.inference.prediction_tables import SHRINKAGE_CELLS, CellNames, tabulate_clonotypes
from tcellflow.inference.state_calls import StateCalls, entropy_of
from tcellflow.inference.verdicts import CellEvidence, decide_verdicts
from tcellflow.vocabulary import Lineage, State

STATES, LINEAGES = [str(s) for s in State], [str(x) for x in Lineage]


def make_calls(probabilities, lineages=None, ood=None):
    p = np.asarray(probabilities, dtype=np.float32).reshape(-1, 7)
    n = len(p)
    lineage = np.zeros((n, 6), np.float32)
    lineage[np.arange(n), [LINEAGES.index(x) for x in lineages or ["CD4"] * n]] = 1
    names = np.array(STATES, dtype=object)[p.argmax(axis=1)] if n else np.array([], dtype=object)
    return StateCalls(
        predicted_state=names,
        lineage=np.array(lineages or ["CD4"] * n, dtype=object),
        function=np.array(["naive"] * n, dtype=object),
        cycle=np.array(["resting"] * n, dtype=object),
        state_probabilities=p,
        p_lineage=lineage,
        p_function=np.full((n, 9), 1 / 9, np.float32),
        p_cycling=np.zeros(n, np.float32),
        entropy=entropy_of(p),
        latent=np.zeros((n, 2), np.float32),
        agreement=np.full(n, np.nan, np.float32),
        epistemic=np.full(n, np.nan, np.float32),
        ood_score=np.full(n, np.nan, np.float32) if ood is None else np.asarray(ood, np.float32),
    )


def sure(state, confidence=0.94):
    row = np.full(7, (1 - confidence) / 6)
    row[STATES.index(state)] = confidence
    return row


def names_of(clones):
    n = len(clones)
    return CellNames(
        np.array([f"cell{i}" for i in range(n)], dtype=object),
        np.array(["d1"] * n, dtype=object),
        np.array(clones, dtype=object),
    )


def evidence_of(n, *, not_t=(), doublets=()):
    is_t, is_doublet = np.ones(n, bool), np.zeros(n, bool)
    is_t[list(not_t)] = False
    is_doublet[list(doublets)] = True
    return CellEvidence(is_t, is_doublet, np.full(n, 100, dtype=np.int64))


def tabulate(calls, clones, evidence, threshold=0.5):
    verdicts = decide_verdicts(calls, evidence, threshold)
    table = tabulate_clonotypes(names_of(clones), calls, verdicts)
    assert find_table_faults(table, CLONOTYPES) == []
    return table.to_pandas().set_index("clone_id")


def test_pooled_probabilities_are_shrunk_to_the_sample():
    """p = (sum of the clone + k sample mean) / (n + k), so a single cell moves less than a large clone."""
    calls = make_calls([sure("Naive"), sure("Naive"), sure("Treg"), sure("Memory")])
    table = tabulate(calls, ["a", "a", "b", None], evidence_of(4))
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
    table = tabulate(calls, ["a", "a", "a", "b", "b"], evidence_of(5))
    assert list(table.index) == ["a", "b"]
    assert list(table["state_mode"]) == ["Treg", "Memory"]
    np.testing.assert_allclose(table["purity"], [2 / 3, 1], atol=1e-6)
    assert list(table["lineage"]) == ["Treg", "CD8"]
    assert list(table["n_cells"]) == [3, 2]


def test_cells_that_are_no_single_t_cell_are_counted_but_not_pooled():
    """Doublets and non-T cells count in n_cells and n_abstained, and move no probability."""
    calls = make_calls([sure("Naive"), sure("Treg"), sure("Treg"), sure("Exhausted", 0.3)])
    table = tabulate(calls, ["a"] * 4, evidence_of(4, not_t=[1], doublets=[2]))
    assert table.loc["a", "n_cells"] == 4
    assert table.loc["a", "n_abstained"] == 3
    assert table.loc["a", "purity"] == pytest.approx(0.5)
    # the low-confidence cell is pooled: its probabilities say what they say
    assert table.loc["a", "p_Exhausted"] > table.loc["a", "p_Treg"]


def test_a_clone_without_poolable_cells_has_nulls():
    """A clone of doublets alone is listed, with its size and without figures."""
    calls = make_calls([sure("Naive"), sure("Treg"), sure("Treg")])
    table = tabulate(calls, ["a", "b", "b"], evidence_of(3, doublets=[1, 2]))
    assert table.loc["b", "n_cells"] == table.loc["b", "n_abstained"] == 2
    assert table.loc["b", ["state_mode", "purity", "entropy", "lineage", "p_Naive"]].isna().all()


def test_a_sample_without_any_t_cell_has_nulls_everywhere():
    """Without a single poolable cell there is no sample mean either."""
    calls = make_calls([sure("Naive"), sure("Treg")])
    table = tabulate(calls, ["a", None], evidence_of(2, not_t=[0, 1]))
    assert table.loc["a", [f"p_{s}" for s in STATES]].isna().all()


def test_ties_go_to_the_more_probable_state():
    """Of two equally frequent states the one with more probability is the mode."""
    calls = make_calls([sure("Naive", 0.6), sure("Treg", 0.9)])
    assert tabulate(calls, ["a", "a"], evidence_of(2)).loc["a", "state_mode"] == "Treg"


def test_verdicts_keep_the_prediction():
    """Only the reported state changes; the call itself is left as it was."""
    calls = make_calls([sure("Naive", 0.4), sure("Naive")])
    verdicts = decide_verdicts(calls, evidence_of(2), 0.5)
    assert list(verdicts.state) == ["Unresolved", "Naive"]
    assert list(calls.predicted_state) == ["Naive", "Naive"]
    assert list(verdicts.is_abstained) == [True, False]
    assert list(verdicts.is_usable) == [True, True]


def test_a_confidence_at_the_threshold_is_called():
    """The threshold itself is enough."""
    calls = make_calls([sure("Naive", 0.5)])
    verdicts = decide_verdicts(calls, evidence_of(1), float(calls.confidence[0]))
    assert list(verdicts.state) == ["Naive"]
