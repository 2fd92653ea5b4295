"""Barcodes of a sample's files matched with those of its expression matrix.

Invariant: every file is matched by itself, so that files which spell the same cells differently, or
stem from different libraries of one matrix, all find their cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcellflow.cells.barcodes import AUTO, reconcile_barcodes
from tcellflow.ingest.notices import Severe
from tcellflow.receptors.contigs import join_raw_chains

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tcellflow.cells.barcodes import BarcodeMap
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.contigs import RawChains


_MOSTLY_FOREIGN: Final = 0.5


@dataclass(frozen=True)
class Matching:
    """How cell names of two files are matched.

    Parameters
    ----------
    rule
        "auto" or a barcode rule.
    allow_low_overlap
        Whether files may share less than a tenth of their cells.
    tcr_sample
        Sample of receptor tables that name several; "all" = all of them, None = there is one.
    """

    rule: str = AUTO
    allow_low_overlap: bool = False
    tcr_sample: str | None = None

    def match(self, left: NDArray[np.object_], right: NDArray[np.object_], where: object) -> BarcodeMap:
        """Match the cells of two files.

        Parameters
        ----------
        left, right
            Cell names of the expression file and of the other.
        where
            The other file.

        Returns
        -------
        BarcodeMap
            Right name to left name; its warnings name the file.

        Raises
        ------
        InputError
            If the files do not fit together.
        OptionsError
            If the rule is not understood.
        """
        found = reconcile_barcodes(
            left, right, rule=self.rule, allow_low_overlap=self.allow_low_overlap, where=where
        )
        name = Path(str(where)).name
        if found.fraction_right < _MOSTLY_FOREIGN and found.n_right and not found.warnings:
            n_foreign = found.n_right - found.n_shared
            told = f"{n_foreign:,} of {found.n_right:,} cells are not in the expression data"
            found = replace(found, warnings=(told,))
        return replace(found, warnings=tuple(Severe(f"{name}: {warning}") for warning in found.warnings))


@dataclass(frozen=True)
class ReceptorMatch:
    """How the cells of the receptor files were matched.

    Parameters
    ----------
    maps
        One per file, in the order given.
    """

    maps: tuple[BarcodeMap, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know, as sentences."""
        return tuple(warning for found in self.maps for warning in found.warnings)

    def as_dict(self) -> dict[str, JsonValue]:
        """Give rules and overlap of all files together as JSON-ready data.

        Returns
        -------
        dict
            As `BarcodeMap.as_dict`; different rules are joined by "; ", and cells that several files
            name count once.
        """
        first = self.maps[0]
        if len(self.maps) == 1:
            return first.as_dict()
        shared = {cell for found in self.maps for cell in found.names.values()}
        n_unmatched = sum(found.n_right - found.n_shared for found in self.maps)
        n_right = len(shared) + n_unmatched
        fractions = [len(shared) / n if n else 0.0 for n in (first.n_left, n_right)]
        return {
            "rule": "; ".join(dict.fromkeys(found.rule for found in self.maps)),
            "n_left": first.n_left,
            "n_right": n_right,
            "n_shared": len(shared),
            "fraction_left": round(fractions[0], 4),
            "fraction_right": round(fractions[1], 4),
            "overlap": round(max(fractions), 4),
        }


def match_receptors(
    parts: Sequence[RawChains], barcodes: NDArray[np.object_], matching: Matching
) -> tuple[RawChains, ReceptorMatch]:
    """Match the barcodes of all receptor files with those of the matrix.

    Returns
    -------
    raw : RawChains
        The contigs of all files, cells named as in the matrix.
    match : ReceptorMatch
        How they were matched.

    Raises
    ------
    InputError
        If a file does not belong to the matrix, or two files contradict each other.
    OptionsError
        If the rule is not understood.
    """
    maps = tuple(matching.match(barcodes, part.cell_ids(), part.where) for part in parts)
    renamed = [part.renamed(found.names) for part, found in zip(parts, maps, strict=True)]
    return join_raw_chains(renamed), ReceptorMatch(maps)
