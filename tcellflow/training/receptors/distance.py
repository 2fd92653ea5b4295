"""Distances between receptors by alignment, corrected for how crowded each one's surroundings are.

Invariant: distances are symmetric, and depend on junctions, V and J genes alone.

Notes
-----
The alignment part follows the idea of TCRdist (Dash et al. 2017): substitutions weighed by BLOSUM62
in the junction and in the germline loops. A receptor that is near to everything (a common length,
common genes, no insertions) is near to its own kind by chance; subtracting the distance at which a
sample of the repertoire begins turns the distance into evidence, as pointwise mutual information does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.receptors.encoding.tokens import FIRST_RESIDUE, PADDING
from tcellflow.training.receptors.noise import BLOSUM62

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from tcellflow.models.receptors import GermlineTables
    from tcellflow.training.receptors.batches import View
    from tcellflow.training.receptors.corpus import Corpus, TokenChains
    from tcellflow.training.receptors.options import TeacherOptions

_KINDS: Final = len(RESIDUES) + FIRST_RESIDUE
_PLACES: Final = 24
_TRIM: Final = (3, 2)  # the ends are made of V and J genes, which are compared for themselves
_MOST: Final = 4.0  # cost of the least similar residues
CROWDING_SAMPLE: Final = 1_024  # random receptors by which crowding is measured
_NEIGHBOURS: Final = 10  # of the sample: where a receptor's surroundings begin
# Share of that distance taken off for either receptor; 1, as mutual information has it, lost to 0.5 on
# the development epitopes.
_CROWDING: Final = 0.5


@dataclass(frozen=True)
class AlignmentWeights:
    """What an alignment distance makes of junctions and genes.

    Parameters
    ----------
    junction
        Multiplies what differs in the junction; germline loops count once.
    gap
        Cost of a residue that has no partner; the least similar residues cost 4.
    other_v, other_j
        Added where the V or the J gene is another.
    """

    junction: float = 1.5
    gap: float = 4.0
    other_v: float = 6.0
    other_j: float = 4.0


def _substitution_costs(gap: float) -> Tensor:
    costs = torch.zeros(_KINDS, _KINDS)
    costs[PADDING, FIRST_RESIDUE:] = costs[FIRST_RESIDUE:, PADDING] = gap
    exchanges = torch.from_numpy(np.minimum(_MOST, 4.0 - BLOSUM62)).fill_diagonal_(0)
    costs[FIRST_RESIDUE:, FIRST_RESIDUE:] = exchanges
    return costs


class AlignmentDistance:
    """Distances between chains: junction, germline loops, V and J gene.

    Parameters
    ----------
    tables
        Loops and families of the genes.
    weights
        What counts how much.
    """

    def __init__(self, tables: GermlineTables, weights: AlignmentWeights | None = None) -> None:
        weights = weights or AlignmentWeights()
        self._costs = _substitution_costs(weights.gap)
        self._junction_weight = weights.junction
        loops = self._sum_costs(tables.loops, tables.loops)
        is_other = 1 - torch.eye(len(loops))
        self._v = _with_unknown(tables.v_members @ (loops + weights.other_v * is_other) @ tables.v_members.T)
        n_j = len(tables.j_members)
        self._j = _with_unknown(weights.other_j * (1 - torch.eye(n_j)))

    def between(self, one: TokenChains, other: TokenChains) -> Tensor:
        """Measure every chain against every other.

        Parameters
        ----------
        one, other
            N and M chains of one locus.

        Returns
        -------
        torch.Tensor
            (N, M) distances; 0 = the same.
        """
        junctions = self._sum_costs(_lay_out(one.residues), _lay_out(other.residues))
        genes = [
            table[torch.from_numpy(mine.astype(np.int64))][:, torch.from_numpy(theirs.astype(np.int64))]
            for table, mine, theirs in (
                (self._v, one.v_call, other.v_call),
                (self._j, one.j_call, other.j_call),
            )
        ]
        return self._junction_weight * junctions + genes[0] + genes[1]

    def _sum_costs(self, one: Tensor, other: Tensor) -> Tensor:
        """Sum the costs of (N, P) against (M, P) aligned tokens, place by place, as one product."""
        costs = self._costs[one].flatten(1)  # (N, P * kinds)
        return costs @ functional.one_hot(other, _KINDS).float().flatten(1).T


def measure_edges(
    distance: AlignmentDistance, arms: Sequence[TokenChains], sample: Sequence[TokenChains]
) -> Tensor:
    """Measure what crowding takes off the alignment distances of receptors.

    Parameters
    ----------
    distance
        Distance of chains.
    arms
        The chains of R receptors, one entry per locus they have.
    sample
        For each entry of `arms`, as many random chains of that locus.

    Returns
    -------
    torch.Tensor
        (R,) a share of the distance of the tenth nearest random receptor.
    """
    to_sample = torch.stack([distance.between(*both) for both in zip(arms, sample, strict=True)]).sum(0)
    return _CROWDING * to_sample.kthvalue(_NEIGHBOURS, dim=1).values


def _with_unknown(distances: Tensor) -> Tensor:
    """Put an unknown gene in front, as far from all as two genes are on average."""
    return functional.pad(distances, (1, 0, 1, 0), value=float(distances.mean()))


def _lay_out(residues: npt.NDArray[np.uint8]) -> Tensor:
    """Lay the middles of junctions on as many places, aligned at both ends, the gap in between."""
    lengths = np.minimum((residues != PADDING).sum(1) - sum(_TRIM), _PLACES).clip(0)[:, None]
    heads = (lengths + 1) // 2
    places = np.arange(_PLACES)[None]
    from_end = places - (_PLACES - lengths)
    source = np.where(places < heads, places, from_end) + _TRIM[0]
    is_gap = (places >= heads) & (from_end < heads)
    laid = np.take_along_axis(residues, source.clip(0, residues.shape[1] - 1), axis=1)
    return torch.from_numpy(np.where(is_gap, PADDING, laid).astype(np.int64))


class DistanceTeacher:
    """Says who a receptor's neighbours are, by alignment corrected for crowding.

    Parameters
    ----------
    corpus
        Where the sample of the repertoire is drawn from.
    tables
        Loops and families of the genes.
    options
        Softness and temperature.
    seed
        Seed of the sample.
    """

    def __init__(self, corpus: Corpus, tables: GermlineTables, options: TeacherOptions, seed: int) -> None:
        random = np.random.default_rng([seed, CROWDING_SAMPLE])
        self._distance = AlignmentDistance(tables)
        self._options = options
        self._sample = [
            chains.take(random.integers(0, len(chains), CROWDING_SAMPLE)) if len(chains) else chains
            for chains in (corpus.alphas, corpus.betas)
        ]

    def measure_loss(self, view: View, vectors: Tensor) -> Tensor:
        """Compare the encoder's neighbours with the teacher's, within receptors of one kind.

        Parameters
        ----------
        view
            Chains of R receptors.
        vectors
            (R, D) their unit vectors.

        Returns
        -------
        torch.Tensor
            Mean divergence (Kullback-Leibler, nats) of the two distributions over neighbours.
        """
        total, weight = vectors.new_zeros(()), 0
        for receptors, arms in _sort_by_kind(view, len(vectors)):
            if len(receptors) < 3 or not all(len(self._sample[arm]) for arm, _ in arms):
                continue
            target = self._judge(arms).to(vectors.device)
            chosen = vectors[torch.from_numpy(receptors).to(vectors.device)]
            itself = torch.eye(len(chosen), dtype=torch.bool, device=vectors.device)
            found = (chosen @ chosen.T / self._options.temperature).masked_fill(itself, -1e4)
            wanted = (-target / self._options.softness).masked_fill(itself, -1e4)
            divergence = functional.kl_div(
                found.log_softmax(1), wanted.log_softmax(1), reduction="sum", log_target=True
            )
            total, weight = total + divergence, weight + len(chosen)
        return total / max(weight, 1)

    def _judge(self, arms: list[tuple[int, TokenChains]]) -> Tensor:
        """Give (R, R) corrected distances of receptors of one kind."""
        within = torch.stack([self._distance.between(chains, chains) for _, chains in arms]).sum(0)
        edge = measure_edges(
            self._distance, [chains for _, chains in arms], [self._sample[arm] for arm, _ in arms]
        )
        return within - edge[:, None] - edge[None]


def _sort_by_kind(
    view: View, receptors: int
) -> list[tuple[npt.NDArray[np.int64], list[tuple[int, TokenChains]]]]:
    """Give the receptors of each kind (pairs, alphas, betas) with their chains in the same order."""
    chains = view.noised.chains
    rows = np.full((2, receptors), -1)
    rows[chains.locus, view.receptor] = np.arange(len(chains))
    kinds = []
    for has_alpha, has_beta in ((True, True), (True, False), (False, True)):
        members = np.flatnonzero(((rows[0] >= 0) == has_alpha) & ((rows[1] >= 0) == has_beta))
        arms = [
            (arm, chains.take(rows[arm, members]))
            for arm, present in enumerate((has_alpha, has_beta))
            if present
        ]
        kinds.append((members, arms))
    return kinds
