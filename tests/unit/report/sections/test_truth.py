"""Comparison with the user's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from step_outputs import make_step_frames
from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.errors import InputError
from tcellflow.report.sections.truth import compare_with_truth, read_true_labels
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "text",
    [
        "barcode,label\nA-1,Naive\nB-1,Treg\nC-1,\n",
        "x\tcell_id\ttrue_state\n1\tA-1\tNaive\n2\tB-1\tTreg\n",
        "\ufeffBarcode,State\r\nA-1, Naive\r\nB-1,Treg\r\n",
    ],
)
def test_tables_of_several_kinds_are_read(tmp_path: Path, text: str) -> None:
    """CSV and TSV, either column name, with or without byte-order mark; empty labels are left out."""
    path = tmp_path / "labels.txt"
    path.write_text(text, encoding="utf-8", newline="")
    assert read_true_labels(path) == {"A-1": "Naive", "B-1": "Treg"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cell,label\nA,Naive\n", "names no barcode or no label column"),
        (b"", "names no barcode or no label column"),
        (b"barcode,label\nA,Naive\nA,Treg\n", "labelled 'Naive' and, in line 3, 'Treg'"),
        (b"barcode,label\n\xff\xfe,Naive\n", "not UTF-8"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """A missing column, two labels for one cell and other encodings are named."""
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_true_labels(path)


def test_scores_follow_the_counts() -> None:
    """Precision, recall and F1 are those of the confusion matrix; abstained cells count as missed."""
    frame = make_step_frames(4).predictions
    frame["state"] = ["Naive", "Naive", "Unresolved", "Treg"]
    table = pa.Table.from_pandas(frame, PREDICTIONS.schema(), preserve_index=False)
    a, b, c, d = frame["barcode"]
    section = compare_with_truth(table, {a: "Naive", b: "Treg", c: "Naive", d: "Treg", "Z-1": "Naive"})
    naive, treg = section.rows
    assert (naive.precision, naive.recall, naive.f1) == (0.5, 0.5, 0.5)
    assert (treg.precision, treg.recall) == (1.0, 0.5)
    assert treg.f1 == pytest.approx(2 / 3)
    assert section.macro_f1 == pytest.approx((0.5 + 2 / 3) / 2)
    assert (section.n_labels, section.n_matched, section.n_correct) == (5, 4, 2)
    assert naive.counts[section.outcomes.index("Unresolved")] == 1


def test_unknown_labels_are_listed() -> None:
    """Labels outside the seven states are counted and named, and nothing fails."""
    frame = make_step_frames(3).predictions
    table = pa.Table.from_pandas(frame, PREDICTIONS.schema(), preserve_index=False)
    labels = dict(zip(frame["barcode"], ["MAIT", "MAIT", "B cell"], strict=True))
    section = compare_with_truth(table, labels)
    assert section.unknown == (("MAIT", 2), ("B cell", 1))
    assert section.rows == ()
    assert section.macro_f1 is None
    assert section.n_matched == 0


def test_a_state_never_called_has_no_precision() -> None:
    """Without calls of a state its precision is undefined, not 0."""
    frame = make_step_frames(1).predictions
    frame["state"] = "Unresolved"
    table = pa.Table.from_pandas(frame, PREDICTIONS.schema(), preserve_index=False)
    (row,) = compare_with_truth(table, {frame["barcode"][0]: str(State.TREG)}).rows
    assert (row.precision, row.recall, row.f1) == (None, 0.0, 0.0)
