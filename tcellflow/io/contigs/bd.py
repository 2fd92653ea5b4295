"""Receptors of BD Rhapsody: contig tables, per-cell tables, and tables made from them in R.

Invariant: CDR3 columns lack the anchors; they are completed by the contig's own framework regions
where the file has them. AG columns hold alpha or gamma chains, BD columns beta or delta ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from tcellflow.io.contigs.airr import NO_ANCHORS_WARNING
from tcellflow.io.contigs.cell_tables import ChainSlot, read_slots
from tcellflow.io.contigs.loci import standard_loci
from tcellflow.io.files.text_tables import check_columns
from tcellflow.io.files.text_values import find_denied, parse_booleans, parse_counts
from tcellflow.receptors.contigs import DropReason, RawChains, make_rows
from tcellflow.receptors.translation import translate

if TYPE_CHECKING:
    import numpy.typing as npt

    from tcellflow.io.files.text_tables import TextTable

CONTIG_LAYOUT: Final = "BD Rhapsody contig table"
CELL_LAYOUT: Final = "BD Rhapsody per-cell table"
_REQUIRED: Final = (
    "Cell_Index",
    "Chain_Type",
    "Productive",
    ("V_gene", "V_gene_Dominant"),
    ("J_gene", "J_gene_Dominant"),
    ("CDR3_Translation", "CDR3_Translation_Dominant"),
)
# the columns of "Dominant" files carry this ending
_ENDING: Final = "_Dominant"
_TEXTS: Final = {
    "v_call": "V_gene",
    "d_call": "D_gene",
    "j_call": "J_gene",
    "c_call": "C_gene",
    "junction_aa": "CDR3_Translation",
    "cdr3": "CDR3_Nucleotide",
    "before": "FR3_Nucleotide",
    "after": "FR4_Nucleotide",
}
_COUNTS: Final = {"umi_count": "Molecule_Count", "consensus_count": "Read_Count"}
_CELL_FLAGS: Final = {
    "Putative": DropReason.NOT_A_CELL,
    "Putative_Cell": DropReason.NOT_A_CELL,
    "Dominant": DropReason.NOT_DOMINANT,
}
_CODON: Final = 3
_PIPELINE_SLOTS: Final = tuple(
    ChainSlot(
        v_call=f"{prefix}_V_gene_Dominant",
        d_call=f"{prefix}_D_gene_Dominant",
        j_call=f"{prefix}_J_gene_Dominant",
        c_call=f"{prefix}_C_gene_Dominant",
        residues=f"{prefix}_CDR3_Translation_Dominant",
        nucleotides=f"{prefix}_CDR3_Nucleotide_Dominant",
        umi_count=f"{prefix}_Molecule_Count",
        consensus_count=f"{prefix}_Read_Count",
    )
    for prefix in ("TCR_Alpha_Gamma", "TCR_Beta_Delta", "BCR_Light", "BCR_Heavy")
)
_SHORT_SLOTS: Final = (
    ChainSlot(v_call="v_allele_AG", j_call="j_gene_AG", residues="cdr3_AG", productive="TRAG_fun"),
    ChainSlot(
        v_call="v_allele_BD",
        d_call="d_gene_BD",
        j_call="j_gene_BD",
        residues="cdr3_BD",
        productive="TRBD_fun",
    ),
    ChainSlot(v_call="v_allele_IgL", j_call="j_allele_IgL", residues="cdr3_IgL"),
    ChainSlot(v_call="v_allele_IgH", d_call="d_allele_IgH", j_call="j_allele_IgH", residues="cdr3_IgH"),
)
_PRODUCTIVITY: Final = {"productive": "True", "Non-functional": "False"}


def is_bd_contig_table(columns: frozenset[str]) -> bool:
    """Recognise a BD Rhapsody contig table, even if some of its columns are missing."""
    return {"Cell_Index", "Chain_Type"} <= columns


def is_bd_cell_table(columns: frozenset[str]) -> bool:
    """Recognise a BD Rhapsody table with one row per cell, by full or short names of its columns."""
    slots = (*_PIPELINE_SLOTS[:2], *_SHORT_SLOTS[:2])
    return "Cell_Index" in columns and any({slot.v_call, slot.residues} <= columns for slot in slots)


def read_bd_contig_table(table: TextTable) -> RawChains:
    """Read a contig table of BD Rhapsody: per-cell-chain, dominant or unfiltered.

    Returns
    -------
    RawChains
        Contigs of putative cells; of the unfiltered table the dominant ones.

    Raises
    ------
    InputError
        If columns are missing or hold impossible values.
    """
    check_columns(table, _REQUIRED, layout=CONTIG_LAYOUT)
    chosen = {ours: _present(table, name) for ours, name in _TEXTS.items()}
    names = {name for name in chosen.values() if name} | {
        "Cell_Index",
        "Chain_Type",
        "Productive",
        "Contig_ID",
    }
    frame = table.read({*names, *_COUNTS.values(), *_CELL_FLAGS})
    columns: dict[str, Any] = {ours: frame[name] for ours, name in chosen.items() if name}
    columns |= {
        ours: parse_counts(frame[name], where=table.path) for ours, name in _COUNTS.items() if name in frame
    }
    columns["cell_id"] = frame["Cell_Index"]
    columns["locus"] = standard_loci(frame["Chain_Type"])
    columns["productive"] = parse_booleans(frame["Productive"], where=table.path)[0]
    if "Contig_ID" in frame:
        columns["sequence_id"] = frame["Contig_ID"]
    columns |= _anchor_by_frameworks(columns, len(frame))
    rows = make_rows(columns, len(frame))
    raw = RawChains(
        layout=CONTIG_LAYOUT,
        where=str(table.path),
        rows=rows,
        rows_read=len(rows),
        warnings=() if rows["anchored"].all() else (NO_ANCHORS_WARNING,),
    )
    return _drop_flagged(raw, frame, table)


def _present(table: TextTable, name: str) -> str:
    return next((full for full in (name, name + _ENDING) if full in table.columns), "")


def _drop_flagged(raw: RawChains, frame: pd.DataFrame, table: TextTable) -> RawChains:
    flags = [(reason, name) for name, reason in _CELL_FLAGS.items() if name in frame]
    return raw.without_each(
        [
            (DropReason.NO_CELL, frame["Cell_Index"].isna().to_numpy()),
            *((reason, find_denied(frame[name], where=table.path)) for reason, name in flags),
        ]
    )


def _anchor_by_frameworks(columns: dict[str, Any], n_rows: int) -> dict[str, npt.NDArray[Any]]:
    """Put the last codon of FR3 before the CDR3 and the first codon of FR4 behind it."""
    texts = [columns.pop(name, pd.Series([None] * n_rows)) for name in ("before", "after")]
    cdr3 = columns.get("cdr3", pd.Series([None] * n_rows))
    junctions: npt.NDArray[np.object_] = np.full(n_rows, None, dtype=object)
    residues = columns["junction_aa"].to_numpy(dtype=object).copy()
    for row, (before, middle, after) in enumerate(zip(texts[0], cdr3, texts[1], strict=True)):
        if not (before and middle and after and residues[row] and len(after) >= _CODON):
            continue
        first, last = translate(before[-_CODON:]), translate(after[:_CODON])
        if first and last and translate(middle) == residues[row].upper():
            junctions[row] = before[-_CODON:] + middle + after[:_CODON]
            residues[row] = first + residues[row] + last
    anchored = np.array([junction is not None for junction in junctions], dtype=bool)
    return {"junction": junctions, "junction_aa": residues, "anchored": anchored}


def read_bd_cell_table(table: TextTable) -> RawChains:
    """Read a BD Rhapsody table with one row per cell.

    Parameters
    ----------
    table
        The pipeline's ``VDJ_perCell`` table, or a table with its short column names (``v_allele_AG``).

    Returns
    -------
    RawChains
        One contig per filled chain; a junction with a stop codon is not productive.

    Raises
    ------
    InputError
        If columns hold impossible values.
    """
    slots = _PIPELINE_SLOTS if _PIPELINE_SLOTS[0].residues in table.columns else _SHORT_SLOTS
    frame = table.read({"Cell_Index", *(name for slot in slots for name in slot.columns)})
    for slot in slots:
        if slot.productive and slot.productive in frame:
            # an absent chain says "Missing TCR" here
            frame[slot.productive] = frame[slot.productive].map(_PRODUCTIVITY)
    return read_slots(
        frame,
        slots,
        cell_ids=frame["Cell_Index"],
        layout=CELL_LAYOUT,
        where=table.path,
        anchored=False,
    )
