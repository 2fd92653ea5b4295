"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parent.parent


def find_shared_data(environment: Mapping[str, str]) -> Path:
    """The folder of the real data sets; skips where it is absent, but fails under CI."""
    named = environment.get("TCELLFLOW_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    message = f"the real data sets are not at {folder} (set TCELLFLOW_TEST_DATA)"
    if environment.get("CI", "").lower() == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the large real data sets."""
    return find_shared_data(os.environ)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name cases of bytes by their argument: content such as a gzip time differs between workers."""
    return argname if isinstance(val, bytes) else None
