"""The image: its recipe keeps the rules of clusters, and a built one works there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = (ROOT / "Dockerfile").read_text()
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
UNAVAILABLE = 69


def _instructions() -> list[str]:
    joined = RECIPE.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def test_recipe_has_no_entrypoint_and_starts_a_shell():
    """Workflow managers can start ``/bin/bash -c`` in the image."""
    assert not any(line.startswith("ENTRYPOINT") for line in _instructions())
    assert _instructions()[-1] == 'CMD ["/bin/bash"]'


def test_recipe_ends_as_an_unprivileged_user():
    """The image does not run as root unless someone asks for it."""
    users = [line.split()[1] for line in _instructions() if line.startswith("USER")]
    assert users
    assert users[-1].split(":")[0] not in {"0", "root"}


def test_recipe_builds_on_any_base_with_old_builders():
    """The base is a build argument with a full name, and nothing needs a new builder."""
    assert _instructions()[0].startswith("ARG BASE_IMAGE=docker.io/library/debian:")
    assert "<<" not in RECIPE
    assert not re.search(r"^#\s*syntax=", RECIPE, re.MULTILINE)


def test_recipe_installs_locked_packages_only():
    """Every package comes from a lock with hashes; the project itself needs no index."""
    installs = re.findall(r"pip install ([^&|]*)", RECIPE.replace("\\\n", " "))
    assert installs
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_pin_and_hash_everything(lock):
    """Each line of a lock pins a version and carries at least one hash, and names no index."""
    entries = [
        e for e in lock.read_text().replace("\\\n", " ").splitlines() if e.strip() and e[0] not in "# "
    ]
    assert entries
    assert all(
        re.match(r"[a-z0-9][a-z0-9._-]*==\S+ .*--hash=sha256:[0-9a-f]{64}", entry) for entry in entries
    )


def test_image_lock_holds_neither_training_nor_analysis_libraries():
    """The image stays small: no torch, no scanpy and no numba in its lock."""
    names = set(
        re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / "cpu.lock").read_text(), re.MULTILINE)
    )
    assert "onnxruntime" in names
    assert (
        names & {"torch", "transformers", "scanpy", "scirpy", "numba", "matplotlib", "onnxruntime-gpu"}
        == set()
    )


def _find_engine() -> str | None:
    for engine in ("podman", "docker"):
        if (
            shutil.which(engine)
            and subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0
        ):
            return engine
    return None


@pytest.mark.container
@pytest.mark.slow
def test_image_builds_and_works_where_clusters_run_it():
    """The built image runs the demonstration read-only, without network, HOME or a known user."""
    if _find_engine() is None:
        pytest.skip("neither podman nor docker answers on this machine")
    done = subprocess.run([ROOT / "containers" / "smoke.sh"], capture_output=True, text=True, check=False)
    if done.returncode == UNAVAILABLE:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all checks passed" in done.stdout
