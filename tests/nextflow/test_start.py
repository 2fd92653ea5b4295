"""What the pipeline says before any task starts: syntax, configuration, images, options, input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness.nextflow import PIPELINE, ROOT
from tcellflow import __version__
from tcellflow.vocabulary import STEPS

SCHEMA = json.loads((PIPELINE / "nextflow_schema.json").read_text())
RULES = {name: rule for group in SCHEMA["$defs"].values() for name, rule in group["properties"].items()}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nextflow-start")]


def _read_json(output):
    return json.loads(output[output.index("\n{") :])


@pytest.fixture(scope="module")
def config(nextflow, tmp_path_factory):
    """The configuration without a profile."""
    done = nextflow("config", "-o", "json", PIPELINE, folder=tmp_path_factory.mktemp("config"))
    assert done.code == 0, done.output
    return _read_json(done.output)


@pytest.fixture(scope="module")
def refused(nextflow, tmp_path_factory):
    """A run with faults in its options and in its samplesheet."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "sheet.csv").write_text("sample,gex,tcr,adt\na b,no.h5,,\nc,,,\n")
    arguments = ("--input", "sheet.csv", "--outdri", "x", "--max_cpus", "0", "--steps", "predikt")
    return nextflow.run(PIPELINE, *arguments, "--skip_multiqc", "maybe", folder=folder)


def test_the_strict_parser_accepts_every_script(nextflow, tmp_path):
    """Scripts and configurations, those of the tests too, follow the strict syntax."""
    done = nextflow("lint", PIPELINE, ROOT / "tests" / "nextflow", folder=tmp_path)
    assert done.code == 0, done.output
    assert "files had no errors" in done.output
    assert "❌" not in done.output


def test_the_schema_lists_the_parameters_with_their_defaults(config):
    """nextflow.config and nextflow_schema.json name the same parameters and defaults."""
    assert list(config["params"]) == list(RULES)
    assert config["params"] == {name: rule.get("default") for name, rule in RULES.items()}


def test_the_optional_steps_are_those_of_the_command_line():
    """Every step but the first can be left out, fuse runs on request, and no other name is allowed."""
    optional = [step for step in STEPS if step != "preprocess"]
    assert RULES["steps"]["default"] == ",".join(step for step in optional if step != "fuse")
    assert RULES["steps"]["pattern"] == "^({0})(,({0}))*$".format("|".join(optional))


def test_the_pipeline_is_of_this_version(config):
    """Manifest and images carry the version of the package."""
    assert config["manifest"]["version"] == __version__
    assert config["params"]["container"] == f"localhost/tcellflow:{__version__}"
    assert config["params"]["container_gpu"] == f"localhost/tcellflow:{__version__}-gpu"


@pytest.mark.parametrize(
    ("profiles", "arguments", "expected"),
    [
        ("test,docker", (), {"TCELLFLOW_PREPROCESS": ":0.1.0", "TCELLFLOW_PREDICT": ":0.1.0"}),
        ("test,docker,gpu", (), {"TCELLFLOW_PREPROCESS": ":0.1.0", "TCELLFLOW_PREDICT": ":0.1.0-gpu"}),
        (
            "test,podman",
            ("--container", "localhost/mine:1"),
            {"TCELLFLOW_REPORT": "localhost/mine:1", "TCELLFLOW_EMBEDTCR": "localhost/mine:1"},
        ),
    ],
)
def test_each_process_runs_in_its_image(nextflow, tmp_path, profiles, arguments, expected):
    """The GPU image is for the networks, under the profile gpu; --container replaces the other one."""
    done = nextflow("inspect", PIPELINE, "-profile", profiles, *arguments, folder=tmp_path)
    assert done.code == 0, done.output
    images = {
        p["name"]: p["container"] for p in json.loads(done.output[done.output.index("{") :])["processes"]
    }
    assert len(images) == len(STEPS) + 2  # the page of the cohort, and MultiQC
    for name, image in expected.items():
        assert images[name].endswith(image)


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ("docker", ["docker.enabled = true", "docker.runOptions = '-u $(id -u):$(id -g)'"]),
        ("podman", ["podman.enabled = true", "|| echo --userns=keep-id)"]),
        ("singularity,gpu", ["singularity.enabled = true", "singularity.runOptions = '--nv'"]),
        ("apptainer", ["apptainer.enabled = true", "apptainer.autoMounts = true"]),
        ("docker,gpu", ["params.gpu = true", "docker.runOptions = '-u $(id -u):$(id -g) --gpus all'"]),
        (
            "slurm,gpu",
            ["process.executor = 'slurm'", "params.slurm_gpu_options = '--gres=gpu:1'", "params.gpu = true"],
        ),
        ("test_full", ["params.max_cpus = 2", "--pool-lineage"]),
    ],
)
def test_each_profile_sets_what_it_promises(nextflow, tmp_path, profiles, expected):
    """Profiles are found by name and combine."""
    done = nextflow("config", "-flat", "-profile", profiles, PIPELINE, folder=tmp_path)
    assert done.code == 0, done.output
    for line in expected:
        assert line in done.output


def test_faults_of_options_and_samplesheet_are_told_together(refused):
    """One run tells every fault, with what to do about it."""
    assert refused.code != 0
    assert "nothing was started, the input has 7 faults" in refused.output
    for expected in (
        "--outdri is not known; did you mean --outdir?",
        "--max_cpus is '0'",
        "--skip_multiqc is 'maybe'",
        "--steps is 'predikt'",
        "sheet.csv, line 2, sample: 'a b'",
        "sheet.csv, line 2, gex: 'no.h5' does not exist",
        "sheet.csv, line 3: neither gex nor tcr",
    ):
        assert expected in refused.output


def test_no_task_starts_where_there_are_faults(refused):
    """Nothing was submitted, and there is no folder of a task."""
    assert refused.trace == ()
    assert "Submitted process" not in refused.output
    assert list((refused.folder / "work").glob("*/*")) == []


def test_help_lists_every_parameter(nextflow, tmp_path):
    """--help needs no input and starts nothing."""
    done = nextflow.run(PIPELINE, "--help", folder=tmp_path)
    assert done.code == 0, done.output
    assert [name for name in RULES if f"  --{name} " not in done.output] == []
    assert done.trace == ()


def test_a_start_is_without_warnings(nextflow, tmp_path):
    """Nextflow's own parser of today finds nothing to warn of."""
    done = replace(nextflow, parser="v1").run(PIPELINE, "--help", folder=tmp_path)
    assert done.code == 0, done.output
    assert "WARN" not in done.output


def test_programs_that_are_missing_are_told_before_anything_starts(nextflow, tmp_path):
    """Without containers and without MultiQC on the PATH nothing is started, unless its page is left out."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("tcellflow", "nextflow"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    path = os.pathsep.join([str(programs), "/usr/bin", "/bin"])
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sample,gex,tcr,adt\nd,,absent.csv,\n")  # a fault, so that no task starts in any case

    def start(*words):
        command = ["nextflow", "run", PIPELINE, "--input", sheet, "--outdir", "out", *words]
        environment = nextflow.environment() | {"PATH": path}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        return done.stdout + done.stderr

    without = start()
    assert "has 2 faults" in without
    assert "multiqc is not on the PATH: pip install multiqc" in without
    assert "has 1 fault:" in start("--skip_multiqc")
    (programs / "tcellflow").unlink()
    assert "tcellflow is not on the PATH" in start("--skip_multiqc")
    assert "not on the PATH" not in start("-profile", "docker")


@pytest.mark.parametrize(
    ("profile", "image"),
    [("docker", "localhost/tcellflow:0.1.0"), ("apptainer", "docker-daemon:localhost/tcellflow:0.1.0")],
)
def test_a_module_by_itself_names_an_image_that_the_engine_can_take(nextflow, tmp_path, profile, image):
    """Apptainer takes the image from the machine's Docker, where Docker itself would look it up by name."""
    done = nextflow("inspect", ROOT / "examples" / "one_module", "-profile", profile, folder=tmp_path)
    assert done.code == 0, done.output
    images = {
        p["name"]: p["container"] for p in json.loads(done.output[done.output.index("{") :])["processes"]
    }
    assert images["TCELLFLOW_PREPROCESS"] == image


def test_options_in_quotes_without_an_equals_sign_are_explained(nextflow, tmp_path):
    """Nextflow takes --pool-lineage for an option of its own; the message says how to write it."""
    arguments = (
        "-profile",
        "test_stub",
        "-stub-run",
        "--outdir",
        tmp_path / "o",
        "--predict_args",
        "--pool-lineage",
    )
    done = nextflow.run(PIPELINE, *arguments, folder=tmp_path)
    assert done.code != 0
    assert "write --predict_args='--pool-lineage'" in done.output
    assert "--pool-lineage is not known" not in done.output
