"""The proteins section: what the antibody counts hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcellflow.report.listing import list_barcodes, list_values

if TYPE_CHECKING:
    from tcellflow.contracts.qc import Qc


def tell_proteins(qc: Qc | None) -> tuple[tuple[str, str], ...]:
    """Tell for the report what the antibody counts hold, as names and values; empty without antibodies."""
    if qc is None or qc.proteins is None:
        return ()
    found = qc.proteins
    rows = list_values(
        {
            "read from": found.place,
            "antibodies": found.n_antibodies,
            "of these, proteins": found.n_proteins,
            "proteins whose gene is known": found.n_with_gene,
            "isotype controls": found.n_isotypes,
            "sample hashtags": found.n_hashtags,
            "names that no table knows": found.n_unknown,
            "these names": list(found.unknown),
            "cells without antibody counts": found.cells_without_antibodies,
        }
    )
    barcodes = () if found.barcodes is None else list_barcodes(found.barcodes, "antibody counts")
    return (*rows, *barcodes)
