"""The receptors of cohorts as `embed-tcr` would see them: chosen by its rule, embedded by its encoders.

Invariant: a distinct chain is computed once over all cohorts; a cell's chain is its first-ranked one.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.inference.receptors.distinct_vectors import embed_distinct
from tcellflow.inference.receptors.encoder import check_loci
from tcellflow.ingest.barcode_matching import Matching, match_receptors
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.tables.vector_scratch import VectorScratch
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.encoding.distinct import find_distinct
from tcellflow.receptors.encoding.keys import embedding_keys
from tcellflow.training.cohorts.cells import take_cells
from tcellflow.training.cohorts.chains import CellChains

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.receptors.encoder import EncoderChoice
    from tcellflow.receptors.encoding.distinct import DistinctReceptors
    from tcellflow.training.cohorts.cells import Cohort

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceptorFile:
    """A receptor file and the cells it is about.

    Parameters
    ----------
    name
        Of the cohort, for messages.
    path
        The file, of any layout that `read_receptors` knows.
    cell_ids
        Names of the B cells, distinct.
    """

    name: str
    path: Path
    cell_ids: NDArray[np.object_]


def embed_cohorts(cohorts: Sequence[Cohort], choice: EncoderChoice) -> list[Cohort]:
    """Read the receptors of cohorts, and embed their chains.

    Parameters
    ----------
    cohorts
        Cohorts, at least one of which names a receptor file; the others stay as they are.
    choice
        What embeds the chains.

    Returns
    -------
    list of Cohort
        The same cohorts with their cells' chains. Of cohorts without expression only cells with a chain
        are left.

    Raises
    ------
    InputError
        As `embed_files`.
    BundleError
        As `embed_files`.
    """
    files = [
        ReceptorFile(cohort.entry.name, cohort.entry.receptors, cohort.cell_ids)
        for cohort in cohorts
        if cohort.entry.receptors
    ]
    found = iter(embed_files(files, choice))
    given = [replace(cohort, chains=next(found)) if cohort.entry.receptors else cohort for cohort in cohorts]
    return [cohort if cohort.has_expression else _keep_cells_with_chains(cohort) for cohort in given]


def embed_files(files: Sequence[ReceptorFile], choice: EncoderChoice) -> list[CellChains]:
    """Read receptor files as those of cohorts, and embed the chains of their cells.

    Parameters
    ----------
    files
        At least one.
    choice
        What embeds the chains.

    Returns
    -------
    list of CellChains
        Of the cells of each file, over the same vectors.

    Raises
    ------
    InputError
        If a receptor file cannot be read, shares hardly any cell with its cohort, or no chain of any
        file can be embedded.
    BundleError
        If the encoder knows beta chains alone and there are alpha chains.
    """
    encoder = choice.open(device="cpu")
    named = pd.concat([_read_chains(file, _sample(number)) for number, file in enumerate(files)])
    check_loci(encoder, named, mend="name an encoder that learnt both with --encoder")
    nameless = named.assign(v_call=None, j_call=None, sample_id=named["sample_id"].map(_nameless))
    nameless["emb_id"] = embedding_keys(nameless)
    uniques = find_distinct(pd.concat([named, nameless], ignore_index=True), encoder.loci)
    if not len(uniques.chains):
        raise InputError(
            f"none of {len(named)} chains can be embedded",
            where=", ".join(str(file.path) for file in files),
            mend="give productive chains with a junction from C to F or W, or leave --encoder out",
        )
    with VectorScratch(Path(tempfile.gettempdir()), encoder.dimension) as scratch:
        found = embed_distinct(encoder, uniques, scratch, progress=lambda _done, _total: None)
        vectors = found.take(np.arange(len(uniques.pairs), len(found)))
    made_by = f"{choice.name} {None if choice.bundle is None else choice.bundle.sha256}"
    digest = hashlib.sha256(" ".join([made_by, *uniques.chains["emb_id"]]).encode()).hexdigest()
    return [
        CellChains(vectors, *_find_rows(_sample(number), file.cell_ids, uniques), digest)
        for number, file in enumerate(files)
    ]


def _read_chains(file: ReceptorFile, sample: str) -> pd.DataFrame:
    """Read the chains of a file's cells, as rows of a chains table."""
    raw = read_receptors(file.path)
    try:
        raw, match = match_receptors([raw], file.cell_ids, Matching())
    except InputError as error:
        raise InputError(
            f"the receptors of {file.name} do not fit its cells: {error}",
            where=file.path,
            mend="name the cells as the counts or the table of cells do",
        ) from error
    chosen = choose_chains(raw, donor=file.name)
    for warning in (*match.warnings, *chosen.warnings):
        _LOG.warning("%s: %s", file.name, warning)
    return chosen.chains.assign(sample_id=sample)


def _sample(number: int) -> str:
    return f"file {number}"


def _nameless(sample: str) -> str:
    return f"{sample}, without genes"


def _find_rows(
    sample: str, cell_ids: NDArray[np.object_], uniques: DistinctReceptors
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the rows of cells' alpha and beta chains, with genes and without, shape (B, 2) each."""
    row_of = pd.Index(uniques.chains["emb_id"])

    def find(column: str, version: str) -> NDArray[np.intp]:
        places = uniques.cells.index.get_indexer(pd.MultiIndex.from_product([[version], list(cell_ids)]))
        keys = np.array([*uniques.cells[column], None], dtype=object)[places]  # -1 takes the None
        return np.asarray(row_of.get_indexer(pd.Index(keys, dtype=object)), dtype=np.intp)

    versions = (sample, _nameless(sample))
    tra, trb = (
        np.stack([find(column, version) for version in versions], axis=1) for column in ("emb_tra", "emb_trb")
    )
    return tra, trb


def _keep_cells_with_chains(cohort: Cohort) -> Cohort:
    if cohort.chains is None:
        return cohort
    return take_cells(cohort, np.flatnonzero(cohort.chains.is_there.any(axis=1)))
