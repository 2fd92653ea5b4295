"""Options of describe that contradict each other."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tcellflow.cli.app import app
from tcellflow.errors import OptionsError


@pytest.mark.parametrize("given", [["--realiser", "llm"], ["--text-plm", "model"]])
def test_a_language_model_needs_its_folder(tmp_path, given):
    """One option without the other is refused before anything is read."""
    result = CliRunner().invoke(app, ["describe", "run", str(tmp_path / "cells.h5ad"), *given])
    assert isinstance(result.exception, OptionsError)
    assert not list(tmp_path.iterdir())
