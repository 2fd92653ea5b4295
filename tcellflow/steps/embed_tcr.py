"""``embed-tcr``: vectors of the receptors, one row per cell that says which are its own, and similar ones.

Invariant: a distinct chain is computed once; order of files and rows and the number of threads
change no byte; a missing chain is null (NaN in the h5ad), never a constant vector.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.contracts.cells import CELLS
from tcellflow.contracts.embed import Embed
from tcellflow.contracts.similarity import NEIGHBOURS
from tcellflow.contracts.tables import EMBEDDINGS, RECEPTORS
from tcellflow.errors import ContractError
from tcellflow.inference.receptors.account import summarise_embedding
from tcellflow.inference.receptors.distinct_vectors import PIECE_ROWS, embed_distinct
from tcellflow.inference.receptors.encoder import check_loci, choose_encoder
from tcellflow.inference.receptors.similar import choose_similarity, name_clusters, tabulate_neighbours
from tcellflow.io.h5ad.cells_copy import write_cells_copy, write_obsm_vectors
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.chains import read_chain_files
from tcellflow.io.tables.parquet import open_table_writer, write_table
from tcellflow.io.tables.step_documents import write_document
from tcellflow.io.tables.vector_scratch import VectorScratch
from tcellflow.provenance import StepNote, digest_file
from tcellflow.receptors.encoding.distinct import find_distinct
from tcellflow.receptors.per_cell import describe_cells
from tcellflow.steps.options import EmbedTcrOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OBSM_PAIR, OBSM_TRA, OBSM_TRB, OutputName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from tcellflow.inference.receptors.distinct_vectors import DistinctVectors
    from tcellflow.inference.receptors.encoder import ChainEncoder, EncoderChoice
    from tcellflow.inference.receptors.similar import Similarity
    from tcellflow.io.h5ad.cells_reader import CellsFile
    from tcellflow.io.tables.chains import ChainFiles
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.encoding.distinct import DistinctReceptors
    from tcellflow.steps.progress import Progress

__all__ = ["EmbedTcrOptions", "embed_tcr"]

_CELL: Final = ["sample_id", "cell_id"]
_OBSM_KEYS: Final = {OBSM_TRA: "emb_tra", OBSM_TRB: "emb_trb", OBSM_PAIR: "emb_pair"}
_OBS_COLUMNS: Final = (
    "has_tra", "has_trb", "chain_pairing", "receptor_type", "receptor_subtype", "clone_id", "clone_size",
)  # fmt: skip
_CLUSTER_COLUMNS: Final = ("receptor_cluster", "receptor_cluster_size")


def embed_tcr(options: EmbedTcrOptions, *, progress: Progress = quiet) -> list[Path]:
    """Run the step embed-tcr: embed the receptors of one or more samples.

    Parameters
    ----------
    options
        What to embed, and how.
    progress
        Called with (done, total) distinct chains.

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.`` and `EmbedTcrOptions.output_names`.

    Raises
    ------
    InputError
        If a file cannot be read, or a cell occurs in two files.
    ContractError
        If a file breaks its contract, or a cell with chains is not in the cells file.
    BundleError
        If the bundle is missing, damaged, of another task or backend, or knows beta chains alone.
    OptionsError
        If no file is given, there is no such backend or device, or options contradict each other.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    pa.set_cpu_count(options.threads or len(os.sched_getaffinity(0)))
    choice = choose_encoder(options.backend, options.bundle, force_tra=options.force_tra)
    similarity = choose_similarity(options.neighbours, options.cluster_distance, choice)
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in options.output_names}
        encoder = choice.open(threads=options.threads, device=options.device)
        files = read_chain_files(options.chains)
        cells = None if options.gex is None else read_cells(options.gex)
        distinct = find_distinct(files.chains, encoder.loci, which=options.which)
        check_loci(
            encoder,
            files.chains,
            mend="name a bundle that learnt both with --receptors-bundle, or add --force-tra to embed them "
            "anyway",
        )
        receptors = _describe_cells(files, cells, distinct)
        note = _make_note(options, choice, similarity)
        with VectorScratch(outputs.folder, encoder.dimension) as scratch:
            vectors = embed_distinct(encoder, distinct, scratch, progress=progress)
            if similarity is not None:
                clusters = name_clusters(
                    receptors, vectors, similarity.cluster_distances, folder=outputs.folder
                )
                receptors = receptors.join(clusters)
            _write_vectors(paths, encoder, vectors, similarity, note)
            if cells is not None and OutputName.EMBEDDED in paths:
                _write_embedded(paths[OutputName.EMBEDDED], cells, receptors, vectors, note)
        schema = RECEPTORS.schema(optional=receptors.columns)
        table = pa.Table.from_pandas(receptors, schema, preserve_index=False)
        write_table(paths[OutputName.RECEPTORS], table, RECEPTORS, note)
        account = summarise_embedding(encoder, len(files.chains), receptors, distinct)
        write_document(paths[OutputName.EMBED_QC], account, note, Embed)
        return outputs.commit()


def _describe_cells(files: ChainFiles, cells: CellsFile | None, distinct: DistinctReceptors) -> pd.DataFrame:
    names = [*_CELL, "donor"]
    if cells is None:
        rows = files.chains[names].drop_duplicates(_CELL)
    else:
        rows = cells.obs[["sample_id", "donor"]].astype(object).assign(cell_id=cells.cell_ids)[names]
        _check_covered(files.chains, rows, cells.path)
    receptors = describe_cells(rows, files.chains, orphans=files.orphans, dual_chains=files.dual_chains)
    if cells is not None:
        receptors["doublet_suspect"] |= cells.obs["doublet_suspect"].to_numpy(dtype=bool)
    if cells is not None and cells.obs["clone_id"].notna().any():
        # preprocess may have seen more than the chains table holds (nucleotides without anchors)
        sizes = cells.obs["clone_size"].to_numpy()
        clones = cells.obs["clone_id"].to_numpy(dtype=object)
        clones[pd.isna(clones)] = None
        receptors["clone_id"] = clones
        receptors["clone_size"] = pd.arrays.IntegerArray(sizes.astype(np.int32), sizes == 0)
    places = distinct.cells.index.get_indexer(pd.MultiIndex.from_frame(receptors[_CELL]))
    for name in distinct.cells.columns:
        keys = np.array([*distinct.cells[name], None], dtype=object)
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


def _make_note(options: EmbedTcrOptions, choice: EncoderChoice, similarity: Similarity | None) -> StepNote:
    digests = sorted(digest_file(path) for path in options.chains)
    inputs = {
        "chains" if number == 1 else f"chains_{number}": digest for number, digest in enumerate(digests, 1)
    }
    if options.gex is not None:
        inputs["cells"] = digest_file(options.gex)
    asked: dict[str, JsonValue] = {"backend": options.backend, "chains": options.which}
    if options.force_tra:
        asked["force_tra"] = True
    if similarity is not None:
        asked |= similarity.note()
    return StepNote("embed-tcr", asked, inputs, choice.note())


def _write_vectors(
    paths: dict[str, Path],
    encoder: ChainEncoder,
    vectors: DistinctVectors,
    similarity: Similarity | None,
    note: StepNote,
) -> None:
    about = _describe_encoder(encoder)
    with open_table_writer(
        paths[OutputName.EMBEDDINGS], EMBEDDINGS, note, about, vector_width=vectors.dimension
    ) as writer:
        for rows, piece in vectors.pieces():
            names = {"emb_id": vectors.emb_id[rows], "kind": vectors.kind[rows]}
            flat = pa.FixedSizeListArray.from_arrays(pa.array(piece.reshape(-1)), vectors.dimension)
            writer.write(
                pa.table({**{name: pa.array(v, pa.string()) for name, v in names.items()}, "vector": flat})
            )
    if similarity is not None:
        folder = paths[OutputName.NEIGHBOURS].parent
        with open_table_writer(paths[OutputName.NEIGHBOURS], NEIGHBOURS, note, about) as writer:
            for table in tabulate_neighbours(vectors, similarity.neighbours, folder=folder):
                writer.write(table)


def _describe_encoder(encoder: ChainEncoder) -> dict[str, str]:
    return {
        "backend": encoder.name,
        "bundle_name": encoder.bundle.description.name if encoder.bundle else "null",
        "bundle_sha256": encoder.bundle.sha256 if encoder.bundle else "null",
        "dimension": str(encoder.dimension),
        "pooling": encoder.pooling,
    }


def _write_embedded(
    path: Path, cells: CellsFile, receptors: pd.DataFrame, vectors: DistinctVectors, note: StepNote
) -> None:
    names = [*_OBS_COLUMNS, *(name for name in _CLUSTER_COLUMNS if name in receptors)]
    obs = receptors[names].set_axis(pd.Index(cells.cell_ids))
    for name in obs.columns.intersection(["clone_size", "receptor_cluster_size"]):
        obs[name] = obs[name].fillna(0).astype(np.int32)
    for key, column in _OBSM_KEYS.items():
        obs[f"has_{key}"] = receptors[column].notna().to_numpy()
    write_cells_copy(cells, path, obs=obs, note=note, contract=CELLS)
    rows_of = pd.Index(vectors.emb_id, dtype=object)

    def blocks(column: str) -> Iterator[npt.NDArray[np.float32]]:
        for first in range(0, len(receptors), PIECE_ROWS):
            keys = receptors[column].iloc[first : first + PIECE_ROWS]
            rows = rows_of.get_indexer(pd.Index(keys))
            piece = vectors.take(rows)
            piece[rows < 0] = 0  # scanpy's neighbours take no NaN
            yield piece

    matrices = {key: blocks(column) for key, column in _OBSM_KEYS.items()}
    write_obsm_vectors(path, matrices, n_cells=len(receptors), dimension=vectors.dimension)
