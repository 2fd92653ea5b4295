"""The content of a cohort's page: samples with their states, outliers first, shared receptors, warnings.

Invariant: an outlier is told by its distance from the cohort's median composition, not judged.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.evaluation.intervals import score_interval
from tcellflow.report.cohort.figures import compare_programmes
from tcellflow.report.cohort.samples import hash_receptors, read_receptors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcellflow.report.cohort.samples import CohortSample
    from tcellflow.report.heat import HeatMap

_SHARED_SHOWN: Final = 100
_LEAST_T_CELLS: Final = 20
# Between two people some tenths of a percent of beta chains are shared; several percent are not chance.
_MIXED_SHARE, _LEAST_MIXED, _MOST_MIXED, _PAIRS_SHOWN = 0.05, 5, 10, 20
_LEAST_SAMPLES: Final = 4  # of fewer, no median composition is worth the name


@dataclass(frozen=True)
class SampleRow:
    """One sample of the cohort.

    Parameters
    ----------
    sample
        What is known of it.
    intervals
        95 % interval of each state's share of the T cells, in the order of `State`; empty without T cells.
    distance
        Half the summed differences of its shares from the cohort's medians, 0-1; None without T cells.
    """

    sample: CohortSample
    intervals: tuple[tuple[float, float], ...]
    distance: float | None


@dataclass(frozen=True)
class SharedReceptor:
    """A beta chain seen in several samples.

    Parameters
    ----------
    v_call, junction_aa
        The chain.
    samples
        Names of the samples, rising.
    n_donors
        Different donors among them.
    """

    v_call: str
    junction_aa: str
    samples: tuple[str, ...]
    n_donors: int


@dataclass(frozen=True)
class Cohort:
    """Everything a cohort's page says.

    Parameters
    ----------
    name
        Of the cohort.
    rows
        Samples, the farthest from the median composition first.
    programmes
        Programmes of the samples side by side; None where fewer than two tell any.
    shared
        Beta chains of two or more samples, those of most donors first, at most 100.
    n_shared
        How many there are.
    warnings
        What does not fit together, as sentences.
    """

    name: str
    rows: tuple[SampleRow, ...]
    programmes: HeatMap | None
    shared: tuple[SharedReceptor, ...]
    n_shared: int
    warnings: tuple[str, ...]


def compose_cohort(samples: Sequence[CohortSample], name: str) -> Cohort:
    """Compute the whole content of a cohort's report."""
    rows = _compare(samples)
    shared, n_shared, pairs = _find_shared(samples)
    warnings = (*_warn(samples), *_warn_of_mixing(pairs, samples))
    return Cohort(name, rows, compare_programmes([row.sample for row in rows]), shared, n_shared, warnings)


def _compare(samples: Sequence[CohortSample]) -> tuple[SampleRow, ...]:
    shares = np.array([[*s.states, s.n_unresolved] for s in samples], float)
    shares /= np.maximum([[s.n_t_cells] for s in samples], 1)
    measured = np.array([s.n_t_cells >= _LEAST_T_CELLS for s in samples])
    middle = np.median(shares[measured], axis=0) if measured.sum() >= _LEAST_SAMPLES else None
    rows = []
    for sample, own in zip(samples, shares, strict=True):
        distance = None if middle is None or not sample.n_t_cells else float(np.abs(own - middle).sum() / 2)
        intervals = (
            tuple(score_interval(n, sample.n_t_cells) for n in sample.states) if sample.n_t_cells else ()
        )
        rows.append(SampleRow(sample, intervals, distance))
    return tuple(sorted(rows, key=lambda row: (-(row.distance or 0.0), row.sample.name)))


def _find_shared(
    samples: Sequence[CohortSample],
) -> tuple[tuple[SharedReceptor, ...], int, Counter[tuple[str, str]]]:
    """Count receptors by their hashes, then read the names of the shared ones alone."""
    hashes, counts = np.unique(np.concatenate([s.receptors for s in samples]), return_counts=True)
    wanted = hashes[counts > 1]
    names: dict[int, tuple[str, str]] = {}
    seen: dict[int, list[CohortSample]] = {int(key): [] for key in wanted}
    for sample in samples:
        own = np.intersect1d(sample.receptors, wanted)
        for key in own.tolist():
            seen[key].append(sample)
        if sample.chains_file is not None and any(key not in names for key in own.tolist()):
            receptors, _ = read_receptors(sample.chains_file)
            named = zip(hash_receptors(receptors).tolist(), receptors.itertuples(index=False), strict=True)
            names |= {key: (v_call, junction) for key, (v_call, junction) in named if key in seen}
    shared = [
        SharedReceptor(*names[key], tuple(s.name for s in found), len({s.donor or s.name for s in found}))
        for key, found in seen.items()
    ]
    shared.sort(key=lambda r: (-r.n_donors, -len(r.samples), r.junction_aa, r.v_call))
    # A chain of many samples is public: it says nothing about two of them.
    pairs = Counter(
        (one.name, other.name)
        for found in seen.values()
        if len(found) <= _MOST_MIXED
        for one, other in itertools.combinations(found, 2)
        if one.donor != other.donor
    )
    return tuple(shared[:_SHARED_SHOWN]), len(shared), pairs


def _warn_of_mixing(pairs: Counter[tuple[str, str]], samples: Sequence[CohortSample]) -> list[str]:
    """Warn of samples of different donors that share more receptors than two people do."""
    sizes = {sample.name: len(sample.receptors) for sample in samples}
    return [
        f"{one} and {other} are of different donors but share {n:,} beta chains, "
        f"{100 * n / min(sizes[one], sizes[other]):.0f} % of the smaller sample's: mixed up or contaminated?"
        for (one, other), n in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_PAIRS_SHOWN]
        if n >= _LEAST_MIXED and n >= _MIXED_SHARE * min(sizes[one], sizes[other])
    ]


def _warn(samples: Sequence[CohortSample]) -> tuple[str, ...]:
    warnings = []
    if len({s.made_by[0] for s in samples}) > 1:
        versions = ", ".join(sorted({s.made_by[0] for s in samples}))
        warnings.append(f"The samples were called by different versions of tcellflow: {versions}.")
    if len({s.made_by[1] for s in samples}) > 1:
        warnings.append("The samples were called by different bundles: their states cannot be compared.")
    asked: dict[str, set[str]] = {}
    for name, value in itertools.chain.from_iterable(s.options.items() for s in samples):
        asked.setdefault(name, set()).add(value)
    unlike = [f"{name} ({', '.join(sorted(asked[name]))})" for name in sorted(asked) if len(asked[name]) > 1]
    if unlike:
        warnings.append(f"The states were called with different options: {'; '.join(unlike)}.")
    few = [s.name for s in samples if s.n_t_cells < _LEAST_T_CELLS]
    if few:
        warnings.append(f"Fewer than {_LEAST_T_CELLS} T cells: {', '.join(few[:20])}.")
    return tuple(warnings)
