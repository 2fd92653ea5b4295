"""Samples that fail: what is retried, what is passed over, what ends the run, and what is told."""

from __future__ import annotations

import csv
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.harness.nextflow import PIPELINE, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nextflow-failures")]
CONTIGS = ROOT / "tcellflow" / "data" / "samples" / "trex_pt17_trimodal" / "filtered_contig_annotations.csv"
LIMITS = ("--max_cpus", "2", "--max_memory", "20.GB", "--max_time", "1.h", "--skip_multiqc")

# Stands before the real command on PATH: kills a task once or always, or refuses its input.
WRAPPER = """#!/usr/bin/env bash
case "$*" in
  *preprocess*"--prefix killed_once") [ -e {folder}/killed ] || {{ touch {folder}/killed; exit 137; }} ;;
  *preprocess*"--prefix killed_twice") exit 137 ;;
  *preprocess*"--prefix breaks_contract") echo "error: the column 'x' is missing" >&2; exit 65 ;;
esac
exec {command} "$@"
"""


@pytest.fixture(scope="module")
def wrapper(tmp_path_factory):
    """A folder with a `tcellflow` that fails for some samples."""
    folder = tmp_path_factory.mktemp("bin")
    real = Path(sys.executable).parent / "tcellflow"
    (folder / "tcellflow").write_text(WRAPPER.format(folder=folder, command=real))
    (folder / "tcellflow").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def failing(nextflow, wrapper, tmp_path_factory):
    """Five samples: two are killed, one breaks a contract, one is no table, one is whole."""
    folder = tmp_path_factory.mktemp("failing")
    shutil.copy(CONTIGS, folder / "contigs.csv")
    (folder / "letter.csv").write_text("Dear colleague,\nhere are the data.\n")
    samples = dict.fromkeys(("killed_once", "killed_twice", "breaks_contract", "whole"), "contigs.csv")
    rows = [f"{name},,{file}," for name, file in {**samples, "no_table": "letter.csv"}.items()]
    (folder / "sheet.csv").write_text("\n".join(["sample,gex,tcr,adt", *rows]) + "\n")
    arguments = ("--input", "sheet.csv", "--outdir", "out", "--steps", "report", *LIMITS)
    return nextflow.run(PIPELINE, *arguments, folder=folder, first_on_path=(wrapper,))


def _attempts(run, sample):
    rows = [row for row in run.trace if row["tag"] == sample and "PREPROCESS" in row["name"]]
    return sorted((int(row["attempt"]), row["exit"], row["memory"]) for row in rows)


def test_a_killed_task_runs_again_with_more_memory(failing):
    """Exit code 137 is retried once, with twice the memory, and then succeeds."""
    assert _attempts(failing, "killed_once") == [(1, "137", "6 GB"), (2, "0", "12 GB")]


def test_a_task_that_is_killed_again_is_given_up(failing):
    """There is no third attempt."""
    assert [attempt[:2] for attempt in _attempts(failing, "killed_twice")] == [(1, "137"), (2, "137")]


def test_a_file_at_fault_is_not_tried_again(failing):
    """Exit codes 65 and 66 cost one attempt."""
    assert [attempt[:2] for attempt in _attempts(failing, "breaks_contract")] == [(1, "65")]
    assert [attempt[:2] for attempt in _attempts(failing, "no_table")] == [(1, "66")]


def test_the_message_of_a_failed_sample_is_shown(failing):
    """Whoever watches the run sees which sample failed and what its command said."""
    assert "TCELLFLOW_PREPROCESS (breaks_contract) failed with exit code 65" in failing.output
    assert "error: the column 'x' is missing" in failing.output
    assert "TCELLFLOW_PREPROCESS (no_table) failed with exit code 66" in failing.output
    assert "mend:" in failing.output


def test_a_failed_sample_does_not_stop_the_others(failing):
    """The other samples reach their reports, and the run still counts as failed."""
    assert failing.code != 0
    assert "some samples failed" in failing.output
    reports = {path.parent.name for path in (failing.folder / "out").glob("*/*.report.html")}
    assert reports == {"killed_once", "whole"}


def test_the_table_of_samples_tells_who_failed(failing):
    """The cohort's table has a row for every sample of the sheet."""
    lines = (failing.folder / "out" / "pipeline_info" / "tcellflow_samples_mqc.tsv").read_text().splitlines()
    rows = csv.DictReader([line for line in lines if not line.startswith("#")], delimiter="\t")
    assert {row["Sample"]: row["outcome"] for row in rows} == {
        "breaks_contract": "failed",
        "killed_once": "done",
        "killed_twice": "failed",
        "no_table": "failed",
        "whole": "done",
    }


def test_a_wrong_option_ends_the_run(nextflow, tmp_path):
    """What is wrong for every sample (exit code 2) is tried once, told in full, and stops the run."""
    (tmp_path / "sheet.csv").write_text(f"sample,gex,tcr,adt\na,,{CONTIGS},\nb,,{CONTIGS},\nc,,{CONTIGS},\n")
    arguments = ("--input", "sheet.csv", "--max_memory", "6.GB", "--max_cpus", "2")
    done = nextflow.run(PIPELINE, *arguments, "--preprocess_args=--no-such-option", folder=tmp_path)
    assert done.code != 0
    assert "No such option" in done.output
    assert {row["exit"] for row in done.trace if row["status"] == "FAILED"} == {"2"}
    assert list((tmp_path / "results").glob("*/*.qc.json")) == []
