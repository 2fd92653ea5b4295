"""The verdict: as good as its worst reason, with the reason named."""

from __future__ import annotations

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import ReportInputs, read_report_inputs
from tcellflow.report.sections.verdict import Grade


def judge(folder, change=lambda _: None, n_cells=400):
    frames = make_step_frames(n_cells)
    change(frames)
    return compose_report(read_report_inputs(write_step_files(folder, frames)), "x").verdict


def test_a_good_sample_is_usable(tmp_path):
    """With everything measured and in order the line says so, and every reason has its number."""

    def settle(frames):
        frames.predictions["state"] = frames.predictions["predicted_state"]

    verdict = judge(tmp_path, settle)
    assert verdict.line == "Usable: nothing that was measured speaks against it."
    assert {reason.grade for reason in verdict.reasons} == {Grade.GOOD}


def overlap(frames):
    frames.qc["receptors"]["barcodes"]["overlap"] = 0.4


def far(frames):
    frames.metrics["shift"]["parts"] = 0.9


def genes(frames):
    frames.predictions["panel_coverage"] = 0.5


def unresolved(frames):
    frames.predictions["state"] = "Unresolved"


@pytest.mark.parametrize(
    ("change", "name", "grade"),
    [
        (overlap, "barcode overlap", Grade.CARE),
        (far, "shift", Grade.POOR),
        (genes, "gene coverage", Grade.CARE),
        (unresolved, "abstentions", Grade.POOR),
    ],
)
def test_the_worst_reason_speaks(tmp_path, change, name, grade):
    """A single poor reason makes the verdict, and is named in it."""
    verdict = judge(tmp_path, change)
    assert verdict.grade is grade
    assert name in verdict.line
    assert {reason.name: reason.grade for reason in verdict.reasons}[name] is grade


def test_nothing_measured_is_never_good():
    """Without any file there is no verdict."""
    verdict = compose_report(ReportInputs(), "x").verdict
    assert verdict.grade is Grade.UNKNOWN
    assert verdict.line == "Not judged: no states were predicted."


def test_few_cells_are_told(tmp_path):
    """A handful of T cells speaks against every share."""
    assert "number of T cells" in judge(tmp_path, n_cells=10).line
