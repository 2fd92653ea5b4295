"""Presence and absence of genes in groups of cells."""

from __future__ import annotations

import numpy as np
import pytest

from language_samples import MONOCYTE, B, make_sample
from tcellflow.language.evidence import LEAST_POWER, GeneEvidence, Presence
from tcellflow.language.panel import read_profiles


def measure(sample):
    """Count all genes of a made sample, one group per kind."""
    kinds = sample.obs["kind"].to_numpy()
    names = sorted(set(kinds))
    groups = np.array([[names.index(kind) for kind in kinds]])
    evidence = GeneEvidence(sample.var_names.to_numpy(), groups, len(names), read_profiles())
    half = len(kinds) // 2
    for rows in (slice(0, half), slice(half, None)):
        evidence.add(sample.X[rows], np.full(sample.X[rows].shape[0], 4_000.0))
    return evidence, names


def test_markers_are_told_by_the_matrix():
    """B cells show CD79A and earn the absence of CD14; monocytes the other way round."""
    evidence, names = measure(make_sample((B, MONOCYTE)))
    b, monocyte = (names.index(kind.replace(":", "_")) for kind in (B, MONOCYTE))
    assert evidence.of(b, "CD79A").presence is Presence.PRESENT
    assert evidence.of(b, "CD14").presence is Presence.ABSENT
    assert evidence.of(b, "CD14").power >= LEAST_POWER
    assert evidence.of(monocyte, "CD79A").presence is Presence.ABSENT
    assert evidence.of(monocyte, "CD14").log_odds > 2
    assert evidence.of(-1, "CD14").pct == pytest.approx(
        (evidence.of(b, "CD14").pct + evidence.of(monocyte, "CD14").pct) / 2
    )


def test_absence_is_not_earned_by_few_shallow_cells():
    """Three cells with 200 molecules each show no FOXP3, which says nothing."""
    evidence, names = measure(make_sample((B, MONOCYTE), n_each=3, depth=200))
    assert evidence.of(0, "FOXP3").presence is Presence.UNDECIDED
    assert len(names) == 2


def test_a_gene_off_the_matrix_is_not_measured():
    """A gene without a column has no facts, rather than an absence."""
    assert measure(make_sample((B, MONOCYTE)))[0].of(0, "NOT-A-GENE") is None
