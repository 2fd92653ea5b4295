"""Screening: every cell is kept or counted, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from factories import make_counts
from tcellflow.cells.quality import QcThresholds, RemovalReason
from tcellflow.ingest.screening import Screen, describe_distribution

SAMPLE = make_counts(80, 200)
LENIENT = QcThresholds(min_genes=1, min_counts=0, max_pct_mt=None)


def classes(pairing, *, n_cells=80):
    """Give the classes of cells that all have the same pairing."""
    return pd.DataFrame({"chain_pairing": np.full(n_cells, pairing, dtype=object)})


def screen(n_rows=80, *, thresholds=LENIENT, receptors=None, totals=None, t_cells_only=False):
    """Screen the sample in blocks; give the screen, who stays, and their obs."""
    judge = Screen(SAMPLE.gene_names, thresholds, t_cells_only=t_cells_only)
    blocks = [
        judge.judge(
            SAMPLE.counts[start : start + n_rows],
            None if receptors is None else receptors.iloc[start : start + n_rows],
            None if totals is None else totals[start : start + n_rows],
        )
        for start in range(0, 80, n_rows)
    ]
    kept = np.concatenate([block.is_kept for block in blocks])
    return judge, kept, pd.concat([block.obs for block in blocks], ignore_index=True)


@pytest.mark.parametrize("n_rows", [1, 7, 79])
def test_the_height_of_blocks_changes_nothing(n_rows):
    """Verdicts, tallies and histograms are the same for blocks of any height."""
    thresholds = QcThresholds(min_genes=40, min_counts=150, max_pct_mt=20.0)
    receptors = classes("two full chains")
    whole, kept, obs = screen(thresholds=thresholds, receptors=receptors)
    parts, kept_in_parts, obs_in_parts = screen(n_rows, thresholds=thresholds, receptors=receptors)
    np.testing.assert_array_equal(kept, kept_in_parts)
    pd.testing.assert_frame_equal(obs, obs_in_parts)
    assert whole.tally == parts.tally
    assert whole.gate_account() == parts.gate_account()
    assert whole.distributions() == parts.distributions()
    assert 0 < kept.sum() < 80


def test_removed_and_kept_add_up():
    """Each cell is kept or removed for one reason, and only kept cells have a row."""
    judge, kept, obs = screen(thresholds=QcThresholds(min_genes=40, min_counts=150, max_pct_mt=15.0))
    assert judge.tally.n_input == 80
    assert judge.tally.n_kept == kept.sum() == len(obs)
    assert sum(judge.tally.removed.values()) == 80 - kept.sum() > 0


def test_cells_that_are_no_t_cells_go_on_request_alone():
    """B cells and monocytes are flagged, and dropped under their reason where only T cells are wanted."""
    is_t = np.isin(SAMPLE.classes, ["CD4 T", "CD8 T"])
    _, kept, obs = screen()
    assert kept.all()
    np.testing.assert_array_equal(obs["is_t_cell"], is_t)
    judge, kept, obs = screen(t_cells_only=True)
    np.testing.assert_array_equal(kept, is_t)
    assert obs["is_t_cell"].all()
    assert judge.tally.removed[RemovalReason.NOT_T_CELL] == 80 - is_t.sum()


def test_quality_comes_before_the_gate():
    """A poor cell that is no T cell is counted as poor."""
    judge, _, _ = screen(thresholds=QcThresholds(1000, 0, None), t_cells_only=True)
    assert judge.tally.removed[RemovalReason.FEW_GENES] == 80
    assert judge.tally.removed[RemovalReason.NOT_T_CELL] == 0


def test_cells_without_a_library_size_go():
    """An unknown library size removes a cell under its own reason, before all others."""
    totals = np.full(80, 5000.0)
    totals[[3, 8]] = np.nan
    judge, kept, _ = screen(totals=totals, thresholds=QcThresholds(1000, 0, None))
    assert judge.tally.removed[RemovalReason.NO_LIBRARY_SIZE] == 2
    assert judge.tally.removed[RemovalReason.FEW_GENES] == 78
    assert not kept.any()


def test_receptors_speak_for_t_cells():
    """With a receptor the evidence of T cells is both, without any it is genes."""
    judge, _, _ = screen(receptors=classes("single pair"))
    account = judge.gate_account()
    assert account["evidence"]["both"] == np.isin(SAMPLE.classes, ["CD4 T", "CD8 T"]).sum()
    assert account["evidence"]["genes"] == 0
    judge, _, _ = screen(receptors=classes("no IR"))
    assert judge.gate_account()["evidence"]["both"] == 0


def test_the_gate_account_adds_up():
    """Evidence adds up to the cells that stay, other lineages to those against, signs are counted."""
    judge, _, obs = screen(receptors=classes("multichain"))
    account = judge.gate_account()
    assert sum(account["evidence"].values()) == len(obs)
    assert sum(account["other_lineages"].values()) == account["evidence"]["against"] > 0
    assert account["t_cells"] == obs["is_t_cell"].sum()
    assert account["doublet_suspects"] == 80
    assert account["doublet_signs"]["multichain"] == 80
    assert account["doublet_signs"]["receptor_with_b"] == (SAMPLE.classes == "B").sum()


def test_no_cells_give_columns_and_no_histogram():
    """An empty block has all columns of obs, and there is nothing to draw."""
    judge = Screen(SAMPLE.gene_names, LENIENT)
    empty = judge.judge(SAMPLE.counts[:0], None)
    _, _, obs = screen()
    assert list(empty.obs.columns) == list(obs.columns)
    pd.testing.assert_series_equal(empty.obs.dtypes, obs.dtypes)
    assert judge.distributions() == {}
    assert Screen(SAMPLE.gene_names, LENIENT).distributions() == {}


@pytest.mark.parametrize(
    "values", [[0], [0, 0], [7, 7, 7], [1, 2], [0, 1, 10, 100, 100_000], [186], list(range(50))]
)
def test_counts_are_binned_whole(values):
    """Every count lies in a bin, and borders are whole numbers that rise."""
    found = describe_distribution(np.array(values))
    assert found.counts.sum() == len(values)
    assert (np.diff(found.edges) > 0).all()
    assert (found.edges == np.round(found.edges)).all()
    assert len(found.counts) == len(found.edges) - 1


def test_percentages_are_binned_from_0_to_100():
    """Percentages have the same bins in every sample, and missing ones are left out."""
    found = describe_distribution(np.array([0.0, 12.0, 100.0, np.nan]), is_percent=True)
    assert (found.edges[0], found.edges[-1], found.counts.sum()) == (0, 100, 3)
    assert describe_distribution(np.array([np.nan]), is_percent=True) is None
    assert found.as_dict()["counts"][0] == 1
