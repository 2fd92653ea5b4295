"""Translation of junctions.

Invariant: a codon that is not exactly known becomes X, a stop codon ``*``; nothing is guessed.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final

_BASES: Final = "TCAG"
# standard genetic code (NCBI table 1), codons in the order TTT, TTC, TTA, TTG, TCT ...
_CODE: Final = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"


@cache
def _codons() -> dict[str, str]:
    return dict(zip(map("".join, product(_BASES, repeat=3)), _CODE, strict=True))


def translate(nucleotides: str) -> str | None:
    """Translate a junction.

    Parameters
    ----------
    nucleotides
        DNA or RNA, any case, in frame.

    Returns
    -------
    str or None
        Amino acids, X for codons with ambiguous bases; None if the length is not a multiple of three.
    """
    if not nucleotides or len(nucleotides) % 3:
        return None
    dna = nucleotides.upper().replace("U", "T")
    return "".join(_codons().get(dna[at : at + 3], "X") for at in range(0, len(dna), 3))
