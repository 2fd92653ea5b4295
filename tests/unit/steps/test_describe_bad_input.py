"""Files that no part of describe can use: each is refused before anything is written."""

from __future__ import annotations

import anndata as ad
import pytest

from command_line import run_command
from language_samples import make_sample
from tcellflow.errors import ExitCode

PARTS = ("run", "annotate", "verify", "search")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give files without a matrix, without genes, of a mouse, with names that mean nothing, and a text."""
    place = tmp_path_factory.mktemp("bad")
    sample = make_sample(n_each=5)
    ad.AnnData(obs=sample.obs).write_h5ad(place / "matrixless.h5ad")
    sample[:, :0].copy().write_h5ad(place / "geneless.h5ad")
    for name, rename in (
        ("mouse", str.capitalize),
        ("unknown", lambda gene: f"feature {gene.lower()[::-1]}"),
    ):
        other = sample.copy()
        other.var_names = [rename(gene) for gene in other.var_names]
        other.write_h5ad(place / f"{name}.h5ad")
    silent = sample.copy()
    silent.X = silent.X * 0
    silent.write_h5ad(place / "silent.h5ad")
    (place / "notes.md").write_text("CD3E is detected in 50 % of the cells.")
    return place


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("matrixless", "no matrix"),
        ("geneless", "no genes"),
        ("mouse", "mouse genes"),
        ("unknown", "gene names are unknown"),
    ],
)
def test_files_without_human_expression_are_refused(folder, tmp_path, part, name, what):
    """The message says what is wrong with the file; the exit code is that of input; nothing is written."""
    cells = str(folder / f"{name}.h5ad")
    given = {
        "run": [cells, "-o", str(tmp_path)],
        "annotate": [cells, "-o", str(tmp_path)],
        "verify": [str(folder / "notes.md"), "--data", cells, "-o", str(tmp_path)],
        "search": [cells, "B cells", "-o", str(tmp_path / "found.tsv")],
    }[part]
    outcome = run_command("describe", part, *given)
    assert outcome.code == ExitCode.INPUT
    assert what in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not list(tmp_path.iterdir())


def test_cells_without_a_molecule_show_and_lack_nothing(folder, tmp_path):
    """Where nothing was counted no gene is said to be there or absent, and no cell has a type."""
    cells = str(folder / "silent.h5ad")
    assert (
        run_command("describe", "run", cells, "--groupby", "kind", "-o", str(tmp_path), "--prefix", "s").code
        == 0
    )
    text = (tmp_path / "s.descriptions.md").read_text()
    assert "detected" not in text
    assert "absent" not in text


@pytest.mark.parametrize(
    "table", ["label\nB cell\nB cell\n", "label\nxyzzy\n", "name\nB cell\n", "label\n\x1b[31m\n"]
)
def test_candidates_that_cannot_be_used_end_with_the_exit_code_of_input(folder, tmp_path, table):
    """Labels given twice, without meaning, without a column or with control characters."""
    make_sample(n_each=5).write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "candidates.tsv").write_text(table)
    cells, candidates = tmp_path / "cells.h5ad", tmp_path / "candidates.tsv"
    outcome = run_command(
        "describe", "annotate", cells, "--candidates", candidates, "-o", tmp_path, "--prefix", "s"
    )
    assert outcome.code == ExitCode.INPUT
    assert "\x1b" not in outcome.stderr
    assert not list(tmp_path.glob("s.*"))
