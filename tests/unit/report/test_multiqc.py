"""What MultiQC shows of a sample, read by MultiQC itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.contracts.fuse import Fuse
from tcellflow.report.content import Report, compose_report
from tcellflow.report.inputs import ReportInputs, read_report_inputs
from tcellflow.report.multiqc import HEADERS, SECTION_ID, TABLE_ID, make_sections
from tcellflow.vocabulary import OutputName, State, output_name


@pytest.fixture
def inputs(tmp_path: Path) -> ReportInputs:
    found = read_report_inputs(write_step_files(tmp_path / "in", make_step_frames(60)))
    return replace(found, fuse=make_account())


def make_account() -> Fuse:
    """Give the account of a fused sample with everything measured."""
    panel = {"coverage_rna": 0.9, "coverage_adt": 0.1, "used": ("CD4", "CD8A"), "not_learnt": ()}
    panel |= {"unknown": (), "isotypes": (), "constant": ()}
    graph = {"n_neighbours": 15, "resolution": 1.0, "seed": 0, "n_landmarks": None, "clusters": (40, 20)}
    return Fuse.model_validate(
        {
            "tcellflow": {"step": "fuse"}, "warnings": (), "n_cells": 60, "inputs": {"rna+adt": 60},
            "is_own_rna": False, "is_own_adt": False, "axes": {"latent": 64}, "mean_weight_rna": 0.6,
            "panel": panel, "labels": {}, "n_abstained": 0, "graph": {**graph, "has_umap": True},
            "ood_share": 0.05,
        }
    )  # fmt: skip


def test_fused_numbers_are_told(inputs: ReportInputs) -> None:
    """Proteins, weight, groups and strange cells; nothing of them where fuse did not run."""
    row = _row(make_section(compose_report(inputs, "a")))
    told = {"proteins_used": 2, "weight_rna": 0.6, "fused_clusters": 2, "pct_unlike": 5.0}
    assert told.items() <= row.items()
    bare = _row(make_section(compose_report(replace(inputs, fuse=None), "a")))
    assert not set(told) & set(bare)


def make_section(report: Report) -> dict:
    """Give the table's section."""
    return make_sections(report)[OutputName.MULTIQC]


def run_multiqc(tmp_path: Path, contents: dict[str, ReportInputs], *options: str) -> Path:
    """Write the sections of samples, and let the installed MultiQC merge them."""
    (tmp_path / "found").mkdir()
    for name, content in contents.items():
        for suffix, section in make_sections(compose_report(content, name)).items():
            path = tmp_path / "found" / output_name(name, suffix)
            path.write_text(json.dumps(section, sort_keys=True), encoding="utf-8")
    program = Path(sys.executable).with_name("multiqc")
    if not program.exists():
        pytest.skip("multiqc is not installed")
    quiet = ("--no-ansi", "--no-ai", "--no-version-check")
    subprocess.run(
        [program, tmp_path / "found", "-o", tmp_path / "out", *quiet, *options],
        check=True,
        capture_output=True,
        env=os.environ | {"HOME": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)},
        timeout=120,
    )
    return tmp_path / "out"


def _row(section: dict) -> dict:
    (row,) = section["data"].values()
    return row


def test_ids_and_columns_never_vary(inputs: ReportInputs) -> None:
    """Two samples share ids and headers, whatever is known of them, so that MultiQC joins them."""
    full = make_section(compose_report(inputs, "a"))
    bare = make_section(compose_report(ReportInputs(qc=inputs.qc), "b"))
    assert (full["id"], full["pconfig"]["id"]) == (SECTION_ID, TABLE_ID) == ("tcellflow", "tcellflow_table")
    assert {k: v for k, v in full.items() if k != "data"} == {k: v for k, v in bare.items() if k != "data"}
    assert set(_row(full)) == {header.key for header in HEADERS}


def test_unmeasured_numbers_are_absent(inputs: ReportInputs) -> None:
    """Without predictions there are no state shares, rather than shares of 0."""
    row = _row(make_section(compose_report(ReportInputs(qc=inputs.qc), "b")))
    assert not any(f"pct_{state}" in row for state in State)
    assert "mean_confidence" not in row
    assert row["cells"] == 60


def test_shares_of_states_and_unresolved_make_a_hundred(inputs: ReportInputs) -> None:
    """The state shares and the unresolved share are all of the T cells."""
    row = _row(make_section(compose_report(inputs, "a")))
    total = sum(row[f"pct_{state}"] for state in State) + row["pct_unresolved"]
    assert total == pytest.approx(100, abs=0.01)


def test_row_names_cannot_carry_markup(inputs: ReportInputs) -> None:
    """MultiQC writes row names unescaped, so markup in the sample name is taken out."""
    section = make_section(compose_report(inputs, "<b>d&1\"'"))
    assert list(section["data"]) == ["_b_d_1__"]


def test_multiqc_merges_samples(tmp_path: Path, inputs: ReportInputs) -> None:
    """The real MultiQC shows each sample by its name in table, general statistics and bars."""
    empty = read_report_inputs(write_step_files(tmp_path / "none", make_step_frames(0, sample="none")))
    given = {"donor1": inputs, "none": empty, "uncalled": ReportInputs(qc=inputs.qc)}
    out = run_multiqc(tmp_path, given, "--strict")
    data = json.loads((out / "multiqc_data" / "multiqc_data.json").read_text())
    rows = data["report_saved_raw_data"]["multiqc_tcellflow_table"]
    assert set(rows) == set(given)
    assert (rows["donor1"]["cells"], rows["none"]["cells"]) == (60, 0)
    general = pd.read_csv(out / "multiqc_data" / "multiqc_general_stats.txt", sep="\t", index_col="Sample")
    columns = {header.key for header in HEADERS if header.is_general}
    assert {name.rpartition("-")[2] for name in general.columns} == columns
    assert set(general.index) == set(given)
    verdict = general.filter(like="verdict").iloc[:, 0]
    assert (verdict["donor1"], verdict["none"]) == ("care", "poor")
    assert pd.isna(verdict["uncalled"])
    found = out / "multiqc_data" / "multiqc_tcellflow_states_plot.txt"
    bars = pd.read_csv(found, sep="\t", index_col="Sample")
    assert set(bars.columns) <= {*State, "Unresolved"}
    assert bars.loc["donor1"].sum() == rows["donor1"]["t_cells"] > 0
    page = (out / "multiqc_report.html").read_text()
    assert all(header.title in page for header in HEADERS if not header.is_hidden)
    assert "tcellflow_states_plot" in page


def test_multiqc_takes_samples_without_states(tmp_path: Path, inputs: ReportInputs) -> None:
    """Where no sample has states, MultiQC makes its page without bars and without a complaint."""
    out = run_multiqc(tmp_path, dict.fromkeys(("a", "b"), ReportInputs(qc=inputs.qc)), "--strict")
    assert "tcellflow_table" in (out / "multiqc_report.html").read_text()


def test_each_sample_has_its_row_whatever_its_name(tmp_path: Path, inputs: ReportInputs) -> None:
    """Plain MultiQC, with its cleaning of names, shows every name of a sheet as a row of its own."""
    names = ["P1_CD103", "P1_CD103-", "a", "a.h5", "a.bam.1", "a_", "b", "b_fastqc", "b_counts", "b_val", "c"]
    names += [
        "cccs1",
        "cccs2",
        "runs_c",
        "c.gz",
        "d",
        "d_matrix",
        "dAligned",
        "dReadsPerGene",
        "short_summary_d",
    ]
    out = run_multiqc(tmp_path, dict.fromkeys(names, inputs))
    data = json.loads((out / "multiqc_data" / "multiqc_data.json").read_text())
    rows = data["report_saved_raw_data"]["multiqc_tcellflow_table"]
    assert sorted(name.replace("\u2060", "") for name in rows) == sorted(names)
    for name in ("general_stats", "tcellflow_states_plot"):
        lines = (out / "multiqc_data" / f"multiqc_{name}.txt").read_text().splitlines()[1:]
        assert sorted(line.split("\t")[0].replace("\u2060", "") for line in lines) == sorted(names)


def test_a_usual_name_is_left_as_it_is(inputs: ReportInputs) -> None:
    """Nothing invisible is in a name that MultiQC does not touch."""
    assert list(make_section(compose_report(inputs, "P1_CD103-pos_2"))["data"]) == ["P1_CD103-pos_2"]
