"""Receptor chains as TCR-BERT reads them: the junction alone, one token per residue.

Invariant: the numbers are those of the published vocabulary; another one is refused, never followed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import BundleError, InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from tcellflow.receptors.encoding.sequences import ChainSequences

    Tokens = npt.NDArray[np.int64]

# As published with the weights: residues, then padding, mask, unknown, separator and class.
BERT_VOCABULARY: Final = (*"RHKDESTNQCUGPAVILMFYW", "$", ".", "?", "|", "*")
BERT_PADDING: Final = BERT_VOCABULARY.index("$")
BERT_SEPARATOR: Final = BERT_VOCABULARY.index("|")
BERT_CLASS: Final = BERT_VOCABULARY.index("*")
BERT_INPUTS: Final = ("tokens",)
N_SPECIAL: Final = 2  # class in front, separator behind
_NUMBERS: Final = {letter: number for number, letter in enumerate(BERT_VOCABULARY) if letter.isalpha()}


def tokenise_for_bert(chains: ChainSequences) -> dict[str, Tokens]:
    """Turn junctions into the tokens that TCR-BERT takes.

    Parameters
    ----------
    chains
        B chains; locus and genes are not read.

    Returns
    -------
    dict
        ``tokens``: (B, L + 2) int64, class, residues, separator, then padding to the longest junction.

    Raises
    ------
    InputError
        If a junction is empty or holds other letters than amino acids.
    """
    tokens = np.full((len(chains), int(chains.lengths().max(initial=0)) + N_SPECIAL), BERT_PADDING, np.int64)
    tokens[:, 0] = BERT_CLASS
    for row, junction in enumerate(chains.junction_aa):
        if not junction or not _NUMBERS.keys() >= set(junction):
            raise InputError(
                f"the junction {junction!r} is not made of amino acids",
                where="junction_aa",
                mend="give junctions as upper-case amino acids with both anchors",
            )
        tokens[row, 1 : len(junction) + 1] = [_NUMBERS[letter] for letter in junction]
        tokens[row, len(junction) + 1] = BERT_SEPARATOR
    return {"tokens": tokens}


def write_bert_vocabulary() -> str:
    """Write the vocabulary of TCR-BERT's tokens as the bundle's file.

    Returns
    -------
    str
        JSON with a final newline.
    """
    return json.dumps({"tokens": BERT_VOCABULARY}) + "\n"


def check_bert_vocabulary(text: str, *, where: object) -> None:
    """Refuse a TCR-BERT bundle whose vocabulary of tokens is not the published one.

    Raises
    ------
    BundleError
        If it differs in a token or their order.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if document != {"tokens": list(BERT_VOCABULARY)}:
        raise BundleError(
            f"the vocabulary is not that of TCR-BERT ({' '.join(BERT_VOCABULARY)})",
            where=where,
            mend="import the folder again with 'tcellflow bundle import tcr-bert'",
        )
