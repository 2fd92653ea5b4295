"""Fixtures of the Nextflow tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nextflow_engine import find_nextflow

if TYPE_CHECKING:
    from benchmarks.harness.nextflow import Nextflow


@pytest.fixture(scope="session")
def nextflow() -> Nextflow:
    """The real Nextflow; skips where it is absent, but fails under CI."""
    return find_nextflow()
