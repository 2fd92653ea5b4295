"""The example scripts do what they say: real analyses, strict stand-ins for the programs of a cluster."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from container_images import ROOT, build_image

EXAMPLES = ROOT / "examples"
SHEET = EXAMPLES / "samples.csv"
SAMPLES = {"tenx_healthy_T_1k": 1137, "trex_pt17_trimodal": 320}
TREX = ROOT / "tcellflow" / "data" / "samples" / "trex_pt17_trimodal"
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path):
    """Variables under which docker, apptainer and sbatch are the stand-ins."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("docker", "apptainer", "sbatch"):
        copy = shutil.copy(Path(__file__).parent / "fake_cluster.py", programs / name)
        Path(copy).chmod(0o755)
    path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    return {**os.environ, "PATH": os.pathsep.join(path), "FAKE_CLUSTER_NOTES": str(tmp_path / "notes")}


def _run(environment, folder, *command):
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _notes(environment, program):
    notes = [json.loads(line) for line in Path(environment["FAKE_CLUSTER_NOTES"]).read_text().splitlines()]
    return [note for note in notes if note["program"] == program]


def _called_cells(folder, sample):
    return len(pd.read_csv(folder / f"{sample}.predictions.csv"))


def test_loop_goes_on_after_a_bad_sample_and_names_it(cluster, tmp_path):
    """The loop runs every sample of its sheet, names the one that fails, and ends with 1."""
    head, *rows = SHEET.read_text().replace("../", f"{ROOT}/").splitlines()
    sheet = tmp_path / "sheets" / "samples.csv"
    sheet.parent.mkdir()
    sheet.write_text("\r\n".join([head, "absent,absent.h5,,", *rows]) + "\r\n")
    done = _run(cluster, tmp_path, EXAMPLES / "each_sample.sh", "sheets/samples.csv", "results")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "failed: absent"
    for sample, cells in SAMPLES.items():
        assert 0.9 * cells < _called_cells(tmp_path / "results" / sample, sample) <= cells


def _docker_run(environment, output, **settings):
    inputs = (
        *("--gex", "sample_filtered_feature_bc_matrix.h5"),
        *("--tcr", "filtered_contig_annotations.csv"),
    )
    script = EXAMPLES / "docker_run.sh"
    return _run({**environment, **settings}, output.parent, script, TREX, output.name, "pt17", *inputs)


def test_docker_run_is_offline_unprivileged_and_read_only(cluster, tmp_path):
    """The container gets no network, the user's own id, limits, and only the output to write to."""
    done = _docker_run(cluster, tmp_path / "results", MEMORY="8g")
    assert done.returncode == 0, done.stderr
    (given,) = _notes(cluster, "docker")
    assert (given["network"], given["read_only"], given["rm"]) == ("none", True, True)
    assert given["user"] == f"{os.getuid()}:{os.getgid()}"
    assert (given["cpus"], given["memory"]) == ("2", "8g")
    assert given["volume"] == [f"{TREX}:{TREX}:ro", f"{tmp_path}/results:{tmp_path}/results"]
    assert _called_cells(tmp_path / "results", "pt17") == 315


@pytest.mark.container
@pytest.mark.xdist_group("images")
def test_docker_run_works_with_the_real_engine(tmp_path):
    """The same script runs the built image, and its files belong to the user."""
    image = build_image("cpu")
    settings = {"ENGINE": image.engine, "IMAGE": image.name, **image.environment}
    done = _docker_run(dict(os.environ), tmp_path / "results", **settings)
    assert done.returncode == 0, done.stderr
    assert _called_cells(tmp_path / "results", "pt17") == 315
    assert {path.stat().st_uid for path in (tmp_path / "results").iterdir()} == {os.getuid()}


def test_slurm_array_runs_one_task_for_each_line(cluster, tmp_path):
    """Every task of the array takes its own line, sees only its files, and has its own folder."""
    (tmp_path / "tcellflow.sif").touch()
    script = EXAMPLES / "slurm_array.sh"
    done = _run(cluster, tmp_path, "sbatch", f"--array=1-{len(SAMPLES)}", script, SHEET, "results")
    assert done.returncode == 0, done.stderr
    assert _notes(cluster, "sbatch") == [{"program": "sbatch", "array": "1-2", "memory": "6G"}]
    tasks = _notes(cluster, "apptainer")
    assert [(task["containall"], task["no_home"]) for task in tasks] == [(True, True)] * 2
    assert [task["command"][-3] for task in tasks] == list(SAMPLES)
    for sample, cells in SAMPLES.items():
        assert 0.9 * cells < _called_cells(tmp_path / "results" / sample, sample) <= cells


def test_slurm_task_beyond_the_sheet_says_so(cluster, tmp_path):
    """An array longer than the sheet does not run a sample twice."""
    (tmp_path / "tcellflow.sif").touch()
    done = _run(cluster, tmp_path, "sbatch", "--array=3-3", EXAMPLES / "slurm_array.sh", SHEET, "results")
    assert done.returncode == 1
    assert "the sheet has no sample 3" in done.stderr
