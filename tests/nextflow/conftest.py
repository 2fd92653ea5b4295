"""Fixtures of the Nextflow tests."""

from __future__ import annotations

import pytest

from nextflow_engine import Nextflow, find_nextflow


@pytest.fixture(scope="session")
def nextflow() -> Nextflow:
    """The real Nextflow; skips where it is absent, but fails under CI."""
    return find_nextflow()
