"""The contract of the programmes table: how strongly each cell shows each transcriptional programme.

Invariant: null is "not measurable", never "absent".
"""

from __future__ import annotations

from typing import Final

from tcellflow.contracts.columns import Column, Table
from tcellflow.vocabulary import PROGRAMME_PREFIX, Programme

PROGRAMMES: Final = Table(
    name="programmes",
    version=1,
    key=("cell_id",),
    meaning="One row per cell in input order: how strongly it shows each transcriptional programme.",
    columns=(
        Column("cell_id", "string", "barcode of the cell, equal to obs_names of the cells file"),
        *(
            Column(
                f"{PROGRAMME_PREFIX}{name}",
                "float32",
                f"{name}, comparable between depths and samples; null = not measurable, or no T cell",
                nullable=True,
                low=0,
                high=1,
            )
            for name in Programme
        ),
    ),
)
