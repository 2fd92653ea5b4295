"""The report step: two files together, or none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import ContractError, InputError, OptionsError, OutputError
from tcellflow.steps.report import ReportOptions, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_step_files(tmp_path / "run", make_step_frames(40))
    return tmp_path / "run"


def test_files_of_the_folder_make_page_and_section(run: Path) -> None:
    """With only folder and prefix, the sample's own files are used and both outputs appear."""
    seen: list[tuple[int, int]] = []
    finished = report(ReportOptions(run, "donor1"), progress=lambda *done: seen.append(done))
    assert [path.name for path in finished] == ["donor1.report.html", "donor1_mqc.json"]
    assert finished[0].read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n")
    assert list(json.loads(finished[1].read_text())["data"]) == ["donor1"]
    assert seen[-1] == (3, 3)


def test_named_files_go_elsewhere(run: Path, tmp_path: Path) -> None:
    """Files are taken from anywhere; the same files give the same bytes in any order."""
    files = sorted(p for p in run.iterdir())
    first = report(ReportOptions(tmp_path / "a", "x", tuple(files)))
    second = report(ReportOptions(tmp_path / "b", "x", tuple(files[::-1])))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_finished_reports_are_kept_without_force(run: Path) -> None:
    """A second run refuses to overwrite, and does so with force, giving the same bytes."""
    first = [p.read_bytes() for p in report(ReportOptions(run, "donor1"))]
    with pytest.raises(OutputError, match="exists"):
        report(ReportOptions(run, "donor1"))
    assert [p.read_bytes() for p in report(ReportOptions(run, "donor1", force=True))] == first


def test_no_files_leave_nothing_behind(tmp_path: Path) -> None:
    """An empty folder is an input error, and no half output stays."""
    with pytest.raises(InputError, match="no file of the sample"):
        report(ReportOptions(tmp_path / "out", "donor1"))
    assert not (tmp_path / "out").exists()


def test_broken_tables_are_refused(run: Path) -> None:
    """A damaged table stops the report with its fault."""
    path = run / "donor1.predictions.parquet"
    chains = (run / "donor1.chains.parquet").read_bytes()
    path.write_bytes(chains.replace(b"chains/1", b"clonotypes/1"[:8]))
    with pytest.raises((ContractError, InputError)):
        report(ReportOptions(run, "donor1"))
    assert not (run / "donor1.report.html").exists()


def test_labels_add_a_comparison(run: Path, tmp_path: Path) -> None:
    """Labels of the user give a confusion matrix and list what is none of the states."""
    frame = make_step_frames(40).predictions
    labels = tmp_path / "labels.csv"
    rows = [f"{b},{s}" for b, s in zip(frame["barcode"], frame["predicted_state"], strict=True)]
    labels.write_text("barcode,label\n" + "\n".join(rows) + "\nZZZ-1,MAIT <b>\n")
    page = report(ReportOptions(run, "donor1", true_labels=labels))[0].read_text(encoding="utf-8")
    assert "Confusion matrix" in page
    assert "MAIT &lt;b&gt; (1)" in page


def test_labels_need_predictions(run: Path, tmp_path: Path) -> None:
    """Labels without predictions contradict each other and say how to mend it."""
    labels = tmp_path / "labels.csv"
    labels.write_text("barcode,label\nA-1,Naive\n")
    files = (run / "donor1.qc.json",)
    with pytest.raises(OptionsError, match="no predictions"):
        report(ReportOptions(tmp_path / "out", "donor1", files, true_labels=labels))
