"""Inputs that are not there are refused before anything is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import InputError
from tcellflow.steps.inputs import check_is_file, check_is_there, find_default_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_step_files(tmp_path / "run", make_step_frames(12))


def test_default_files_are_those_of_the_prefix(files: list[Path]) -> None:
    """Without files, those of the prefix in the output folder are taken, and none is an error."""
    folder = files[0].parent
    assert set(find_default_files(folder, "donor1")) == set(files)
    with pytest.raises(InputError, match="no file of the sample 'donor2'"):
        find_default_files(folder, "donor2")


def test_files_and_folders_may_be_inputs(tmp_path: Path) -> None:
    """A file passes, a folder where one may stand, and what is absent never."""
    (tmp_path / "x").touch()
    check_is_file(tmp_path / "x")
    for there in (tmp_path / "x", tmp_path):
        check_is_there(there)
    with pytest.raises(InputError, match="a folder stands where a file belongs"):
        check_is_file(tmp_path)
    for check in (check_is_file, check_is_there):
        with pytest.raises(InputError, match="does not exist"):
            check(tmp_path / "y")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission to read is told before it is opened."""
    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    for check in (check_is_file, check_is_there):
        with pytest.raises(InputError, match="cannot be read"):
            check(tmp_path / "x")
