"""How the chains of each cell go together: scirpy's classes, recomputed from the chain table.

Invariant: the classes depend on locus and rank alone and equal those of ``scirpy.tl.chain_qc``, but for a
gamma chain without delta beside alpha or beta, which is no second receptor; cells without a usable chain are
"no IR", never missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.vocabulary import ARM_OF_LOCUS, Arm, ChainPairing, Locus, ReceptorSubtype, ReceptorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Flags = npt.NDArray[np.bool_]

_CHAINS_PER_ARM: Final = 2  # a third chain of one arm makes the cell multichain
_DOUBLETS: Final = (ChainPairing.MULTICHAIN, ChainPairing.TWO_FULL_CHAINS)


def summarise_cells(chains: pd.DataFrame, cell_ids: Sequence[str] | npt.NDArray[np.object_]) -> pd.DataFrame:
    """Class each cell by the pairing of its chains.

    Parameters
    ----------
    chains
        Columns ``cell_id``, ``locus`` and ``rank``, e.g. the chains table.
    cell_ids
        Cells to class, distinct; they need not have chains.

    Returns
    -------
    pandas.DataFrame
        Indexed by the cells in the order given: ``has_tra``, ``has_trb`` and ``doublet_suspect``
        (bool), ``chain_pairing``, ``receptor_type`` and ``receptor_subtype`` (str).
    """
    index = pd.Index(np.asarray(cell_ids, dtype=object), name="cell_id")
    rows = index.get_indexer(pd.Index(chains["cell_id"].to_numpy(dtype=object)))
    known = rows >= 0
    rows, loci = rows[known], chains["locus"].to_numpy(dtype=object)[known]
    ranks = chains["rank"].to_numpy(dtype=np.int64)[known]
    counts = _is_counted(rows, loci, len(index))
    rows, loci, ranks = rows[counts], loci[counts], ranks[counts]
    has_any = {locus: _mark(rows[loci == locus], len(index)) for locus in Locus}
    arms = np.array([ARM_OF_LOCUS[Locus(locus)] for locus in loci], dtype=object)
    per_arm = {arm: np.bincount(rows[arms == arm], minlength=len(index)) for arm in Arm}
    multichain = np.logical_or(*(count > _CHAINS_PER_ARM for count in per_arm.values()))
    top = ranks <= _CHAINS_PER_ARM
    has = {locus: _mark(rows[top & (loci == locus)], len(index)) for locus in Locus}
    subtype = _subtypes(has, multichain)
    pairing = _pairings(per_arm, subtype)
    return pd.DataFrame(
        {
            "has_tra": has_any[Locus.TRA],
            "has_trb": has_any[Locus.TRB],
            "chain_pairing": pairing,
            "receptor_type": _types(has, multichain),
            "receptor_subtype": subtype,
            "doublet_suspect": np.isin(pairing, [str(value) for value in _DOUBLETS]),
        },
        index=index,
    )


def _is_counted(rows: npt.NDArray[np.intp], loci: npt.NDArray[np.object_], n_cells: int) -> Flags:
    """Leave out gamma chains of cells with alpha or beta but no delta: alpha-beta cells transcribe them."""
    is_ab = np.isin(loci, [Locus.TRA, Locus.TRB])
    without_delta = _mark(rows[is_ab], n_cells) & ~_mark(rows[loci == Locus.TRD], n_cells)
    return np.asarray(~((loci == Locus.TRG) & without_delta[rows]), dtype=bool)


def _mark(rows: npt.NDArray[np.intp], n_cells: int) -> Flags:
    flags = np.zeros(n_cells, dtype=bool)
    flags[rows] = True
    return flags


def _select(n_cells: int, default: str, choices: Sequence[tuple[Flags, str]]) -> npt.NDArray[np.object_]:
    """Let each later choice overrule the earlier ones."""
    values = np.full(n_cells, str(default), dtype=object)
    for mask, value in choices:
        values[mask] = str(value)
    return values


def _types(has: dict[Locus, Flags], multichain: Flags) -> npt.NDArray[np.object_]:
    t_cell = has[Locus.TRA] | has[Locus.TRB] | has[Locus.TRG] | has[Locus.TRD]
    b_cell = has[Locus.IGH] | has[Locus.IGK] | has[Locus.IGL]
    return _select(
        len(multichain),
        ReceptorType.AMBIGUOUS,
        (
            (~t_cell & ~b_cell, ReceptorType.NO_IR),
            (t_cell & ~b_cell, ReceptorType.TCR),
            (~t_cell & b_cell, ReceptorType.BCR),
            (multichain, ReceptorType.MULTICHAIN),
        ),
    )


def _subtypes(has: dict[Locus, Flags], multichain: Flags) -> npt.NDArray[np.object_]:
    alpha_beta = has[Locus.TRA] | has[Locus.TRB]
    gamma_delta = has[Locus.TRG] | has[Locus.TRD]
    heavy, kappa, lamb = has[Locus.IGH], has[Locus.IGK], has[Locus.IGL]
    t_cell, b_cell = alpha_beta | gamma_delta, heavy | kappa | lamb
    return _select(
        len(multichain),
        ReceptorSubtype.AMBIGUOUS,
        (
            (~t_cell & ~b_cell, ReceptorSubtype.NO_IR),
            (alpha_beta & ~gamma_delta & ~b_cell, ReceptorSubtype.TRA_TRB),
            (gamma_delta & ~alpha_beta & ~b_cell, ReceptorSubtype.TRG_TRD),
            (heavy & ~kappa & ~lamb & ~t_cell, ReceptorSubtype.IGH),
            (lamb & ~kappa & ~t_cell, ReceptorSubtype.IGH_IGL),
            (kappa & ~lamb & ~t_cell, ReceptorSubtype.IGH_IGK),
            (heavy & kappa & lamb & ~t_cell, ReceptorSubtype.IGH_IGKL),
            (multichain, ReceptorSubtype.MULTICHAIN),
        ),
    )


def _pairings(
    per_arm: dict[Arm, npt.NDArray[np.intp]], subtype: npt.NDArray[np.object_]
) -> npt.NDArray[np.object_]:
    n_vj, n_vdj = per_arm[Arm.VJ], per_arm[Arm.VDJ]
    pair = (n_vj > 0) & (n_vdj > 0)
    return _select(
        len(subtype),
        ChainPairing.NO_IR,
        (
            ((n_vj > 0) & ~pair, ChainPairing.ORPHAN_VJ),
            ((n_vdj > 0) & ~pair, ChainPairing.ORPHAN_VDJ),
            (pair, ChainPairing.SINGLE_PAIR),
            (pair & (n_vj > 1), ChainPairing.EXTRA_VJ),
            (pair & (n_vdj > 1), ChainPairing.EXTRA_VDJ),
            (pair & (n_vj > 1) & (n_vdj > 1), ChainPairing.TWO_FULL_CHAINS),
            (subtype == ReceptorSubtype.AMBIGUOUS, ChainPairing.AMBIGUOUS),
            (subtype == ReceptorSubtype.MULTICHAIN, ChainPairing.MULTICHAIN),
        ),
    )
