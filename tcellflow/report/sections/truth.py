"""Comparison of the calls with labels the user brings: confusion matrix, precision, recall, F1.

Invariant: a label that is none of the seven states is listed, never forced into one and never
fatal; abstained cells count against recall, because no state was reported for them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.io.files.kinds import check_is_file
from tcellflow.io.files.text_tables import find_delimiter
from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, State

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_BARCODE_NAMES: Final = ("barcode", "cell_id")
_LABEL_NAMES: Final = ("label", "state", "true_label", "true_state")
_UNKNOWN_SHOWN: Final = 20
_OUTCOMES: Final = (*State, STATE_UNRESOLVED, STATE_NOT_T)


@dataclass(frozen=True)
class TruthRow:
    """One true state.

    Parameters
    ----------
    state
        The true state.
    n_cells
        Labelled cells found among the calls.
    counts
        Cells per outcome: the seven states, Unresolved, Not_T.
    precision, recall, f1
        Between 0 and 1; None where undefined.
    """

    state: str
    n_cells: int
    counts: tuple[int, ...]
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class TruthSection:
    """Everything the comparison shows.

    Parameters
    ----------
    n_labels
        Labelled barcodes in the file.
    n_matched
        Of these, found among the calls and labelled with one of the seven states.
    n_correct
        Of the matched, reported as their label.
    outcomes
        Column names of the confusion matrix.
    rows
        One per true state that occurs.
    macro_f1
        Mean of the F1 values; None without any.
    unknown
        Labels that are none of the seven states, with cells; the most frequent ones.
    """

    n_labels: int
    n_matched: int
    n_correct: int
    outcomes: tuple[str, ...]
    rows: tuple[TruthRow, ...]
    macro_f1: float | None
    unknown: tuple[tuple[str, int], ...]


def read_true_labels(path: Path) -> dict[str, str]:
    """Read the true labels per cell that the user brings for the report.

    Parameters
    ----------
    path
        CSV or TSV with a header, a column barcode (or cell_id) and a column label (or state,
        true_label, true_state).

    Returns
    -------
    dict of str to str
        Barcode to label, in file order; empty labels are left out.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or labels a barcode twice differently.
    """
    check_is_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "the labels are not UTF-8 text", where=path, mend="save the table as CSV or TSV in UTF-8"
        ) from error
    header, _, rest = text.partition("\n")
    delimiter = find_delimiter(header, rest.partition("\n")[0], among="\t,") or ","
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    names = {(name or "").strip().lower(): name for name in rows.fieldnames or []}
    barcode = next((names[n] for n in _BARCODE_NAMES if n in names), None)
    label = next((names[n] for n in _LABEL_NAMES if n in names), None)
    if barcode is None or label is None:
        raise InputError(
            f"the header {header.strip()!r} names no barcode or no label column",
            where=path,
            mend="name the columns 'barcode' and 'label'",
        )
    labels: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        key, value = (row.get(barcode) or "").strip(), (row.get(label) or "").strip()
        if not key or not value:
            continue
        if labels.setdefault(key, value) != value:
            raise InputError(
                f"the barcode {key!r} is labelled {labels[key]!r} and, in line {number}, {value!r}",
                where=path,
                mend="keep one label per barcode",
            )
    return labels


def compare_with_truth(predictions: pa.Table, labels: dict[str, str]) -> TruthSection:
    """Compare calls with true labels for the report.

    Parameters
    ----------
    predictions
        Table of the contract ``predictions/1``.
    labels
        Barcode to label.

    Returns
    -------
    TruthSection
        Counts and scores over the barcodes found in both.
    """
    calls = dict(
        zip(
            predictions.column("barcode").to_pylist(),
            predictions.column("state").to_pylist(),
            strict=True,
        )
    )
    states = set(State)
    counts = {state: dict.fromkeys(_OUTCOMES, 0) for state in State}
    unknown: dict[str, int] = {}
    for barcode, label in labels.items():
        if label not in states:
            unknown[label] = unknown.get(label, 0) + 1
        elif barcode in calls:
            counts[State(label)][calls[barcode]] += 1
    rows = tuple(_score(state, counts) for state in State if sum(counts[state].values()))
    scores = [row.f1 for row in rows if row.f1 is not None]
    return TruthSection(
        n_labels=len(labels),
        n_matched=sum(row.n_cells for row in rows),
        n_correct=sum(counts[state][state] for state in State),
        outcomes=_OUTCOMES,
        rows=rows,
        macro_f1=sum(scores) / len(scores) if scores else None,
        unknown=tuple(sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))[:_UNKNOWN_SHOWN]),
    )


def _score(state: State, counts: dict[State, dict[str, int]]) -> TruthRow:
    hits = counts[state][state]
    n_cells = sum(counts[state].values())
    n_called = sum(row[state] for row in counts.values())
    return TruthRow(
        state=state,
        n_cells=n_cells,
        counts=tuple(counts[state][outcome] for outcome in _OUTCOMES),
        precision=hits / n_called if n_called else None,
        recall=hits / n_cells if n_cells else None,
        f1=2 * hits / (n_called + n_cells) if n_cells else None,
    )
