"""Receptor files that hold more than one sample: refused, or cut to the one that is asked for.

Invariant: cells of two people never meet under one barcode without being told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.cells.demultiplexing import find_nameless
from tcellflow.errors import InputError, OptionsError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from tcellflow.io.files.text_tables import TextTable

SAMPLE_COLUMNS: Final = ("sample_id", "subject_id", "repertoire_id")
ALL_SAMPLES: Final = "all"  # the matrix holds them all, under barcodes of their own
_SHOWN: Final = 5


def keep_sample(table: TextTable, wanted: str | None, *, must_be_one: bool = True) -> tuple[TextTable, int]:
    """Cut a table of contigs that holds several samples to one sample.

    Parameters
    ----------
    table
        A table that may name samples in `SAMPLE_COLUMNS`.
    wanted
        Name of the sample in one of these, or "all"; None = there is one.
    must_be_one
        Whether several samples are refused where none is wanted.

    Returns
    -------
    table : TextTable
        The table, rows of other samples left out.
    n_others : int
        Rows left out.

    Raises
    ------
    InputError
        If there are several samples and none is wanted.
    OptionsError
        If the wanted sample is not there.
    """
    is_wanted = choose_rows(table.read(SAMPLE_COLUMNS), wanted, where=table.path, must_be_one=must_be_one)
    return (
        (table, 0)
        if is_wanted is None
        else (replace(table, kept=is_wanted), int(np.count_nonzero(~is_wanted)))
    )


def choose_rows(
    frame: pd.DataFrame, wanted: str | None, *, where: Path, must_be_one: bool = True
) -> NDArray[np.bool_] | None:
    """Choose the rows of one sample among rows that may name several; None = all rows.

    Parameters
    ----------
    frame
        Columns of `SAMPLE_COLUMNS` as far as they are there, None = missing.
    wanted, must_be_one
        As of `keep_sample`.
    where
        Named in errors as the place.

    Raises
    ------
    InputError
        If there are several samples and none is wanted.
    OptionsError
        If the wanted sample is not there.
    """
    values = {name: frame[name].dropna().unique().tolist() for name in SAMPLE_COLUMNS if name in frame}
    if wanted is None:  # "doublet" and "unassigned" beside one sample make no second one
        values = {name: _leave_out_nameless(found) for name, found in values.items()}
    if wanted is None:
        several = next((name for name, found in values.items() if len(found) > 1), None)
        if several is None or not must_be_one:
            return None
        raise InputError(
            f"the table holds {len(values[several])} samples ({several}: {_show(values[several])})",
            where=where,
            mend=f"choose one with --tcr-sample {values[several][0]}; --tcr-sample {ALL_SAMPLES} where the "
            "expression file holds them all under barcodes of their own",
        )
    column = next((name for name, found in values.items() if wanted in found), None)
    if column is None and wanted == ALL_SAMPLES:
        return None
    if column is None:
        names = "; ".join(f"{name}: {_show(found)}" for name, found in values.items() if found)
        raise OptionsError(
            f"there is no sample {wanted} in {where}; it names {names or 'no samples'}",
            where="--tcr-sample",
            mend=f"name one of them, or leave the option out (columns: {', '.join(SAMPLE_COLUMNS)})",
        )
    return (frame[column] == wanted).to_numpy(dtype=bool)


def _leave_out_nameless(names: list[str]) -> list[str]:
    is_nameless = find_nameless(np.array(names, dtype=object))
    return [name for name, out in zip(names, is_nameless, strict=True) if not out]


def _show(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
