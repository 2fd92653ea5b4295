"""Header, cards, warnings, provenance and limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.contracts.entries import Note
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import ReportInputs, Role, SourceFile, read_report_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.contracts.qc import Qc


@pytest.fixture
def inputs(tmp_path: Path) -> ReportInputs:
    return read_report_inputs(write_step_files(tmp_path, make_step_frames(30)))


def _warn(inputs: ReportInputs, *warnings: str) -> Qc:
    return inputs.qc.model_copy(update={"warnings": warnings})


def test_header_names_sample_donor_and_bundle(inputs: ReportInputs) -> None:
    """The page says whose cells these are and which bundle called them."""
    header = compose_report(inputs, "prefix").header
    assert (header.sample, header.donor) == ("donor1", "donor1-donor")
    assert dict(header.bundle)["name"] == "states-small"
    assert header.missing == ("the map of the cells (no annotated.h5ad, or --no-map)",)


def test_names_come_from_tables_without_qc(inputs: ReportInputs) -> None:
    """Without qc.json the tables name the sample, and without both the prefix does."""
    assert compose_report(replace(inputs, qc=None), "prefix").header.sample == "donor1"
    bare = ReportInputs(predictions=inputs.predictions)
    assert compose_report(bare, "prefix").header.sample == "prefix"
    assert compose_report(bare, "prefix").header.donor == ""


def test_what_is_absent_is_said(inputs: ReportInputs) -> None:
    """Each missing file is named in the header, and its cards are absent instead of 0."""
    report = compose_report(ReportInputs(qc=inputs.qc), "prefix")
    text = " ".join(report.header.missing)
    assert "T-cell states" in text
    assert "receptors" in text
    labels = [card.label for card in report.cards]
    assert "Mean confidence" not in labels
    assert labels[:2] == ["Cells in", "Cells kept"]


def test_cards_carry_denominators(inputs: ReportInputs) -> None:
    """The overview gives each share with its whole."""
    cards = {card.label: card for card in compose_report(inputs, "prefix").cards}
    assert cards["Cells kept"].note == "60.0 % of 50 cells"
    assert cards["T cells"].value == "28"
    assert cards["Alpha-beta pairs"].note == "83.3 % of 30 cells"
    assert cards["State reported"].note.endswith("of 28 T cells")


def test_warnings_of_all_steps_are_shown_once(inputs: ReportInputs) -> None:
    """Warnings of several files are joined without repeats."""
    metrics = inputs.metrics.model_copy(update={"warnings": ("Low coverage.", *inputs.qc.warnings)})
    twice = replace(inputs, metrics=metrics)
    warnings = compose_report(twice, "prefix").warnings
    assert warnings == ("No donor column: the sample stands for the donor.", "Low coverage.")


def test_many_warnings_are_cut(inputs: ReportInputs) -> None:
    """A flood of warnings does not drown the page."""
    flood = replace(inputs, qc=_warn(inputs, *(f"w{i}" for i in range(100))))
    warnings = compose_report(flood, "prefix").warnings
    assert len(warnings) == 41
    assert warnings[-1] == "And 60 more warnings."


def test_files_of_different_runs_are_noticed(inputs: ReportInputs) -> None:
    """Other cell numbers, versions or digests than expected are warned of."""
    cells = inputs.qc.cells.model_copy(update={"kept": 31})
    qc = inputs.qc.model_copy(update={"cells": cells, "warnings": ()})
    old = SourceFile(Role.METRICS, "1" * 64, Note(step="predict", version="0.0.1"))
    changed = [replace(f, sha256="0" * 64) if f.role is Role.CHAINS else f for f in inputs.files]
    files = (*changed, old)
    text = " ".join(compose_report(replace(inputs, qc=qc, files=files), "prefix").warnings)
    assert "The predictions hold 30 cells, but quality control kept 31" in text
    assert "different versions of tcellflow: 0.0.1, " in text
    assert "The receptors file was made from another chains file" in text


def test_several_chains_files_are_one_input(inputs: ReportInputs) -> None:
    """Receptors embedded together with other samples are not stale where one of the noted files is ours."""
    ours = next(f.sha256 for f in inputs.files if f.role is Role.CHAINS)
    note = Note(step="embed-tcr", inputs={"chains": "0" * 64, "chains_2": ours})
    files = tuple(replace(f, note=note) if f.role is Role.RECEPTORS else f for f in inputs.files)
    assert not any("another chains" in w for w in compose_report(replace(inputs, files=files), "x").warnings)


def test_a_consistent_run_warns_of_nothing(inputs: ReportInputs) -> None:
    """Files of one run raise no warning of their own."""
    calm = replace(inputs, qc=_warn(inputs))
    assert compose_report(calm, "prefix").warnings == ()


def test_steps_tell_options_and_inputs(inputs: ReportInputs) -> None:
    """Each step appears once, in running order, with options, digests and bundle."""
    steps = compose_report(inputs, "prefix").steps
    assert [step.name for step in steps] == ["preprocess", "embed-tcr", "predict"]
    assert ("max pct mt", "20") in steps[0].options
    assert steps[0].inputs == (("gex", "11" * 32),)
    assert ("name", "states-small") in steps[2].bundle
    assert ("licence", "CC BY 4.0") in steps[2].bundle
    assert ("learnt from", "atlas, MIT, 10.1/x, https://example.org/a") in steps[2].bundle


def test_limits_name_weak_classes_and_the_bundles_own(tmp_path: Path) -> None:
    """Classes learnt from silver labels or markers are named, and the bundle's limits are repeated."""
    inputs = read_report_inputs(write_step_files(tmp_path, make_step_frames(300)))
    limits = compose_report(inputs, "prefix").limits
    assert any(text.startswith("Exhausted, Proliferating, Th_effector:") for text in limits)
    assert limits[-1] == "Not for solid tissue."
    assert compose_report(ReportInputs(qc=inputs.qc), "prefix").limits == ()
