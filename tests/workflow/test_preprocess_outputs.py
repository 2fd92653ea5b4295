"""What preprocess leaves behind: whole files, empty files or nothing; and who accepts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from command_line import run_command
from contig_files import as_10x, make_sample_contigs, write_table
from factories import ANTIBODIES, make_counts, write_10x_h5, write_cells_file, write_h5ad
from tcellflow.steps.report import OF_MULTIQC
from tcellflow.vocabulary import output_name

SAMPLE = make_counts(60, 200)
TEN_X = as_10x(make_sample_contigs(SAMPLE.barcodes[:40]))


@pytest.fixture
def gex(tmp_path):
    """Give a good matrix."""
    return write_10x_h5(tmp_path / "good.h5", SAMPLE)


def preprocess(folder, *arguments):
    """Run preprocess into a folder that is not there yet."""
    return run_command("preprocess", "--min-genes", 1, "-o", folder / "out", "--prefix", "s", *arguments)


def contents(folder):
    """Give names and bytes of all files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_output_that_exists_needs_force(tmp_path, gex):
    """A second run ends with 73 and changes nothing; with --force it writes the same bytes."""
    assert preprocess(tmp_path, "--gex", gex).code == 0
    before = contents(tmp_path / "out")
    second = preprocess(tmp_path, "--gex", gex)
    assert (second.code, second.stdout) == (73, "")
    assert "the output exists" in second.stderr
    assert "--force" in second.stderr
    assert contents(tmp_path / "out") == before
    assert preprocess(tmp_path, "--gex", gex, "--force").code == 0
    assert contents(tmp_path / "out") == before


def test_force_keeps_the_old_files_when_the_input_is_bad(tmp_path, gex):
    """A run with --force that fails leaves the finished files of the last one."""
    assert preprocess(tmp_path, "--gex", gex).code == 0
    before = contents(tmp_path / "out")
    assert preprocess(tmp_path, "--gex", gex, "--min-genes", 9999, "--force").code == 66
    assert contents(tmp_path / "out") == before


def run_apart(*arguments):
    """Run the real entry point in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from tcellflow.cli.app import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("below", [False, True])
def test_an_output_folder_that_is_a_file_is_refused(tmp_path, gex, below):
    """A file in place of the folder, or of one above it, ends with 73 in the real process."""
    (tmp_path / "file").write_text("mine")
    folder = tmp_path / "file" / "sub" if below else tmp_path / "file"
    process = run_apart("preprocess", "--gex", gex, "--min-genes", 1, "-o", folder)
    assert (process.returncode, process.stdout) == (73, "")
    assert "a file stands where the output folder belongs" in process.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_an_unwritable_folder_is_refused(tmp_path, gex):
    """A folder without the right to write ends with 73."""
    (tmp_path / "out").mkdir(mode=0o555)
    outcome = preprocess(tmp_path, "--gex", gex)
    assert outcome.code == 73
    assert "cannot be written" in outcome.stderr


def test_an_unwritable_place_is_refused(gex):
    """A place where no folder can be made, even by root, ends with 73."""
    outcome = run_command("preprocess", "--gex", gex, "--min-genes", 1, "-o", "/proc/tcellflow")
    assert outcome.code == 73
    assert "the output folder cannot be made" in outcome.stderr


# The real entry point, slowed down between two blocks of cells.
_SLOW = """
import signal, time
from tcellflow.cli import app
from tcellflow.io.h5ad.cells_writer import CellsWriter

append = CellsWriter.append_counts
def append_slowly(self, *arguments):
    append(self, *arguments)
    if self.n_cells == 1024:
        print("writing", flush=True)
        time.sleep(60)
CellsWriter.append_counts = append_slowly
signal.signal(signal.SIGINT, signal.default_int_handler)
app.main()
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_run_that_is_stopped_while_it_writes_leaves_no_finished_file(tmp_path, number, code):
    """Ctrl-C and SIGTERM leave nothing; SIGKILL leaves marked parts, over which the next run succeeds."""
    sample = make_counts(1500, 90)
    gex = write_10x_h5(tmp_path / "large.h5", sample)
    arguments = ["preprocess", "--gex", gex, "--min-genes", 1, "-o", tmp_path / "out", "--prefix", "s"]
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n", process.communicate()
    assert list((tmp_path / "out").glob("s.cells.h5ad.*.part"))
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stdout == ""
    assert "Traceback" not in stderr
    if number != signal.SIGKILL:
        assert not (tmp_path / "out").exists()
        return
    left = {path.name for path in (tmp_path / "out").iterdir()} - {".s.lock"}
    assert all(name.endswith(".part") for name in left)
    assert any(name.startswith("s.cells.h5ad.") for name in left)
    assert run_command(*arguments).code == 0
    assert sorted(contents(tmp_path / "out")) == ["s.cells.h5ad", "s.qc.json"]


# ------------------------------------------------------------------------------ empty but valid


EMPTY = {
    "no cells": (["--gex", "{no_cells}"], 0),
    "no contigs": (["--tcr", "{no_contigs}"], 0),
    "neither": (["--gex", "{no_cells}", "--tcr", "{no_contigs}"], 0),
    "cells without contigs": (["--gex", "{cells}", "--tcr", "{no_contigs}"], 60),
    "contigs without cells": (["--gex", "{no_cells}", "--tcr", "{contigs}"], 0),
    "antibodies of no cell": (["--gex", "{cells}", "--adt", "{no_adt}"], 60),
}


@pytest.mark.parametrize("case", EMPTY)
def test_empty_input_gives_empty_tables_through_all_steps(tmp_path, gex, case):
    """Zero cells, zero contigs or both end with 0 in every step, and every table has its columns."""
    names = {
        "cells": gex,
        "no_cells": write_10x_h5(tmp_path / "empty.h5", SAMPLE.rows(np.zeros(60, dtype=bool))),
        "contigs": write_table(tmp_path / "c.csv", TEN_X),
        "no_contigs": write_table(tmp_path / "empty.csv", TEN_X.iloc[:0]),
        "no_adt": tmp_path / "adt.csv",
    }
    pd.DataFrame(columns=list(ANTIBODIES)).to_csv(names["no_adt"])
    arguments, n_cells = EMPTY[case]
    outcome = preprocess(tmp_path, *(argument.format(**names) for argument in arguments))
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    out = tmp_path / "out"
    place = ["-o", out, "--prefix", "s"]
    cells, chains = out / "s.cells.h5ad", out / "s.chains.parquet"
    made = {"s.qc.json"}
    if cells.exists():
        made.add(cells.name)
        assert ad.read_h5ad(cells).n_obs == n_cells
    if chains.exists():
        made |= {chains.name, "s.receptors.parquet", "s.embeddings.parquet", "s.embed.json"}
        made |= {"s.embedded.h5ad"} if cells.exists() else set()
        gex_option = ["--gex", cells] if cells.exists() else []
        assert run_command("embed-tcr", chains, *gex_option, *place).code == 0
        assert pq.read_table(chains).num_rows == pq.read_table(out / "s.embeddings.parquet").num_rows == 0
        assert pq.read_table(out / "s.receptors.parquet").num_rows == n_cells
    if cells.exists() and n_cells == 0:  # cells of 200 genes are too few for the bundle
        receptors = ["--receptors", out / "s.receptors.parquet"] if chains.exists() else []
        assert run_command("predict", cells, *receptors, "--device", "cpu", *place).code == 0
        predictions = pd.read_csv(out / "s.predictions.csv")
        assert len(predictions) == 0
        assert predictions.columns[:2].tolist() == ["barcode", "predicted_state"]
        made |= {f"s.{name}" for name in ("predictions.csv", "predictions.parquet", "clonotypes.parquet")}
        made |= {"s.annotated.h5ad", "s.metrics.json", "s.programmes.parquet"}
    report = run_command("report", *place)
    assert (report.code, report.stdout) == (0, ""), report.stderr
    assert set(contents(out)) == made | {"s.report.html", *(output_name("s", name) for name in OF_MULTIQC)}


# ------------------------------------------------------------------------------ files of other steps


@pytest.fixture
def outputs(tmp_path, gex):
    """Give the folder of a finished preprocess and embed-tcr."""
    tcr = write_table(tmp_path / "c.csv", TEN_X)
    assert preprocess(tmp_path, "--gex", gex, "--tcr", tcr).code == 0
    chains = tmp_path / "out" / "s.chains.parquet"
    assert run_command("embed-tcr", chains, "-o", tmp_path / "out", "--prefix", "s").code == 0
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["embed-tcr", "{out}/s.receptors.parquet"], 65, "'receptors/3' instead of 'chains/1'"),
        (["embed-tcr", "{plain}"], 65, "no tcellflow contract instead of 'chains/1'"),
        (["embed-tcr", "{out}/s.cells.h5ad"], 66, "the file is not a Parquet file"),
        (["embed-tcr", "{out}/s.chains.parquet", "--gex", "{h5ad}"], 65, "not written by tcellflow"),
        (["predict", "{h5ad}"], 65, "not written by tcellflow"),
        (["predict", "{gex}"], 65, "not written by tcellflow"),
        (["predict", "{other}"], 65, "carries the contract 'fish/1'"),
        (["predict", "{out}/s.chains.parquet"], 66, "not an HDF5 file but a Parquet file"),
        (
            ["predict", "{out}/s.cells.h5ad", "--receptors", "{out}/s.chains.parquet"],
            65,
            "'chains/1' instead of 'receptors/3'",
        ),
        (["report", "{gex}"], 66, "the HDF5 file is no annotated cells file"),
        (["report", "{plain}"], 66, "the table was not written by tcellflow"),
    ],
)
def test_files_of_another_contract_are_refused(tmp_path, outputs, gex, arguments, code, words):
    """A step that is given another step's file, or none of ours, ends with its code and writes nothing."""
    other = write_cells_file(tmp_path / "fish.h5ad", SAMPLE)
    with h5py.File(other, "r+") as file:
        del file["uns/tcellflow/contract"]
        file["uns/tcellflow/contract"] = "fish/1"
    pd.DataFrame({"cell_id": ["a"]}).to_parquet(tmp_path / "plain.parquet")
    names = {
        "out": outputs,
        "gex": gex,
        "h5ad": write_h5ad(tmp_path / "plain.h5ad", SAMPLE),
        "plain": tmp_path / "plain.parquet",
        "other": other,
    }
    filled = [argument.format(**names) for argument in arguments]
    outcome = run_command(*filled, "-o", tmp_path / "new")
    assert (outcome.code, outcome.stdout) == (code, ""), outcome.stderr
    assert words in outcome.stderr
    assert not (tmp_path / "new").exists()
