"""Receptor chains as an encoder sees them: locus, junction, V and J gene.

Invariant: nothing of a cell or sample is in them, so equal sequences are equal inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Strings = npt.NDArray[np.object_]
    Indices = npt.NDArray[np.intp]


RESIDUES: Final = "ACDEFGHIKLMNPQRSTVWY"  # the 20 amino acids, in the order of every encoder's numbers


@dataclass(frozen=True)
class ChainSequences:
    """What an encoder may know of chains: parallel arrays of B strings.

    Parameters
    ----------
    locus
        (B,) AIRR loci.
    junction_aa
        (B,) junctions with both anchors, upper-case letters of the 20 amino acids.
    v_call, j_call
        (B,) IMGT gene names without allele; None = unknown.
    """

    locus: Strings
    junction_aa: Strings
    v_call: Strings
    j_call: Strings

    def __len__(self) -> int:
        return len(self.locus)

    def take(self, rows: Indices | slice) -> ChainSequences:
        """Select chains.

        Returns
        -------
        ChainSequences
            N chains in the order asked for.
        """
        return ChainSequences(self.locus[rows], self.junction_aa[rows], self.v_call[rows], self.j_call[rows])

    def lengths(self) -> Indices:
        """Count the residues of each junction.

        Returns
        -------
        numpy.ndarray
            (B,) residues, anchors included.
        """
        return np.fromiter(map(len, self.junction_aa), np.intp, len(self))


def cut_middle(junction: str, max_length: int) -> str:
    """Cut a junction's sequence in its middle, so that both germline ends stay.

    Parameters
    ----------
    junction
        Amino acids.
    max_length
        Residues to keep.

    Returns
    -------
    str
        The junction, at most `max_length` residues; of an odd number one more of the start.
    """
    if len(junction) <= max_length:
        return junction
    tail = max_length // 2
    return junction[: max_length - tail] + junction[len(junction) - tail :]
