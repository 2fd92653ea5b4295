"""The images of this tree, built where a container engine is to be had."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTAINERS = ROOT / "containers"
UNAVAILABLE = 69


@dataclass(frozen=True)
class Image:
    """A built image and how containers of it are started here."""

    name: str
    engine: str
    environment: dict[str, str]


def give_up(message: str) -> None:
    """Skip the test, but fail under CI, where everything must be there."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message)
    pytest.skip(message)


def run_script(name: str, *arguments: str) -> str:
    """Run one of the scripts of ``containers/``, one at a time on this machine; gives what it printed."""
    if find_engine() is None:
        give_up("neither podman nor docker answers here: containers/get_podman.sh installs podman")
    with (Path(tempfile.gettempdir()) / "tcellflow-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [CONTAINERS / name, *arguments],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    if done.returncode == UNAVAILABLE:
        give_up(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find_engine() -> str | None:
    """Podman or docker, whichever answers."""
    for engine in ("podman", "docker"):
        if shutil.which(engine) and _answers(engine, "info"):
            return engine
    return None


def build_image(variant: str) -> Image:
    """Build the image of this tree, from the layers of earlier builds where nothing changed."""
    name = run_script("build.sh", variant).strip()
    engine = find_engine()
    assert engine is not None
    settings: dict[str, str] = {}
    if not _answers(engine, "run", "--rm", "--network", "none", name, "true"):
        settings = {"CONTAINERS_CONF": str(CONTAINERS / "containers.conf")}
    return Image(name, engine, settings)


def _answers(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
