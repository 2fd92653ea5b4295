"""The receptors of cohorts as `embed-tcr` would see them: chosen by its rule, embedded by its encoders.

Invariant: a distinct chain is computed once over all cohorts; a cell's chain is its first-ranked one.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tcellflow.errors import InputError
from tcellflow.inference.receptors import check_loci
from tcellflow.inference.unique_vectors import embed_uniques
from tcellflow.io.matching import Matching, match_receptors
from tcellflow.io.receptors import read_receptors
from tcellflow.io.vectors import VectorScratch
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.keys import embedding_keys
from tcellflow.receptors.uniques import find_uniques
from tcellflow.training.cell_chains import CellChains
from tcellflow.training.cohorts import take_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.receptors import EncoderChoice
    from tcellflow.receptors.uniques import UniqueReceptors
    from tcellflow.training.cohorts import Cohort

_LOG = logging.getLogger(__name__)


def embed_cohorts(cohorts: Sequence[Cohort], choice: EncoderChoice) -> list[Cohort]:
    """Read the receptors of cohorts, and embed their chains.

    Parameters
    ----------
    cohorts
        Cohorts; those whose entry names no receptor file stay as they are.
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
        If a receptor file cannot be read, shares hardly any cell with its cohort, or no chain of any
        cohort can be embedded.
    BundleError
        If the encoder knows beta chains alone and there are alpha chains.
    """
    encoder = choice.open(device="cpu")
    named = pd.concat(
        [_read_chains(cohort, number) for number, cohort in enumerate(cohorts) if cohort.entry.receptors]
    )
    check_loci(encoder, named, mend="name an encoder that learnt both with --receptors")
    nameless = named.assign(v_call=None, j_call=None, sample_id=named["sample_id"].map(_nameless))
    nameless["emb_id"] = embedding_keys(nameless)
    uniques = find_uniques(pd.concat([named, nameless], ignore_index=True), encoder.loci)
    if not len(uniques.chains):
        raise InputError(
            f"none of {len(named)} chains can be embedded",
            where="receptors of the cohorts",
            mend="give productive chains with a junction from C to F or W, or leave --receptors out",
        )
    with VectorScratch(Path(tempfile.gettempdir()), encoder.dimension) as scratch:
        found = embed_uniques(encoder, uniques, scratch, progress=lambda _done, _total: None)
        vectors = found.take(np.arange(len(uniques.pairs), len(found)))
    made_by = f"{choice.name} {None if choice.bundle is None else choice.bundle.sha256}"
    digest = hashlib.sha256(" ".join([made_by, *uniques.chains["emb_id"]]).encode()).hexdigest()
    return [
        _give_chains(cohort, number, uniques, vectors, digest) if cohort.entry.receptors else cohort
        for number, cohort in enumerate(cohorts)
    ]


def _read_chains(cohort: Cohort, number: int) -> pd.DataFrame:
    """Read the chains of a cohort's cells, as rows of a chains table."""
    path, name = cohort.entry.receptors, cohort.entry.name
    if path is None:
        raise InputError(f"{name} has no receptors", where=name, mend="name its file under 'receptors'")
    raw = read_receptors(path)
    try:
        raw, match = match_receptors([raw], cohort.cell_ids, Matching())
    except InputError as error:
        raise InputError(
            f"the receptors of {name} do not fit its cells: {error}",
            where=path,
            mend="name the cells as the counts or the table of cells do",
        ) from error
    chosen = choose_chains(raw, donor=name)
    for warning in (*match.warnings, *chosen.warnings):
        _LOG.warning("%s: %s", name, warning)
    return chosen.chains.assign(sample_id=_sample(number))


def _sample(number: int) -> str:
    return f"cohort {number}"


def _nameless(sample: str) -> str:
    return f"{sample}, without genes"


def _give_chains(
    cohort: Cohort, number: int, uniques: UniqueReceptors, vectors: NDArray[np.float32], digest: str
) -> Cohort:
    row_of = pd.Index(uniques.chains["emb_id"])
    sides = {}
    for side in ("emb_tra", "emb_trb"):
        versions = []
        for sample in (_sample(number), _nameless(_sample(number))):
            wanted = pd.MultiIndex.from_product([[sample], list(cohort.cell_ids)])
            places = uniques.cells.index.get_indexer(wanted)
            keys = np.array([*uniques.cells[side], None], dtype=object)[places]  # -1 takes the None
            versions.append(row_of.get_indexer(pd.Index(keys, dtype=object)))
        sides[side] = np.stack(versions, axis=1).astype(np.intp)
    chains = CellChains(vectors, sides["emb_tra"], sides["emb_trb"], digest)
    if cohort.has_expression:
        return replace(cohort, chains=chains)
    return take_cells(replace(cohort, chains=chains), np.flatnonzero(chains.is_there.any(axis=1)))
