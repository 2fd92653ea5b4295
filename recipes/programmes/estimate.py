"""Shares of molecules with and without each programme, shrunk from labelled cells.

For each gene the logarithm of the ratio of both shares is averaged over what published lists let expect and
over the contrasts, each weighted by its precision; the share without comes from cells of molecules alone.
Programmes without labelled cells teach themselves: the cells that the other genes of the programme call
tell the share of each gene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from tcellflow.genes.panel import align_panel
from tcellflow.states.programmes import PART, SIZE, ProgrammeScorer, make_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from recipes.datasets.cells import LabelledSet
    from recipes.programmes.contrasts import Contrast
    from recipes.programmes.selection import Candidate

    Floats = NDArray[np.float64]

FLOOR = 2e-6  # one molecule in 500,000: below it nothing is known, and ambient RNA begins
PRIOR_SPREAD = 0.6  # of the logarithm of the ratio, about what the lists let expect
SET_SPREAD = 0.4  # between sets
PSEUDO_LIBRARY = 20_000.0  # molecules' worth of a typical T cell, added to the share without
LEAST_RATIO = 1.35
MOST_RATIO = 30.0
MOST_GENES = {1: 24, -1: 10}
TYPICAL_LIBRARY = 3_000.0
ROUNDS = 2
LEAST_SEEN = 5


@dataclass
class GeneShares:
    """A candidate with what is known of its shares."""

    candidate: Candidate
    background: float
    minus: float
    ratio: float  # logarithm
    n_contrasts: int

    @property
    def worth(self) -> float:
        """Evidence expected at a typical depth, nats."""
        low = TYPICAL_LIBRARY * self.minus
        high = low * np.exp(PART * self.ratio)
        weight = PART * self.ratio - np.log((high + SIZE) / (low + SIZE))
        return float(weight * (high - low))


class Shares:
    """Shares of molecules of some genes, gathered once for each set.

    Parameters
    ----------
    genes
        The genes.
    """

    def __init__(self, genes: Sequence[str]) -> None:
        self.genes = list(genes)
        self._place = {gene: i for i, gene in enumerate(self.genes)}
        self._known: dict[int, tuple[LabelledSet, NDArray[np.float32], NDArray[np.bool_]]] = {}

    def of(self, cells: LabelledSet, gene: str) -> Floats | None:
        """Give a gene's share of each cell's molecules, shape (cells,); None where not measured."""
        if id(cells) not in self._known:  # the set is kept, so that its id stays its own
            panel = align_panel(cells.symbols, self.genes)
            values = panel.gather(cells.counts) / np.maximum(cells.library, 1)[:, None].astype(np.float32)
            self._known[id(cells)] = (cells, values, panel.present)
        _, values, present = self._known[id(cells)]
        place = self._place[gene]
        return values[:, place].astype(np.float64) if present[place] else None


def measure_background(sets: Mapping[str, LabelledSet], known: Shares) -> dict[str, float]:
    """Give each gene's share in a typical T cell: the mean over sets of molecules that measure it."""
    shares: dict[str, list[float]] = {gene: [] for gene in known.genes}
    for cells in sets.values():
        if cells.description.counts_kind != "umi":
            continue
        rows = np.flatnonzero(cells.is_t & (cells.foreign == ""))
        n = cells.library[rows]
        for gene in known.genes:
            values = known.of(cells, gene)
            if values is not None:
                shares[gene].append(float((values[rows] * n).sum() / n.sum()))
    return {gene: max(float(np.mean(of)) if of else 0.0, FLOOR) for gene, of in shares.items()}


def estimate_gene(
    candidate: Candidate, background: float, contrasts: Sequence[Contrast], known: Shares
) -> GeneShares:
    """Estimate one gene of one programme."""
    expected = np.log(1.5 + 0.7 * min(candidate.n_lists, 5))
    total, weights = candidate.sign * expected / PRIOR_SPREAD**2, 1 / PRIOR_SPREAD**2
    seen, molecules, n_used = 0.0, 0.0, 0
    for contrast in contrasts:
        values = known.of(contrast.cells, candidate.gene)
        if values is None:
            continue
        high, low = values[contrast.running], values[contrast.resting]
        if contrast.cells.description.counts_kind == "umi":
            n = contrast.cells.library[contrast.resting]
            seen, molecules = seen + float((low * n).sum()), molecules + float(n.sum())
        if not high.size:
            continue
        # full-length counts have a long tail
        high, low = (np.minimum(v, np.quantile(v, 0.99) + FLOOR) for v in (high, low))
        ratio = np.log((high.mean() + FLOOR) / (low.mean() + FLOOR))
        variance = 1 / ((high > 0).sum() + 0.5) + 1 / ((low > 0).sum() + 0.5) + SET_SPREAD**2
        total, weights, n_used = total + ratio / variance, weights + 1 / variance, n_used + 1
    minus = (seen + PSEUDO_LIBRARY * background) / (molecules + PSEUDO_LIBRARY)
    ratio = float(np.clip(total / weights, -np.log(MOST_RATIO), np.log(MOST_RATIO)))
    return GeneShares(candidate, background, max(minus, FLOOR), ratio, n_used)


def choose_genes(shares: Sequence[GeneShares]) -> list[GeneShares]:
    """Keep the genes whose labelled cells agree with the lists, those of most worth."""
    kept: list[GeneShares] = []
    for sign, most in MOST_GENES.items():
        of_sign = [s for s in shares if s.candidate.sign == sign and sign * s.ratio >= np.log(LEAST_RATIO)]
        kept += sorted(of_sign, key=lambda s: -s.worth)[:most]
    return sorted(kept, key=lambda s: (-s.candidate.sign, -s.worth, s.candidate.gene))


def write_rows(shares: Sequence[GeneShares]) -> list[dict[str, Any]]:
    """Give the rows of the table."""
    rows = []
    for s in shares:
        plus = min(s.minus * np.exp(s.ratio), 0.03)
        rows.append(
            {
                "programme": s.candidate.programme,
                "gene": s.candidate.gene,
                "direction": "+" if s.candidate.sign > 0 else "-",
                "plus": float(f"{plus:.3g}"),
                "minus": float(f"{s.minus:.3g}"),
                "background": float(f"{s.background:.3g}"),
                "n_lists": s.candidate.n_lists,
                "n_contrasts": s.n_contrasts,
                "sources": ";".join(s.candidate.sources),
            }
        )
    return rows


def estimate_programmes(
    candidates: Sequence[Candidate],
    contrasts: Mapping[str, Sequence[Contrast]],
    sets: Mapping[str, LabelledSet],
) -> list[dict[str, Any]]:
    """Give the rows of all programmes."""
    genes = sorted({c.gene for c in candidates})
    known = Shares(genes)
    background = measure_background(sets, known)
    rows: list[dict[str, Any]] = []
    for programme in dict.fromkeys(c.programme for c in candidates):
        own = [c for c in candidates if c.programme == programme]
        labelled = contrasts.get(programme, ())
        shares = [estimate_gene(c, background[c.gene], labelled, known) for c in own]
        if not labelled:
            for _ in range(ROUNDS):
                shares = teach_itself(choose_genes(shares), shares, sets, known)
        rows += write_rows(choose_genes(shares))
    return rows


def teach_itself(
    chosen: Sequence[GeneShares],
    shares: Sequence[GeneShares],
    sets: Mapping[str, LabelledSet],
    known: Shares,
) -> list[GeneShares]:
    """Estimate each gene from the cells that the other genes of the programme call."""
    rows = write_rows(chosen)
    name = chosen[0].candidate.programme
    table = make_table(rows, {name: {"offset": -3.0, "slope": 1.0}})
    total = {
        s.candidate.gene: s.candidate.sign * np.log(1.5 + 0.7 * min(s.candidate.n_lists, 5)) for s in shares
    }
    precision = dict.fromkeys(total, 1 / PRIOR_SPREAD**2)
    total = {gene: value / PRIOR_SPREAD**2 for gene, value in total.items()}
    for cells in sets.values():
        rows_of = np.flatnonzero(cells.is_t & (cells.foreign == ""))
        scorer = ProgrammeScorer(cells.symbols, table)
        if rows_of.size < 100 or scorer.present.sum() < 5:
            continue
        inside = cells.rows(rows_of)
        block = scorer.take(sparse.csr_array(inside.counts))
        library = scorer.effective_library(block, inside.library)
        evidence = scorer.score(inside.counts, inside.library).evidence[:, 0].astype(np.float64)
        for s in shares:
            of_all = known.of(cells, s.candidate.gene)
            if of_all is None or (of_all[rows_of] > 0).sum() < LEAST_SEEN:
                continue
            values = of_all[rows_of]
            weight = 1 / (1 + np.exp(-(evidence - _own(s, values * library, library) - 3.0)))
            running, resting = weight > 0.5, weight < 0.2
            if running.sum() < 10 or resting.sum() < 10:
                continue
            high, low = values[running], values[resting]
            high, low = (np.minimum(v, np.quantile(v, 0.99) + FLOOR) for v in (high, low))
            ratio = np.log((high.mean() + FLOOR) / (low.mean() + FLOOR))
            variance = 1 / ((high > 0).sum() + 0.5) + 1 / ((low > 0).sum() + 0.5) + SET_SPREAD**2
            total[s.candidate.gene] += ratio / variance
            precision[s.candidate.gene] += 1 / variance
    bound = np.log(MOST_RATIO)
    return [
        GeneShares(
            s.candidate,
            s.background,
            s.minus,
            float(np.clip(total[s.candidate.gene] / precision[s.candidate.gene], -bound, bound)),
            0,
        )
        for s in shares
    ]


def _own(s: GeneShares, counts: Floats, library: Floats) -> Floats:
    """Give what a gene itself adds to the evidence."""
    low = library * s.minus
    high = low * np.exp(PART * s.ratio)
    change = np.log((high + SIZE) / (low + SIZE))
    return np.asarray(counts * (PART * s.ratio - change) - SIZE * change)
