"""The verdict: whether the sample can be trusted, in one line, and the reasons for it.

Invariant: the verdict is as good as its worst reason, and what was not measured never counts as good.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tcellflow.cells.barcodes import DOUBTFUL_OVERLAP, LOW_OVERLAP
from tcellflow.report.wording import write_share

if TYPE_CHECKING:
    from tcellflow.contracts.qc import Barcodes
    from tcellflow.report.inputs import ReportInputs
    from tcellflow.report.sections.quality import QualitySection
    from tcellflow.report.sections.states import CallSection


class Grade(StrEnum):
    """How one reason speaks of the sample."""

    GOOD = "good"
    CARE = "care"
    POOR = "poor"
    UNKNOWN = "unknown"


_MARKS: Final = {Grade.GOOD: "fine", Grade.CARE: "look", Grade.POOR: "poor", Grade.UNKNOWN: "not measured"}
# Below 100 cells a share of 10 % has a 95 % interval from 5 to 18 %; below 20 no share means much.
_FEW_CELLS, _TOO_FEW_CELLS = 100, 20
_KEPT, _LEAST_KEPT = 0.5, 0.2
# As predict refuses and warns.
_COVERAGE, _LEAST_COVERAGE = 0.6, 0.25
# Of nine sets left out (docs/states.md) six had at most .34; .39 (lymphoma) had twice the wrong calls of
# blood, and the two above .6 could not be called: 39 and 58 % wrong.
_SHIFT, _FAR_SHIFT = 0.35, 0.6
_UNRESOLVED, _MOST_UNRESOLVED = 0.3, 0.6


@dataclass(frozen=True)
class Reason:
    """One reason behind the verdict.

    Parameters
    ----------
    name
        What was looked at.
    grade
        How it speaks of the sample.
    finding
        What was found, with its numbers.
    """

    name: str
    grade: Grade
    finding: str

    @property
    def mark(self) -> str:
        """The grade in one or two words."""
        return _MARKS[self.grade]


@dataclass(frozen=True)
class Verdict:
    """Whether the sample can be trusted.

    Parameters
    ----------
    grade
        That of the worst reason; unknown where states were not predicted.
    line
        One sentence.
    reasons
        In fixed order.
    """

    grade: Grade
    line: str
    reasons: tuple[Reason, ...]

    @property
    def short(self) -> str:
        """The verdict in a few words, with the reasons that made it."""
        worst = ", ".join(reason.name for reason in self.reasons if reason.grade is self.grade)
        words = {Grade.CARE: f"care: {worst}", Grade.POOR: f"poor: {worst}", Grade.UNKNOWN: "not judged"}
        return words.get(self.grade, "usable")


@dataclass(frozen=True)
class Findings:
    """What a verdict rests on; None is not measured.

    Parameters
    ----------
    n_input, n_kept
        Cells of the file, and those that quality control kept.
    n_t_cells, n_unresolved
        T cells, and those without a state; None without predictions.
    barcodes
        How the barcodes of expression and receptors were matched.
    coverage
        Share of the bundle's genes that was measured, weighted.
    discord
        Share of T cells on which network and marker genes disagree.
    """

    n_input: int | None
    n_kept: int | None
    n_t_cells: int | None
    n_unresolved: int | None
    barcodes: Barcodes | None
    coverage: float | None
    discord: float | None


def judge_sample(inputs: ReportInputs, quality: QualitySection | None, calls: CallSection | None) -> Verdict:
    """Judge for the report whether a sample can be trusted, by its sections."""
    receptors = inputs.qc.receptors if inputs.qc else None
    return judge_findings(
        Findings(
            n_input=quality.n_input if quality else None,
            n_kept=quality.n_kept if quality else None,
            n_t_cells=calls.n_t_cells if calls else None,
            n_unresolved=calls.n_unresolved if calls else None,
            barcodes=receptors.barcodes if receptors else None,
            coverage=calls.coverage if calls else None,
            discord=calls.discord if calls else None,
        )
    )


def judge_findings(found: Findings) -> Verdict:
    """Judge whether a sample of a report can be trusted: quality, overlap, coverage, shift, calls."""
    reasons = (
        _judge_cells(found),
        _judge_number(found),
        _judge_overlap(found),
        _judge_coverage(found),
        _judge_shift(found),
        _judge_abstention(found),
    )
    for grade, start in (
        (Grade.POOR, "Do not rely on this sample"),
        (Grade.CARE, "Usable with care"),
    ):
        worst = [reason.name for reason in reasons if reason.grade is grade]
        if worst:
            return Verdict(grade, f"{start}: look at {_join(worst)}.", reasons)
    if found.n_t_cells is None:
        return Verdict(Grade.UNKNOWN, "Not judged: no states were predicted.", reasons)
    unknown = [reason.name for reason in reasons if reason.grade is Grade.UNKNOWN]
    rest = f" Not measured: {_join(unknown)}." if unknown else ""
    return Verdict(Grade.GOOD, f"Usable: nothing that was measured speaks against it.{rest}", reasons)


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _grade(value: float, care: float, poor: float) -> Grade:
    """Grade a value of which more is better."""
    return Grade.POOR if value < poor else Grade.CARE if value < care else Grade.GOOD


def _judge_cells(found: Findings) -> Reason:
    name = "cell quality"
    if found.n_kept is None or not found.n_input:
        return Reason(name, Grade.UNKNOWN, "no account of the cells")
    share = write_share(found.n_kept, found.n_input)
    finding = f"{found.n_kept:,} of {found.n_input:,} cells kept ({share})"
    return Reason(name, _grade(found.n_kept / found.n_input, _KEPT, _LEAST_KEPT), finding)


def _judge_number(found: Findings) -> Reason:
    name = "number of T cells"
    if found.n_t_cells is None:
        return Reason(name, Grade.UNKNOWN, "no states were predicted")
    finding = f"{found.n_t_cells:,} T cells"
    return Reason(name, _grade(found.n_t_cells, _FEW_CELLS, _TOO_FEW_CELLS), finding)


def _judge_overlap(found: Findings) -> Reason:
    name = "barcode overlap"
    barcodes = found.barcodes
    if barcodes is None:
        return Reason(name, Grade.UNKNOWN, "expression and receptors were not matched")
    finding = f"{barcodes.n_shared:,} cells have both, {100 * barcodes.overlap:.0f} % of the smaller file"
    return Reason(name, _grade(barcodes.overlap, DOUBTFUL_OVERLAP, LOW_OVERLAP), finding)


def _judge_coverage(found: Findings) -> Reason:
    name = "gene coverage"
    if found.coverage is None:
        return Reason(name, Grade.UNKNOWN, "no states were predicted, or genes differ between cells")
    finding = f"{100 * found.coverage:.0f} % of the bundle's genes were measured (weighted)"
    return Reason(name, _grade(found.coverage, _COVERAGE, _LEAST_COVERAGE), finding)


def _judge_shift(found: Findings) -> Reason:
    name = "shift"
    if found.discord is None:
        return Reason(name, Grade.UNKNOWN, "one network alone called the states")
    finding = f"network and marker genes disagree on {100 * found.discord:.0f} % of the T cells"
    return Reason(name, _grade(-found.discord, -_SHIFT, -_FAR_SHIFT), finding)


def _judge_abstention(found: Findings) -> Reason:
    name = "abstentions"
    if found.n_unresolved is None or not found.n_t_cells:
        return Reason(name, Grade.UNKNOWN, "there are no calls")
    share = found.n_unresolved / found.n_t_cells
    finding = f"{write_share(found.n_unresolved, found.n_t_cells)} of the T cells left without a state"
    return Reason(name, _grade(-share, -_UNRESOLVED, -_MOST_UNRESOLVED), finding)
