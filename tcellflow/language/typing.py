"""Zero-shot cell types: how well each cell fits the profile of each candidate, as calibrated probabilities.

Invariant: a cell's raw probabilities depend on its own counts alone, and sum to 1 with "none of these".

A cell's molecules of the genes that tell types apart are drawn from a type's profile (multinomial); square
roots of the counts temper genes that come in bursts. Library sizes cancel, so that selections of genes and
shallow cells are judged alike; what few molecules can tell stays undecided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

from tcellflow.genes.panel import align_panel
from tcellflow.language.calibration import read_calibration
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import profile_type, read_panel, read_profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock
    from tcellflow.language.candidates import Candidate
    from tcellflow.language.panel import Profiles

NONE: Final = "none of these"
OWN_MARKER: Final = 3.0  # nats by which a user's marker is raised or lowered
NEAR: Final = 1.2  # nats below the type that has most of a marker
LEAST_GENES: Final = 30  # scored genes that a matrix must measure
STAND_IN: Final = 0.75  # of a relative's probability that goes to the only candidate of its lineage
# Lineages whose cells go to the only candidate of the lineage, each by its roots: B, innate lymphoid, and
# phagocytes with granulocytes. T cells are none: whoever names one subset means to tell it from the others.
_LINEAGES: Final = (("CL:0000945",), ("CL:0001065",), ("CL:0000113", "CL:0000766"))
_STRANGERS: Final = frozenset({"CL:0000784"})  # plasmacytoid cells look like no phagocyte
_NONE_WEIGHT: Final = 0.01  # a candidate that the user names is likelier than a type that they do not


@dataclass(frozen=True)
class TypeScores:
    """Candidates of B cells.

    Parameters
    ----------
    probabilities
        Shape (B, C + 1), float32: candidates in their order, then "none of these"; rows sum to 1.
    """

    probabilities: NDArray[np.float32]


class CellTyper:
    """Tells the types of cells that measure the same genes.

    Parameters
    ----------
    gene_names
        Symbols of the matrix, in column order.
    candidates
        What cells may be called.
    profiles
        The packaged ones if not given.
    temperature
        By which evidence is multiplied; the calibrated one if not given.
    """

    def __init__(
        self,
        gene_names: Sequence[str] | NDArray[np.object_],
        candidates: Sequence[Candidate],
        profiles: Profiles | None = None,
        temperature: float | None = None,
    ) -> None:
        self.candidates = tuple(candidates)
        self.temperature = read_calibration().raw if temperature is None else temperature
        profiles = profiles or read_profiles()
        own = {gene for c in candidates for gene in (*c.positive, *c.negative)}
        genes = [*profiles.genes[profiles.scored], *sorted(own - set(profiles.genes[profiles.scored]))]
        alignment = align_panel(gene_names, genes)
        self.genes = [gene for gene, is_there in zip(genes, alignment.present, strict=True) if is_there]
        self.n_genes = len(self.genes)
        self._alignment = alignment
        rows, self.leaf_of, weights = self._lay_out(profiles, genes)
        logs = rows[:, alignment.present]
        total = np.log(np.exp(logs).sum(axis=1, keepdims=True)) if logs.size else 0.0
        self.logs = np.asarray(logs - total).T  # (genes, leaves)
        self.prior = np.log(weights)

    def _lay_out(
        self, profiles: Profiles, genes: list[str]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Lay out one profile per type, what share of it each candidate gets, and how common it is."""
        place = {gene: i for i, gene in enumerate(profiles.genes)}
        at = np.array([place.get(gene, -1) for gene in genes])
        self.candidates = tuple(
            c if c.types else replace(c, types=find_types(profiles, c.positive, c.negative))
            for c in self.candidates
        )
        background = profiles.logs.mean(axis=0)
        kinds = read_panel()
        n_candidates = len(self.candidates)
        sizes = np.array([len(c.types) or 10_000 for c in self.candidates])
        rows, shares, weights = [], [], []
        for kind in kinds:
            logs = profile_type(profiles, kind.cl_id, kind.positive, kind.negative)
            owners = [i for i, c in enumerate(self.candidates) if kind.cl_id in c.types]
            share = np.zeros(n_candidates + 1)
            if owners:
                narrow = min(sizes[i] for i in owners)
                chosen = [i for i in owners if sizes[i] == narrow]
                share[chosen] = 1 / len(chosen)
            else:
                stand_in = _find_stand_in(kind.cl_id, self.candidates)
                share[-1] = 1 if stand_in is None else 1 - STAND_IN
                if stand_in is not None:
                    share[stand_in] = STAND_IN
            rows.append(np.where(at >= 0, logs[at], _floor()))
            shares.append(share)
            weights.append(kind.weight * (1.0 if owners else _NONE_WEIGHT))
        for i, candidate in enumerate(self.candidates):
            if (candidate.positive or candidate.negative) and not candidate.types:
                base = np.where(at >= 0, background[at], _floor())
                share = np.zeros(n_candidates + 1)
                share[i] = 1
                rows.append(_edit(base, genes, candidate))
                shares.append(share)
                weights.append(1.0)
        return np.array(rows), np.array(shares), np.array(weights)

    def take(self, counts: CsrBlock) -> sparse.csr_matrix:
        """Take the genes that tell types apart out of a block, shape (B, genes measured), float32 CSR."""
        return sparse.csr_matrix(self._alignment.gather(counts)[:, self._alignment.present])

    def score(self, counts: CsrBlock) -> TypeScores:
        """Score the candidates of a block of cells, counts (B, genes) as CSR."""
        taken = self.take(counts)
        found = self.fit(taken) @ self.leaf_of
        empty = np.diff(taken.indptr) == 0
        found[empty] = 0
        found[empty, -1] = 1
        return TypeScores((found / found.sum(axis=1, keepdims=True)).astype(np.float32))

    def fit(self, taken: sparse.csr_matrix) -> NDArray[np.float64]:
        """Give how probable each profile is for each cell, shape (B, leaves), of counts that were taken."""
        roots = sparse.csr_matrix(
            (np.sqrt(np.maximum(taken.data, 0)), taken.indices, taken.indptr), taken.shape
        )
        evidence = np.asarray(roots @ self.logs) * self.temperature + self.prior
        evidence -= evidence.max(axis=1, keepdims=True)
        fit = np.exp(evidence)
        return np.asarray(fit / fit.sum(axis=1, keepdims=True))


def find_types(profiles: Profiles, positive: Sequence[str], negative: Sequence[str]) -> frozenset[str]:
    """Find the types of the panel in whose profiles positive markers are high and negative ones are not."""
    place = {gene: i for i, gene in enumerate(profiles.genes)}
    plus = [place[gene] for gene in positive if gene in place]
    minus = [place[gene] for gene in negative if gene in place]
    if not plus:
        return frozenset()
    kinds = read_panel()
    logs = np.array([profile_type(profiles, k.cl_id, k.positive, k.negative) for k in kinds])
    below = logs.max(axis=0) - logs
    fits = (below[:, plus].mean(axis=1) < NEAR) & (below[:, minus] > NEAR).all(axis=1)
    return frozenset(k.cl_id for k, fit in zip(kinds, fits, strict=True) if fit)


def _find_stand_in(cl_id: str, candidates: Sequence[Candidate]) -> int | None:
    """Find the candidate that stands for the lineage of a type that nobody named: the only one of it."""
    above = read_ontology().above
    for roots in _LINEAGES:
        if cl_id in _STRANGERS or not above(cl_id).intersection(roots):
            continue
        own = [i for i, c in enumerate(candidates) if any(above(t).intersection(roots) for t in c.types)]
        return own[0] if len(own) == 1 else None
    return None


def _floor() -> float:
    return float(np.log(2e-6))


def _edit(base: NDArray[np.float64], genes: list[str], candidate: Candidate) -> NDArray[np.float64]:
    logs = base.copy()
    for i, gene in enumerate(genes):
        if gene in candidate.positive:
            logs[i] = max(logs[i] + OWN_MARKER, np.log(2e-4))
        if gene in candidate.negative:
            logs[i] = max(logs[i] - OWN_MARKER, _floor())
    return logs
