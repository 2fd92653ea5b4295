"""What the FAQ tells users of R works in R, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import anndata as ad
import pytest

from command_line import run_command

PAGE = Path(__file__).parents[2] / "docs" / "faq.md"
NEEDED = "suppressMessages({library(hdf5r); library(Matrix)})"


def has_r():
    """Whether R and both packages are there."""
    program = shutil.which("Rscript")
    if program is None:
        return False
    return subprocess.run([program, "-e", NEEDED], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_r(), reason="needs Rscript with the packages hdf5r and Matrix")
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_r_reads_the_annotated_file_as_the_faq_says(tmp_path, compression):
    """Counts, names and states are those that Python reads."""
    done = run_command(
        "run", "--demo", "--prefix", "donor1", "--steps", "preprocess,predict", "--compression", compression,
        "-o", tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    blocks = [part.split("```")[0] for part in PAGE.read_text("utf-8").split("```r\n")[1:]]
    block = next(block for block in blocks if "hdf5r" in block)
    tail = (
        'cat(dim(counts), sum(counts), as.integer(sum(states == "Naive")), colnames(counts)[1], sep = "\\n")'
    )
    found = subprocess.run(
        ["Rscript", "-e", block + tail], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    adata = ad.read_h5ad(tmp_path / "donor1.annotated.h5ad")
    naive = int((adata.obs["state"] == "Naive").sum())
    assert found == [
        str(adata.n_vars), str(adata.n_obs), str(int(adata.layers["counts"].sum())), str(naive),
        adata.obs_names[0],
    ]  # fmt: skip
