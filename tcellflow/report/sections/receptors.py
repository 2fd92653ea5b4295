"""The receptors section: every contig accounted for, how chains pair, which genes they use.

Invariant: gene usage counts cells by their strongest chain of each locus, so that a cell with
two alpha chains does not count twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow.compute as pc

from tcellflow.report.listing import Facts, count_values, list_barcodes, list_counts, sort_counts
from tcellflow.report.wording import PAIRING_MEANINGS, write_count
from tcellflow.vocabulary import STATE_UNRESOLVED, ChainPairing, Locus, State

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tcellflow.contracts.qc import Barcodes, Receptors
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
# How precisely a V or J gene was understood, best first.
_LEVELS: Final = {
    "allele": "allele",
    "gene": "gene",
    "family": "family only",
    "unknown": "unknown name",
    "contradicts_locus": "contradicts the locus, taken as unknown",
    "missing": "not given",
}
_NOT_EMBEDDABLE: Final = {
    "locus_without_encoder": "no vector: neither alpha nor beta",
    "letters_that_are_no_residues": "no vector: letters that are no residues",
    "anchors_missing": "no vector: CDR3 without its anchors",
    "too_short_or_too_long": "no vector: CDR3 too short or too long",
}


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

    read: int
    kept: int
    dropped: tuple[tuple[str, int], ...]

    @property
    def unexplained(self) -> int:
        """Contigs neither kept nor dropped for a reason; 0 where the account adds up."""
        return self.read - self.kept - sum(count for _, count in self.dropped)


@dataclass(frozen=True)
class LevelRow:
    """How many chains had their V and J gene understood at one level."""

    level: str
    n_v: int
    n_j: int


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
    """Summarise one sample's receptors for the report; None where no file speaks of them."""
    qc = inputs.qc.receptors if inputs.qc else None
    if qc is None and inputs.chains is None and inputs.receptors is None:
        return None
    n_cells, n_paired, pairings = _tell_pairings(inputs, qc)
    chains = _strongest_chains(inputs.chains) if inputs.chains is not None else None
    facts = (_tell_names(qc), _tell_barcodes(qc.barcodes)) if qc else ()
    return ReceptorSection(
        file_format=qc.layout if qc else "",
        contigs=_account(qc) if qc else None,
        n_cells=n_cells,
        n_paired=n_paired,
        pairings=pairings,
        usages=() if chains is None else _count_usages(chains),
        levels=_tell_levels(qc) if qc else (),
        facts=tuple(group for group in facts if group.rows),
        by_state=() if chains is None else _count_by_state(chains, inputs.predictions),
        n_distinct=_count_distinct(inputs.chains),
    )


def _account(qc: Receptors) -> ContigAccount:
    return ContigAccount(qc.contigs.read, qc.contigs.kept, sort_counts(qc.contigs.dropped))


def _tell_levels(qc: Receptors) -> tuple[LevelRow, ...]:
    """Tell how precisely V and J genes were understood: levels that occur, best first."""
    v, j = qc.genes.v, qc.genes.j
    rows = [LevelRow(words, getattr(v, key), getattr(j, key)) for key, words in _LEVELS.items()]
    return tuple(row for row in rows if row.n_v or row.n_j)


def _tell_names(qc: Receptors) -> Facts:
    """Tell what else happened to gene names and junctions."""
    v, j = qc.genes.v, qc.genes.j
    counts = {
        "V genes spelt differently, renamed": v.renamed,
        "J genes spelt differently, renamed": j.renamed,
        "V genes not functional (IMGT)": v.not_functional,
        "J genes not functional (IMGT)": j.not_functional,
        "CDR3 with anchors restored from the germline": qc.junctions.anchors_added,
    }
    rows = [(name, write_count(count)) for name, count in counts.items() if count]
    rows += list_counts(qc.junctions.not_embeddable, _NOT_EMBEDDABLE)
    return Facts("Names and junctions (chains)", tuple(rows))


def _tell_barcodes(found: Barcodes | None) -> Facts:
    """Tell how the barcodes of receptors and expression were matched."""
    if found is None:
        return Facts("Matching of barcodes", ())
    return Facts("Matching of barcodes", list_barcodes(found, "receptors"))


def _tell_pairings(
    inputs: ReportInputs, qc: Receptors | None
) -> tuple[int | None, int | None, tuple[PairingRow, ...]]:
    counts: dict[str, int] = {}
    if inputs.receptors is not None:
        table = inputs.receptors
        counts |= dict(count_values(table.column("chain_pairing").to_pandas()))
        both = pc.and_(table.column("has_tra"), table.column("has_trb"))
        n_cells, n_paired = table.num_rows, int(pc.sum(both).as_py() or 0)
    else:
        counts |= {str(pairing): n for pairing, n in qc.cells.chain_pairing.items()} if qc else {}
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
