"""What a report is made from: the files of one sample, recognised by what they carry.

Invariant: a file's name says nothing; its contract or its tcellflow note does. Files of two
different samples never meet in one report.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tcellflow.contracts.embed import Embed
from tcellflow.contracts.entries import MEND, Document, Note
from tcellflow.contracts.faults import raise_faults, validate
from tcellflow.contracts.fuse import Fuse
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.qc import Qc
from tcellflow.errors import InputError
from tcellflow.io.h5ad.latent import Latent, read_latent
from tcellflow.io.tables.fused_cells import FusedCells, read_fused
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.io.tables.step_documents import read_document
from tcellflow.provenance import digest_file
from tcellflow.report.maps.cell_map import MOST_ON_MAP
from tcellflow.report.roles import TABLES, Role, recognise_file
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LOG = logging.getLogger(__name__)

MOST_MEASURED: Final = 50_000  # cells whose levels of proteins are drawn; densities of more look alike
_DOCUMENTS: Final[dict[Role, type[Document]]] = {
    Role.QC: Qc,
    Role.EMBED: Embed,
    Role.METRICS: Metrics,
    Role.FUSE: Fuse,
}
# What the page tells of the tables with a row for each cell, chain or clone: the other columns are checked
# and let go, which halves the memory of a million cells.
_SHOWN_COLUMNS: Final[dict[Role, frozenset[str]]] = {
    Role.CHAINS: frozenset(
        {"cell_id", "sample_id", "donor", "arm", "rank", "locus", "junction_aa", "v_call", "j_call", "emb_id"}
    ),
    Role.RECEPTORS: frozenset(
        {"cell_id", "sample_id", "donor", "has_tra", "has_trb", "chain_pairing", "clone_id"}
    ),
    Role.PREDICTIONS: frozenset(
        {"barcode", "predicted_state", "confidence", "model_agreement", "state", "state_evidence"}
        | {"abstain_reason", "is_t_cell", "lineage", "function", "cycle", "inputs", "panel_coverage"}
        | {"clone_id", *(f"prob_{state}" for state in State)}
    ),
    Role.CLONOTYPES: frozenset(
        {"clone_id", "donor", "n_cells", "lineage", "state_mode", "purity", "entropy", "n_abstained"}
        | {"receptor_cluster"}
    ),
}


@dataclass(frozen=True)
class SourceFile:
    """One file the report was made from.

    Parameters
    ----------
    role
        What it tells.
    sha256
        Digest of its bytes, 64 hexadecimal characters; of an annotated cells file, of the vectors read.
    note
        Who made it; None if the file does not say.
    rows
        Rows of a table; None for JSON.
    """

    role: Role
    sha256: str
    note: Note | None
    rows: int | None = None


@dataclass(frozen=True)
class ReportInputs:
    """Everything known about one sample; what is None was not given.

    Parameters
    ----------
    qc, embed, metrics, fuse
        Documents of preprocess, embed-tcr, predict and fuse, valid against their contracts.
    chains, receptors, predictions, clonotypes
        Tables, valid against their contracts; of them, the columns that the page tells of.
    descriptions, claims
        Tables, valid against their contracts.
    neighbours
        The nearest neighbour of each receptor, from a table valid against its contract.
    latent
        Vectors of cells for the map; at most `MOST_ON_MAP` of them.
    fused
        What fuse says of some cells: those on the map, and at most `MOST_MEASURED` at equal steps.
    files
        The files read, in the order of `Role`.
    """

    qc: Qc | None = None
    embed: Embed | None = None
    metrics: Metrics | None = None
    fuse: Fuse | None = None
    chains: pa.Table | None = None
    receptors: pa.Table | None = None
    predictions: pa.Table | None = None
    clonotypes: pa.Table | None = None
    descriptions: pa.Table | None = None
    claims: pa.Table | None = None
    neighbours: pa.Table | None = None
    latent: Latent | None = None
    fused: FusedCells | None = None
    files: tuple[SourceFile, ...] = field(default=())


def read_report_inputs(paths: Sequence[Path], *, with_latent: bool = True) -> ReportInputs:
    """Read the inputs of a report: the files of one sample.

    Parameters
    ----------
    paths
        Files in any order.
    with_latent
        Whether the vectors of the cells are read, for the map.

    Returns
    -------
    ReportInputs
        Their content by role.

    Raises
    ------
    InputError
        If a file cannot be read, is of no use to a report, plays the same role as another, or
        belongs to another sample than the others.
    ContractError
        If a file breaks its contract.
    """
    by_role = _sort_by_role(paths)
    tables: dict[Role, pa.Table] = {}
    documents: dict[Role, Document] = {}
    sources = tuple(
        _read_one(role, by_role[role], tables, documents)
        for role in Role
        if role in by_role and role is not Role.ANNOTATED
    )
    latent = None
    if Role.ANNOTATED in by_role and with_latent:
        latent = read_latent(by_role[Role.ANNOTATED], MOST_ON_MAP)
        digest = hashlib.sha256(np.ascontiguousarray(latent.vectors).tobytes()).hexdigest()
        sources = (*sources, SourceFile(Role.ANNOTATED, digest, None, latent.n_cells))
    fused = read_fused(by_role[Role.FUSED], MOST_ON_MAP, MOST_MEASURED) if Role.FUSED in by_role else None
    qc, embed, metrics, fuse = (documents.get(role) for role in _DOCUMENTS)
    qc = qc if isinstance(qc, Qc) else None
    _check_one_sample(by_role, tables, qc, fused)
    return ReportInputs(
        qc=qc,
        embed=embed if isinstance(embed, Embed) else None,
        metrics=metrics if isinstance(metrics, Metrics) else None,
        fuse=fuse if isinstance(fuse, Fuse) else None,
        chains=tables.get(Role.CHAINS),
        receptors=tables.get(Role.RECEPTORS),
        predictions=tables.get(Role.PREDICTIONS),
        clonotypes=tables.get(Role.CLONOTYPES),
        descriptions=tables.get(Role.DESCRIPTIONS),
        claims=tables.get(Role.CLAIMS),
        neighbours=tables.get(Role.NEIGHBOURS),
        latent=latent,
        fused=fused,
        files=sources,
    )


def _sort_by_role(paths: Sequence[Path]) -> dict[Role, Path]:
    by_role: dict[Role, Path] = {}
    passed_over = []
    for path in paths:
        role = recognise_file(path)
        if role is None:
            passed_over.append(path.name)
            continue
        if role in by_role:
            raise InputError(
                f"two {role} files are given, the other one is {by_role[role]}",
                where=path,
                mend="make one report per sample, with one file of each kind",
            )
        by_role[role] = path
    if passed_over:
        _LOG.info("a report has no use for: %s", ", ".join(sorted(passed_over)))
    if not by_role:
        raise InputError(
            "a report has no use for any of these files",
            where=", ".join(sorted(passed_over)),
            mend="give the other files of the sample, too",
        )
    return by_role


def _read_one(
    role: Role, path: Path, tables: dict[Role, pa.Table], documents: dict[Role, Document]
) -> SourceFile:
    digest = digest_file(path)
    if role in (Role.EMBEDDINGS, Role.FUSED):
        # Vectors stay on disk; of fused cells, those that are drawn are read piece by piece.
        with path.open("rb") as file:
            n_rows = pq.read_metadata(file).num_rows
        return SourceFile(role, digest, _read_note(path), n_rows)
    for known, contract in TABLES.values():
        if known is role:
            table = read_table(path, contract)
            n_rows = table.num_rows
            if role is Role.NEIGHBOURS:
                table = table.filter(pc.equal(table.column("rank"), 1))
            shown = _SHOWN_COLUMNS.get(role)
            tables[role] = (
                table if shown is None else table.select([n for n in table.column_names if n in shown])
            )
            return SourceFile(role, digest, _read_note(path), n_rows)
    documents[role] = read_document(path, _DOCUMENTS[role])
    return SourceFile(role, digest, documents[role].note)


def _read_note(path: Path) -> Note | None:
    content = read_table_note(path)
    if not content:
        return None
    note, faults = validate(content, Note, mend=MEND)
    raise_faults(faults, stamp="note", where=path)
    return note


def _check_one_sample(
    paths: Mapping[Role, Path], tables: Mapping[Role, pa.Table], qc: Qc | None, fused: FusedCells | None
) -> None:
    samples: dict[Role, set[str]] = {
        role: set(table.column("sample_id").unique().to_pylist())
        for role, table in tables.items()
        if "sample_id" in table.column_names and table.num_rows
    }
    if qc is not None:
        samples[Role.QC] = {qc.sample_id}
    if fused is not None and fused.samples:
        samples[Role.FUSED] = set(fused.samples)
    roles = [role for role in Role if role in samples]
    for role in roles[1:]:
        if samples[role].isdisjoint(samples[roles[0]]):
            raise InputError(
                f"the {role} file is of the sample {json.dumps(min(samples[role]))}, the {roles[0]} file "
                f"of {json.dumps(min(samples[roles[0]]))}",
                where=paths[role],
                mend="give the files of one sample",
            )
