"""Where the tests find the real Nextflow."""

from __future__ import annotations

import os
import shutil

import pytest

from benchmarks.harness.nextflow import JAR, ROOT, VERSION, Nextflow


def find_nextflow() -> Nextflow:
    """The Nextflow that `make nextflow` laid ready; without it skips, but fails under CI."""
    home = ROOT / ".nxf"
    jar = home / "framework" / VERSION / JAR
    if shutil.which("java") and jar.is_file():
        return Nextflow(home)
    message = f"there is no Nextflow {VERSION} here: it needs Java 17, then run 'make nextflow'"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message)
    pytest.skip(message)
