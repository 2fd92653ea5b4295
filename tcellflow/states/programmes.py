"""Transcriptional programmes: how strongly a T cell shows each, as a number that depth does not move.

Invariant: a cell's numbers depend on its own counts and library size alone; genes that were not measured
leave both sums; where a cell has too few molecules to tell, the number is NaN, never 0.

A programme runs with the shares ``plus`` of a cell's molecules and rests with ``minus``. Counts follow a
negative binomial of size `SIZE`; the log-likelihood ratio of both is linear in the counts. It grows with
depth, so that beyond `ENOUGH` expected evidence it is scaled down to it: a cell at 8,000 and at 2,000
molecules is then judged by the same measure, and a cell at 300 by what little it shows.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import sparse

from tcellflow.genes.panel import align_panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tcellflow.genes.panel import CsrBlock

    Floats = NDArray[np.float64]

SIZE: Final = 2.0  # of the negative binomial: the spread of one gene among cells of one state
# One gate's average is no minimum: a cell that shows this part of the distance (in logarithms) shows it.
PART: Final = 0.7
ENOUGH: Final = 3.0  # expected difference of the log-likelihood ratio, nats
LEAST_POWER: Final = 1.2  # distance of both expectations in standard deviations
FULL_LENGTH: Final = 100_000  # no library of molecules is as large: reads, or parts per million
_GRID: Final = np.geomspace(20, 2e6, 160)
_BLOCK_CELLS: Final = 4_096
TABLE: Final = "programmes.tsv"
SCALES: Final = "programme_scales.tsv"


@dataclass(frozen=True)
class ProgrammeTable:
    """Genes of P programmes, K pairs of programme and gene, G genes.

    Parameters
    ----------
    names
        Programmes, P of them.
    genes
        Symbols, shape (G,), object.
    background
        Share of a typical T cell's molecules, shape (G,).
    programme_of, gene_of
        Place of each pair's programme and gene, shape (K,).
    plus, minus
        Share of a cell's molecules where the programme runs and where it does not, shape (K,).
    offset, slope
        Of the logistic curve from the scaled ratio to 0-1, shape (P,).
    """

    names: tuple[str, ...]
    genes: NDArray[np.object_]
    background: Floats
    programme_of: NDArray[np.int64]
    gene_of: NDArray[np.int64]
    plus: Floats
    minus: Floats
    offset: Floats
    slope: Floats

    @cached_property
    def running(self) -> Floats:
        """Shares at which a programme counts as running, shape (K,)."""
        return np.asarray(self.minus * (self.plus / self.minus) ** PART)


@dataclass(frozen=True)
class ProgrammeScores:
    """Programmes of B cells.

    Parameters
    ----------
    names
        Programmes, P of them.
    values
        0-1, shape (B, P), float32; NaN = not measurable.
    evidence
        Log-likelihood ratio, scaled to at most `ENOUGH` expected, shape (B, P), float32, nats; never NaN.
    power
        Distance between the expectations of running and not, in standard deviations, (B, P), float32.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    evidence: NDArray[np.float32]
    power: NDArray[np.float32]

    def of(self, name: str) -> NDArray[np.float32]:
        """Give the values of one programme, shape (B,)."""
        return self.values[:, self.names.index(name)]


@lru_cache(maxsize=1)
def read_programmes() -> ProgrammeTable:
    """Read the packaged table of transcriptional programmes."""
    folder = files("tcellflow") / "data"
    with (folder / TABLE).open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    with (folder / SCALES).open(encoding="utf-8") as text:
        scales = {row["programme"]: row for row in csv.DictReader(text, delimiter="\t")}
    return make_table(rows, scales)


def make_table(rows: Sequence[Mapping[str, Any]], scales: Mapping[str, Mapping[str, Any]]) -> ProgrammeTable:
    """Make the programmes from rows of ``programme, gene, plus, minus, background`` and ``offset, slope``."""
    names = tuple(dict.fromkeys(str(row["programme"]) for row in rows))
    background = {str(row["gene"]): float(row["background"]) for row in rows}
    genes = np.array(sorted(background), dtype=object)
    place = {gene: i for i, gene in enumerate(genes)}
    return ProgrammeTable(
        names,
        genes,
        np.array([background[gene] for gene in genes]),
        np.array([names.index(str(row["programme"])) for row in rows], dtype=np.int64),
        np.array([place[str(row["gene"])] for row in rows], dtype=np.int64),
        np.array([float(row["plus"]) for row in rows]),
        np.array([float(row["minus"]) for row in rows]),
        np.array([float(scales[name]["offset"]) for name in names]),
        np.array([float(scales[name]["slope"]) for name in names]),
    )


class ProgrammeScorer:
    """Scores cells that measure the same genes.

    Parameters
    ----------
    gene_names
        Symbols of the matrix, in column order.
    table
        The packaged one if not given.
    """

    def __init__(
        self, gene_names: Sequence[str] | NDArray[np.object_], table: ProgrammeTable | None = None
    ) -> None:
        self.table = table or read_programmes()
        self._panel = align_panel(gene_names, self.table.genes)
        self._expect()

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which of the table's genes the matrix measures, shape (G,)."""
        return self._panel.present

    def _expect(self) -> None:
        """Lay out, over a grid of library sizes, all that does not depend on the counts."""
        table, n = self.table, _GRID[:, None]
        kept = self._panel.present[table.gene_of]
        programme, running, minus = table.programme_of[kept], table.running[kept], table.minus[kept]
        order = np.argsort(table.gene_of[kept], kind="stable")
        gene = table.gene_of[kept][order]
        self._first = np.searchsorted(gene, np.arange(table.genes.size + 1))
        self._pair_programme, self._pair_running, self._pair_minus = (
            programme[order], running[order], minus[order],
        )  # fmt: skip
        high, low = n * running, n * minus  # (grid, K)
        weight = np.log(running / minus) - np.log((high + SIZE) / (low + SIZE))
        rest = SIZE * np.log((high + SIZE) / (low + SIZE))
        sums = sparse.csr_array(
            (np.ones(programme.size), (np.arange(programme.size), programme)),
            shape=(programme.size, len(table.names)),
        )

        def by_programme(of_pairs: Floats) -> Floats:
            return np.asarray(of_pairs @ sums, dtype=np.float64)  # (grid, P)

        gain = weight * (high - low)
        spread = weight**2 * (high + high**2 / SIZE + low + low**2 / SIZE) / 2
        self._rest, self._expected = by_programme(rest), by_programme(gain)
        spreads = by_programme(spread)
        self._power = self._expected / np.sqrt(np.maximum(spreads, 1e-12))
        # the curves of each pair's programme had the pair's gene not been measured, (grid, K)
        lost = self._expected[:, programme] - gain
        spreads = spreads[:, programme] - spread
        n_others = np.bincount(programme, minlength=len(table.names))[programme] - 1
        lost[:, n_others == 0] = 0  # no rounding error of a programme that has no other gene
        power = np.where(n_others > 0, lost / np.sqrt(np.maximum(spreads, 1e-12)), 0)
        self._without = [curve[:, order] for curve in (self._rest[:, programme] - rest, lost, power)]
        seen = 1 - (1 + n * table.background[self._panel.present] / SIZE) ** -SIZE
        self._seen = seen.sum(axis=1)  # (grid,)

    def score(
        self,
        counts: CsrBlock,
        library: NDArray[np.number],
        without: NDArray[np.int64] | None = None,
    ) -> ProgrammeScores:
        """Score a block of cells.

        Parameters
        ----------
        counts
            Molecules, or reads or parts per million, shape (B, genes), CSR.
        library
            True library size of each cell, shape (B,); above `FULL_LENGTH` the counts are no molecules,
            and the number of molecules that would show as many genes takes its place.
        without
            Column of one gene of each cell that counts as not measured, shape (B,); -1 = none. What the genes
            seen tell of the molecules stays as it is.
        """
        table, n_cells = self.table, counts.shape[0]
        block = self.take(counts)
        n = np.maximum(np.asarray(library, np.float64), 1.0)
        effective = self.effective_library(block, n)
        row = np.repeat(np.arange(n_cells), np.diff(block.indptr))
        n_pairs = (self._first[1:] - self._first[:-1])[block.indices]
        at = np.repeat(np.arange(row.size), n_pairs)
        within = np.arange(at.size) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
        pair = np.repeat(self._first[block.indices], n_pairs) + within
        values, row = block.data[at], row[at]
        size = effective[row]
        high, low = self._pair_running[pair], self._pair_minus[pair]
        weight = np.log(high / low * (size * low + SIZE) / (size * high + SIZE))
        scaled = values * (size / n[row])
        gone = np.full(n_cells, -1) if without is None else self._panel.find_places(without)
        scaled[block.indices[at] == gone[row]] = 0
        sums = np.bincount(
            row * len(table.names) + self._pair_programme[pair],
            weights=weight * scaled,
            minlength=n_cells * len(table.names),
        ).reshape(n_cells, len(table.names))
        rest, expected, power = (
            self._at(curves, effective) for curves in (self._rest, self._expected, self._power)
        )
        if without is not None:
            self._take_away(gone, effective, (rest, expected, power))
        ratio = sums - rest
        evidence = ratio * np.minimum(1.0, ENOUGH / np.maximum(expected, 1e-9))
        logit = table.offset + table.slope * evidence
        found = np.where(power >= LEAST_POWER, 1 / (1 + np.exp(-np.clip(logit, -30, 30))), np.nan)
        kinds = (found, evidence, power)
        return ProgrammeScores(table.names, *(kind.astype(np.float32) for kind in kinds))

    def _take_away(
        self, gone: NDArray[np.int64], library: Floats, values: tuple[Floats, Floats, Floats]
    ) -> None:
        """Replace rest, expectation and power, (B, P) each, in the programmes of each cell's gene."""
        cells = np.flatnonzero(gone >= 0)
        n_pairs = self._first[gone[cells] + 1] - self._first[gone[cells]]
        row = np.repeat(cells, n_pairs)
        within = np.arange(row.size) - np.repeat(np.cumsum(n_pairs) - n_pairs, n_pairs)
        pair = self._first[gone[row]] + within
        below, part = self._place(library[row])
        for of_cells, curves in zip(values, self._without, strict=True):
            of_cells[row, self._pair_programme[pair]] = (
                curves[below, pair] * (1 - part) + curves[below + 1, pair] * part
            )

    def take(self, counts: CsrBlock) -> sparse.csr_matrix:
        """Take the table's genes out of a block, shape (B, G), float64 CSR."""
        taken = sparse.csr_matrix(self._panel.select(counts), dtype=np.float64)
        taken.sum_duplicates()  # also sorts, so that sums do not depend on the order of entries
        taken.eliminate_zeros()
        return taken

    def effective_library(self, block: sparse.csr_matrix, library: Floats) -> Floats:
        """Give the molecules of each cell, shape (B,): its library, or what its seen genes tell."""
        n_seen = np.diff(block.indptr)
        told = np.interp(n_seen, self._seen, _GRID)
        return np.where(library > FULL_LENGTH, told, library)

    @staticmethod
    def _at(curves: Floats, library: Floats) -> Floats:
        """Read curves over the grid at each cell's library size, shape (B, P)."""
        below, part = ProgrammeScorer._place(library)
        part = part[:, None]
        return np.asarray(curves[below] * (1 - part) + curves[below + 1] * part)

    @staticmethod
    def _place(library: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Find library sizes on the grid: the point below, and the part of the way to the next."""
        place = np.interp(np.log(library), np.log(_GRID), np.arange(_GRID.size))
        below = np.minimum(place.astype(np.int64), _GRID.size - 2)
        return below, place - below


def score_programmes(
    counts: Any,
    gene_names: Sequence[str] | NDArray[np.object_],
    library: NDArray[np.number] | None = None,
    is_t_cell: NDArray[np.bool_] | None = None,
) -> ProgrammeScores:
    """Score the transcriptional programmes of cells, block by block.

    Parameters
    ----------
    counts
        Molecules, shape (cells, genes): an array, a scipy matrix, or anything that gives rows by slicing.
        Of full-length protocols parts per million (TPM).
    gene_names
        Gene symbols of its columns.
    library
        True library sizes, shape (cells,); the sums of the matrix if not given, which is wrong where it
        holds a selection of genes.
    is_t_cell
        Shape (cells,): the others get NaN, because NK and myeloid cells show programmes that are not
        theirs. All count as T cells if not given.
    """
    scorer = ProgrammeScorer(gene_names)
    parts = []
    for start in range(0, max(counts.shape[0], 1), _BLOCK_CELLS):
        rows = slice(start, start + _BLOCK_CELLS)
        block = sparse.csr_array(counts[rows])
        n = block.sum(axis=1) if library is None else library[rows]
        parts.append(scorer.score(block, n))
    scores = join_scores(parts)
    if is_t_cell is not None:
        scores.values[~is_t_cell] = np.nan
    return scores


def join_scores(parts: Sequence[ProgrammeScores]) -> ProgrammeScores:
    """Join the programme scores of consecutive cells."""
    joined = (np.concatenate([getattr(p, kind) for p in parts]) for kind in ("values", "evidence", "power"))
    return ProgrammeScores(parts[0].names, *joined)
