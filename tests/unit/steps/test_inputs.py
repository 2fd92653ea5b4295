"""A step takes the files of its sample where none are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import InputError
from tcellflow.steps.inputs import find_default_files

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
