"""The pipeline really run on the packaged samples, and run again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import anndata
import pandas as pd
import pytest

from benchmarks.harness.nextflow import PIPELINE, ROOT
from tcellflow.vocabulary import OutputName, State, output_name

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nextflow-run")]
SAMPLES = ("healthy", "no_receptors", "receptors_only", "trimodal")


def _run(nextflow, folder, *arguments):
    fixed = ("-profile", "test", "--outdir", "out", "--embed_tcr_args=--neighbours 5")
    done = nextflow.run(folder / "nextflow", *fixed, *arguments, folder=folder)
    assert done.code == 0, done.output
    return done


@pytest.fixture(scope="module")
def first(nextflow, tmp_path_factory):
    """The profile test, in a copy of pipeline and samples so that a sample can be touched."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(PIPELINE, folder / "nextflow")
    shutil.copytree(ROOT / "tcellflow" / "data" / "samples", folder / "tcellflow" / "data" / "samples")
    return _run(nextflow, folder)


@pytest.fixture(scope="module")
def results(first):
    """Digests of the samples' files after the first run, before another one."""
    return {
        path.name: _digest(path) for sample in SAMPLES for path in (first.folder / "out" / sample).iterdir()
    }


@pytest.fixture(scope="module")
def resumed(nextflow, first, results):
    """The same run again."""
    return _run(nextflow, first.folder, "-resume")


@pytest.fixture(scope="module")
def touched(nextflow, resumed):
    """The same run after one sample's receptor file was written anew."""
    sample = resumed.folder / "tcellflow" / "data" / "samples" / "tenx_healthy_T_1k"
    os.utime(sample / "filtered_contig_annotations.csv")
    return _run(nextflow, resumed.folder, "-resume")


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _file(run, sample, suffix):
    return run.folder / "out" / sample / output_name(sample, suffix)


def test_every_sample_goes_through_its_steps(first):
    """Each sample's tasks are run, and MultiQC once."""
    names = [name.rpartition(":")[2] for name in first.tasks("COMPLETED")]
    assert sorted(names) == sorted(
        [f"TCELLFLOW_PREPROCESS ({sample})" for sample in SAMPLES]
        + [f"TCELLFLOW_EMBEDTCR ({sample})" for sample in SAMPLES if sample != "no_receptors"]
        + [f"TCELLFLOW_PREDICT ({sample})" for sample in SAMPLES if sample != "receptors_only"]
        + [f"TCELLFLOW_DESCRIBE ({sample})" for sample in SAMPLES if sample != "receptors_only"]
        + [f"TCELLFLOW_REPORT ({sample})" for sample in SAMPLES]
        + ["TCELLFLOW_COHORT (cohort)", "MULTIQC"]
    )


def test_the_modalities_meet_in_the_annotated_cells(first):
    """Receptors and antibodies are where a sample has them, and missing where it has not."""
    trimodal = anndata.read_h5ad(_file(first, "trimodal", OutputName.ANNOTATED))
    without = anndata.read_h5ad(_file(first, "no_receptors", OutputName.ANNOTATED))
    assert list(trimodal.obs_names) == list(without.obs_names)
    assert trimodal.obsm["adt_counts"].shape[1] == 37
    assert trimodal.obs["clone_id"].notna().sum() > 200
    assert without.obs["clone_id"].isna().all()
    assert trimodal.obs["state"].notna().all()


def test_calls_are_those_of_the_command_line(first):
    """The CSV holds a row for each cell of the healthy donor, with probabilities that sum to one."""
    table = pd.read_csv(_file(first, "healthy", OutputName.PREDICTIONS_CSV))
    kept = json.loads(_file(first, "healthy", OutputName.QC).read_text())["cells"]["kept"]
    assert len(table) == kept > 1000
    probabilities = table[[f"prob_{state}" for state in State]].sum(axis="columns")
    assert probabilities.between(0.999, 1.001).all()
    assert {"Naive", "Unresolved"} <= set(table["state"])


def test_one_page_shows_all_samples(first):
    """MultiQC's table has a row for each sample, with its cells, and the versions of the tools."""
    folder = first.folder / "out" / "multiqc"
    table = pd.read_csv(
        folder / "multiqc_report_data" / "multiqc_tcellflow_table.txt", sep="\t", index_col="Sample"
    )
    assert sorted(table.index) == sorted(SAMPLES)
    assert table.loc["healthy", "cells"] > 1000
    assert pd.isna(table.loc["receptors_only", "cells"])
    general = pd.read_csv(
        folder / "multiqc_report_data" / "multiqc_general_stats.txt", sep="\t", index_col="Sample"
    )
    assert sorted(general.index) == sorted(SAMPLES)
    page = (folder / "multiqc_report.html").read_text()
    assert "TCELLFLOW_PREDICT" in page
    assert "What became of each sample" in page


def test_pages_show_what_all_steps_wrote(first):
    """A sample's page has its map and its texts; the cohort's page has every sample with calls."""
    page = _file(first, "trimodal", OutputName.REPORT).read_text()
    for part in ("states", "clonotypes", "map", "descriptions"):
        assert f'id="{part}"' in page
    cohort = (first.folder / "out" / "cohort.report.html").read_text()
    for sample in SAMPLES:
        assert (f'<th scope="row">{sample}</th>' in cohort) == (sample != "receptors_only")


def test_a_run_that_went_well_says_where_its_pages_are(first):
    """The last lines name them, and each is there."""
    told = first.output.partition("all samples are done:")[2]
    for page in ("out/cohort.report.html", "out/multiqc/multiqc_report.html", "out/pipeline_info/"):
        assert page in told
        assert (first.folder / page).exists()


def test_the_pages_show_similar_receptors_where_asked_for(first):
    """The table of nearest receptors reaches the report of each sample that has receptors."""
    for sample, has in (("trimodal", True), ("receptors_only", True), ("no_receptors", False)):
        assert _file(first, sample, OutputName.NEIGHBOURS).is_file() is has
        page = _file(first, sample, OutputName.REPORT).read_text()
        assert ("The nearest beta chains" in page) is has


def test_nothing_runs_again_when_nothing_changed(first, resumed):
    """-resume takes every task, MultiQC's too, from the cache."""
    assert resumed.tasks("CACHED") == first.tasks("COMPLETED")
    assert len(resumed.trace) == len(first.trace)


def test_only_the_sample_whose_input_changed_runs_again(first, touched):
    """The other samples come from the cache, and MultiQC too since the numbers are the same."""
    again = {name.rpartition(":")[2] for name in touched.tasks("COMPLETED")}
    assert again == {
        f"TCELLFLOW_{step} (healthy)" for step in ("PREPROCESS", "EMBEDTCR", "PREDICT", "DESCRIBE", "REPORT")
    }
    assert len(touched.tasks("CACHED")) == len(first.trace) - len(again)


def test_the_same_input_gives_the_same_bytes(results, touched):
    """What was computed anew is the same, byte for byte."""
    again = {
        path.name: _digest(path) for sample in SAMPLES for path in (touched.folder / "out" / sample).iterdir()
    }
    assert again == results
