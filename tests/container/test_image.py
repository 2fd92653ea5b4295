"""The image: its recipe keeps the rules of clusters, and a built one works there."""

from __future__ import annotations

import re
import tomllib

import pytest

from container_images import CONTAINERS, ROOT, run_script

RECIPE = (ROOT / "Dockerfile").read_text()
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


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


def _versions_in(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


def test_each_image_gets_the_libraries_it_is_for():
    """Torch is for training alone, and every image has exactly one ONNX Runtime; scanpy is in none."""
    locks = {variant: set(_versions_in(variant)) for variant in ("cpu", "gpu", "train")}
    runtimes = {variant: names & {"onnxruntime", "onnxruntime-gpu"} for variant, names in locks.items()}
    assert runtimes == {"cpu": {"onnxruntime"}, "gpu": {"onnxruntime-gpu"}, "train": {"onnxruntime"}}
    assert {variant for variant, names in locks.items() if "torch" in names} == {"train"}
    for names in locks.values():
        assert names & {"scanpy", "scirpy", "numba", "matplotlib", "transformers"} == set()


@pytest.mark.parametrize(("lock", "reference"), [("gpu", "cpu"), ("train", "dev")])
def test_images_share_the_versions_of_what_they_share(lock, reference):
    """A library that two environments share has one version in both, so that results agree."""
    ours, theirs = _versions_in(lock), _versions_in(reference)
    shared = ours.keys() & theirs.keys()
    assert len(shared) > 20
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


def test_recipe_and_labels_carry_the_version_of_the_project():
    """A build by hand is labelled with the version in pyproject.toml."""
    assert f"ARG VERSION={PROJECT['project']['version']}" in _instructions()


def test_scripts_say_what_each_exit_code_means():
    """Every script that can be started says when it ends with which code."""
    scripts = [path for path in CONTAINERS.glob("*.sh") if path.name != "engine.sh"]
    assert len(scripts) >= 4
    for path in scripts:
        assert "# Exit codes: 0 " in path.read_text(), path.name


@pytest.mark.container
@pytest.mark.slow
@pytest.mark.xdist_group("images")
def test_image_builds_and_works_where_clusters_run_it():
    """In the built image every step runs read-only, without network, HOME or a known user."""
    assert "all checks passed" in run_script("smoke.sh", "cpu")
