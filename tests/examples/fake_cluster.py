#!/usr/bin/env python3
"""Stand-ins for docker, apptainer and sbatch: strict about their arguments, they run the command here.

Started under one of those names. What a container would hide is refused: a path that no volume holds,
an output where the volume is read-only. Options that the real program does not know end with 2.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    name = Path(sys.argv[0]).name
    return {"docker": docker, "apptainer": apptainer, "sbatch": sbatch}[name](sys.argv[1:])


def docker(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="docker run", allow_abbrev=False)
    for flag in ("--rm", "--read-only"):
        parser.add_argument(flag, action="store_true")
    for option in ("--network", "--tmpfs", "--user", "--cpus", "--memory", "--workdir"):
        parser.add_argument(option)
    parser.add_argument("--volume", action="append", default=[])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    assert words[0] == "run"
    given = parser.parse_args(words[1:])
    note("docker", vars(given))
    return run_inside(given.volume, given.workdir, given.command)


def apptainer(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="apptainer exec", allow_abbrev=False)
    for flag in ("--containall", "--no-home", "--nv"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--bind", action="append", default=[])
    parser.add_argument("--pwd")
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    assert words[0] == "exec"
    given = parser.parse_args(words[1:])
    if not Path(given.image).is_file():
        sys.exit(f"FATAL: could not open image {given.image}")
    note("apptainer", vars(given))
    return run_inside(given.bind, given.pwd, given.command)


def run_inside(volumes: list[str], folder: str, command: list[str]) -> int:
    seen = [entry.split(":") for entry in volumes]
    writable = [Path(parts[-2] if parts[-1] == "ro" else parts[-1]) for parts in seen if parts[-1] != "ro"]
    readable = [Path(parts[0]) for parts in seen]
    for before, word in itertools.pairwise(command):
        path = Path(folder, word)
        places = writable if before == "-o" else readable
        if (before == "-o" or path.exists()) and not any(path.is_relative_to(place) for place in places):
            sys.exit(f"the container does not see {path}")
    return subprocess.run(command, cwd=folder, env={"PATH": os.environ["PATH"]}, check=False).returncode


def sbatch(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="sbatch", allow_abbrev=False)
    for option in ("array", "job-name", "cpus-per-task", "mem", "time", "output"):
        parser.add_argument(f"--{option}")
    parser.add_argument("script", nargs="?")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    lines = Path(given.script).read_text().splitlines()
    own = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    settings = parser.parse_args([*own, given.script])
    first, last = map(int, given.array.split("-"))
    note("sbatch", {"array": given.array, "memory": given.mem or settings.mem})
    with tempfile.TemporaryDirectory() as spool:  # the real one runs a copy, too
        script = shutil.copy(given.script, Path(spool) / "slurm_script")
        codes = []
        for task in range(first, last + 1):
            told = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_CPUS_PER_TASK": settings.cpus_per_task}
            environment = {**os.environ, **told}
            codes.append(
                subprocess.run(["bash", script, *given.arguments], env=environment, check=False).returncode
            )
    return max(codes)


def note(program: str, what: dict[str, object]) -> None:
    with Path(os.environ.get("FAKE_CLUSTER_NOTES", os.devnull)).open("a") as notes:
        notes.write(json.dumps({"program": program, **what}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
