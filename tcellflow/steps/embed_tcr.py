"""``embed-tcr``: vectors of the receptors, and one row per cell that says which are its own.

Invariant: a distinct chain or pair is computed once; order of files and rows, batches and threads
change no byte; a missing chain is null (NaN in the h5ad), never a constant vector.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.contracts.cells import CELLS
from tcellflow.contracts.tables import EMBEDDINGS, RECEPTORS
from tcellflow.errors import ContractError
from tcellflow.inference.batches import PIECE_ROWS, embed_chains_in_pieces, embed_pairs_in_pieces
from tcellflow.inference.receptors import ChainSequences, choose_encoder
from tcellflow.io.cells import read_cells, write_cells_copy
from tcellflow.io.chain_files import read_chain_files
from tcellflow.io.staging import stage_outputs
from tcellflow.io.store import open_table_writer, write_json, write_table
from tcellflow.io.vectors import VectorScratch, write_obsm_vectors
from tcellflow.provenance import StepNote, digest_file
from tcellflow.receptors.per_cell import describe_cells
from tcellflow.receptors.uniques import find_uniques
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OBSM_PAIR, OBSM_TRA, OBSM_TRB, EmbeddingKind, OutputName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tcellflow.inference.receptors import ReceptorEncoder
    from tcellflow.io.cells import CellsFile
    from tcellflow.io.chain_files import ChainFiles
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.uniques import UniqueReceptors, Which
    from tcellflow.steps.progress import Progress

    Vectors = npt.NDArray[np.float32]

_LOG = logging.getLogger(__name__)
_CELL: Final = ["sample_id", "cell_id"]
_OBSM_KEYS: Final = {OBSM_TRA: "emb_tra", OBSM_TRB: "emb_trb", OBSM_PAIR: "emb_pair"}
_OBS_COLUMNS: Final = (
    "has_tra", "has_trb", "chain_pairing", "receptor_type", "receptor_subtype", "clone_id", "clone_size",
)  # fmt: skip


@dataclass(frozen=True)
class EmbedTcrOptions:
    """Options of embed-tcr.

    Parameters
    ----------
    chains
        One or more chains tables; distinct chains of all are computed once.
    output
        Output folder.
    prefix
        Sample name in front of the file names.
    gex
        Cells file; then every cell of it has a row, and a copy with vectors is written.
    backend
        Encoder, see `tcellflow.inference.receptors.BACKENDS`.
    which
        "first": the first-ranked chain of each arm. "all": second and further chains too.
    h5ad
        Whether the copy of the cells file is written.
    threads
        CPU threads for reading and compressing tables, which change no result; None = those this
        process may use.
    force
        Whether finished outputs may be replaced.
    """

    chains: tuple[Path, ...]
    output: Path
    prefix: str
    gex: Path | None = None
    backend: str = "kmer"
    which: Which = "first"
    h5ad: bool = True
    threads: int | None = None
    force: bool = False


def embed_tcr(options: EmbedTcrOptions, *, progress: Progress = quiet) -> list[Path]:
    """Embed the receptors of one or more samples.

    Parameters
    ----------
    options
        What to embed, and how.
    progress
        Called with (done, total) distinct chains and pairs.

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.embeddings.parquet``, ``.receptors.parquet``, ``.embed.json`` and, with a cells
        file, ``.embedded.h5ad``.

    Raises
    ------
    InputError
        If a file cannot be read, or a cell occurs in two files.
    ContractError
        If a file breaks its contract, or a cell with chains is not in the cells file.
    OptionsError
        If no file is given or there is no such backend.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    pa.set_cpu_count(options.threads or len(os.sched_getaffinity(0)))
    encoder = choose_encoder(options.backend)
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {
            name: outputs.path(name)
            for name in (OutputName.EMBEDDINGS, OutputName.RECEPTORS, OutputName.EMBED_QC)
        }
        if options.gex is not None and options.h5ad:
            paths[OutputName.EMBEDDED] = outputs.path(OutputName.EMBEDDED)
        files = read_chain_files(options.chains)
        cells = None if options.gex is None else read_cells(options.gex)
        uniques = find_uniques(files.chains, encoder.loci, which=options.which)
        receptors = _describe_cells(files, cells, uniques)
        note = _make_note(options, encoder)
        pieces = _embed_pieces(encoder, uniques)
        if cells is not None and options.h5ad:
            with VectorScratch(outputs.folder, encoder.dimension) as scratch:
                pieces = scratch.copy(pieces)
                _write_embeddings(paths[OutputName.EMBEDDINGS], encoder, uniques, pieces, note, progress)
                _write_embedded(paths[OutputName.EMBEDDED], cells, receptors, uniques, scratch, note)
        else:
            _write_embeddings(paths[OutputName.EMBEDDINGS], encoder, uniques, pieces, note, progress)
        table = pa.Table.from_pandas(receptors, RECEPTORS.schema(), preserve_index=False)
        write_table(paths[OutputName.RECEPTORS], table, RECEPTORS, note)
        write_json(paths[OutputName.EMBED_QC], _account(encoder, files.chains, receptors, uniques), note)
        return outputs.commit()


def _describe_cells(files: ChainFiles, cells: CellsFile | None, uniques: UniqueReceptors) -> pd.DataFrame:
    names = [*_CELL, "donor"]
    if cells is None:
        rows = files.chains[names].drop_duplicates(_CELL)
    else:
        rows = cells.obs[["sample_id", "donor"]].astype(object).assign(cell_id=cells.cell_ids)[names]
        _check_covered(files.chains, rows, cells.path)
    receptors = describe_cells(rows, files.chains, orphans=files.orphans)
    if cells is not None:
        receptors["doublet_suspect"] |= cells.obs["doublet_suspect"].to_numpy(dtype=bool)
    if cells is not None and cells.obs["clone_id"].notna().any():
        # preprocess may have seen more than the chains table holds (nucleotides without anchors)
        sizes = cells.obs["clone_size"].to_numpy()
        clones = cells.obs["clone_id"].to_numpy(dtype=object)
        clones[pd.isna(clones)] = None
        receptors["clone_id"] = clones
        receptors["clone_size"] = pd.arrays.IntegerArray(sizes.astype(np.int32), sizes == 0)
    places = uniques.cells.index.get_indexer(pd.MultiIndex.from_frame(receptors[_CELL]))
    for name in uniques.cells.columns:
        keys = np.array([*uniques.cells[name], None], dtype=object)
        receptors[name] = keys[places]  # -1 takes the None at the end
    return receptors


def _check_covered(chains: pd.DataFrame, rows: pd.DataFrame, path: Path) -> None:
    missing = chains[~chains["cell_id"].isin(rows["cell_id"])]
    other = chains[~pd.MultiIndex.from_frame(chains[_CELL]).isin(pd.MultiIndex.from_frame(rows[_CELL]))]
    if len(missing):
        raise ContractError(
            f"{missing['cell_id'].nunique()} cells with chains are not in the cells file "
            f"(first: {missing['cell_id'].iloc[0]!r})",
            where=path,
            mend="give the cells and chains files of the same preprocess run",
        )
    if len(other):
        sample, cell = other[_CELL].iloc[0]
        raise ContractError(
            f"the cell {cell!r} is of sample {sample!r} in the chains file, of another in the cells file",
            where=path,
            mend="give the cells and chains files of the same preprocess run",
        )


def _make_note(options: EmbedTcrOptions, encoder: ReceptorEncoder) -> StepNote:
    digests = sorted(digest_file(path) for path in options.chains)
    inputs = {
        "chains" if number == 1 else f"chains_{number}": digest for number, digest in enumerate(digests, 1)
    }
    if options.gex is not None:
        inputs["cells"] = digest_file(options.gex)
    bundle: dict[str, JsonValue] = {}
    if encoder.bundle is not None:
        bundle = {"name": encoder.bundle.name, "sha256": encoder.bundle.sha256}
    return StepNote("embed-tcr", {"backend": options.backend, "chains": options.which}, inputs, bundle)


def _write_embeddings(
    path: Path,
    encoder: ReceptorEncoder,
    uniques: UniqueReceptors,
    pieces: Iterable[Vectors],
    note: StepNote,
    progress: Progress,
) -> None:
    ids, kinds = _list_rows(uniques)
    about = _describe_encoder(encoder)
    done = 0
    with open_table_writer(path, EMBEDDINGS, note, about, vector_width=encoder.dimension) as writer:
        for vectors in pieces:
            rows = slice(done, done + len(vectors))
            columns = {"emb_id": pa.array(ids[rows], pa.string()), "kind": pa.array(kinds[rows], pa.string())}
            flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), encoder.dimension)
            writer.write(pa.table({**columns, "vector": flat}))
            done += len(vectors)
            progress(done, len(ids))


def _list_rows(uniques: UniqueReceptors) -> tuple[list[str], list[str]]:
    """List ids and kinds of the embeddings table, sorted by kind ("pair" is first) and id."""
    ids = [*uniques.pairs["emb_id"], *uniques.chains["emb_id"]]
    return ids, [str(EmbeddingKind.PAIR)] * len(uniques.pairs) + uniques.chains["kind"].to_list()


def _describe_encoder(encoder: ReceptorEncoder) -> dict[str, str]:
    return {
        "backend": encoder.name,
        "bundle_name": encoder.bundle.name if encoder.bundle else "null",
        "bundle_sha256": encoder.bundle.sha256 if encoder.bundle else "null",
        "dimension": str(encoder.dimension),
        "pooling": encoder.pooling,
    }


def _embed_pieces(encoder: ReceptorEncoder, uniques: UniqueReceptors) -> Iterator[Vectors]:
    columns = ("locus", "junction_aa", "v_call", "j_call")
    chains = ChainSequences(*(uniques.chains[name].to_numpy(dtype=object) for name in columns))
    yield from embed_pairs_in_pieces(
        encoder, chains, uniques.pairs["tra"].to_numpy(), uniques.pairs["trb"].to_numpy()
    )
    yield from embed_chains_in_pieces(encoder, chains)


def _write_embedded(
    path: Path,
    cells: CellsFile,
    receptors: pd.DataFrame,
    uniques: UniqueReceptors,
    scratch: VectorScratch,
    note: StepNote,
) -> None:
    obs = receptors[list(_OBS_COLUMNS)].set_axis(pd.Index(cells.cell_ids))
    obs["clone_size"] = obs["clone_size"].fillna(0).astype(np.int32)
    write_cells_copy(cells, path, obs=obs, note=note, contract=CELLS)
    rows_of = pd.Index(_list_rows(uniques)[0], dtype=object)

    def blocks(column: str) -> Iterator[Vectors]:
        for first in range(0, len(receptors), PIECE_ROWS):
            keys = receptors[column].iloc[first : first + PIECE_ROWS]
            yield scratch.gather(rows_of.get_indexer(pd.Index(keys)))

    vectors = {key: blocks(column) for key, column in _OBSM_KEYS.items()}
    write_obsm_vectors(path, vectors, n_cells=len(receptors), dimension=scratch.dimension)


def _account(
    encoder: ReceptorEncoder, chains: pd.DataFrame, receptors: pd.DataFrame, uniques: UniqueReceptors
) -> dict[str, JsonValue]:
    truncated = int((uniques.chains["junction_aa"].str.len() > encoder.max_length).sum())
    warnings: list[JsonValue] = []
    if not uniques.n_embedded:
        reasons = ", ".join(f"{name} {count}" for name, count in uniques.not_embedded.items())
        warnings.append(
            f"None of {len(chains)} chains could be embedded ({reasons or 'the files are empty'})."
        )
    if truncated:
        warnings.append(
            f"{truncated} junctions are longer than {encoder.max_length} residues and were cut in the middle."
        )
    for warning in warnings:
        _LOG.warning("%s", warning)
    kinds = uniques.chains["kind"].value_counts()
    return {
        "backend": encoder.name,
        "dimension": encoder.dimension,
        "pooling": encoder.pooling,
        "cells": {
            "total": len(receptors),
            "with_alpha_vector": int(receptors["emb_tra"].notna().sum()),
            "with_beta_vector": int(receptors["emb_trb"].notna().sum()),
            "with_pair_vector": int(receptors["emb_pair"].notna().sum()),
            "pairing": {str(k): int(n) for k, n in sorted(receptors["chain_pairing"].value_counts().items())},
        },
        "chains": {
            "total": len(chains),
            "embedded": uniques.n_embedded,
            "not_embedded": dict(uniques.not_embedded),
        },
        "unique": {
            "pair": len(uniques.pairs),
            **{str(kind): int(kinds.get(kind, 0)) for kind in (EmbeddingKind.TRA, EmbeddingKind.TRB)},
        },
        "truncated_junctions": truncated,
        "warnings": warnings,
    }
