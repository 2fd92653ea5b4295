"""Each module run by the real Nextflow on a packaged sample, in every shape of input it can meet."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import pyarrow.parquet as pq
import pytest

from benchmarks.harness.nextflow import ROOT
from tcellflow.steps.report import OF_MULTIQC
from tcellflow.vocabulary import OutputName, output_name

HERE = Path(__file__).parent
SAMPLES = ROOT / "tcellflow" / "data" / "samples"
PACKAGED_BUNDLE = ROOT / "tcellflow" / "bundles" / "states-linear"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nextflow-modules")]


def _run(nextflow, folder, *arguments):
    contigs = (SAMPLES / "trex_pt17_trimodal" / "filtered_contig_annotations.csv").read_text()
    other = folder / "other"
    other.mkdir()
    (other / "filtered_contig_annotations.csv").write_text(contigs)  # the same name in another folder
    done = nextflow.run(
        HERE / "modules.nf",
        *("-c", HERE / "modules.config", "--other_tcr", other / "filtered_contig_annotations.csv"),
        *arguments,
        folder=folder,
    )
    assert done.code == 0, done.output
    return done


@pytest.fixture(scope="module")
def real(nextflow, tmp_path_factory):
    """The modules really run."""
    return _run(nextflow, tmp_path_factory.mktemp("modules"), "--bundle", PACKAGED_BUNDLE)


@pytest.fixture(scope="module")
def stub(nextflow, tmp_path_factory):
    """The modules run as stubs."""
    return _run(nextflow, tmp_path_factory.mktemp("stubs"), "-stub-run")


def _names(samples, *suffixes):
    return {output_name(sample, suffix) for sample in samples for suffix in suffixes}


EXPECTED = (
    _names(("all", "two_tcr", "gex"), OutputName.CELLS)
    | _names(("all", "two_tcr", "tcr"), OutputName.CHAINS)
    | _names(("all", "two_tcr", "gex", "tcr"), OutputName.QC)
    | _names(("all", "two_tcr", "tcr"), OutputName.EMBEDDINGS, OutputName.RECEPTORS, OutputName.EMBED_QC)
    | _names(("all", "two_tcr", "gex"), OutputName.PREDICTIONS, OutputName.PREDICTIONS_CSV)
    | _names(("all", "two_tcr", "gex"), OutputName.CLONOTYPES, OutputName.METRICS, OutputName.ANNOTATED)
    | _names(("all", "two_tcr", "gex"), OutputName.PROGRAMMES)
    | _names(("all", "two_tcr", "gex"), OutputName.DESCRIPTIONS, OutputName.CLAIMS)
    | _names(("all", "two_tcr", "gex"), OutputName.DESCRIPTIONS_JSON, OutputName.DESCRIPTIONS_TEXT)
    | _names(("all",), OutputName.FUSED, OutputName.FUSE_QC, OutputName.FUSED_H5AD)
    | _names(("all_again", "two_tcr_again", "gex_again", "tcr_again"), OutputName.REPORT, *OF_MULTIQC)
)


def test_each_shape_of_input_makes_its_files(real):
    """A module writes what its inputs allow and nothing else; with cells, embed-tcr writes them anew too."""
    found = {path.name for path in (real.folder / "results").iterdir()}
    assert found == EXPECTED | _names(("all", "two_tcr"), OutputName.EMBEDDED)


def test_stubs_make_the_files_of_the_real_run(stub):
    """A stub run goes the same way as a real one, so that it proves the wiring."""
    assert {path.name for path in (stub.folder / "results").iterdir()} == EXPECTED


def test_all_parts_of_a_sample_reach_its_cells(real):
    """Expression, receptors and antibodies of the sample meet in its annotated cells."""
    cells = anndata.read_h5ad(real.folder / "results" / "all.annotated.h5ad")
    assert cells.n_obs == 315
    assert cells.obsm["adt_counts"].shape == (315, 37)
    assert (cells.obs["chain_pairing"] == "single pair").sum() > 100
    assert set(cells.obs["state"]) > {"Memory"}
    assert cells.obsm["X_fused"].shape == (315, 64)
    assert "fuse_cluster" in cells.obs


def test_a_receptor_file_is_not_lost_among_its_namesakes(real):
    """Two receptor files of one name are both read: twice as many contigs."""
    once, twice = (
        json.loads((real.folder / "results" / f"{sample}.qc.json").read_text())
        for sample in ("all", "two_tcr")
    )
    assert twice["receptors"]["contigs"]["read"] == 2 * once["receptors"]["contigs"]["read"] > 0


def test_options_in_the_configuration_reach_the_command(real):
    """ext.args changes what the command does, and the step's note says so."""
    account = json.loads((real.folder / "results" / "gex.qc.json").read_text())
    assert account["tcellflow"]["options"]["min_genes"] == 500
    assert account["cells"]["kept"] < 320


def test_receptors_alone_are_embedded(real):
    """A sample without expression gets one row for each cell with a receptor."""
    table = pq.read_table(real.folder / "results" / "tcr.receptors.parquet")
    assert set(table["sample_id"].to_pylist()) == {"tcr"}
    assert table.num_rows > 200


def test_a_bundle_given_as_a_folder_is_the_one_that_runs(real):
    """The staged folder is used, not a packaged bundle of the same name, and gives the same calls."""
    metrics = json.loads((real.folder / "results" / "gex.metrics.json").read_text())
    assert metrics["tcellflow"]["bundle"]["name"] == PACKAGED_BUNDLE.name


def test_descriptions_rest_on_the_programmes_of_predict(real):
    """describe reads the table that predict wrote of the same sample."""
    for sample in ("all", "gex", "two_tcr"):
        table = real.folder / "results" / f"{sample}.descriptions.parquet"
        note = json.loads(pq.read_metadata(table).metadata[b"tcellflow.note"])
        assert set(note["inputs"]) >= {"cells", "predictions", "programmes"}


def test_a_module_runs_for_the_samples_that_have_its_input(real):
    """No task is started for a sample that lacks what the step needs."""
    assert real.tasks("COMPLETED") == sorted(
        f"TCELLFLOW_{step.upper()} ({sample})"
        for step, samples in {
            "preprocess": ("all", "gex", "tcr", "two_tcr"),
            "embedtcr": ("all", "tcr", "two_tcr"),
            "fuse": ("all",),
            "predict": ("all", "gex", "two_tcr"),
            "describe": ("all", "gex", "two_tcr"),
            "report": ("all", "gex", "tcr", "two_tcr"),
        }.items()
        for sample in samples
    )
