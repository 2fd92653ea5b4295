"""embed-tcr --neighbours: the nearest receptors of each, and clusters that reach the clone table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from receptor_bundles import write_bert_bundle
from receptor_tables import make_chain_rows, make_repertoire, write_chain_rows
from tcellflow.contracts.similarity import NEIGHBOURS
from tcellflow.contracts.tables import EMBEDDINGS, RECEPTORS
from tcellflow.errors import OptionsError
from tcellflow.inference.receptors import neighbours
from tcellflow.inference.receptors.similar import DEFAULT_DISTANCES
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.receptors.encoding.keys import embedding_key
from tcellflow.steps.embed_tcr import EmbedTcrOptions, embed_tcr
from tcellflow.vocabulary import ReceptorBackend

ALPHAS = ("CAVRDSNYQLIF", "CAVRDSNYQLVF", "CGTWWHHPPMMNNF")
BETA = "CASSLGQAYEQYF"


def embed(folder, *chains, **more):
    """Run the step and give its folder."""
    embed_tcr(EmbedTcrOptions(tuple(chains), folder, "s1", **{"backend": "kmer", "neighbours": 3, **more}))
    return folder


def read_neighbours(folder):
    """Give the neighbours as a data frame."""
    return read_table(folder / "s1.neighbours.parquet", NEIGHBOURS).to_pandas()


def read_receptors(folder):
    """Give the receptors table by cell."""
    return read_table(folder / "s1.receptors.parquet", RECEPTORS).to_pandas().set_index("cell_id")


@pytest.fixture(scope="module")
def repertoire(tmp_path_factory):
    """The chains of 150 cells."""
    return write_chain_rows(tmp_path_factory.mktemp("chains") / "c.parquet", make_repertoire(150))


@pytest.fixture(scope="module")
def embedded(repertoire, tmp_path_factory):
    """A finished run with three neighbours."""
    return embed(tmp_path_factory.mktemp("whole"), repertoire)


def test_neighbours_are_those_of_the_whole_distance_matrix(embedded):
    """For each distinct chain and pair, the three nearest of its own kind stand in order."""
    vectors = read_table(embedded / "s1.embeddings.parquet", EMBEDDINGS).to_pandas()
    found = read_neighbours(embedded)
    assert len(found) == 3 * len(vectors)
    for kind, rows in vectors.groupby("kind"):
        matrix = np.stack(rows["vector"]).astype(float)
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        distances = 1 - matrix @ matrix.T
        np.fill_diagonal(distances, np.inf)
        listed = found[found["kind"] == kind]
        assert listed["emb_id"].tolist() == np.repeat(rows["emb_id"], 3).tolist()
        assert listed["rank"].tolist() == [1, 2, 3] * len(rows)
        nearest = np.sort(distances, axis=1)[:, :3]
        np.testing.assert_allclose(listed["distance"], nearest.ravel(), atol=2e-6)
        places = pd.Index(rows["emb_id"]).get_indexer(listed["neighbour_id"]).reshape(-1, 3)
        measured = np.take_along_axis(distances, places, 1)
        np.testing.assert_allclose(measured, nearest, atol=2e-6)


def test_blocks_and_threads_change_nothing(repertoire, embedded, tmp_path, monkeypatch):
    """A second run leaves the same bytes whatever the threads, and blocks of any size the same rows."""
    again = embed(tmp_path / "again", repertoire, threads=2)
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {
        p.name: p.read_bytes() for p in embedded.iterdir()
    }
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 17)
    small = embed(tmp_path / "small", repertoire)
    assert read_neighbours(small).equals(read_neighbours(embedded))
    assert read_receptors(small).equals(read_receptors(embedded))


def test_clusters_join_near_receptors_of_one_kind(tmp_path):
    """Cells with like pairs share a cluster, others have one of their own; the size counts receptors."""
    pairs = [(cell, "TRA", alpha) for cell, alpha in zip("abc", ALPHAS, strict=True)]
    rows = [*pairs, *((cell, "TRB", BETA) for cell in "abc"), ("d", "TRB", BETA), ("e", "TRB", "CAS*LGF")]
    rows += [("f", "TRA", ALPHAS[0]), ("f", "TRB", BETA)]
    path = write_chain_rows(tmp_path / "c", make_chain_rows(rows))
    found = read_receptors(embed(tmp_path / "o", path, cluster_distance=0.2))
    cluster, size = found["receptor_cluster"], found["receptor_cluster_size"]
    assert cluster["a"] == cluster["b"] == cluster["f"]
    assert len({cluster["a"], cluster["c"], cluster["d"]}) == 3
    assert size[["a", "b", "c", "d", "f"]].tolist() == [2, 2, 1, 1, 2]
    assert cluster["e"] is None
    assert np.isnan(size["e"])
    assert read_json(tmp_path / "o" / "s1.embed.json")["clusters"] == {
        "total": 3,
        "with_similar_receptors": 1,
    }


def test_names_of_clusters_depend_on_their_members_alone(tmp_path):
    """A cluster found again among other receptors keeps its name, a larger one has another."""
    some = [(cell, "TRB", junction) for cell, junction in (("a", "CASSLGQAYEQYF"), ("b", "CASSLGQAYEQFF"))]
    more = [*some, ("c", "TRB", "CAWGPKKMMNTEAFF")]
    largest = [*more, ("d", "TRB", "CASSLGQSYEQYF")]
    names = [
        read_receptors(embed(tmp_path / str(i), write_chain_rows(tmp_path / f"c{i}", make_chain_rows(rows)),
                             cluster_distance=0.3))["receptor_cluster"]["a"]
        for i, rows in enumerate((some, more, largest))
    ]  # fmt: skip
    assert names[0] == names[1] != names[2]


def test_a_lone_receptor_has_no_neighbours(tmp_path):
    """One chain alone, and no chain at all, give a valid table without rows."""
    for name, rows in (("one", [("a", "TRB", BETA)]), ("none", [])):
        path = write_chain_rows(tmp_path / f"{name}.c", make_chain_rows(rows))
        folder = embed(tmp_path / name, path)
        assert len(read_neighbours(folder)) == 0
        assert len(read_receptors(folder)) == len(rows)
    key = embedding_key("TRB", BETA, "TRBV20-1", "TRBJ2-7")
    assert read_receptors(tmp_path / "one")["emb_trb"].tolist() == [key]


def test_the_note_says_how_near_receptors_of_a_cluster_are(embedded):
    """Without a distance those of the backend are used and written down, one for each kind."""
    asked = read_table_note(embedded / "s1.neighbours.parquet")["options"]
    assert asked["neighbours"] == 3
    assert asked["cluster_distances"] == {
        str(k): v for k, v in DEFAULT_DISTANCES[ReceptorBackend.KMER].items()
    }


def test_a_backend_without_a_measured_distance_asks_for_one(repertoire, tmp_path):
    """For imported weights no distance was measured, so that none is guessed."""
    bert = write_bert_bundle(tmp_path / "bert", loci=["TRA", "TRB"])
    asked = {"backend": "tcr-bert", "bundle": str(bert)}
    with pytest.raises(OptionsError, match="no distance was measured for tiny"):
        embed(tmp_path / "o", repertoire, **asked)
    embed(tmp_path / "o", repertoire, **asked, cluster_distance=0.001)


def test_without_the_option_nothing_is_added(repertoire, tmp_path):
    """Neither table nor columns of similar receptors are there unless asked for."""
    folder = embed(tmp_path / "o", repertoire, neighbours=0)
    assert not (folder / "s1.neighbours.parquet").exists()
    assert "receptor_cluster" not in read_receptors(folder)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"neighbours": -1}, "-1 neighbours make no sense"),
        ({"neighbours": 0, "cluster_distance": 0.1}, "were not asked for"),
        ({"cluster_distance": 2.5}, "2.5 is no cosine distance"),
        ({"cluster_distance": float("nan")}, "nan is no cosine distance"),
    ],
)
def test_numbers_out_of_range_are_refused(repertoire, tmp_path, options, words):
    """A number that means nothing is an option error, and nothing is written."""
    with pytest.raises(OptionsError, match=words):
        embed(tmp_path / "o", repertoire, **options)
    assert not (tmp_path / "o").exists()


def test_a_bundle_that_states_its_distances_is_clustered_by_them(repertoire, tmp_path):
    """What was measured when the encoder was trained counts, not what was measured for another one."""
    stated = {"pair": 0.2, "trb": 0.1, "tra": 0.0}
    bert = write_bert_bundle(tmp_path / "bert", loci=["TRA", "TRB"], cluster_distances=stated)
    folder = embed(tmp_path / "o", repertoire, backend="tcr-bert", bundle=str(bert))
    assert read_table_note(folder / "s1.neighbours.parquet")["options"]["cluster_distances"] == stated
