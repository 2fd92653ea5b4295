"""From contig rows to ranked chains per cell and arm, and the tally of what happened to each row.

Invariant: the rank of a chain depends on the cell's chains alone, never on their order in the file;
all productive chains are kept, whatever the class of their cell.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from tcellflow.receptors.anchors import restore_anchors
from tcellflow.receptors.contigs import MULTI_LOCUS, DropReason, RawChains, as_texts
from tcellflow.receptors.encoding.keys import embedding_keys
from tcellflow.receptors.germline import check_species
from tcellflow.receptors.ranking import merge_same_chains, rank_chains
from tcellflow.receptors.segments import infer_locus, standardise_calls
from tcellflow.receptors.translation import translate
from tcellflow.vocabulary import ARM_OF_LOCUS, T_CELL_LOCI, Locus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import numpy.typing as npt

CHAIN_COLUMNS: Final = (
    "cell_id",
    "donor",
    "arm",
    "rank",
    "locus",
    "junction_aa",
    "junction",
    "v_call",
    "d_call",
    "j_call",
    "c_call",
    "v_call_raw",
    "j_call_raw",
    "umi_count",
    "consensus_count",
    "productive",
    "anchor_added",
    "emb_id",
    "v_level",
    "j_level",
    "v_renamed",
    "j_renamed",
)
# Words for stop codons (*), frame shifts (_ # .) and residues that no codon tells (X ?).
_NOT_TRANSLATED: Final = r"[^A-Z]|X"
_ARMS: Final = {str(locus): str(arm) for locus, arm in ARM_OF_LOCUS.items()}


@dataclass(frozen=True)
class ChosenChains:
    """Usable chains of a sample, ranked, with the account of all rows read.

    Parameters
    ----------
    chains
        One row per chain, `CHAIN_COLUMNS`; ordered by cell (first appearance), arm and rank.
    layout
        What the file was recognised as.
    where
        The file or files.
    rows_read
        Contigs in the file.
    dropped
        Contigs that are no usable chain, per reason; with the chains they add up to ``rows_read``.
    warnings
        What the user should know, as sentences.
    """

    chains: pd.DataFrame
    layout: str
    where: str
    rows_read: int
    dropped: Mapping[DropReason, int]
    warnings: tuple[str, ...] = ()

    def of_cells(self, cell_ids: Collection[str]) -> ChosenChains:
        """Keep the chains of some cells.

        Parameters
        ----------
        cell_ids
            Cells that passed quality control.

        Returns
        -------
        ChosenChains
            Their chains; the others are counted as removed by quality control.
        """
        kept = self.chains["cell_id"].isin(set(cell_ids)).to_numpy()
        dropped = Counter(self.dropped)
        if not kept.all():
            dropped[DropReason.CELL_FILTERED] += int((~kept).sum())
        return replace(self, chains=self.chains[kept].reset_index(drop=True), dropped=dict(dropped))


def choose_chains(
    raw: RawChains,
    *,
    donor: str,
    species: str = "human",
    keep_immunoglobulins: bool = False,
) -> ChosenChains:
    """Choose and rank the usable chains: productive, with a junction, of a wanted locus.

    Parameters
    ----------
    raw
        Contigs of one sample; cell names as they shall appear.
    donor
        Donor of chains whose file names none.
    species
        Species the gene names belong to.
    keep_immunoglobulins
        Whether chains of B-cell receptors are usable too; their genes stay without a standard name.

    Returns
    -------
    ChosenChains
        All ranks of all cells.

    Raises
    ------
    OptionsError
        If the species is not known.
    """
    check_species(species)
    rows = raw.rows.assign(
        locus=_complete_loci(raw.rows),
        junction_aa=_complete_junctions(raw.rows),
        junction=_upper(raw.rows["junction"]),
        cdr3=_upper(raw.rows["cdr3"]),
    )
    raw = replace(raw, rows=rows)
    loci = frozenset(map(str, Locus if keep_immunoglobulins else T_CELL_LOCI))
    for reason in (
        DropReason.MULTI_LOCUS,
        DropReason.IMMUNOGLOBULIN,
        DropReason.UNKNOWN_LOCUS,
        DropReason.NOT_PRODUCTIVE,
        DropReason.NO_JUNCTION,
        DropReason.NOT_TRANSLATED,
    ):
        raw = raw.without(reason, _is_dropped(raw.rows, reason, loci))
    named = merge_same_chains(_name_genes(raw.rows))
    n_merged = len(raw.rows) - len(named)
    if n_merged:
        raw = replace(raw, dropped={**raw.dropped, DropReason.SAME_CHAIN: n_merged})
    chains = rank_chains(named)
    chains["donor"] = chains["donor"].where(chains["donor"].notna(), donor)
    junctions, added = restore_anchors(chains)
    chains = chains.assign(junction_aa=junctions, anchor_added=added)
    chains["emb_id"] = embedding_keys(chains)
    chains = chains[list(CHAIN_COLUMNS)]
    warnings = (*raw.warnings, *_warn_of_names(chains))
    return ChosenChains(chains, raw.layout, raw.where, raw.rows_read, raw.dropped, warnings)


def _complete_loci(rows: pd.DataFrame) -> npt.NDArray[np.object_]:
    loci = rows["locus"].to_numpy(dtype=object).copy()
    missing = rows["locus"].isna().to_numpy()
    calls = rows.loc[missing, ["v_call", "d_call", "j_call", "c_call"]]
    if not calls.empty:
        codes, distinct = pd.factorize(pd.MultiIndex.from_frame(calls), use_na_sentinel=False)
        found = [infer_locus(*(None if pd.isna(name) else name for name in combo)) for combo in distinct]
        loci[missing] = np.array(found, dtype=object)[codes]
    return loci


def _upper(texts: pd.Series) -> npt.NDArray[np.object_]:
    return as_texts(texts.str.upper())


def _complete_junctions(rows: pd.DataFrame) -> npt.NDArray[np.object_]:
    junctions = _upper(rows["junction_aa"])
    nucleotides = rows["junction"].where(rows["junction"].notna(), rows["cdr3"]).to_numpy(dtype=object)
    for row in np.flatnonzero(rows["junction_aa"].isna().to_numpy()):
        junctions[row] = translate(nucleotides[row]) if nucleotides[row] is not None else None
    return junctions


def _is_dropped(rows: pd.DataFrame, reason: DropReason, wanted: frozenset[str]) -> npt.NDArray[np.bool_]:
    if reason is DropReason.MULTI_LOCUS:
        return (rows["locus"] == MULTI_LOCUS).to_numpy()
    if reason is DropReason.IMMUNOGLOBULIN:
        return rows["locus"].isin(_ARMS.keys() - wanted).to_numpy()
    if reason is DropReason.UNKNOWN_LOCUS:
        return ~rows["locus"].isin(wanted).to_numpy()
    if reason is DropReason.NOT_PRODUCTIVE:
        return ~rows["productive"].to_numpy(dtype=bool)
    if reason is DropReason.NO_JUNCTION:
        return rows["junction_aa"].isna().to_numpy()
    return rows["junction_aa"].astype(str).str.contains(_NOT_TRANSLATED).to_numpy(dtype=bool)


def _name_genes(rows: pd.DataFrame) -> pd.DataFrame:
    loci = rows["locus"].to_numpy(dtype=object)
    v, d, j = (
        standardise_calls(rows[f"{segment.lower()}_call"].to_numpy(dtype=object), loci, segment)
        for segment in ("V", "D", "J")
    )
    return rows.assign(
        arm=rows["locus"].map(_ARMS).astype(object),
        v_call=v.names,
        d_call=d.names,
        j_call=j.names,
        c_call=_without_allele(rows["c_call"]),
        v_call_raw=rows["v_call"],
        j_call_raw=rows["j_call"],
        v_level=v.levels,
        j_level=j.levels,
        v_renamed=v.renamed,
        j_renamed=j.renamed,
    )


def _without_allele(names: pd.Series) -> npt.NDArray[np.object_]:
    return as_texts(names.str.replace(r"\*.*", "", regex=True))


def _warn_of_names(chains: pd.DataFrame) -> tuple[str, ...]:
    named = chains[chains["v_call_raw"].notna()]
    unknown = named["v_call"].isna()
    if len(named) and unknown.mean() > 0.5:
        examples = ", ".join(named.loc[unknown, "v_call_raw"].unique()[:3])
        share = f"{int(unknown.sum())} of {len(named)} V gene names are unknown"
        return (f"{share} (e.g. {examples}): is the sample human?",)
    return ()
