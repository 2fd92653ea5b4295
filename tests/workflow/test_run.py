"""``tcellflow run`` as a person runs it: real files, a fresh process, and nothing but the command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

SAMPLE = "trex_pt17_trimodal"
SAMPLES = Path(str(files("tcellflow"))) / "data" / "samples"
# The real entry point; a shell may have SIGINT ignored for what runs in the background.
_MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from tcellflow.cli.app import main; main()"
)


def command(folder, *more):
    """Give the command line of a run on the packaged sample."""
    return [sys.executable, "-c", _MAIN, "run", "--demo-sample", SAMPLE, "-o", str(folder), *more]


def run(folder, *more):
    """Run to the end."""
    return subprocess.run(command(folder, *more), capture_output=True, text=True, check=False)


def contents(folder):
    """Give names and bytes of all files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Run the packaged sample once; give folder and finished process."""
    folder = tmp_path_factory.mktemp("run") / "out"
    return folder, run(folder)


def test_a_run_says_where_the_report_is_and_nothing_on_stdout(whole):
    """The run succeeds, stdout stays empty, and the last line names the report."""
    folder, process = whole
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert process.stderr.splitlines()[-1] == f"the report: {folder / SAMPLE}.report.html"
    assert (folder / f"{SAMPLE}.report.html").stat().st_size > 10_000


def test_the_outputs_fit_together(whole):
    """Cells, predictions and receptors name the same cells in the same order, with the same clones."""
    folder, _ = whole
    assert not (folder / f"{SAMPLE}.cells.h5ad").exists()
    cells = annotated = ad.read_h5ad(folder / f"{SAMPLE}.annotated.h5ad")
    predictions = pd.read_parquet(folder / f"{SAMPLE}.predictions.parquet")
    receptors = pd.read_parquet(folder / f"{SAMPLE}.receptors.parquet")
    assert list(cells.obs_names) == list(annotated.obs_names) == list(predictions["barcode"])
    assert list(receptors["cell_id"]) == list(cells.obs_names)
    for column in ("clone_id", "chain_pairing"):
        left, right = cells.obs[column].astype(object), receptors[column].to_numpy()
        np.testing.assert_array_equal(left.where(left.notna(), None), right)
    clones = predictions["clone_id"].to_numpy()
    np.testing.assert_array_equal(clones, receptors["clone_id"].to_numpy())


def test_the_vectors_of_every_cell_can_be_found(whole):
    """Each key in the receptors table has exactly one vector, and every vector is used."""
    folder, _ = whole
    receptors = pd.read_parquet(folder / f"{SAMPLE}.receptors.parquet")
    embeddings = pd.read_parquet(folder / f"{SAMPLE}.embeddings.parquet", columns=["emb_id", "kind"])
    for kind in ("tra", "trb", "pair"):
        assert set(receptors[f"emb_{kind}"].dropna()) == set(embeddings["emb_id"][embeddings["kind"] == kind])
    assert receptors["emb_pair"].notna().sum() > 200


def test_a_second_run_keeps_every_step(whole):
    """The same command again does nothing, and says so."""
    folder, _ = whole
    before = contents(folder)
    process = run(folder)
    assert process.returncode == 0
    assert process.stderr.count(": kept") == 6
    assert contents(folder) == before


def test_quiet_says_nothing_of_success(whole):
    """With --quiet a run without warnings writes nothing but its files."""
    folder, _ = whole
    process = subprocess.run(
        [sys.executable, "-c", _MAIN, "--quiet", *command(folder)[3:]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (process.stdout, process.stderr) == ("", "")


def wait_for(condition, process):
    """Wait until something is true of a running process."""
    for _ in range(3000):
        if condition():
            return
        if process.poll() is not None:
            pytest.fail(f"the process ended too soon: {process.communicate()}")
        time.sleep(0.01)
    pytest.fail("the moment never came")


def finished_steps(folder):
    """Give the steps that the record says are done."""
    try:
        record = json.loads((folder / f"{SAMPLE}.run.json").read_text())
    except FileNotFoundError:
        return set()
    return {name for name, step in record["steps"].items() if None not in step["outputs"].values()}


MOMENTS = {
    "within preprocess": lambda folder: any(folder.glob(f"{SAMPLE}.cells.h5ad.*.part")),
    "after preprocess": lambda folder: "preprocess" in finished_steps(folder),
    "within predict": lambda folder: any(folder.glob(f"{SAMPLE}.predictions.parquet.*.part")),
}


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("within preprocess", marks=pytest.mark.slow),
        pytest.param("after preprocess", marks=pytest.mark.slow),
        "within predict",
    ],
)
def test_a_killed_run_goes_on(whole, tmp_path, moment):
    """After SIGKILL the same command succeeds, keeps what was done, and ends with the same bytes."""
    folder = tmp_path / "out"
    process = subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: MOMENTS[moment](folder), process)
    process.kill()
    process.communicate()
    done = finished_steps(folder)
    again = run(folder)
    assert again.returncode == 0, again.stderr
    for step in done:
        assert f"{step}: kept" in again.stderr
    assert contents(folder) == contents(whole[0])


def receptors_command(folder):
    """Give the command line of a run on receptors alone, which is quick."""
    contigs = SAMPLES / SAMPLE / "filtered_contig_annotations.csv"
    return [sys.executable, "-c", _MAIN, "run", "--tcr", str(contigs), "--prefix", SAMPLE, "-o", str(folder)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_keeps_finished_steps_and_nothing_half_done(tmp_path, number, code):
    """SIGTERM and SIGINT leave whole files of finished steps alone, and the next run goes on."""
    folder = tmp_path / "out"
    process = subprocess.Popen(
        receptors_command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: "preprocess" in finished_steps(folder), process)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert not [path for path in folder.iterdir() if path.suffix == ".part"]
    before = contents(folder)
    again = subprocess.run(receptors_command(folder), capture_output=True, text=True, check=True)
    assert "preprocess: kept" in again.stderr
    assert (
        contents(folder).items() >= {name: before[name] for name in before if "run.json" not in name}.items()
    )
    assert (folder / f"{SAMPLE}.report.html").exists()


def test_an_interruption_at_once_leaves_no_folder(tmp_path):
    """A run that is stopped within its first step leaves nothing at all."""
    folder = tmp_path / "out"
    process = subprocess.Popen(command(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: MOMENTS["within preprocess"](folder), process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--steps", "explain"], 78, "no step 'explain'"),
        (["--gex", "x.h5"], 78, "cannot go together"),
        (["--bundle", "none"], 69, "bundle"),
        (["--backend", "word2vec"], 78, "kmer"),
        (["--device", "tpu"], 2, "tpu"),
    ],
)
def test_wrong_options_have_their_exit_codes(tmp_path, arguments, code, words):
    """What cannot work is told at once, in words, with the documented code."""
    process = run(tmp_path / "out", *arguments)
    assert process.returncode == code
    assert words in process.stderr
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_not_replaced(tmp_path):
    """An output that no run recorded gives 73, with --force it is replaced."""
    (tmp_path / f"{SAMPLE}.qc.json").write_text("mine")
    process = run(tmp_path)
    assert process.returncode == 73
    assert (tmp_path / f"{SAMPLE}.qc.json").read_text() == "mine"


def test_the_default_demo_exists():
    """The sample of --demo is in the package, with both of its files."""
    assert sorted(path.name for path in (SAMPLES / "tenx_healthy_T_1k").iterdir()) == [
        "filtered_contig_annotations.csv",
        "sample_filtered_feature_bc_matrix.h5",
    ]
