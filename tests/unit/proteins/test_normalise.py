"""Antibody counts become centred log-ratios."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.errors import InputError
from tcellflow.proteins.normalise import clr


def test_clr_by_hand() -> None:
    """Ratios are log1p minus the cell's mean log1p, isotypes outside the mean."""
    counts = np.array([[0, 3, 8, 99]])
    is_isotype = np.array([False, False, False, True])
    centre = (np.log(1) + np.log(4) + np.log(9)) / 3
    expected = np.log([1, 4, 9, 100]) - centre
    np.testing.assert_allclose(clr(counts, is_isotype), [expected], rtol=1e-6)
    assert clr(counts).dtype == np.float32


def test_clr_of_a_cell_without_counts_is_zero() -> None:
    """A cell without any count is 0 in every antibody."""
    assert clr(np.zeros((2, 3))).tolist() == [[0, 0, 0]] * 2


def test_clr_without_centre_is_missing() -> None:
    """A panel of nothing but isotype controls gives NaN, not numbers."""
    assert np.isnan(clr(np.ones((2, 2)), np.array([True, True]))).all()


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_clr_of_nothing(shape: tuple[int, int]) -> None:
    """No cells or no antibodies give an empty array of that shape."""
    assert clr(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_clr_of_other_values_is_refused(value: float) -> None:
    """Values that cannot be counts are an input error."""
    with pytest.raises(InputError, match="negative, NaN"):
        clr(np.array([[1.0, value]]))
