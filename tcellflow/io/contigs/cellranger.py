"""Receptor contigs of 10x Cell Ranger: contig tables of all generations, and their JSON twin.

Invariant: ``cdr3`` is the junction with its anchors, and only contigs of called cells with high
confidence are handed on.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.io.contigs.loci import standard_loci
from tcellflow.io.contigs.samples import SAMPLE_COLUMNS, choose_rows
from tcellflow.io.files.json_text import NotJsonError, check_texts
from tcellflow.io.files.text import open_text
from tcellflow.io.files.text_tables import check_columns
from tcellflow.io.files.text_values import MISSING, parse_booleans, parse_counts
from tcellflow.receptors.contigs import MULTI_LOCUS, DropReason, RawChains, make_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from tcellflow.io.files.text_tables import TextTable

TABLE_LAYOUT: Final = "10x contig table"
JSON_LAYOUT: Final = "10x contig JSON"
REQUIRED: Final = (
    "barcode",
    "is_cell",
    "high_confidence",
    "chain",
    "v_gene",
    "j_gene",
    "productive",
    ("cdr3", "cdr3_nt"),
)
_TEXTS: Final = {
    "cell_id": "barcode",
    "sequence_id": "contig_id",
    "locus": "chain",
    "v_call": "v_gene",
    "d_call": "d_gene",
    "j_call": "j_gene",
    "c_call": "c_gene",
    "junction_aa": "cdr3",
    "junction": "cdr3_nt",
    "donor": "donor",
}
_COUNTS: Final = {"umi_count": "umis", "consensus_count": "reads"}
_FLAGS: Final = ("is_cell", "high_confidence", "productive")
_REGIONS: Final = {"L-REGION+V-REGION": "v", "D-REGION": "d", "J-REGION": "j", "C-REGION": "c"}
_JSON_FIELDS: Final = {
    "barcode": "barcode",
    "contig_name": "contig_id",
    "cdr3": "cdr3",
    "cdr3_seq": "cdr3_nt",
    "umi_count": "umis",
    "read_count": "reads",
    "productive": "productive",
    "is_cell": "is_cell",
    "high_confidence": "high_confidence",
}
_BETWEEN: Final = re.compile(r"[, \t\r\n]*")
_BLOCK_CHARACTERS = 1 << 20
_MAX_CONTIG_CHARACTERS: Final = 8 << 20  # the longest of real files have 30,000


def is_contig_table(columns: frozenset[str]) -> bool:
    """Recognise a Cell Ranger contig table, even without some columns, so that the error can name them."""
    signs = {"barcode", "contig_id", "chain", "v_gene", "j_gene", "cdr3", "high_confidence", "is_cell"}
    return len(signs & columns) >= 4 and "cell_id" not in columns


def read_contig_table(table: TextTable) -> RawChains:
    """Read a Cell Ranger contig table (``filtered_`` or ``all_contig_annotations.csv``).

    Parameters
    ----------
    table
        18 columns up to Cell Ranger 5, 31 from 6 on; any further columns.

    Returns
    -------
    RawChains
        Contigs of cells with high confidence.

    Raises
    ------
    InputError
        If columns are missing or hold impossible values.
    """
    check_columns(table, REQUIRED, layout=TABLE_LAYOUT)
    frame = table.read({*_TEXTS.values(), *_COUNTS.values(), *_FLAGS})
    return _collect(frame, layout=TABLE_LAYOUT, where=table.path)


def _collect(frame: pd.DataFrame, *, layout: str, where: Path) -> RawChains:
    columns: dict[str, Any] = {ours: frame[name] for ours, name in _TEXTS.items() if name in frame}
    columns |= {
        ours: parse_counts(frame[name], where=where) for ours, name in _COUNTS.items() if name in frame
    }
    flags = {name: parse_booleans(frame[name], where=where)[0] for name in _FLAGS}
    columns |= {"productive": flags["productive"], "locus": standard_loci(frame["chain"])}
    rows = make_rows(columns, len(frame))
    raw = RawChains(layout=layout, where=str(where), rows=rows, rows_read=len(rows))
    return raw.without_each(
        [
            (DropReason.NO_CELL, rows["cell_id"].isna().to_numpy()),
            (DropReason.NOT_A_CELL, ~flags["is_cell"]),
            (DropReason.LOW_CONFIDENCE, ~flags["high_confidence"]),
        ]
    )


def read_contig_json(path: Path, sample: str | None = None) -> RawChains:
    """Read Cell Ranger's ``all_contig_annotations.json`` contig by contig, in bounded memory.

    Parameters
    ----------
    path
        The file.
    sample
        Sample whose contigs are read, where they name several; "all" = all of them, None = there is one.

    Returns
    -------
    RawChains
        Contigs of cells with high confidence.

    Raises
    ------
    InputError
        If it is no such list, is cut off, a contig lacks fields, or it is of several samples.
    OptionsError
        If the sample is not there.
    """
    with open_text(path, has_lines=False) as content:
        handle = io.TextIOWrapper(content, encoding="utf-8")
        try:
            records = [_flatten(contig, number, path) for number, contig in enumerate(_contigs(handle, path))]
        except UnicodeDecodeError as error:
            raise InputError("the file is not UTF-8 text", where=path, mend="copy it again") from error
    names = [*_JSON_FIELDS.values(), "chain", "v_gene", "d_gene", "j_gene", "c_gene"]
    columns = {name: [record.get(name) for record in records] for name in names}
    frame = pd.DataFrame(
        {
            name: np.array([None if text in MISSING else text for text in map(str, values)], dtype=object)
            for name, values in columns.items()
        }
    )
    samples = {name: [record[name] for record in records] for name in SAMPLE_COLUMNS}
    is_wanted = choose_rows(pd.DataFrame(samples, dtype=object), sample, where=path)
    if is_wanted is None:
        return _collect(frame, layout=JSON_LAYOUT, where=path)
    raw = _collect(frame[is_wanted].reset_index(drop=True), layout=JSON_LAYOUT, where=path)
    n_others = int(np.count_nonzero(~is_wanted))
    dropped = {DropReason.OTHER_SAMPLE: n_others, **raw.dropped}
    return replace(raw, rows_read=raw.rows_read + n_others, dropped=dropped)


def _contigs(handle: TextIO, path: Path) -> Iterator[dict[str, Any]]:
    """Decode the objects of a JSON list one after another."""
    decoder, buffer = json.JSONDecoder(), handle.read(_BLOCK_CHARACTERS).lstrip()
    if not buffer.startswith("["):
        raise _not_a_list(path)
    place = 1
    while True:
        between = _BETWEEN.match(buffer, place)
        place = between.end() if between else place
        if buffer.startswith("]", place):
            return
        try:
            contig, end = decoder.raw_decode(buffer, place)
            check_texts(contig, buffer[place:end])
        except NotJsonError as error:
            raise _damaged(str(error), path) from error
        except json.JSONDecodeError as error:
            block = handle.read(_BLOCK_CHARACTERS)
            if not block or len(buffer) - place > _MAX_CONTIG_CHARACTERS:
                raise _damaged(error.msg, path) from error
            buffer, place = buffer[place:] + block, 0
            continue
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists
            raise _damaged(str(error), path) from error
        if not isinstance(contig, dict):
            raise _not_a_list(path)
        place = end
        yield contig


def _damaged(reason: str, path: Path) -> InputError:
    return InputError(
        f"the JSON file is cut off or damaged: {reason}", where=path, mend="copy or download it again"
    )


def _not_a_list(path: Path) -> InputError:
    return InputError(
        "the JSON file is not Cell Ranger's list of contigs",
        where=path,
        mend="give all_contig_annotations.json or, simpler, filtered_contig_annotations.csv",
    )


def _flatten(contig: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    missing = sorted(name for name in (*_JSON_FIELDS, "annotations") if name not in contig)
    if missing:
        raise _incomplete(f"contig {number + 1} lacks the fields {', '.join(missing)}", path)
    record = {ours: contig[name] for name, ours in _JSON_FIELDS.items()}
    record |= {name: contig.get(name) or None for name in SAMPLE_COLUMNS}
    loci = set()
    try:
        for annotation in contig["annotations"]:
            feature = annotation["feature"]
            region = _REGIONS.get(feature["region_type"])
            if region is not None:
                record.setdefault(f"{region}_gene", feature["gene_name"])
                loci.add(feature["chain"])
    except (KeyError, TypeError) as error:
        raise _incomplete(
            f"the annotations of contig {number + 1} are not understood: {error}", path
        ) from error
    record["chain"] = MULTI_LOCUS if len(loci) > 1 else next(iter(loci), None)
    return record


def _incomplete(what: str, path: Path) -> InputError:
    return InputError(what, where=path, mend="give the file as Cell Ranger wrote it")
