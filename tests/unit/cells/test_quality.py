"""Quality control of cells."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from tcellflow.cells.quality import (
    EVEN_GENES,
    CellMetrics,
    QcTally,
    QcThresholds,
    RemovalReason,
    check_cells_left,
    choose_thresholds,
    covers_transcriptome,
    find_removals,
    measure_cells,
)
from tcellflow.errors import InputError, OptionsError

MT_GENES = ["MT-ATP6", "MT-ATP8", "MT-CO1", "MT-CO2", "MT-CO3", "MT-CYB", "MT-ND1"]
MT_GENES += ["MT-ND2", "MT-ND3", "MT-ND4", "MT-ND4L", "MT-ND5", "MT-ND6"]
WHOLE = [f"GENE{i}" for i in range(20_000)] + MT_GENES


def metrics(counts: list[int], genes: list[int], pct_mt: list[float]) -> CellMetrics:
    return CellMetrics(np.array(counts), np.array(genes, np.int32), np.array(pct_mt, np.float32))


def test_measurements() -> None:
    """Counts, genes with a count and the mitochondrial percentage are measured per cell."""
    block = sparse.csr_matrix(np.array([[1, 0, 3], [0, 0, 0], [5, 5, 10]], dtype=np.int32))
    found = measure_cells(block, np.array([3.0, 0.0, 10.0]))
    assert found.total_counts.tolist() == [4, 0, 20]
    assert found.n_genes_by_counts.tolist() == [2, 0, 3]
    assert found.pct_counts_mt.tolist() == [75, 0, 50]
    assert (found.total_counts.dtype, found.n_genes_by_counts.dtype, found.pct_counts_mt.dtype) == (
        np.int64,
        np.int32,
        np.float32,
    )


def test_stored_zeros_are_no_genes() -> None:
    """A zero that the file stores does not count as a detected gene."""
    block = sparse.csr_matrix((np.array([0, 2, 0]), np.array([0, 1, 0]), np.array([0, 2, 3])), shape=(2, 2))
    assert measure_cells(block, None).n_genes_by_counts.tolist() == [1, 0]


def test_without_mitochondrial_genes_the_percentage_is_missing() -> None:
    """A panel without mitochondrial genes gives NaN, not 0."""
    assert np.isnan(measure_cells(sparse.csr_matrix(np.eye(2, dtype=np.int32)), None).pct_counts_mt).all()


def test_large_read_counts_do_not_overflow() -> None:
    """Cells with more than 2**31 reads are summed exactly."""
    block = sparse.csr_matrix(np.full((1, 3), 2**30, dtype=np.int32))
    assert measure_cells(block, None).total_counts.tolist() == [3 * 2**30]


def test_defaults_of_a_whole_transcriptome() -> None:
    """A matrix of all genes gets 200 genes, 20 % mitochondrial, and no notes."""
    assert choose_thresholds(WHOLE) == QcThresholds(200, 0, 20.0)


@pytest.mark.parametrize(
    ("n_genes", "expected"), [(397, 8), (2000, 40), (4000, 80), (9999, 200), (10_000, 200)]
)
def test_small_panels_get_a_lower_default(n_genes: int, expected: int) -> None:
    """A panel of fewer than 10,000 genes asks for 2 % of them, with a note."""
    chosen = choose_thresholds([f"G{i}" for i in range(n_genes)])
    assert chosen.min_genes == expected
    assert any(str(expected) in note for note in chosen.notes) == (expected < 200)


def test_a_selection_of_genes_is_not_judged_by_mitochondria() -> None:
    """With 3 of 13 mitochondrial mRNAs the percentage is not judged, with a note."""
    chosen = choose_thresholds(WHOLE[:15_000] + MT_GENES[:3])
    assert chosen.max_pct_mt is None
    assert "3 of their 13" in chosen.notes[0]


def test_coverage_decides_whether_mitochondria_are_judged() -> None:
    """A selection that kept all 13 mitochondrial mRNAs is not judged; a small whole transcriptome is."""
    selected = [f"GENE{i}" for i in range(4000)] + list(EVEN_GENES[:12]) + MT_GENES
    chosen = choose_thresholds(selected)
    assert chosen.max_pct_mt is None
    assert "selection" in chosen.notes[-1]
    assert not covers_transcriptome(selected)
    assert choose_thresholds([*selected, *EVEN_GENES[12:]]).max_pct_mt == 20.0
    assert choose_thresholds(selected, max_pct_mt=30).max_pct_mt == 30
    assert not covers_transcriptome([f"GENE{i}" for i in range(20_000)] + list(EVEN_GENES[:12]))


def test_what_the_user_asks_for_is_obeyed() -> None:
    """Explicit thresholds are never changed, whatever the matrix."""
    chosen = choose_thresholds(["CD3E", "MT-CO1"], min_genes=150, min_counts=7, max_pct_mt=5)
    assert chosen == QcThresholds(150, 7, 5)
    assert choose_thresholds(WHOLE, min_genes=0, max_pct_mt=100) == QcThresholds(0, 0, 100)


def test_a_threshold_without_effect_is_noted() -> None:
    """Asking for a mitochondrial limit on a matrix without such genes is noted."""
    assert "0 of their 13" in choose_thresholds(WHOLE[:20_000], max_pct_mt=5).notes[0]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"min_genes": -1}, "--min-genes"),
        ({"min_counts": -1}, "--min-counts"),
        ({"max_pct_mt": 101}, "--max-pct-mt"),
    ],
)
def test_impossible_thresholds_are_refused(options: dict[str, int], name: str) -> None:
    """Negative thresholds and percentages above 100 are option errors."""
    with pytest.raises(OptionsError, match=name):
        choose_thresholds(WHOLE, **options)


def test_the_first_reason_counts() -> None:
    """A cell that fails several thresholds is removed for the first, and limits themselves pass."""
    found = metrics([5, 500, 500, 500], [2, 100, 200, 200], [90, 90, 20.5, 20])
    reasons = find_removals(found, QcThresholds(200, 10, 20.0))
    assert reasons.tolist() == [RemovalReason.FEW_COUNTS, RemovalReason.FEW_GENES, RemovalReason.HIGH_MT, ""]


def test_missing_percentages_remove_nobody() -> None:
    """NaN is never above a limit."""
    assert find_removals(metrics([500], [300], [np.nan]), QcThresholds(200, 0, 20.0)).tolist() == [""]


def test_the_tally_accounts_for_every_cell() -> None:
    """Blocks add up, every reason is listed, and the tally goes into JSON."""
    tally = QcTally(QcThresholds(200, 0, 20.0))
    tally = tally.plus(np.array(["", RemovalReason.HIGH_MT], dtype=object))
    tally = tally.plus(np.array(["", "", RemovalReason.FEW_GENES], dtype=object))
    report = json.loads(json.dumps(tally.as_dict()))
    assert report["n_input"] == 5
    assert report["n_kept"] == 3
    assert set(report["removed"]) == set(RemovalReason)
    assert {reason: n for reason, n in report["removed"].items() if n} == {
        RemovalReason.FEW_GENES: 1,
        RemovalReason.HIGH_MT: 1,
    }


def test_nothing_left_is_an_error_with_reasons() -> None:
    """A sample of which nothing is left is refused with the number of cells per reason."""
    tally = QcTally(QcThresholds(200, 0, 20.0)).plus(
        np.array([RemovalReason.FEW_GENES] * 3 + [RemovalReason.HIGH_MT], dtype=object)
    )
    with pytest.raises(InputError, match="none of the 4 cells") as caught:
        check_cells_left(tally, where="donor1.h5")
    assert "3  fewer than 200 genes (--min-genes)" in caught.value.what
    assert "--min-counts" not in caught.value.what


def test_empty_and_passing_samples_are_fine() -> None:
    """A sample without cells is valid, and so is one with a single cell left."""
    tally = QcTally(QcThresholds(200, 0, 20.0))
    check_cells_left(tally, where="x")
    check_cells_left(tally.plus(np.array(["", RemovalReason.HIGH_MT], dtype=object)), where="x")
