"""The vector of a pair out of the features of its chains.

Invariant: the same sum makes pairs of any encoder, and a chain without its partner keeps its direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def pair_vectors(
    alpha_features: npt.NDArray[np.float32], beta_features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Make the vectors of pairs out of the vectors (features) of their chains.

    Parameters
    ----------
    alpha_features, beta_features
        (B, D) features before they were brought to unit length; row i of both is one receptor. A
        row of zeros stands for an absent chain, and leaves the vector of the other chain.

    Returns
    -------
    numpy.ndarray
        (B, D) float32, each row of unit length; zero where both chains are absent.
    """
    summed = alpha_features.astype(np.float64) + beta_features.astype(np.float64)
    lengths = np.sqrt(np.square(summed).sum(axis=1, keepdims=True))
    vectors: npt.NDArray[np.float32] = (summed / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return vectors
