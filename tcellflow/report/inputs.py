"""What a report is made from: the files of one sample, recognised by what they carry.

Invariant: a file's name says nothing; its contract or its tcellflow note does. Files of two
different samples never meet in one report.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.contracts.embed import Embed
from tcellflow.contracts.entries import MEND, Document, Note
from tcellflow.contracts.faults import raise_faults, validate
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.predictions import CLONOTYPES, PREDICTIONS
from tcellflow.contracts.qc import Qc
from tcellflow.contracts.similarity import NEIGHBOURS
from tcellflow.contracts.tables import CHAINS, EMBEDDINGS, RECEPTORS
from tcellflow.errors import InputError
from tcellflow.io.files.kinds import check_is_file, is_hdf5, is_parquet
from tcellflow.io.h5ad.latent import Latent, has_latent, read_latent
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.io.tables.step_documents import read_document
from tcellflow.provenance import digest_file
from tcellflow.vocabulary import UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tcellflow.contracts.columns import Table


class Role(StrEnum):
    """What a file tells the report."""

    QC = "qc"
    CHAINS = "chains"
    EMBED = "embed"
    EMBEDDINGS = "embeddings"
    RECEPTORS = "receptors"
    NEIGHBOURS = "neighbours"
    METRICS = "metrics"
    PREDICTIONS = "predictions"
    CLONOTYPES = "clonotypes"
    ANNOTATED = "annotated"


_TABLES: Final[dict[str, tuple[Role, Table]]] = {
    CHAINS.name: (Role.CHAINS, CHAINS),
    EMBEDDINGS.name: (Role.EMBEDDINGS, EMBEDDINGS),
    RECEPTORS.name: (Role.RECEPTORS, RECEPTORS),
    NEIGHBOURS.name: (Role.NEIGHBOURS, NEIGHBOURS),
    PREDICTIONS.name: (Role.PREDICTIONS, PREDICTIONS),
    CLONOTYPES.name: (Role.CLONOTYPES, CLONOTYPES),
}
_STEPS: Final = {"preprocess": Role.QC, "embed-tcr": Role.EMBED, "predict": Role.METRICS}
MOST_ON_MAP: Final = 10_000  # cells; more cannot be told apart, and the page must stay below 2 MB
_ACCEPTED: Final = (
    "give qc.json, chains, receptors, embed.json, predictions, clonotypes, metrics.json "
    "or annotated.h5ad files"
)
_DOCUMENTS: Final[dict[Role, type[Document]]] = {Role.QC: Qc, Role.EMBED: Embed, Role.METRICS: Metrics}


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
    qc, embed, metrics
        Documents of preprocess, embed-tcr and predict, valid against their contracts.
    chains, receptors, predictions, clonotypes
        Tables, valid against their contracts.
    latent
        Vectors of cells for the map; at most `MOST_ON_MAP` of them.
    files
        The files read, in the order of `Role`.
    """

    qc: Qc | None = None
    embed: Embed | None = None
    metrics: Metrics | None = None
    chains: pa.Table | None = None
    receptors: pa.Table | None = None
    predictions: pa.Table | None = None
    clonotypes: pa.Table | None = None
    latent: Latent | None = None
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
    by_role: dict[Role, Path] = {}
    for path in paths:
        role = recognise_file(path)
        if role in by_role:
            raise InputError(
                f"two {role} files are given, the other one is {by_role[role]}",
                where=path,
                mend="make one report per sample, with one file of each kind",
            )
        by_role[role] = path
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
    qc, embed, metrics = (documents.get(role) for role in _DOCUMENTS)
    qc = qc if isinstance(qc, Qc) else None
    _check_one_sample(by_role, tables, qc)
    return ReportInputs(
        qc=qc,
        embed=embed if isinstance(embed, Embed) else None,
        metrics=metrics if isinstance(metrics, Metrics) else None,
        chains=tables.get(Role.CHAINS),
        receptors=tables.get(Role.RECEPTORS),
        predictions=tables.get(Role.PREDICTIONS),
        clonotypes=tables.get(Role.CLONOTYPES),
        latent=latent,
        files=sources,
    )


def recognise_file(path: Path) -> Role:
    """Recognise an input of the report by its contract stamp or its tcellflow note.

    Parameters
    ----------
    path
        A Parquet, JSON or HDF5 file.

    Returns
    -------
    Role
        What it tells a report.

    Raises
    ------
    InputError
        If it cannot be read or is neither.
    """
    check_is_file(path)
    if is_parquet(path):
        name = _read_contract_name(path)
        if name in _TABLES:
            return _TABLES[name][0]
        found = f"a report shows no table '{name}'" if name else "the table was not written by tcellflow"
        raise InputError(found, where=path, mend=_ACCEPTED)
    if is_hdf5(path):
        if has_latent(path):
            return Role.ANNOTATED
        raise InputError("the HDF5 file is no annotated cells file of predict", where=path, mend=_ACCEPTED)
    with path.open("rb") as handle:
        is_object = handle.read(4).lstrip().startswith(b"{")
    if not is_object:
        raise InputError("the file is neither Parquet nor JSON", where=path, mend=_ACCEPTED)
    note = read_json(path).get(UNS_KEY)
    step = note.get("step") if isinstance(note, dict) else None
    if isinstance(step, str) and step in _STEPS:
        return _STEPS[step]
    found = f"comes from the step '{step}'" if step else "carries no tcellflow note"
    raise InputError(f"the JSON file {found}", where=path, mend=_ACCEPTED)


def _read_contract_name(path: Path) -> str:
    try:
        with path.open("rb") as file:
            metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"the Parquet file is damaged: {str(error).splitlines()[0]}",
            where=path,
            mend="re-run the step that wrote it",
        ) from error
    stamp: bytes = metadata.get(b"tcellflow.contract", b"")
    return stamp.decode(errors="replace").partition("/")[0]


def _read_one(
    role: Role, path: Path, tables: dict[Role, pa.Table], documents: dict[Role, Document]
) -> SourceFile:
    digest = digest_file(path)
    if role in (Role.EMBEDDINGS, Role.NEIGHBOURS):
        # Only who made them is of interest here, so vectors and neighbours stay on disk.
        with path.open("rb") as file:
            n_rows = pq.read_metadata(file).num_rows
        return SourceFile(role, digest, _read_note(path), n_rows)
    for known, contract in _TABLES.values():
        if known is role:
            tables[role] = read_table(path, contract)
            return SourceFile(role, digest, _read_note(path), tables[role].num_rows)
    documents[role] = read_document(path, _DOCUMENTS[role])
    return SourceFile(role, digest, documents[role].note)


def _read_note(path: Path) -> Note | None:
    content = read_table_note(path)
    if not content:
        return None
    note, faults = validate(content, Note, mend=MEND)
    raise_faults(faults, stamp="note", where=path)
    return note


def _check_one_sample(paths: Mapping[Role, Path], tables: Mapping[Role, pa.Table], qc: Qc | None) -> None:
    samples: dict[Role, set[str]] = {
        role: set(table.column("sample_id").unique().to_pylist())
        for role, table in tables.items()
        if "sample_id" in table.column_names and table.num_rows
    }
    if qc is not None:
        samples[Role.QC] = {qc.sample_id}
    roles = [role for role in Role if role in samples]
    for role in roles[1:]:
        if samples[role].isdisjoint(samples[roles[0]]):
            raise InputError(
                f"the {role} file is of the sample {json.dumps(min(samples[role]))}, the {roles[0]} file "
                f"of {json.dumps(min(samples[roles[0]]))}",
                where=paths[role],
                mend="give the files of one sample",
            )
