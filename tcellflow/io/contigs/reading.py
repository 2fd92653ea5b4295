"""Reading the contigs of any common receptor file, recognised by its content and never by its name.

Invariant: a file is read by exactly one layout or refused with a sentence; every contig of it is
either handed on or counted under a reason. Pickles are never opened, for opening one can run any program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.io.contigs import airr, bd, cellranger, scirpy, screpertoire, tracer
from tcellflow.io.contigs.samples import SAMPLE_COLUMNS, choose_rows, keep_sample
from tcellflow.io.files.kinds import check_is_file, describe_content, is_hdf5, is_pickle, may_be_text
from tcellflow.io.files.text import open_text
from tcellflow.io.files.text_tables import open_text_table, show_columns
from tcellflow.receptors.contigs import DropReason, RawChains, drop_repeated
from tcellflow.receptors.germline import check_species

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcellflow.io.files.text_tables import TextTable

_KNOWN: Final = (
    "10x contig tables and all_contig_annotations.json, AIRR tables, BD Rhapsody tables, TraCeR tables, "
    "scRepertoire metadata, and scirpy's .h5ad and .h5mu files"
)
_CONTIG_TABLES: Final = (
    "filtered_contig_annotations.csv",
    "all_contig_annotations.csv",
    "airr_rearrangement.tsv",
)
_EXPORT: Final = f"give one of: {_KNOWN}"
_CELL_WORDS: Final = frozenset({"barcode", "barcodes", "index", ""})
_TENX_MEND: Final = "give filtered_contig_annotations.csv of the same folder"
# Columns of tables that cells can be in, but not their chains one by one, and what to give instead.
_JOINED: Final = (
    (
        frozenset({"chain1", "chain2", "secondary_chain1"}),
        "TRUST4's barcode report, which keeps a chain in one cell of the table",
        "give its table of chains: <prefix>_barcode_airr.tsv",
    ),
    (
        frozenset({"cdr3.aa", "v.name"}),
        "immunarch's table of clonotypes, which joins the cells of one",
        "give the file of contigs that immunarch loaded",
    ),
    (
        frozenset({"complex.id", "epitope"}),
        "VDJdb's table of receptors with known antigens",
        "give a sample's own table of contigs",
    ),
)
# Columns of tables that describe receptors, not cells: the special ones first.
_WITHOUT_CELLS: Final = (
    (frozenset({"clonotype_id", "consensus_id"}), "Cell Ranger's table of consensus sequences", _TENX_MEND),
    (frozenset({"clonotype_id", "cdr3s_aa"}), "Cell Ranger's table of clonotypes", _TENX_MEND),
    (
        frozenset({"cloneid", "clonecount"}),
        "MiXCR's table of clones",
        "export its cells: mixcr exportAirr, or exportAlignments with the cell barcodes",
    ),
    (
        frozenset({"nseqcdr3", "aaseqcdr3"}),
        "MiXCR's table of clones",
        "export its cells: mixcr exportAirr, or exportAlignments with the cell barcodes",
    ),
    (
        frozenset({"freq", "cdr3aa", "cdr3nt"}),
        "a clone table of VDJtools",
        "give the table of single cells that it was made from",
    ),
    (
        frozenset({"rearrangement", "amino_acid"}),
        "immunoSEQ's table of a bulk library",
        "give a table of single cells, such as Cell Ranger's airr_rearrangement.tsv",
    ),
    (
        frozenset({"nucleotide", "aminoacid", "vgenename"}),
        "immunoSEQ's table of a bulk library",
        "give a table of single cells, such as Cell Ranger's airr_rearrangement.tsv",
    ),
    (
        frozenset({"v_call", "j_call", "junction_aa"}),
        "an AIRR table of a bulk library",
        "give a table with a column cell_id, such as Cell Ranger's airr_rearrangement.tsv",
    ),
)


@dataclass(frozen=True)
class _Layout:
    is_mine: Callable[[frozenset[str]], bool]
    read: Callable[[TextTable], RawChains]
    one_row_per_contig: bool = True  # else one row per cell, which belongs to one sample


# the more special signs first: a scirpy or TraCeR table may have an AIRR cell_id beside them
_LAYOUTS: Final = (
    _Layout(scirpy.is_scirpy_table, scirpy.read_scirpy_table, one_row_per_contig=False),
    _Layout(bd.is_bd_contig_table, bd.read_bd_contig_table),
    _Layout(bd.is_bd_cell_table, bd.read_bd_cell_table, one_row_per_contig=False),
    _Layout(cellranger.is_contig_table, cellranger.read_contig_table),
    _Layout(tracer.is_tracer_table, tracer.read_tracer_table, one_row_per_contig=False),
    _Layout(tracer.is_pair_table, tracer.read_pair_table, one_row_per_contig=False),
    _Layout(
        screpertoire.is_screpertoire_table, screpertoire.read_screpertoire_table, one_row_per_contig=False
    ),
    _Layout(tracer.is_changeo_table, tracer.read_changeo_table),
    _Layout(airr.is_airr_table, airr.read_airr_table),
)


def read_receptors(path: Path, *, species: str = "human", sample: str | None = None) -> RawChains:
    """Read the contigs of any receptor file, recognised by its content.

    Parameters
    ----------
    path
        The file.
    species
        Species of the sample.
    sample
        Which sample of a file that names several; "all" = all of them, None = there is one.

    Returns
    -------
    RawChains
        Its contigs and what was dropped; zero contigs are valid.

    Raises
    ------
    InputError
        If the file is absent, damaged, contradictory, of no known layout or of several samples.
    OptionsError
        If the species is not known, or the sample is not there.
    """
    check_species(species)
    if path.is_dir():
        raise _refuse_folder(path)
    check_is_file(path)
    if is_hdf5(path):
        raw = _keep_cells(scirpy.read_scirpy_file(path), path, sample)
    else:
        _refuse_binary(path)
        raw = cellranger.read_contig_json(path, sample) if _is_json(path) else _read_table(path, sample)
    raw = drop_repeated(raw)
    if len(raw.rows) and raw.rows["umi_count"].isna().all():
        unranked = "the file holds no counts: the chains of a cell are ranked by their sequences"
        raw = replace(raw, warnings=(*raw.warnings, unranked))
    return raw


def _refuse_binary(path: Path) -> None:
    if is_pickle(path) or path.suffix in {".pkl", ".pickle"}:
        raise _refuse_pickle(path)
    if not may_be_text(path):
        raise InputError(
            f"the file is no table of text but {describe_content(path) or 'of an unknown binary format'}",
            where=path,
            mend=f"save it as CSV or TSV; {_EXPORT}",
        )


def _is_json(path: Path) -> bool:
    with open_text(path, has_lines=False) as text:
        return text.peek(64).lstrip(b" \t\r\n").startswith((b"[", b"{"))


def _keep_cells(raw: RawChains, path: Path, sample: str | None) -> RawChains:
    """Cut the chains of an .h5ad or .h5mu file to the cells of one sample, as its obs columns name it."""
    if sample is None:  # each cell is of one sample there
        return raw
    names = scirpy.read_sample_names(path, SAMPLE_COLUMNS)
    is_wanted = choose_rows(names, sample, where=path, must_be_one=False)
    if is_wanted is None:
        return raw
    cells = names.index[is_wanted]
    return raw.without(DropReason.OTHER_SAMPLE, ~raw.rows["cell_id"].isin(cells).to_numpy(dtype=bool))


def _read_table(path: Path, sample: str | None) -> RawChains:
    table = open_text_table(path)
    columns = frozenset(table.columns)
    _refuse_without_cells(columns, path)
    for layout in _LAYOUTS:
        if layout.is_mine(columns):
            table, n_others = keep_sample(table, sample, must_be_one=layout.one_row_per_contig)
            raw = layout.read(table)
            if not n_others:
                return raw
            dropped = {DropReason.OTHER_SAMPLE: n_others, **raw.dropped}
            return replace(raw, rows_read=raw.rows_read + n_others, dropped=dropped)
    if len(table.columns) == 1:
        raise InputError(
            f"the file is no table: its first line holds no comma, tab, semicolon or bar "
            f"({table.columns[0][:60]!r})",
            where=path,
            mend=f"export it with commas or tabs between the fields; {_EXPORT}",
        )
    raise InputError(
        f"the layout of the receptor file is unknown; its columns are {show_columns(table.columns)}",
        where=path,
        mend=_EXPORT,
    )


def _refuse_without_cells(columns: frozenset[str], path: Path) -> None:
    """Refuse tables of receptors that name no cells or no single chains; say which file of theirs does."""
    lowered = {name.lower() for name in columns}
    for signs, what, mend in _JOINED:
        if signs <= lowered:
            raise InputError(f"this is {what}", where=path, mend=mend)
    if lowered & _CELL_WORDS or any(word.startswith("cell") for word in lowered):
        return
    for signs, what, mend in _WITHOUT_CELLS:
        if signs <= lowered:
            raise InputError(f"this is {what}: it names no cells", where=path, mend=mend)


def _refuse_folder(path: Path) -> InputError:
    if next(path.rglob("filtered_TCR_seqs/*.pkl"), None) is not None:
        return _refuse_pickle(path)
    found = sorted(p.relative_to(path) for name in _CONTIG_TABLES for p in path.rglob(name))
    mend = f"give the file itself: {', '.join(map(str, found[:3]))}" if found else _EXPORT
    return InputError("a folder stands where a receptor file belongs", where=path, mend=mend)


def _refuse_pickle(path: Path) -> InputError:
    return InputError(
        "Python pickles are not opened: opening one can run any program on this computer",
        where=path,
        mend="export TraCeR's chains as a table (cell_id, cdr3_alpha, v_alpha, j_alpha, cdr3_beta, v_beta, "
        "j_beta, productive_alpha, productive_beta) or as an AIRR table",
    )
