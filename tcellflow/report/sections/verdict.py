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


def judge_sample(inputs: ReportInputs, quality: QualitySection | None, calls: CallSection | None) -> Verdict:
    """Judge for the report whether a sample can be trusted: quality, overlap, coverage, shift, calls."""
    reasons = (
        _judge_cells(quality),
        _judge_number(calls),
        _judge_overlap(inputs),
        _judge_coverage(calls),
        _judge_shift(calls),
        _judge_abstention(calls),
    )
    for grade, start in (
        (Grade.POOR, "Do not rely on this sample"),
        (Grade.CARE, "Usable with care"),
    ):
        worst = [reason.name for reason in reasons if reason.grade is grade]
        if worst:
            return Verdict(grade, f"{start}: look at {_join(worst)}.", reasons)
    if calls is None:
        return Verdict(Grade.UNKNOWN, "Not judged: no states were predicted.", reasons)
    unknown = [reason.name for reason in reasons if reason.grade is Grade.UNKNOWN]
    rest = f" Not measured: {_join(unknown)}." if unknown else ""
    return Verdict(Grade.GOOD, f"Usable: nothing that was measured speaks against it.{rest}", reasons)


def _join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _grade(value: float, care: float, poor: float) -> Grade:
    """Grade a value of which more is better."""
    return Grade.POOR if value < poor else Grade.CARE if value < care else Grade.GOOD


def _judge_cells(quality: QualitySection | None) -> Reason:
    name = "cell quality"
    if quality is None or quality.n_kept is None or not quality.n_input:
        return Reason(name, Grade.UNKNOWN, "no account of the cells")
    share = write_share(quality.n_kept, quality.n_input)
    finding = f"{quality.n_kept:,} of {quality.n_input:,} cells kept ({share})"
    return Reason(name, _grade(quality.n_kept / quality.n_input, _KEPT, _LEAST_KEPT), finding)


def _judge_number(calls: CallSection | None) -> Reason:
    name = "number of T cells"
    if calls is None:
        return Reason(name, Grade.UNKNOWN, "no states were predicted")
    finding = f"{calls.n_t_cells:,} T cells"
    return Reason(name, _grade(calls.n_t_cells, _FEW_CELLS, _TOO_FEW_CELLS), finding)


def _judge_overlap(inputs: ReportInputs) -> Reason:
    name = "barcode overlap"
    receptors = inputs.qc.receptors if inputs.qc else None
    if receptors is None or receptors.barcodes is None:
        return Reason(name, Grade.UNKNOWN, "expression and receptors were not matched")
    found = receptors.barcodes
    finding = f"{found.n_shared:,} cells have both, {100 * found.overlap:.0f} % of the smaller file"
    return Reason(name, _grade(found.overlap, DOUBTFUL_OVERLAP, LOW_OVERLAP), finding)


def _judge_coverage(calls: CallSection | None) -> Reason:
    name = "gene coverage"
    if calls is None or calls.coverage is None:
        return Reason(name, Grade.UNKNOWN, "no states were predicted, or genes differ between cells")
    finding = f"{100 * calls.coverage:.0f} % of the bundle's genes were measured (weighted)"
    return Reason(name, _grade(calls.coverage, _COVERAGE, _LEAST_COVERAGE), finding)


def _judge_shift(calls: CallSection | None) -> Reason:
    name = "shift"
    if calls is None or calls.discord is None:
        return Reason(name, Grade.UNKNOWN, "one network alone called the states")
    finding = f"network and marker genes disagree on {100 * calls.discord:.0f} % of the T cells"
    return Reason(name, _grade(-calls.discord, -_SHIFT, -_FAR_SHIFT), finding)


def _judge_abstention(calls: CallSection | None) -> Reason:
    name = "abstentions"
    if calls is None or not calls.n_t_cells:
        return Reason(name, Grade.UNKNOWN, "there are no calls")
    share = calls.n_unresolved / calls.n_t_cells
    finding = f"{write_share(calls.n_unresolved, calls.n_t_cells)} of the T cells left without a state"
    return Reason(name, _grade(-share, -_UNRESOLVED, -_MOST_UNRESOLVED), finding)
