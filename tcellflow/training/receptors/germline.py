"""What the germline says of the genes of a vocabulary, as the arrays that the encoder takes.

Invariant: row i belongs to gene i + 1 of the vocabulary; a family is the mean of its members, so
that a gene known by its family alone, or never met in training, still has a meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from tcellflow.models.receptors import GermlineTables
from tcellflow.receptors.encoding.tokens import tokenise_junctions
from tcellflow.receptors.germline import load_genes, rearranging_families

if TYPE_CHECKING:
    from tcellflow.receptors.encoding.tokens import ReceptorVocabulary

_LOOP_PLACES: Final = 10  # CDR1 has 5 to 8 residues, CDR2 5 to 8: both are centred on a gap in the middle


def build_germline_tables(vocabulary: ReceptorVocabulary) -> GermlineTables:
    """Build the encoder's germline tables: loops and families of the vocabulary's genes.

    Returns
    -------
    GermlineTables
        Both loops of each V gene, and what each name is made of.
    """
    v_genes, v_members = _weigh_members(vocabulary.v_calls)
    _, j_members = _weigh_members(vocabulary.j_calls)
    genes = load_genes()
    loops = np.stack(
        [
            np.concatenate([_spread(loop) for loop in (genes[name].cdr1_aa, genes[name].cdr2_aa)])
            for name in v_genes
        ]
    )
    return GermlineTables(torch.from_numpy(loops), v_members, j_members)


def _weigh_members(names: tuple[str, ...]) -> tuple[list[str], torch.Tensor]:
    """Give the genes among the names, and (names, genes) weights that make each name out of them."""
    genes = [name for name in names if name in load_genes()]
    column = {name: number for number, name in enumerate(genes)}
    weights = torch.zeros(len(names), len(genes))
    for row, name in enumerate(names):
        known = [name] if name in column else [m for m in rearranging_families()[name] if m in column]
        for member in known:
            weights[row, column[member]] = 1 / len(known)
    return genes, weights


def _spread(loop: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Lay a loop on ten places from both ends, the gap in the middle."""
    places = np.zeros(_LOOP_PLACES, np.int64)
    if loop:
        tokens = tokenise_junctions(np.array([loop], dtype=object))[0]
        half = (len(tokens) + 1) // 2
        places[:half] = tokens[:half]
        places[_LOOP_PLACES - (len(tokens) - half) :] = tokens[half:]
    return places
