"""The receptors section: every contig accounted for, how chains pair, which genes they use.

Invariant: gene usage counts cells by their strongest chain of each locus, so that a cell with
two alpha chains does not count twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

from tcellflow.report.calls import count_values
from tcellflow.report.details import Facts, LevelRow, tell_barcodes, tell_levels, tell_receptor_names
from tcellflow.report.lookup import look_up, read_count, read_counts, read_text
from tcellflow.report.wording import PAIRING_MEANINGS
from tcellflow.vocabulary import STATE_UNRESOLVED, ChainPairing, Locus, State

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tcellflow.provenance import JsonValue
    from tcellflow.report.inputs import ReportInputs

_GENES_SHOWN: Final = 10
_GENES_PER_STATE: Final = 5
# Gene classes in reading order; gamma-delta ones are shown only where such chains occur.
_GENE_CLASSES: Final = (
    ("TRAV", Locus.TRA, "v_call"),
    ("TRAJ", Locus.TRA, "j_call"),
    ("TRBV", Locus.TRB, "v_call"),
    ("TRBJ", Locus.TRB, "j_call"),
    ("TRGV", Locus.TRG, "v_call"),
    ("TRGJ", Locus.TRG, "j_call"),
    ("TRDV", Locus.TRD, "v_call"),
    ("TRDJ", Locus.TRD, "j_call"),
)
_STATE_GENE_CLASSES: Final = _GENE_CLASSES[:4]


@dataclass(frozen=True)
class PairingRow:
    """One pairing class.

    Parameters
    ----------
    pairing
        scirpy's value.
    n_cells
        Cells.
    meaning
        What it means.
    """

    pairing: str
    n_cells: int
    meaning: str


@dataclass(frozen=True)
class GeneUsage:
    """Usage of one class of genes.

    Parameters
    ----------
    name
        E.g. TRBV.
    n_cells
        Cells with such a chain whose gene is known.
    n_unknown
        Cells with such a chain whose gene is unknown.
    n_genes
        Different genes seen.
    top
        The most used genes with their cells.
    """

    name: str
    n_cells: int
    n_unknown: int
    n_genes: int
    top: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class StateGenes:
    """Genes used by the cells of one state.

    Parameters
    ----------
    state
        The reported state, "Unresolved", or "all T cells".
    n_cells
        Cells of that state in the predictions.
    usages
        TRAV, TRAJ, TRBV, TRBJ.
    """

    state: str
    n_cells: int
    usages: tuple[GeneUsage, ...]


@dataclass(frozen=True)
class ContigAccount:
    """What happened to the contigs of the receptor file.

    Parameters
    ----------
    read, kept
        Contigs read and kept.
    dropped
        Reasons with counts.
    """

    read: int | None
    kept: int | None
    dropped: tuple[tuple[str, int], ...]

    @property
    def unexplained(self) -> int:
        """Contigs neither kept nor dropped for a reason; 0 where the account adds up."""
        if self.read is None or self.kept is None:
            return 0
        return self.read - self.kept - sum(count for _, count in self.dropped)


@dataclass(frozen=True)
class ReceptorSection:
    """Everything the receptors section shows.

    Parameters
    ----------
    file_format
        Format of the receptor file; empty if unknown.
    contigs
        Account of the contigs; None without qc.json.
    n_cells
        Cells in the receptors table, or counted in qc.json; None if unknown.
    n_paired
        Cells with both an alpha and a beta chain.
    pairings
        Pairing classes, those that occur.
    usages
        Gene usage over all cells.
    levels
        How precisely V and J genes were understood.
    facts
        Names, junctions and barcodes as names and values.
    by_state
        Genes per state; empty without predictions.
    n_distinct
        Distinct chains that were embedded; None if unknown.
    """

    file_format: str
    contigs: ContigAccount | None
    n_cells: int | None
    n_paired: int | None
    pairings: tuple[PairingRow, ...]
    usages: tuple[GeneUsage, ...]
    levels: tuple[LevelRow, ...]
    facts: tuple[Facts, ...]
    by_state: tuple[StateGenes, ...]
    n_distinct: int | None

    @property
    def n_chains(self) -> int:
        """Cells counted in any of the gene tables."""
        return sum(usage.n_cells + usage.n_unknown for usage in self.usages)


def summarise_receptors(inputs: ReportInputs) -> ReceptorSection | None:
    """Summarise the receptors of one sample.

    Parameters
    ----------
    inputs
        What is known.

    Returns
    -------
    ReceptorSection or None
        None where no file speaks of receptors.
    """
    qc = look_up(inputs.qc, "receptors")
    if not isinstance(qc, dict) and inputs.chains is None and inputs.receptors is None:
        return None
    n_cells, n_paired, pairings = _tell_pairings(inputs, qc)
    chains = _strongest_chains(inputs.chains) if inputs.chains is not None else None
    return ReceptorSection(
        file_format=read_text(qc, "layout"),
        contigs=_account(qc),
        n_cells=n_cells,
        n_paired=n_paired,
        pairings=pairings,
        usages=() if chains is None else _count_usages(chains),
        levels=tell_levels(qc),
        facts=tuple(group for group in (tell_receptor_names(qc), tell_barcodes(qc)) if group.rows),
        by_state=() if chains is None else _count_by_state(chains, inputs.predictions),
        n_distinct=_count_distinct(inputs.chains),
    )


def _account(qc: JsonValue) -> ContigAccount | None:
    if not isinstance(look_up(qc, "contigs"), dict):
        return None
    return ContigAccount(
        read_count(qc, "contigs", "read"),
        read_count(qc, "contigs", "kept"),
        read_counts(qc, "contigs", "dropped"),
    )


def _tell_pairings(
    inputs: ReportInputs, qc: JsonValue
) -> tuple[int | None, int | None, tuple[PairingRow, ...]]:
    if inputs.receptors is not None:
        table = inputs.receptors
        counts = dict(count_values(table.column("chain_pairing").to_pandas()))
        both = pc.and_(table.column("has_tra"), table.column("has_trb"))
        n_cells, n_paired = table.num_rows, int(pc.sum(both).as_py() or 0)
    else:
        counts = dict(read_counts(qc, "cells", "chain_pairing"))
        if not counts:
            return None, None, ()
        n_cells = sum(counts.values())
        paired = (
            ChainPairing.SINGLE_PAIR,
            ChainPairing.EXTRA_VJ,
            ChainPairing.EXTRA_VDJ,
            ChainPairing.TWO_FULL_CHAINS,
        )
        n_paired = sum(counts.get(value, 0) for value in paired)
    rows = tuple(PairingRow(p, counts[p], PAIRING_MEANINGS[p]) for p in ChainPairing if counts.get(p))
    return n_cells, n_paired, rows


def _strongest_chains(chains: pa.Table) -> pd.DataFrame:
    columns = ["cell_id", "locus", "v_call", "j_call"]
    first = chains.filter(pc.equal(chains.column("rank"), 1))
    frame: pd.DataFrame = first.select(columns).to_pandas()
    return frame


def _count_usages(chains: pd.DataFrame) -> tuple[GeneUsage, ...]:
    present = set(chains["locus"].unique()) | {Locus.TRA, Locus.TRB}
    return tuple(
        _count_usage(chains, name, locus, column, _GENES_SHOWN)
        for name, locus, column in _GENE_CLASSES
        if locus in present
    )


def _count_usage(chains: pd.DataFrame, name: str, locus: Locus, column: str, shown: int) -> GeneUsage:
    genes = chains.loc[chains["locus"] == locus, column]
    counts = count_values(genes)
    known = sum(count for _, count in counts)
    return GeneUsage(name, known, len(genes) - known, len(counts), counts[:shown])


def _count_by_state(chains: pd.DataFrame, predictions: pa.Table | None) -> tuple[StateGenes, ...]:
    if predictions is None:
        return ()
    calls = predictions.select(["barcode", "state"]).to_pandas()
    joined = chains.merge(calls, left_on="cell_id", right_on="barcode", how="inner")
    rows = []
    for state in ("all cells", *State, STATE_UNRESOLVED):
        chosen = joined if state == "all cells" else joined.loc[joined["state"] == state]
        n_cells = len(calls) if state == "all cells" else int((calls["state"] == state).sum())
        if n_cells:
            usages = tuple(
                _count_usage(chosen, name, locus, column, _GENES_PER_STATE)
                for name, locus, column in _STATE_GENE_CLASSES
            )
            rows.append(StateGenes(state, n_cells, usages))
    return tuple(rows)


def _count_distinct(chains: pa.Table | None) -> int | None:
    if chains is None:
        return None
    return int(pc.count_distinct(chains.column("emb_id"), mode="only_valid").as_py())
