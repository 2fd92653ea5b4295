"""Every row of the table of input situations: what is read gives the right figures, the rest a sentence."""

from __future__ import annotations

import json
from functools import reduce

import pytest

from command_line import run_command
from situations.page import PAGE, write_page
from situations.row import Read
from situations.table import ROWS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_situation_ends_as_the_page_says(row, tmp_path):
    """Files are read with these figures, or refused in one sentence that leaves nothing behind."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    arguments = []
    for option, value in row.make(folder).items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            arguments += [f"--{option.replace('_', '-')}", item]
    floor = () if "--min-genes" in arguments else ("--min-genes", 5)
    done = run_command("preprocess", *arguments, *floor, "-o", out, "--prefix", "s")
    assert "Traceback" not in done.stderr
    if not isinstance(row.outcome, Read):
        assert done.code == row.outcome.code, done.stderr
        assert row.outcome.words in done.stderr
        assert "\n  mend: " in done.stderr
        assert not out.exists()
        return
    assert done.code == 0, done.stderr
    account = json.loads((out / "s.qc.json").read_text())
    for place, value in row.outcome.figures.items():
        assert reduce(lambda found, key: found[key], place.split("."), account) == value, place
    if row.outcome.told:
        assert row.outcome.told in " | ".join(account["warnings"])
    if row.outcome.check is not None:
        row.outcome.check(out)


def test_there_are_a_hundred_different_rows():
    """No row is there twice."""
    assert len({(row.source, row.given) for row in ROWS}) == len(ROWS) >= 100


def test_the_page_is_the_table():
    """docs/inputs.md is what the rows say; `python -m situations.page` in tests/ writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == write_page()
