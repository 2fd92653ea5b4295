"""Tables of a bundle: columns of a panel, with the digest of the first in ``bundle.json``.

Invariant: a table in hand has the columns, the rows and the names that ``bundle.json`` describes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, ValidationInfo
from pydantic.dataclasses import dataclass

from tcellflow.errors import BundleError
from tcellflow.io.bundles.fields import LOOSE, Sha256, Size, Text, check_is_listed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def check_panel_file(name: str, info: ValidationInfo) -> str:
    """Refuse a table that ``bundle.json`` does not list.

    Raises
    ------
    ValueError
        If it does not.
    """
    return check_is_listed(name, info, "panel")


@dataclass(frozen=True, config=LOOSE)
class PanelEntry:
    """A panel as ``bundle.json`` names it: file, number of rows, and the digest of their first column."""

    file: Annotated[Text, AfterValidator(check_panel_file)]
    rows: Size
    sha256: Sha256


def describe_panel(file: str, keys: Sequence[str] | NDArray[np.object_]) -> dict[str, Any]:
    """Give the entry of a panel in ``bundle.json``."""
    digest = hashlib.sha256("\n".join(map(str, keys)).encode()).hexdigest()
    return {"file": file, "rows": len(keys), "sha256": digest}


def write_columns(names: Sequence[str], columns: Sequence[NDArray[Any]]) -> bytes:
    """Write columns as `read_columns` reads them."""
    rows = [
        "\t".join(value if isinstance(value, str) else f"{value:.6g}" for value in row)
        for row in zip(*columns, strict=True)
    ]
    return ("\n".join(["\t".join(names), *rows]) + "\n").encode()


def read_columns(folder: Path, entry: PanelEntry, names: Sequence[str]) -> dict[str, NDArray[np.object_]]:
    """Read the columns of a panel, as texts.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    rows = [line.split("\t") for line in (folder / entry.file).read_text(encoding="utf-8").splitlines()]
    if not rows or rows[0] != list(names) or any(len(row) != len(names) for row in rows):
        raise broken_table(folder, entry.file, f"it is no table of {', '.join(names)}")
    if len(rows) - 1 != entry.rows:
        raise broken_table(folder, entry.file, f"it has {len(rows) - 1} rows, not {entry.rows}")
    columns = {
        name: np.array(column, dtype=object)
        for name, column in zip(names, zip(*rows[1:], strict=True), strict=True)
    }
    if describe_panel(entry.file, columns[names[0]])["sha256"] != entry.sha256:
        raise broken_table(folder, entry.file, "it is another panel than bundle.json describes")
    return columns


def as_numbers(folder: Path, file: str, texts: NDArray[np.object_]) -> NDArray[np.float64]:
    """Read texts of a table as numbers.

    Raises
    ------
    BundleError
        If one is no finite number.
    """
    try:
        numbers = np.array([float(text) for text in texts], dtype=np.float64)
    except ValueError as error:
        raise broken_table(folder, file, str(error)) from error
    if not np.isfinite(numbers).all():
        raise broken_table(folder, file, "a number is not finite")
    return numbers


def broken_table(folder: Path, file: str, why: str) -> BundleError:
    """Make the error of a table that is not what ``bundle.json`` describes."""
    return BundleError(
        f"the table is broken: {why}",
        where=folder / file,
        mend="fetch the bundle again, or have its maker mend it",
    )
