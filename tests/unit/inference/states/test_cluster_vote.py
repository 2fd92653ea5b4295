"""A vote mends single cells within groups of similar cells, and changes no call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from made_calls import STATES, make_calls, sure
from tcellflow.inference.states.cluster_vote import (
    CELLS_PER_CLUSTER,
    MOST_CLUSTERS,
    cluster_cells,
    vote_in_clusters,
)


def make_groups(n_groups=6, n_cells=30, *, seed=0, width=4):
    """Cells in groups far apart, in shuffled order; gives latents and group numbers."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(n_groups), n_cells))
    centres = rng.normal(0, 20, (n_groups, width))
    return (centres[group] + rng.normal(0, 0.3, (len(group), width))).astype(np.float32), group


def test_a_group_outvotes_its_stray_cells():
    """Cells called apart from all their neighbours are outvoted; their call stays."""
    latent, group = make_groups(3)
    states = np.array(["Naive", "Treg", "Memory"], dtype=object)[group]
    stray = np.flatnonzero(group == 1)[::9]
    states[stray] = "Exhausted"
    calls = replace(make_calls([sure(state) for state in states]), latent=latent)
    vote = vote_in_clusters(calls, np.ones(len(states), dtype=bool))
    assert list(vote.state) == list(np.array(["Naive", "Treg", "Memory"], dtype=object)[group])
    assert list(calls.predicted_state) == list(states)
    for cluster in np.unique(vote.cluster):
        inside = vote.cluster == cluster
        assert len(set(group[inside])) == 1  # never across groups
        share = (states[inside] == vote.state[inside][0]).mean()
        np.testing.assert_allclose(vote.share[inside], share, atol=1e-6)


def test_cells_that_take_no_part_neither_vote_nor_are_voted_on():
    """They have no cluster, state or share, and the others' result is as if they were absent."""
    latent, group = make_groups(3)
    calls = replace(make_calls([sure(STATES[g]) for g in group]), latent=latent)
    takes_part = np.arange(len(group)) % 3 > 0
    vote = vote_in_clusters(calls, takes_part)
    assert (vote.cluster[~takes_part] == -1).all()
    assert (vote.state[~takes_part] == None).all()  # noqa: E711 - element by element
    assert np.isnan(vote.share[~takes_part]).all()
    few = replace(make_calls([sure(STATES[g]) for g in group[takes_part]]), latent=latent[takes_part])
    alone = vote_in_clusters(few, np.ones(takes_part.sum(), dtype=bool))
    np.testing.assert_array_equal(alone.cluster, vote.cluster[takes_part])


def test_no_cells_vote():
    """Without cells, or without any that takes part, there is no cluster."""
    assert len(vote_in_clusters(make_calls([]), np.zeros(0, dtype=bool)).state) == 0
    vote = vote_in_clusters(make_calls([sure("Naive")] * 3), np.zeros(3, dtype=bool))
    assert set(vote.cluster) == {-1}


def test_a_tie_goes_to_the_surer_calls():
    """Of two equally frequent states the one with the larger sum of probabilities wins."""
    calls = make_calls([sure("Naive", 0.6), sure("Treg", 0.9)])  # both at the same place
    assert list(vote_in_clusters(calls, np.ones(2, dtype=bool)).state) == ["Treg", "Treg"]


def test_clusters_do_not_depend_on_noise_of_the_last_bits():
    """Latents that differ by less than processors do give the same clusters."""
    latent, _ = make_groups(8, 40)
    noise = np.random.default_rng(1).normal(0, 1e-6, latent.shape).astype(np.float32)
    np.testing.assert_array_equal(cluster_cells(latent), cluster_cells(latent + noise))


def test_the_number_of_clusters_follows_the_cells():
    """About 15 cells make a cluster, and never more than 1,000 clusters are made."""
    rng = np.random.default_rng(0)
    few = cluster_cells(rng.normal(size=(600, 3)).astype(np.float32))
    assert 0.5 * 600 / CELLS_PER_CLUSTER < len(np.unique(few)) <= 600 / CELLS_PER_CLUSTER
    many = cluster_cells(rng.normal(size=(21_000, 2)).astype(np.float32))
    assert 0.8 * MOST_CLUSTERS < len(np.unique(many)) <= MOST_CLUSTERS
    assert set(cluster_cells(np.ones((50, 3), np.float32))) == {0}  # all alike
