"""Receptors of full-length protocols: TraCeR tables, other per-cell alpha/beta tables, BraCeR.

Invariant: genes and sequences are taken from the columns of their chain; a chain without any is no contig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tcellflow.io.contigs.airr import collect_airr
from tcellflow.io.contigs.cell_tables import CELL_COLUMNS, ChainSlot, cell_names, read_slots
from tcellflow.io.files.text_tables import check_columns
from tcellflow.receptors.translation import translate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcellflow.io.files.text_tables import TextTable
    from tcellflow.receptors.contigs import RawChains

TRACER_LAYOUT: Final = "TraCeR table"
PAIR_LAYOUT: Final = "alpha/beta table"
CHANGEO_LAYOUT: Final = "Change-O table (BraCeR)"
_LOCI: Final = {"alpha": "TRA", "beta": "TRB", "gamma": "TRG", "delta": "TRD"}
TRACER_SLOTS: Final = tuple(
    ChainSlot(
        v_call=f"v_{chain}",
        d_call=f"d_{chain}",
        j_call=f"j_{chain}",
        residues=f"cdr3_{chain}",
        nucleotides=f"cdr3_nt_{chain}",
        umi_count=f"count_{chain}",
        productive=f"productive_{chain}",
        fixed_locus=locus,
    )
    for chain, locus in _LOCI.items()
)
PAIR_SLOTS: Final = (
    ChainSlot(residues="cdr3a", v_call="v_alpha", j_call="j_alpha", fixed_locus="TRA"),
    ChainSlot(residues="cdr3b", v_call="v_beta", j_call="j_beta", fixed_locus="TRB"),
)
_CHANGEO_REQUIRED: Final = ("CELL", "LOCUS", "FUNCTIONAL", "V_CALL", "J_CALL", "JUNCTION")
_CHANGEO: Final = {
    "CELL": "cell_id",
    "SEQUENCE_ID": "sequence_id",
    "LOCUS": "locus",
    "FUNCTIONAL": "productive",
    "V_CALL": "v_call",
    "D_CALL": "d_call",
    "J_CALL": "j_call",
    "C_CALL": "c_call",
    "JUNCTION": "junction",
    "TPM": "consensus_count",
}
_IG_LETTERS: Final = "HKL"


def is_tracer_table(columns: frozenset[str]) -> bool:
    """Recognise TraCeR's chains in columns by ``cdr3_alpha`` or ``cdr3_beta``."""
    return bool({slot.residues for slot in TRACER_SLOTS} & columns)


def is_pair_table(columns: frozenset[str]) -> bool:
    """Recognise a table of alpha/beta chains per cell, like TraCeR's, by ``cdr3a`` or ``cdr3b``."""
    return bool({slot.residues for slot in PAIR_SLOTS} & columns)


def is_changeo_table(columns: frozenset[str]) -> bool:
    """Recognise a Change-O table of BraCeR (TraCeR for B cells), even if some columns are missing."""
    return {"CELL", "V_CALL"} <= columns


def read_tracer_table(table: TextTable) -> RawChains:
    """Read a table of TraCeR's chains, one row per cell.

    Parameters
    ----------
    table
        Columns such as ``cdr3_alpha``, ``v_alpha``, ``count_alpha``.

    Returns
    -------
    RawChains
        One contig per filled chain; counts are TPM.

    Raises
    ------
    InputError
        If no column names the cells, or values are impossible.
    """
    return _read_slot_table(table, TRACER_SLOTS, TRACER_LAYOUT)


def read_pair_table(table: TextTable) -> RawChains:
    """Read a table with one alpha and one beta chain per cell, like TraCeR's.

    Parameters
    ----------
    table
        Columns ``cdr3a``, ``v_alpha``, ``j_alpha`` and their beta twins.

    Returns
    -------
    RawChains
        One contig per filled chain.

    Raises
    ------
    InputError
        If no column names the cells.
    """
    return _read_slot_table(table, PAIR_SLOTS, PAIR_LAYOUT)


def _read_slot_table(table: TextTable, slots: Sequence[ChainSlot], layout: str) -> RawChains:
    frame = table.read({*CELL_COLUMNS, *(name for slot in slots for name in slot.columns)})
    return read_slots(
        frame,
        slots,
        cell_ids=cell_names(frame, table),
        layout=layout,
        where=table.path,
        anchored="by content",
    )


def read_changeo_table(table: TextTable) -> RawChains:
    """Read ``changeodb.tab`` of BraCeR (TraCeR for B cells) or another Change-O table with cells.

    Parameters
    ----------
    table
        One row per contig, column names in capitals.

    Returns
    -------
    RawChains
        Contigs; BraCeR's are B-cell chains, which are counted and not used.

    Raises
    ------
    InputError
        If columns are missing or hold impossible values.
    """
    check_columns(table, _CHANGEO_REQUIRED, layout=CHANGEO_LAYOUT)
    frame: Any = table.read(set(_CHANGEO)).rename(columns=_CHANGEO)
    frame["junction_aa"] = frame["junction"].map(translate, na_action="ignore")
    letters = frame["locus"].str.upper()
    is_ig = letters.isin(list(_IG_LETTERS))
    frame["locus"] = letters.where(~is_ig, "IG" + letters.astype(str))
    return collect_airr(frame, layout=CHANGEO_LAYOUT, where=table.path)
