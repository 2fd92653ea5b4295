"""Lint the modules with nf-core/tools, without the network: make lint-nextflow.

    python nextflow/lint_modules.py NF_CORE

NF_CORE is the `nf-core` command. The linter wants a git repository of modules and clones nf-core's own;
both are made here in a temporary folder, and git is told to clone the second one instead. Its schemas
of meta.yml and environment.yml, which belong to that repository, are replaced by short ones of ours. It
also wants a newer Nextflow than the one the tests have, only to be told the images: a stand-in reads
them from main.nf. Whatever is found beyond ALLOWED ends with 1.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = Path(__file__).parent / "modules" / "local" / "tcellflow"
REMOTE = "https://github.com/nf-core/modules.git"
ALLOWED = {
    "container_links": "the image is built by whoever runs it; none is published in a registry yet",
    "test_dir_exists": "nf-test cannot be had where these modules are tested; pytest runs them instead",
    "process_standard_label": "process_gpu is a label of nf-core too, but not one of its standard ones",
}
SCHEMAS = {
    "environment-schema.json": {
        "type": "object",
        "required": ["channels", "dependencies"],
        "additionalProperties": False,
        "properties": {
            "channels": {"const": ["conda-forge", "bioconda"]},
            "dependencies": {"type": "array", "minItems": 1},
        },
    },
    "meta-schema.json": {
        "type": "object",
        "required": [
            *(
                "name",
                "description",
                "keywords",
                "tools",
                "input",
                "output",
                "topics",
                "authors",
                "maintainers",
            )
        ],
        "additionalProperties": False,
        "properties": {
            "name": {"pattern": "^tcellflow_[a-z]+$"},
            "description": {"type": "string", "minLength": 20},
            "keywords": {"type": "array", "minItems": 3},
            "tools": {"type": "array", "minItems": 1},
            "input": {"type": "array", "minItems": 1},
            "output": {"type": "object"},
            "topics": {"type": "object"},
            "authors": {"type": "array"},
            "maintainers": {"type": "array"},
        },
    },
}
STAND_IN = """#!/usr/bin/env bash
case "$1" in
  -v | -version) echo "nextflow version 25.10.4.11173" ;;
  inspect)
    image=$(grep -o "localhost/tcellflow:[0-9.]*" "${@: -1}" | tail -n 1)
    printf '{"processes": [{"name": "x", "container": "%s"}]}\\n' "$image" ;;
  *) echo '{}' ;;
esac
"""


def write_files(folder: Path, texts: dict[str, str]) -> None:
    """Write files by their path within a folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def make_repository(folder: Path, texts: dict[str, str]) -> None:
    """Make a git repository of one commit."""
    write_files(folder, texts)
    author = ("-c", "user.name=lint", "-c", "user.email=lint@example.org")
    for command in (
        ("init", "-q", "-b", "master"),
        ("add", "-A"),
        (*author, "commit", "-q", "-m", "modules"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)


def lint(nf_core: str, folder: Path) -> str:
    """Run the linter on a copy of the modules, and give its report."""
    texts = {
        f"modules/tcellflow/tcellflow/{path.relative_to(MODULES)}": path.read_text(encoding="utf-8")
        for path in MODULES.rglob("*")
        if path.is_file()
    }
    own = {
        ".nf-core.yml": "repository_type: modules\norg_path: tcellflow\n",
        "main.nf": "",
        "nf-test.config": "",
    }
    make_repository(folder / "own", own | {"tests/config/nextflow.config": ""} | texts)
    schemas = {f"modules/{name}": json.dumps(schema) for name, schema in SCHEMAS.items()}
    theirs = {".nf-core.yml": "repository_type: modules\norg_path: nf-core\n", "modules/nf-core/.keep": ""}
    make_repository(folder / "remote", theirs | {"subworkflows/nf-core/.keep": ""} | schemas)
    write_files(folder, {"bin/nextflow": STAND_IN})
    (folder / "bin" / "nextflow").chmod(0o755)
    home = str(folder / "home")
    (folder / "home").mkdir()
    environment = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": home,
        "XDG_CONFIG_HOME": home,
        "XDG_CACHE_HOME": home,
        "NXF_HOME": home,
        "COLUMNS": "200",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder / 'remote'}.insteadOf",
        "GIT_CONFIG_VALUE_0": REMOTE,
    }
    done = subprocess.run(
        [nf_core, "--hide-progress", "modules", "lint", "-d", "own", "--plain-text", "--all"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def main() -> int:
    """Lint, and tell what was found and what of it is not allowed."""
    with tempfile.TemporaryDirectory() as folder:
        report = lint(str(Path(sys.argv[1]).absolute()), Path(folder))
    passed = re.search(r"(\d+) Tests Passed", report)
    found = re.findall(r"^tcellflow/(\w+) (\w+)$", report, re.MULTILINE)
    told = sum(int(n) for n in re.findall(r"(\d+) (?:Test Warnings?|Tests? Failed)", report))
    others = [f"{module}: {check}" for module, check in found if check not in ALLOWED]
    if passed is None or others or len(found) != told:
        print(report)
        print("nf-core lint found what is not allowed:", ", ".join(others) or "see above", file=sys.stderr)
        return 1
    print(f"nf-core lint: {passed[1]} checks passed; allowed differences:")
    for check in sorted({check for _module, check in found}):
        modules = ", ".join(module for module, name in found if name == check)
        print(f"  {check} ({modules}): {ALLOWED[check]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
