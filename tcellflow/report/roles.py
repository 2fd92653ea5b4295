"""What a file tells a report, recognised by what it carries.

Invariant: a file that a report shows is recognised by its contract or its tcellflow note, whatever its name;
a name alone only lets a file be passed over.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tcellflow.contracts.descriptions import ANNOTATIONS, CLAIMS, DESCRIPTIONS, VERDICTS
from tcellflow.contracts.fused import FUSED
from tcellflow.contracts.predictions import CLONOTYPES, GENE_EVIDENCE, PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.contracts.similarity import NEIGHBOURS
from tcellflow.contracts.tables import CHAINS, EMBEDDINGS, RECEPTORS
from tcellflow.errors import InputError
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.files.kinds import check_is_file, is_hdf5, is_parquet
from tcellflow.io.h5ad.latent import has_latent
from tcellflow.io.tables.documents import read_json
from tcellflow.vocabulary import UNS_KEY, OutputName, output_name

if TYPE_CHECKING:
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
    FUSE = "fuse"
    FUSED = "fused"
    DESCRIPTIONS = "descriptions"
    CLAIMS = "claims"
    ANNOTATED = "annotated"


TABLES: Final[dict[str, tuple[Role, Table]]] = {
    CHAINS.name: (Role.CHAINS, CHAINS),
    EMBEDDINGS.name: (Role.EMBEDDINGS, EMBEDDINGS),
    RECEPTORS.name: (Role.RECEPTORS, RECEPTORS),
    NEIGHBOURS.name: (Role.NEIGHBOURS, NEIGHBOURS),
    PREDICTIONS.name: (Role.PREDICTIONS, PREDICTIONS),
    CLONOTYPES.name: (Role.CLONOTYPES, CLONOTYPES),
    FUSED.name: (Role.FUSED, FUSED),
    DESCRIPTIONS.name: (Role.DESCRIPTIONS, DESCRIPTIONS),
    CLAIMS.name: (Role.CLAIMS, CLAIMS),
}
_STEPS: Final = {"preprocess": Role.QC, "embed-tcr": Role.EMBED, "predict": Role.METRICS, "fuse": Role.FUSE}
# What tcellflow writes beside: the shell's FOLDER/* names it, a report has no use for it.
_OTHER_TABLES: Final = frozenset({PROGRAMMES.name, GENE_EVIDENCE.name, ANNOTATIONS.name, VERDICTS.name})
_OTHER_TEXTS: Final = tuple(
    output_name("", name)
    for name in (
        OutputName.PREDICTIONS_CSV,
        OutputName.DESCRIPTIONS_JSON,
        OutputName.DESCRIPTIONS_TEXT,
        OutputName.REPORT,
        OutputName.RUN,
        OutputName.MULTIQC,
        OutputName.MULTIQC_GENERAL,
        OutputName.MULTIQC_STATES,
    )
)
_ACCEPTED: Final = (
    "give qc.json, chains, receptors, embed.json, predictions, clonotypes, metrics.json, fused, fuse.json, "
    "descriptions, claims or annotated.h5ad files"
)


def recognise_file(path: Path) -> Role | None:
    """Recognise an input of the report by its contract stamp or its tcellflow note.

    Parameters
    ----------
    path
        Any file.

    Returns
    -------
    Role or None
        What it tells a report; None where tcellflow wrote it for other uses.

    Raises
    ------
    InputError
        If it cannot be read or tcellflow did not write it.
    """
    check_is_file(path)
    if is_parquet(path):
        name = _read_contract_name(path)
        if name in TABLES:
            return TABLES[name][0]
        if name in _OTHER_TABLES:
            return None
        found = f"a report shows no table '{name}'" if name else "the table was not written by tcellflow"
        raise InputError(found, where=path, mend=_ACCEPTED)
    if is_hdf5(path):
        return _recognise_cells(path)
    with path.open("rb") as handle:
        is_object = handle.read(4).lstrip().startswith(b"{")
    if path.name.endswith(_OTHER_TEXTS):
        return None
    if not is_object:
        raise InputError("the file is neither Parquet nor JSON", where=path, mend=_ACCEPTED)
    note = read_json(path).get(UNS_KEY)
    step = note.get("step") if isinstance(note, dict) else None
    if isinstance(step, str) and step in _STEPS:
        return _STEPS[step]
    found = f"comes from the step '{step}'" if step else "carries no tcellflow note"
    raise InputError(f"the JSON file {found}", where=path, mend=_ACCEPTED)


def _recognise_cells(path: Path) -> Role | None:
    if has_latent(path):
        return Role.ANNOTATED
    with open_hdf5(path) as file:
        # A MuData file holds one group for each modality, each with what an h5ad file holds.
        is_ours = any(f"{place}uns/{UNS_KEY}" in file for place in ("", "mod/gex/"))
    if is_ours:
        return None
    raise InputError("the HDF5 file is no annotated cells file of predict", where=path, mend=_ACCEPTED)


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
