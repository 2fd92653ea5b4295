"""The notebook runs as it stands, and holds what its cells show."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from docs.pages import ROOT

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
SCRIPT = ROOT / "docs" / "make_notebook.py"


def _run(notebook, *words):
    command = [sys.executable, SCRIPT, notebook, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_every_cell_of_the_notebook_runs():
    """From counts to states, clones, map and files: no cell fails."""
    done = _run(NOTEBOOK, "--check")
    assert done.returncode == 0, done.stderr


def test_the_notebook_is_stored_with_its_outputs():
    """Cells were run once, in order; each figure and table is there, and no path of a machine."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells)
    kinds = {kind for cell in cells for output in cell["outputs"] for kind in output.get("data", {})}
    assert {"text/plain", "text/html", "image/png"} <= kinds
    assert not re.search(r"/(?:home|root|tmp|work|Users)/", text)


def test_a_cell_that_fails_is_told(tmp_path):
    """The runner ends with the cell's error, and stores nothing."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": ["1 / 0"]}
    path = tmp_path / "broken.ipynb"
    path.write_text(json.dumps({"cells": [cell]}))
    before = path.read_bytes()
    done = _run(path)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
    assert path.read_bytes() == before
