"""Junctions without their conserved residues: detected per file, restored from the germline.

Invariant: a residue is added only where the germline leaves one choice; otherwise the junction
stays as it was and is never embedded.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.receptors.germline import family_of, load_genes

if TYPE_CHECKING:
    import numpy.typing as npt

_FIRST_ANCHOR: Final = "C"
_LAST_ANCHORS: Final = ("F", "W", "C")
# In anchored files nearly every junction is C...F/W, in unanchored ones a few are by chance.
_MAX_ANCHORED_SHARE: Final = 0.1


def lacks_anchors(junctions: pd.Series) -> bool:
    """Tell whether a file's junctions were written without their anchors (IMGT's CDR3).

    Parameters
    ----------
    junctions
        Amino acids; missing values are ignored.

    Returns
    -------
    bool
        True if less than a tenth of the distinct junctions run from C to F, W or C.
    """
    distinct = pd.Series(junctions.dropna().unique(), dtype=object)
    if distinct.empty:
        return False
    anchored = distinct.str.startswith(_FIRST_ANCHOR) & distinct.str.endswith(_LAST_ANCHORS)
    return bool(anchored.mean() < _MAX_ANCHORED_SHARE)


def restore_anchors(rows: pd.DataFrame) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Add the anchors to junctions that lack them.

    Parameters
    ----------
    rows
        ``junction_aa``, ``anchored``, ``locus`` and standard ``v_call`` and ``j_call``.

    Returns
    -------
    junctions : numpy.ndarray
        (rows,) object array; unchanged where ``anchored`` or not unambiguous.
    added : numpy.ndarray
        (rows,) True where anchors were added.
    """
    junctions = rows["junction_aa"].to_numpy(dtype=object).copy()
    added = np.zeros(len(rows), dtype=bool)
    loci, v_calls, j_calls = (rows[name].to_numpy(dtype=object) for name in ("locus", "v_call", "j_call"))
    for row in np.flatnonzero(~rows["anchored"].to_numpy(dtype=bool)):
        if junctions[row] is None:
            continue
        first = _only_anchor("V", loci[row], v_calls[row])
        last = _only_anchor("J", loci[row], j_calls[row])
        if first and last and not _ends_in_anchor(junctions[row], j_calls[row]):
            junctions[row] = first + junctions[row] + last
            added[row] = True
    return junctions, added


@cache
def _only_anchor(segment: str, locus: str, call: str | None) -> str:
    """Give the anchor that all genes a call may mean agree on; empty if they do not."""
    genes = load_genes()
    if call in genes:
        return genes[call].anchor
    # of a family or a whole locus only functional genes are candidates: a productive chain needs one
    anchors = {
        gene.anchor
        for gene in genes.values()
        if gene.segment == segment
        and gene.is_functional
        and (family_of(gene.name) == call if call else gene.locus == locus)
    }
    return anchors.pop() if len(anchors) == 1 else ""


def _ends_in_anchor(junction: str, j_call: str | None) -> bool:
    """Whether the germline end matches better with the anchor than without it."""
    gene = load_genes().get(j_call or "")
    if gene is None or not gene.anchor:
        return False
    with_anchor = _common_end(junction, gene.j_start + gene.anchor)
    return with_anchor > _common_end(junction, gene.j_start)


def _common_end(left: str, right: str) -> int:
    n_common = 0
    for one, other in zip(reversed(left), reversed(right), strict=False):
        if one != other:
            break
        n_common += 1
    return n_common
