"""The pages with examples are run, block by block, as a reader would type them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.pages import ROOT, blocks_of, script_of

PAGES = ("docs/tutorial.md", "docs/outputs.md", "docs/what-is-this-cell.md")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_examples_run_as_printed(name, tmp_path):
    """Every bash and python block of the page runs, one after the other, in an empty folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script_of(ROOT / name)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.parametrize("name", PAGES)
def test_pages_with_examples_have_some(name):
    """The pages whose examples are run do hold examples."""
    assert sum(block.language in {"bash", "python"} for block in blocks_of(ROOT / name)) >= 3


@pytest.mark.slow
def test_the_python_page_runs_as_one_notebook(tmp_path):
    """The blocks of the page on Python run one after the other in one session, as in a notebook."""
    text = "\n".join(b.text for b in blocks_of(ROOT / "docs" / "python.md") if b.language == "python")
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Naive" in done.stdout
    assert (tmp_path / "results" / "donor1.report.html").exists()
