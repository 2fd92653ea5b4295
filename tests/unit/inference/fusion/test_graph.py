"""Cells have groups and places, also above the size of a graph, and none without a vector."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.inference.fusion.graph import draw_graph


def make_vectors(n=600):
    rng = np.random.default_rng(2)
    group = np.arange(n) % 3
    centres = rng.normal(0, 5, (3, 12))
    return (centres[group] + rng.normal(size=(n, 12))).astype(np.float32), group


def agree(cluster, group):
    """Whether each cluster holds cells of one group alone."""
    return all(len(set(group[cluster == one])) == 1 for one in np.unique(cluster))


def test_landmarks_stand_for_all():
    """Above the size of a graph, cells take after their nearest landmarks."""
    vectors, group = make_vectors()
    few = draw_graph(vectors, most_cells=300, landmarks=200)
    assert few.n_landmarks == 200
    assert agree(few.cluster, group)
    assert np.isfinite(few.places).all()
    whole = draw_graph(vectors)
    assert whole.n_landmarks is None
    assert agree(whole.cluster, group)


def test_cells_without_a_vector_have_neither():
    """And change nothing for the others."""
    vectors, _ = make_vectors()
    holes = np.insert(vectors, 5, np.nan, axis=0)
    found, whole = draw_graph(holes), draw_graph(vectors)
    assert found.cluster[5] == -1
    assert np.isnan(found.places[5]).all()
    assert np.delete(found.cluster, 5).tobytes() == whole.cluster.tobytes()
    assert np.delete(found.places, 5, axis=0).tobytes() == whole.places.tobytes()
    assert sum(found.sizes) == len(vectors)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_cells(n):
    """Samples too small for a graph are one group."""
    found = draw_graph(make_vectors(n)[0])
    assert found.cluster.tolist() == [0] * n
    assert np.isfinite(found.places).all()


def test_threads_change_nothing():
    """Neither groups nor places."""
    vectors, _ = make_vectors()
    one, two = draw_graph(vectors, threads=1), draw_graph(vectors, threads=2)
    assert one.cluster.tobytes() == two.cluster.tobytes()
    assert one.places.tobytes() == two.places.tobytes()


def test_only_what_is_wanted():
    """Groups without a map, and the reverse."""
    vectors, _ = make_vectors(60)
    assert draw_graph(vectors, umap=False).places is None
    assert draw_graph(vectors, clusters=False).cluster is None
