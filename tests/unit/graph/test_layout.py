"""The layout: near where vectors are alike, the same every time, bounded, and whole for odd samples."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tcellflow.graph.layout import LANDMARKS, lay_out_cells

GROUPS = 4


def make_vectors(n: int, width: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    group = np.arange(n) % GROUPS
    centres = rng.normal(0, 8, (GROUPS, width))
    return (centres[group] + rng.normal(0, 1, (n, width))).astype(np.float32), group


@pytest.mark.parametrize("n", [400, LANDMARKS + 500])
def test_cells_lie_among_their_like(n):
    """The nearest cell on the map is of the same group, for landmarks and for cells put between them."""
    vectors, group = make_vectors(n)
    places = lay_out_cells(vectors)
    assert places.shape == (n, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    apart = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (group[apart.argmin(axis=1)] == group).mean() > 0.98


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_few_cells_have_places(n):
    """No cell, one cell and fewer cells than neighbours are laid out."""
    places = lay_out_cells(make_vectors(n)[0])
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()


@pytest.mark.parametrize("width", [1, 2])
def test_equal_and_narrow_vectors_have_places(width):
    """Cells that are all alike, and vectors of one number, break nothing."""
    for vectors in (
        np.ones((50, width), np.float32),
        np.arange(50 * width, dtype=np.float32).reshape(50, width),
    ):
        places = lay_out_cells(vectors)
        assert np.isfinite(places).all()


def test_threads_change_nothing():
    """One thread and two give the same places to the last bit."""
    code = (
        "import hashlib, numpy as np; from tcellflow.graph.layout import lay_out_cells;"
        "x = np.random.default_rng(0).normal(size=(2500, 40)).astype('f4');"
        "print(hashlib.sha256(lay_out_cells(x).tobytes()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1
