"""MAIT, iNKT and gamma-delta cells, from receptor and expression together, before any state is told.

Invariant: the states of a cell are told within the lineage found here; neither chain nor gene decides
alone where the other clearly contradicts.

Each kind has odds: those of the network, times what the chains say, times what the programme shows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.states.axes import FUNCTIONS, LINEAGES
from tcellflow.vocabulary import Function, Lineage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.states.programmes import ProgrammeScores

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

MAIT_V: Final = "TRAV1-2"
MAIT_J: Final = frozenset({"TRAJ33", "TRAJ20", "TRAJ12"})
INKT_V, INKT_J, INKT_BETA_V = "TRAV10", "TRAJ18", "TRBV25-1"
# Logarithms of odds. A canonical MAIT alpha chain is found in about 1 % of other T cells (chance joins of the
# same genes), a gamma and a delta chain without alpha or beta hardly ever.
_MAIT_CHAIN, _MAIT_V_ALONE, _OTHER_ALPHA, _NO_ALPHA = 4.5, 1.0, -4.0, -1.0
_INKT_CHAINS = 6.0
_GAMMA_DELTA_CHAINS, _ALPHA_BETA, _ONE_OF_BOTH, _NO_CHAIN = 5.0, -5.0, -3.0, 2.0
# A network's word before either speaks: within these bounds, because it was hardly taught these cells.
_LEAST_PRIOR, _MOST_PRIOR = 0.01, 0.3
_MOST_EVIDENCE = 6.0  # of expression
_LINEAGE_FREE = np.array([f not in {Function.REGULATORY, Function.TH_EFFECTOR} for f in FUNCTIONS])
_INNATE, _GAMMA_DELTA, _TREG = (
    LINEAGES.index(k) for k in (Lineage.INNATE_LIKE, Lineage.GAMMA_DELTA, Lineage.TREG)
)


@dataclass(frozen=True)
class ReceptorFacts:
    """What the usable chains of B cells say; shape (B,) each.

    Parameters
    ----------
    alpha_v, alpha_j, beta_v
        Genes of the first alpha and beta chain without alleles, object; "" without the chain or where its
        gene is not known.
    has_alpha, has_beta, has_gamma, has_delta
        Whether the cell has such a chain.
    """

    alpha_v: NDArray[np.object_]
    alpha_j: NDArray[np.object_]
    beta_v: NDArray[np.object_]
    has_alpha: Mask
    has_beta: Mask
    has_gamma: Mask
    has_delta: Mask

    def take(self, rows: slice | NDArray[np.intp]) -> ReceptorFacts:
        """Select cells."""
        return ReceptorFacts(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def is_mait(self) -> Mask:
        """Whether the alpha chain is that of MAIT cells."""
        return np.asarray((self.alpha_v == MAIT_V) & np.isin(self.alpha_j, list(MAIT_J)))

    @property
    def is_inkt(self) -> Mask:
        """Whether both chains are those of invariant NKT cells."""
        return np.asarray((self.alpha_v == INKT_V) & (self.alpha_j == INKT_J) & (self.beta_v == INKT_BETA_V))

    @property
    def is_gamma_delta(self) -> Mask:
        """Whether it has gamma and delta chains and neither alpha nor beta."""
        return np.asarray(self.has_gamma & self.has_delta & ~self.has_alpha & ~self.has_beta)


@dataclass(frozen=True)
class Unconventional:
    """Probabilities of B cells, shape (B,) each."""

    innate_like: Floats
    gamma_delta: Floats


def find_unconventional(
    p_lineage: Floats, scores: ProgrammeScores, receptors: ReceptorFacts | None
) -> Unconventional:
    """Find unconventional T cells: MAIT, iNKT and gamma-delta.

    Parameters
    ----------
    p_lineage
        Of the network, in the order of `Lineage`, shape (B, 6).
    scores
        Programmes of the cells.
    receptors
        None for a sample without receptors.
    """
    innate = _logit(np.clip(p_lineage[:, _INNATE], _LEAST_PRIOR, _MOST_PRIOR))
    gamma_delta = _logit(np.clip(p_lineage[:, _GAMMA_DELTA], _LEAST_PRIOR, _MOST_PRIOR))
    mait = innate + _evidence(scores, "mait")
    inkt = np.full(len(innate), -np.inf)
    gamma_delta = gamma_delta + _evidence(scores, "gamma_delta")
    if receptors is not None:
        of_alpha = np.select(
            [
                receptors.is_mait,
                receptors.alpha_v == MAIT_V,
                receptors.alpha_v != "",
                receptors.has_alpha,  # of an unknown gene: says nothing
            ],
            [_MAIT_CHAIN, _MAIT_V_ALONE, _OTHER_ALPHA, 0.0],
            _NO_ALPHA,
        )
        mait = mait + of_alpha
        inkt = np.where(receptors.is_inkt, innate + _INKT_CHAINS, -np.inf)
        either = receptors.has_alpha | receptors.has_beta
        gamma_delta = gamma_delta + np.select(
            [receptors.is_gamma_delta, receptors.has_alpha & receptors.has_beta, either],
            [_GAMMA_DELTA_CHAINS, _ALPHA_BETA, _ONE_OF_BOTH],
            _NO_CHAIN,
        )
    # the kinds exclude each other, and any other T cell has odds of 1
    odds = np.exp(np.clip(np.stack([np.logaddexp(mait, inkt), gamma_delta]), -50, 50))
    shares = odds / (1 + odds.sum(axis=0))
    return Unconventional(shares[0], shares[1])


def place_lineages(joint: Floats, found: Unconventional) -> Floats:
    """Give the joint of lineage and function with the unconventional lineages, shape (B, 6, 9).

    Their functions are those the network gives the cell, without the two that other lineages own.
    """
    joint = joint.astype(np.float64)
    functions = joint.sum(axis=1) * _LINEAGE_FREE
    functions = functions + 1e-9 * _LINEAGE_FREE
    functions /= functions.sum(axis=1, keepdims=True)
    placed = joint.copy()
    placed[:, [_INNATE, _GAMMA_DELTA]] = 0
    rest = np.maximum(placed.sum(axis=(1, 2)), 1e-12)
    placed *= ((1 - found.innate_like - found.gamma_delta) / rest)[:, None, None]
    placed[:, _INNATE] = found.innate_like[:, None] * functions
    placed[:, _GAMMA_DELTA] = found.gamma_delta[:, None] * functions
    return np.asarray(placed / placed.sum(axis=(1, 2), keepdims=True))


def _evidence(scores: ProgrammeScores, name: str) -> Floats:
    """Give the logarithm of a programme's odds; where it is not measurable, the little that was seen."""
    values, ratio = scores.of(name).astype(np.float64), scores.evidence[:, scores.names.index(name)]
    logit = _logit(np.clip(np.nan_to_num(values, nan=0.5), 1e-6, 1 - 1e-6))
    return np.asarray(np.clip(np.where(np.isnan(values), ratio, logit), -_MOST_EVIDENCE, _MOST_EVIDENCE))


def _logit(p: Floats) -> Floats:
    p = p.astype(np.float64)
    return np.asarray(np.log(p / (1 - p)))
