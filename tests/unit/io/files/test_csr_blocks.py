"""Cutting compressed rows into blocks."""

import numpy as np
import pytest

from tcellflow.io.files.csr_blocks import row_spans


@pytest.mark.parametrize(
    ("starts", "n_rows", "max_values", "spans"),
    [
        ([0, 2, 4, 6], 9, 4, [(0, 2), (2, 3)]),
        ([0, 2, 4, 6], 9, 3, [(0, 1), (1, 2), (2, 3)]),
        ([0, 2, 4, 6], 2, 99, [(0, 2), (2, 3)]),
        ([0, 9, 9, 10], 9, 4, [(0, 1), (1, 3)]),
        ([0, 4, 4, 4, 5], 9, 4, [(0, 3), (3, 4)]),
        ([0, 0, 0], 9, 1, [(0, 2)]),
        ([0], 9, 1, []),
    ],
)
def test_spans_are_full_up_to_their_bounds(starts, n_rows, max_values, spans):
    """A block that holds exactly the most values is full, not too large; empty rows behind it are its own."""
    assert list(row_spans(np.array(starts), n_rows, max_values=max_values)) == spans
