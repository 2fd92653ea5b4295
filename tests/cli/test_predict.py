"""The predict command ends with the documented codes and leaves stdout alone."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from factories import make_counts, write_cells_file
from tcellflow.errors import ExitCode
from tcellflow.io.bundles.folders import PACKAGED_FOLDER


def run(*arguments):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from tcellflow.cli.app import main; main()", "predict", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """A cells file without cells: whatever its genes, it can be predicted."""
    path = tmp_path_factory.mktemp("cells") / "s.cells.h5ad"
    return write_cells_file(path, make_counts(5, 60).rows(np.zeros(5, dtype=bool)))


def test_an_empty_sample_ends_well(cells, tmp_path):
    """Empty input gives empty outputs and exit code 0, with an empty stdout."""
    done = run(
        cells,
        "-o",
        tmp_path,
        "--prefix",
        "s",
        "--device",
        "cpu",
        "--bundle",
        PACKAGED_FOLDER / "states-linear",
    )
    assert (done.returncode, done.stdout) == (ExitCode.OK, "")
    assert (tmp_path / "s.predictions.csv").exists()
    again = run(cells, "-o", tmp_path, "--prefix", "s", "--device", "cpu")
    assert (again.returncode, again.stdout) == (ExitCode.OUTPUT, "")
    assert "--force" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nowhere.h5ad"], ExitCode.INPUT, "does not exist"),
        (["{cells}", "--device", "cuda"], ExitCode.OPTIONS, "GPU"),
        (["{cells}", "--target-risk", "2"], ExitCode.OPTIONS, "target risk"),
        (["{cells}", "--bundle", "nonsense"], ExitCode.BUNDLE, "states-linear"),
        (["{cells}", "--device", "quantum"], ExitCode.USAGE, "quantum"),
        (["{cells}", "--bundle", "states-linear", "--ensemble"], ExitCode.OPTIONS, "keeps no ensemble"),
        (["{cells}", "--correct-priors"], ExitCode.OPTIONS, "class shares"),
        (["{cells}", "--set-coverage", "0.999"], ExitCode.OPTIONS, "no prediction sets"),
        (["{cells}", "--vote"], ExitCode.OPTIONS, "no more"),
        (["{cells}", "--em-as", "memory", "--effector-by", "gate"], ExitCode.OPTIONS, "former name"),
        (
            ["{cells}", "--bundle", "states-linear", "--effector-by", "programme"],
            ExitCode.OPTIONS,
            "of one piece",
        ),
        (
            ["{cells}", "--bundle", "states-linear", "--set-coverage", "0.9"],
            ExitCode.OPTIONS,
            "prediction sets",
        ),
        (["{cells}", "--evidence-genes", "51"], ExitCode.USAGE, "--evidence-genes"),
        (["{cells}", "--threads", "0"], ExitCode.USAGE, "--threads"),
        ([], ExitCode.USAGE, "cells"),
    ],
)
def test_errors_end_with_their_code(cells, tmp_path, arguments, code, word):
    """Each kind of mistake has its exit code and its words, and writes nothing."""
    filled = [str(a).format(cells=cells) for a in arguments]
    done = run(*filled, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (code, "")
    assert word in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_former_name_of_effector_by_is_understood(cells, tmp_path):
    """--em-as goes on working, and one line says what it is now."""
    done = run(cells, "-o", tmp_path, "--prefix", "s", "--device", "cpu", "--em-as", "memory", "--no-h5ad")
    assert done.returncode == ExitCode.OK, done.stderr
    assert "--em-as memory is now --effector-by gate" in done.stderr
    note = json.loads((tmp_path / "s.metrics.json").read_text())["tcellflow"]
    assert note["options"]["effector_by"] == "gate"
