"""Locus words of all file formats.

Invariant: an unknown word stays as it is, so that its contigs are counted, not lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.receptors.contigs import MULTI_LOCUS, as_texts
from tcellflow.vocabulary import Locus

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

_WORDS: Final[dict[str, str]] = {
    **{str(locus): str(locus) for locus in Locus},
    **{f"TC{str(locus)[1:]}": str(locus) for locus in Locus if str(locus).startswith("TR")},  # TCRA
    "TCR_ALPHA": "TRA",
    "TCR_BETA": "TRB",
    "TCR_GAMMA": "TRG",
    "TCR_DELTA": "TRD",
    "BCR_HEAVY": "IGH",
    "BCR_KAPPA": "IGK",
    "BCR_LAMBDA": "IGL",
    "A": "TRA",
    "B": "TRB",
    "G": "TRG",
    "D": "TRD",
    "H": "IGH",
    "K": "IGK",
    "L": "IGL",
    "MULTI": MULTI_LOCUS,
}


def standard_loci(words: pd.Series) -> npt.NDArray[np.object_]:
    """Translate the words by which files name loci, None = missing.

    Returns
    -------
    numpy.ndarray
        AIRR loci, ``Multi``, None where missing, and unknown words as they are.
    """
    distinct = {word: _WORDS.get(word.upper(), word) for word in words.dropna().unique()}
    return as_texts(words.map(distinct))
