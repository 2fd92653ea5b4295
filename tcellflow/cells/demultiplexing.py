"""Words of demultiplexing tools that stand where a donor's name belongs, but name none.

Invariant: a cell of two donors or of none is never given one of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# "Doublet" of vireo, HTODemux and hashsolo, "Multiplet" of Cell Ranger multi, "DBL-" of demuxlet and
# freemuxlet, and the two numbers that souporcell gives a doublet.
_DOUBLET: Final = re.compile(r"(?:doublets?|multiplets?|dbl)(?:[-_ :,.].*)?|\d+/\d+", re.IGNORECASE)
# "unassigned" of vireo and souporcell, "Negative" of HTODemux and hashsolo, "AMB-" of demuxlet, "Blank" of
# Cell Ranger multi.
_NOBODY: Final = re.compile(
    r"(?:unassigned|negatives?|ambiguous|amb|ambient|blank|uncertain|undetermined|unmapped|unknown|unclear)"
    r"(?:[-_ :,.].*)?|nan|na|n/a|none|null|",
    re.IGNORECASE,
)


def find_doublets(names: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which entries of demultiplexing stand for cells of several donors, shape (cells,)."""
    return _match(_DOUBLET, names)


def find_nameless(names: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which entries of demultiplexing name no donor, doublets included, shape (cells,)."""
    return _match(_NOBODY, names) | find_doublets(names)


def _match(pattern: re.Pattern[str], names: NDArray[np.object_]) -> NDArray[np.bool_]:
    distinct, codes = np.unique(names.astype(str), return_inverse=True)
    return np.array([pattern.fullmatch(name.strip()) is not None for name in distinct], dtype=bool)[codes]
