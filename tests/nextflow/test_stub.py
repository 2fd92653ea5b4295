"""The wiring of the pipeline: stub runs, which call tcellflow for its version alone."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from benchmarks.harness.nextflow import PIPELINE
from tcellflow import __version__
from tcellflow.steps.report import OF_MULTIQC
from tcellflow.vocabulary import OutputName, output_name

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nextflow-stub")]

RECEPTORS = (OutputName.CHAINS, OutputName.EMBEDDINGS, OutputName.RECEPTORS, OutputName.EMBED_QC)
EXPRESSION = (  # annotated cells alone: they hold all of the cells file
    OutputName.PREDICTIONS,
    OutputName.PREDICTIONS_CSV,
    OutputName.CLONOTYPES,
    OutputName.PROGRAMMES,
    OutputName.METRICS,
    OutputName.ANNOTATED,
    OutputName.DESCRIPTIONS,
    OutputName.DESCRIPTIONS_JSON,
    OutputName.DESCRIPTIONS_TEXT,
    OutputName.CLAIMS,
)
EVERY = (OutputName.QC, OutputName.REPORT, *OF_MULTIQC)
SAMPLES = {
    "trimodal": (*EVERY, *EXPRESSION, *RECEPTORS),
    "healthy": (*EVERY, *EXPRESSION, *RECEPTORS),
    "no_receptors": (*EVERY, *EXPRESSION),
    "receptors_only": (*EVERY, *RECEPTORS),
}


@pytest.fixture(scope="module")
def stub(nextflow, tmp_path_factory):
    """The test profile for stubs."""
    folder = tmp_path_factory.mktemp("stub")
    done = nextflow.run(PIPELINE, "-profile", "test_stub", "-stub-run", "--outdir", "out", folder=folder)
    assert done.code == 0, done.output
    return done


def test_each_sample_gets_the_files_it_has_input_for(stub):
    """A missing modality takes its own files away and no others."""
    for sample, suffixes in SAMPLES.items():
        found = {path.name for path in (stub.folder / "out" / sample).iterdir()}
        assert found == {output_name(sample, suffix) for suffix in suffixes}
    found = {path.name for path in (stub.folder / "out").iterdir()}
    assert found == {*SAMPLES, "pipeline_info", "cohort.report.html"}


@pytest.mark.parametrize(
    "arguments",
    [("--keep_cells",), ("--predict_args=--no-h5ad",), ("--steps", "describe")],
    ids=["asked for", "no annotated file", "no predict"],
)
def test_the_cells_file_is_published_where_no_other_holds_it(nextflow, tmp_path, arguments):
    """On request, without the annotated file and without predict the cells file is among the results."""
    done = nextflow.run(
        PIPELINE, "-profile", "test_stub", "-stub-run", "--outdir", "out", *arguments, folder=tmp_path
    )
    assert done.code == 0, done.output
    for sample in ("trimodal", "no_receptors"):
        assert (tmp_path / "out" / sample / output_name(sample, OutputName.CELLS)).is_file()


def test_steps_left_out_are_told(stub):
    """The log says which sample goes without which step, and why."""
    assert "embed-tcr: left out for no_receptors (no tcr)" in stub.output
    assert "predict: left out for receptors_only (no gex)" in stub.output


def test_the_run_leaves_its_notes(stub):
    """Versions of every process, the outcome of every sample, and Nextflow's own pages are kept."""
    folder = stub.folder / "out" / "pipeline_info"
    versions = (folder / "tcellflow_software_mqc_versions.yml").read_text()
    steps = ("COHORT", "DESCRIBE", "EMBEDTCR", "PREDICT", "PREPROCESS", "REPORT")
    assert versions == "".join(f"TCELLFLOW_{step}:\n    tcellflow: '{__version__}'\n" for step in steps)
    assert _read_outcomes(folder) == dict.fromkeys(SAMPLES, "done")
    assert {path.name for path in folder.iterdir()} >= {
        "params.json",
        "report.html",
        "timeline.html",
        "dag.mmd",
    }


def _read_outcomes(folder):
    lines = (folder / "tcellflow_samples_mqc.tsv").read_text().splitlines()
    rows = csv.DictReader([line for line in lines if not line.startswith("#")], delimiter="\t")
    return {row["Sample"]: row["outcome"] for row in rows}


def test_steps_can_be_chosen_and_the_older_parser_will_do(nextflow, tmp_path):
    """Without embed-tcr, predict takes the clones of the cells file; without report there is no page.

    Run by the parser that Nextflow 25 takes unless told otherwise.
    """
    arguments = ("-profile", "test_stub", "-stub-run", "--steps", "predict")
    done = replace(nextflow, parser="v1").run(PIPELINE, *arguments, folder=tmp_path)
    assert done.code == 0, done.output
    steps = {name.partition(" ")[0].rpartition("_")[2] for name in done.tasks("COMPLETED")}
    assert steps == {"PREPROCESS", "PREDICT"}
    assert len(done.tasks("COMPLETED")) == 4 + 3
    assert (tmp_path / "results" / "healthy" / "healthy.predictions.csv").is_file()  # the usual folder
    assert _read_outcomes(tmp_path / "results" / "pipeline_info") == dict.fromkeys(SAMPLES, "done")


def test_predict_gets_what_fuse_wrote(nextflow, tmp_path):
    """Each sample's own fused table is staged where its predictions are made."""
    done = nextflow.run(
        PIPELINE, "-profile", "test_stub", "-stub-run", "--steps", "fuse,predict", "--outdir", "out",
        folder=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.output
    for sample in ("trimodal", "healthy", "no_receptors"):
        made = output_name(sample, OutputName.PREDICTIONS)
        (folder,) = (path.parent for path in (tmp_path / "work").glob(f"*/*/{made}"))
        assert (folder / output_name(sample, OutputName.FUSED)).is_symlink()
