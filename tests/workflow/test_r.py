"""What the FAQ tells users of R works in R, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest

from command_line import run_command

PAGE = Path(__file__).parents[2] / "docs" / "faq.md"


def has_r(*packages):
    """Whether R is there with these packages."""
    program = shutil.which("Rscript")
    if program is None:
        return False
    needed = f"suppressMessages({{{'; '.join(f'library({name})' for name in packages)}}})"
    return subprocess.run([program, "-e", needed], capture_output=True, check=False).returncode == 0


def blocks():
    """The pieces of R on the page: the table, then the file."""
    return [part.split("```")[0] for part in PAGE.read_text("utf-8").split("```r\n")[1:]]


def run_r(folder, script):
    """Run R in a folder and give the words that it prints."""
    done = subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(not has_r("hdf5r", "Matrix"), reason="needs Rscript with the packages hdf5r and Matrix")
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_r_reads_the_annotated_file_as_the_faq_says(tmp_path, compression):
    """Counts, names and states are those that Python reads."""
    done = run_command(
        "run", "--demo", "--prefix", "donor1", "--steps", "preprocess,predict", "--compression", compression,
        "-o", tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    _table, block = blocks()
    tail = (
        'cat(dim(counts), sum(counts), as.integer(sum(states == "Naive")), colnames(counts)[1], sep = "\\n")'
    )
    found = run_r(tmp_path, block + tail)
    adata = ad.read_h5ad(tmp_path / "donor1.annotated.h5ad")
    naive = int((adata.obs["state"] == "Naive").sum())
    assert found == [
        str(adata.n_vars), str(adata.n_obs), str(int(adata.layers["counts"].sum())), str(naive),
        adata.obs_names[0],
    ]  # fmt: skip


@pytest.mark.skipif(
    not has_r("hdf5r", "Matrix", "SeuratObject"), reason="needs Rscript with hdf5r, Matrix and SeuratObject"
)
def test_seurat_takes_counts_and_states_as_the_faq_says(tmp_path):
    """An object made of the file's counts has the state of every cell, and its own names for nothing else."""
    done = run_command("run", "--demo", "--prefix", "donor1", "--steps", "preprocess,predict", "-o", tmp_path)
    assert done.code == 0, done.stderr
    table, file = blocks()
    script = (
        "suppressMessages(library(SeuratObject))\n" + file + "object <- CreateSeuratObject(counts)\n" + table
    )
    tail = (
        'cat(ncol(object), sum(object$state == "Naive"), sum(object$lineage == "CD8", na.rm = TRUE), '
        'sum(is.na(object$state)), round(mean(object$confidence, na.rm = TRUE), 4), sep = "\\n")'
    )
    found = run_r(tmp_path, script + tail)
    ours = pd.read_csv(tmp_path / "donor1.predictions.csv")
    assert found[:4] == [
        str(len(ours)), str((ours["state"] == "Naive").sum()), str((ours["lineage"] == "CD8").sum()), "0",
    ]  # fmt: skip
    assert float(found[4]) == pytest.approx(ours["confidence"].mean(), abs=1e-4)
