"""What an antibody measures, under one name for all vendors: coding genes, and the epitope where it matters.

Invariant: two antibodies have one target only where they bind the same form of the same product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.proteins.names import name_key, name_variants

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.proteins.panel import AntibodyPanel

# Splice forms of one gene that antibodies tell apart and cells use to opposite ends.
_EPITOPES: Final = {
    "PTPRC": {"cd45ra": "RA", "cd45ro": "RO", "cd45rb": "RB", "cd45rc": "RC", "b220": "R", "cd45r": "R"},
}


def find_targets(panel: AntibodyPanel) -> NDArray[np.object_]:
    """Name what each antibody of a panel measures.

    Parameters
    ----------
    panel
        P antibodies.

    Returns
    -------
    ndarray
        Shape (P,), str: genes as in the panel, with ``:epitope`` behind them where splice forms are told
        apart (``PTPRC:RA``); "" for isotype controls, hashtags and unknown antibodies. Two clones
        against one product have one target.
    """
    return np.array(
        [_name_target(str(raw), str(gene)) for raw, gene in zip(panel.raw_names, panel.genes, strict=True)],
        dtype=object,
    )


def sum_by_target(
    counts: NDArray[np.floating] | NDArray[np.integer], panel: AntibodyPanel
) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    """Sum antibody counts by what they measure.

    Parameters
    ----------
    counts
        Shape (cells, P).
    panel
        P antibodies.

    Returns
    -------
    tuple of ndarray
        Targets (T,), all different and sorted, without "", and their counts (cells, T), float32.
    """
    named = find_targets(panel).astype(str)
    known = np.flatnonzero(named != "")
    targets, owner = np.unique(named[known], return_inverse=True)
    summed = np.zeros((len(counts), len(targets)), dtype=np.float32)
    for column, target in zip(known, owner, strict=True):
        summed[:, target] += counts[:, column]
    return targets.astype(object), summed


def _name_target(name: str, gene: str) -> str:
    known = _EPITOPES.get(gene, {})
    found = [known[key] for key in map(name_key, name_variants(name)) if key in known]
    return f"{gene}:{found[0]}" if found else gene
