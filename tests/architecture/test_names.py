"""One list of steps and one list of errors, everywhere the same."""

from __future__ import annotations

import re
import tomllib

import pytest
import typer.main

from architecture.sources import PACKAGE, ROOT, package_sources
from tcellflow import __version__, errors
from tcellflow.cli.app import app
from tcellflow.io.bundles.folders import read_manifest
from tcellflow.provenance import digest_file
from tcellflow.vocabulary import STEPS, OutputName

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# the whole chain; looking after bundles, making and judging them
NOT_STEPS = {"run", "bundle", "train", "evaluate"}
ERRORS = [
    item
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, errors.TcellflowError)
]


def test_analysis_commands_are_the_steps_in_order():
    """The command line offers exactly the steps of the vocabulary, in the order they run."""
    group = typer.main.get_command(app)
    commands = group.list_commands(typer.Context(group))
    assert tuple(name for name in commands if name not in NOT_STEPS) == STEPS
    assert set(commands) >= NOT_STEPS


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_one_module_of_its_name(step):
    """Each step lives in the module that bears its name, as a function and its options."""
    name = step.replace("-", "_")
    source = next(s for s in package_sources() if s.module == f"tcellflow.steps.{name}")
    options = "".join(part.capitalize() for part in name.split("_")) + "Options"
    assert re.search(rf"^def {name}\(", source.text, re.MULTILINE)
    assert re.search(rf"^class {options}\b", source.text, re.MULTILINE) or options in source.text


def test_each_step_has_one_page():
    """The documentation has one page for each step and no other."""
    assert {path.stem for path in (ROOT / "docs" / "steps").glob("*.md")} == set(STEPS)


def test_each_step_has_one_workflow_module():
    """The Nextflow modules are the steps (hyphens are not allowed there), and the page of a cohort."""
    modules = ROOT / "nextflow" / "modules" / "local" / "tcellflow"
    steps = {s.replace("-", "") for s in STEPS}
    assert {path.parent.name for path in modules.glob("*/main.nf")} == {*steps, "cohort"}


def test_steps_are_kept_apart_by_the_import_contract():
    """The contract 'steps meet only through files' names every step."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    listed = next(c["modules"] for c in contracts if c["type"] == "independence")
    assert set(listed) >= {f"tcellflow.steps.{step.replace('-', '_')}" for step in STEPS}


def test_every_output_name_is_explained():
    """The page on outputs names every file a step can write."""
    page = (ROOT / "docs" / "outputs.md").read_text()
    names = {value for key, value in vars(OutputName).items() if not key.startswith("_")}
    assert {name for name in names if name not in page} == set()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_documented_exit_code(error):
    """Each error class has an exit code whose meaning is written down and printed in the reference."""
    code = error.exit_code
    assert code in errors.EXIT_CODE_MEANINGS
    assert f"| {int(code)} |" in (ROOT / "docs" / "reference.md").read_text()


def test_no_two_errors_share_an_exit_code():
    """A script can tell the kinds of errors apart by the exit code alone."""
    codes = [error.exit_code for error in ERRORS]
    assert len(set(codes)) == len(codes)


def test_every_exit_code_has_a_meaning():
    """The table of meanings covers the exit codes exactly."""
    assert set(errors.EXIT_CODE_MEANINGS) == set(errors.ExitCode)


def test_version_is_said_once():
    """The package, pyproject.toml, the image and the changelog speak of the same version."""
    version = PYPROJECT["project"]["version"]
    assert __version__ == version
    assert f"ARG VERSION={version}" in (ROOT / "Dockerfile").read_text()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_bundle_has_its_manifest_entry():
    """The bundles that ship are exactly those the manifest lists, and at least one ships."""
    shipped = {path.parent.name: digest_file(path) for path in (PACKAGE / "bundles").glob("*/bundle.json")}
    assert shipped
    assert {name: entry["sha256"] for name, entry in read_manifest().items()} == shipped
