"""Similar receptors: the nearest of each distinct one, and clusters of near ones, as tables.

Invariant: chains are compared with chains of their locus and pairs with pairs; the names of clusters
depend on their members alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.errors import OptionsError
from tcellflow.inference.receptors.distinct_vectors import PIECE_ROWS
from tcellflow.inference.receptors.neighbours import find_clusters, find_neighbours
from tcellflow.io.bundles.folders import PACKAGED_FOLDER
from tcellflow.io.tables.vector_scratch import VectorScratch
from tcellflow.receptors.encoding.keys import content_hash
from tcellflow.vocabulary import EmbeddingKind, ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from tcellflow.inference.receptors.distinct_vectors import DistinctVectors
    from tcellflow.inference.receptors.encoder import EncoderChoice
    from tcellflow.provenance import JsonValue

    Keys = npt.NDArray[np.object_]

# Greatest distance of a step within a cluster: at most one of a million pairs of unrelated receptors is
# nearer (benchmarks/receptors/cluster_distance.py, with the packaged bundle). TCR-BERT was not measured.
DEFAULT_DISTANCES: Final[dict[ReceptorBackend, dict[EmbeddingKind, float]]] = {
    ReceptorBackend.NATIVE: {EmbeddingKind.PAIR: 0.165, EmbeddingKind.TRB: 0.045, EmbeddingKind.TRA: 0.005},
    ReceptorBackend.KMER: {EmbeddingKind.PAIR: 0.17, EmbeddingKind.TRB: 0.065, EmbeddingKind.TRA: 0.035},
}
# A cell's receptor is the most that is known of it.
_BY_COMPLETENESS: Final = (EmbeddingKind.PAIR, EmbeddingKind.TRB, EmbeddingKind.TRA)


@dataclass(frozen=True)
class Similarity:
    """What is asked of similar receptors.

    Parameters
    ----------
    neighbours
        Nearest receptors listed for each one, at least 1.
    cluster_distances
        Greatest cosine distance of a step within a cluster, by kind; 0 to 2.
    """

    neighbours: int
    cluster_distances: Mapping[EmbeddingKind, float]

    def note(self) -> dict[str, JsonValue]:
        """Give what a step's provenance note says about it.

        Returns
        -------
        dict
            Keys ``neighbours`` and ``cluster_distances``.
        """
        distances: dict[str, JsonValue] = {str(kind): value for kind, value in self.cluster_distances.items()}
        return {"neighbours": self.neighbours, "cluster_distances": distances}


def choose_similarity(
    neighbours: int, cluster_distance: float | None, encoder: EncoderChoice
) -> Similarity | None:
    """Check what is asked of similar receptors: neighbours, clusters, or neither.

    Parameters
    ----------
    neighbours
        Nearest receptors listed for each one; 0 = nothing is asked.
    cluster_distance
        Greatest cosine distance of a step within a cluster; that of the encoder if not given.
    encoder
        Of the vectors.

    Returns
    -------
    Similarity or None
        None if nothing is asked.

    Raises
    ------
    OptionsError
        If a number is out of range, a distance was given without neighbours, or none was measured.
    """
    if neighbours < 0:
        raise OptionsError(
            f"{neighbours} neighbours make no sense",
            where="--neighbours",
            mend="give 1 or more, or 0 for none",
        )
    if cluster_distance is not None and not neighbours:
        raise OptionsError(
            "clusters are found together with neighbours, which were not asked for",
            where="--cluster-distance",
            mend="add --neighbours 10, or leave the distance out",
        )
    if cluster_distance is not None and not 0 <= cluster_distance <= 2:
        raise OptionsError(
            f"{cluster_distance:g} is no cosine distance", where="--cluster-distance", mend="give 0 to 2"
        )
    if not neighbours:
        return None
    if cluster_distance is not None:
        return Similarity(neighbours, dict.fromkeys(EmbeddingKind, cluster_distance))
    measured = _find_distances(encoder)
    if measured is None:
        raise OptionsError(
            f"no distance was measured for {encoder.name}",
            where="--cluster-distance",
            mend="give the greatest cosine distance of a step within a cluster, e.g. 0.05",
        )
    return Similarity(neighbours, measured)


def _find_distances(encoder: EncoderChoice) -> Mapping[EmbeddingKind, float] | None:
    """Find the distances that a bundle states, or those measured for the packaged one and for k-mers."""
    stated = None if encoder.bundle is None else encoder.bundle.receptors.cluster_distances
    if stated is not None:
        return {kind: stated.get(kind, 0.0) for kind in EmbeddingKind}
    if encoder.bundle is not None and encoder.bundle.folder.parent != PACKAGED_FOLDER:
        return None
    return DEFAULT_DISTANCES.get(encoder.backend)


def tabulate_neighbours(vectors: DistinctVectors, k: int, *, folder: Path) -> Iterator[pa.Table]:
    """Tabulate the similar receptors of every distinct chain and pair, by the contract `NEIGHBOURS`.

    Parameters
    ----------
    vectors
        All of them.
    k
        Neighbours of each one; fewer where there are no more of its kind.
    folder
        Where there is room for vectors while they are in use.

    Yields
    ------
    pyarrow.Table
        Rows of the next receptors; kinds and keys in alphabetical order.
    """
    for kind in sorted(EmbeddingKind):
        rows = vectors.rows_of(kind)
        keys = vectors.emb_id[rows]
        with _copy(vectors, np.arange(rows.start, rows.stop), folder) as scratch:
            for found in find_neighbours(scratch.as_array(), k):
                yield pa.table(
                    {
                        "kind": pa.array([str(kind)] * len(found.row), pa.string()),
                        "emb_id": pa.array(keys[found.row], pa.string()),
                        "rank": pa.array(found.rank.astype(np.int32)),
                        "neighbour_id": pa.array(keys[found.neighbour], pa.string()),
                        "distance": pa.array(found.distance.astype(np.float32)),
                    }
                )


def name_clusters(
    receptors: pd.DataFrame,
    vectors: DistinctVectors,
    distances: Mapping[EmbeddingKind, float],
    *,
    folder: Path,
) -> pd.DataFrame:
    """Say to which cluster of similar receptors each cell's receptor belongs.

    Parameters
    ----------
    receptors
        Columns ``emb_pair``, ``emb_trb`` and ``emb_tra`` of cells. A cell's receptor is its pair, else
        its beta, else its alpha chain.
    vectors
        Vectors of all distinct chains and pairs.
    distances
        Greatest cosine distance of a step within a cluster, by kind.
    folder
        Where there is room for vectors while they are in use.

    Returns
    -------
    pandas.DataFrame
        ``receptor_cluster`` (None without a vector) and ``receptor_cluster_size``, the distinct receptors
        in it, for each cell.
    """
    keys = np.full(len(receptors), None, dtype=object)
    for kind in reversed(_BY_COMPLETENESS):
        of_kind = receptors[f"emb_{kind}"].to_numpy(dtype=object)
        keys = np.where(pd.notna(of_kind), of_kind, keys)
    wanted = set(keys)
    in_use = np.fromiter((key in wanted for key in vectors.emb_id), bool, len(vectors))
    cluster_of: dict[str, tuple[str, int]] = {}
    for kind in EmbeddingKind:
        rows = np.flatnonzero(in_use & (vectors.kind == str(kind)))
        with _copy(vectors, rows, folder) as scratch:
            labels = find_clusters(scratch.as_array(), distances[kind])
        for members in pd.Series(vectors.emb_id[rows]).groupby(labels):
            name = content_hash("cluster", *members[1])  # keys are sorted within their kind
            cluster_of |= dict.fromkeys(members[1], (name, len(members[1])))
    found = [cluster_of.get(key, (None, None)) for key in keys]
    return pd.DataFrame(
        {
            "receptor_cluster": pd.Series([name for name, _ in found], dtype=object),
            "receptor_cluster_size": pd.array([size for _, size in found], dtype="Int32"),
        },
        index=receptors.index,
    )


def _copy(vectors: DistinctVectors, rows: npt.NDArray[np.intp], folder: Path) -> VectorScratch:
    scratch = VectorScratch(folder, vectors.dimension)
    for piece in np.split(rows, range(PIECE_ROWS, len(rows), PIECE_ROWS)):
        scratch.append(vectors.take(piece))
    return scratch
