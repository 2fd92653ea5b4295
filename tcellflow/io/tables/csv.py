"""Tables as CSV for spreadsheets and scripts, byte-stable.

Invariant: a float prints with no more digits than were kept when the table was rounded; null is an
empty field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

if TYPE_CHECKING:
    from pathlib import Path

_STRUCTURAL: Final = '[",\r\n]'
_FORMULA: Final = r"^[=+\-@\t\r]"  # what spreadsheets take for the beginning of one


def write_csv_table(path: Path, table: pa.Table, *, guard: bool = False) -> None:
    """Write a table as CSV (UTF-8, comma, header, ``true``/``false``).

    Text is quoted only where some text of the table holds a comma, quote or line end.

    Parameters
    ----------
    path
        Staged path from `OutputSet.path`.
    table
        Rows to write; float32 columns print the shortest text that reads back to the same float32.
    guard
        Whether texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    if guard:
        table = _guard(table)
    needs_quotes = any(
        pa.types.is_string(column.type)
        and pc.any(pc.match_substring_regex(column, _STRUCTURAL), min_count=0).as_py()
        for column in table.columns
    )
    style = "needed" if needs_quotes else "none"
    options = csv.WriteOptions(quoting_style=style, quoting_header="none")
    with path.open("wb") as file:  # pyarrow itself takes no name that is not UTF-8
        csv.write_csv(table.replace_schema_metadata(None), file, options)


def _guard(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = table.column(place)
            guarded = pc.binary_join_element_wise(pa.scalar("'"), texts, pa.scalar(""))
            is_formula = pc.match_substring_regex(texts, _FORMULA)
            table = table.set_column(place, field, pc.if_else(is_formula, guarded, texts))
    return table
