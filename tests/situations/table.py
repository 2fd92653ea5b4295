"""All input situations, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from situations import anndata_files, matrices, receptors, together

if TYPE_CHECKING:
    from situations.row import Situation

SECTIONS: Final[dict[str, tuple[Situation, ...]]] = {
    "Matrices of text and 10x HDF5": matrices.ROWS,
    "AnnData and MuData files": anndata_files.ROWS,
    "Receptors": receptors.ROWS,
    "Antibodies, cell names and donors": together.ROWS,
}
ROWS: Final = tuple(row for rows in SECTIONS.values() for row in rows)
