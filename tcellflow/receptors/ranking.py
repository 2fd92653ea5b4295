"""The chains of a cell in order: contigs of one chain merged, ranks that keep the two receptors apart.

Invariant: the rank of a chain depends on the cell's chains alone, never on their order in the file; the first
chains of both arms belong to one receptor, alpha-beta or gamma-delta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tcellflow.receptors.contigs import COUNT_COLUMNS
from tcellflow.vocabulary import T_CELL_LOCI, Locus

if TYPE_CHECKING:
    import numpy.typing as npt


def merge_same_chains(rows: pd.DataFrame) -> pd.DataFrame:
    """Merge, before ranking, contigs that tell the same chain of a cell; sum their molecules and reads.

    The contig with the most molecules stays, in its place; a junction without nucleotides is that of the
    only one with the same amino acids.
    """
    same = ["cell_id", "locus", "v_call", "j_call", "junction_aa"]
    groups = rows.groupby(same, sort=False, dropna=False)
    nucleotides = rows["junction"].where(rows["junction"].notna(), rows["cdr3"])
    if not rows.duplicated(same).any():
        return rows
    known = nucleotides.groupby(groups.ngroup()).transform("nunique")
    only = nucleotides.groupby(groups.ngroup()).transform("first")
    text = nucleotides.where(nucleotides.notna() | (known != 1), only)
    chain = rows.assign(text=text).groupby([*same, "text"], sort=False, dropna=False).ngroup()
    strongest = _order(rows, chain.to_numpy())
    kept = np.sort(strongest[~chain.iloc[strongest].duplicated().to_numpy()])
    merged = rows.iloc[kept].copy()
    for name in COUNT_COLUMNS:
        sums = rows[name].groupby(chain).sum(min_count=1)
        merged[name] = sums.loc[chain.iloc[kept]].to_numpy()
    return merged.reset_index(drop=True)


def rank_chains(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank within cell and arm: chains of the cell's receptor first, each kind strongest first.

    A further chain of the other receptor (a gamma chain of an alpha-beta cell) never takes the first rank of
    an arm, even where the receptor has none of this arm.
    """
    cells = pd.factorize(rows["cell_id"])[0]
    arms = (rows["arm"] == "VDJ").to_numpy().astype(np.int64)
    is_further = _find_further(rows, cells)
    order = _order(rows, cells, arms, is_further.astype(np.int64))
    ranked = rows.iloc[order].reset_index(drop=True)
    ranked["rank"] = ranked.groupby(["cell_id", "arm"], sort=False).cumcount() + 1
    first = pd.Series(is_further[order]).groupby([ranked["cell_id"], ranked["arm"]], sort=False)
    ranked["rank"] += first.transform("first").astype(np.int64)
    return ranked


def _find_further(rows: pd.DataFrame, cells: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Find chains that are not of their cell's receptor, alpha-beta or gamma-delta.

    A complete pair is the receptor before a lone chain; of two complete pairs, and of two lone chains, the
    one with more molecules. A lone gamma chain never is before alpha or beta: such cells transcribe it too.
    """
    loci = rows["locus"].to_numpy(dtype=object)
    counts = rows["umi_count"].fillna(0).to_numpy()
    n_cells = int(cells.max()) + 1 if len(cells) else 0
    best = {locus: np.full(n_cells, -1.0) for locus in T_CELL_LOCI}
    for locus, strongest in best.items():
        of_locus = loci == locus
        np.maximum.at(strongest, cells[of_locus], counts[of_locus])
    alpha, beta, gamma, delta = (best[locus] for locus in (Locus.TRA, Locus.TRB, Locus.TRG, Locus.TRD))
    has_ab, has_gd = (alpha >= 0) & (beta >= 0), (gamma >= 0) & (delta >= 0)
    is_equal = has_ab == has_gd
    more = np.maximum(gamma, 0) + np.maximum(delta, 0) > np.maximum(alpha, 0) + np.maximum(beta, 0)
    only_gamma = (delta < 0) & ((alpha >= 0) | (beta >= 0))
    is_gd = (has_gd & ~has_ab) | (is_equal & more & ~only_gamma)
    has_other = ((alpha >= 0) | (beta >= 0)) & ((gamma >= 0) | (delta >= 0))
    of_gd, of_ab = np.isin(loci, [Locus.TRG, Locus.TRD]), np.isin(loci, [Locus.TRA, Locus.TRB])
    return np.asarray(has_other[cells] & ((of_gd & ~is_gd[cells]) | (of_ab & is_gd[cells])), dtype=bool)


def _order(rows: pd.DataFrame, *keys: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Order rows by keys, then the strongest first; equal chains are told apart by their names."""
    texts = (rows["junction"].where(rows["junction"].notna(), rows["cdr3"]), rows["junction_aa"])
    names = (rows["v_call_raw"], rows["j_call_raw"], rows["c_call"], rows["sequence_id"])
    columns = [*keys, *(-rows[name].fillna(0).to_numpy() for name in COUNT_COLUMNS)]
    columns += [-_order_of(text) for text in texts]
    columns += [_order_of(name) for name in names]
    return np.lexsort(columns[::-1])


def _order_of(texts: pd.Series) -> npt.NDArray[np.int64]:
    return pd.factorize(texts.where(texts.notna(), ""), sort=True)[0]
