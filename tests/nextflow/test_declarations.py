"""The modules say what the command line says: held by reading both, without running either."""

from __future__ import annotations

import re

import pytest
import typer.main
import yaml

from benchmarks.harness.nextflow import MODULES
from tcellflow import __version__
from tcellflow.cli.app import app
from tcellflow.vocabulary import STEPS, OutputName, output_name

COMMANDS = dict(typer.main.get_command(app).commands)
COMMANDS["describe"] = COMMANDS["describe"].commands["run"]  # the part that a pipeline calls
FOLDERS = {step: MODULES / step.replace("-", "") for step in STEPS}
EVERY_STEP = pytest.mark.parametrize("step", STEPS)
SUFFIXES = {value for key, value in vars(OutputName).items() if not key.startswith("_")}
NOT_OF_A_STEP = {  # parts called by hand
    OutputName.RUN,
    OutputName.ANNOTATIONS,
    OutputName.VERDICTS,
    OutputName.EVALUATION,
}


def _script(step):
    return (FOLDERS[step] / "main.nf").read_text()


def _description(step):
    return yaml.safe_load((FOLDERS[step] / "meta.yml").read_text())


def _emitted(step):
    """Emit name and pattern of each file of the output block."""
    block = re.search(r"\n    output:\n(.*?)\n    when:", _script(step), re.DOTALL)[1]
    return {emit: pattern for pattern, emit in re.findall(r'path\("([^"]+)"\), emit: (\w+)', block)}


def _inputs(step):
    block = re.search(r"\n    input:\n(.*?)\n    output:", _script(step), re.DOTALL)[1]
    return [name for line in block.splitlines() for name in re.findall(r"(?:path|val)[( ](\w+)", line)]


@EVERY_STEP
def test_a_module_calls_its_command(step):
    """The process is named after the step and runs the command of the step, once."""
    assert f"process TCELLFLOW_{step.replace('-', '').upper()} {{" in _script(step)
    assert re.findall(r"^    tcellflow ([\w-]+)", _script(step), re.MULTILINE) == [step]


@EVERY_STEP
def test_a_module_uses_options_that_the_command_has(step):
    """Each option in the script is one of the command line."""
    known = {option for parameter in COMMANDS[step].params for option in parameter.opts}
    used = set(re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", _script(step))) - {"--version"}
    assert used
    assert used - known == set()


@EVERY_STEP
def test_a_module_uses_the_options_that_every_command_shares(step):
    """Output folder, prefix, and where the command has them threads and device, come from the module."""
    known = {option for parameter in COMMANDS[step].params for option in parameter.opts}
    for option in {"--output", "--prefix", "--threads", "--device"} & known:
        assert f"{option} " in _script(step), option


@EVERY_STEP
def test_a_module_names_files_as_the_vocabulary_does(step):
    """Each output pattern is the prefix and a suffix of the vocabulary."""
    known = {output_name("${prefix}", suffix) for suffix in SUFFIXES}
    assert set(_emitted(step).values()) - known == set()


def test_the_modules_hand_on_every_file_a_step_can_write():
    """No file of the vocabulary is left in the task folder."""
    emitted = [pattern for step in STEPS for pattern in _emitted(step).values()]
    assert len(set(emitted)) == len(emitted)
    assert set(emitted) == {output_name("${prefix}", suffix) for suffix in SUFFIXES - NOT_OF_A_STEP}


@EVERY_STEP
def test_a_description_lists_the_inputs_and_outputs_of_its_module(step):
    """meta.yml and main.nf name the same channels, in the same order."""
    described = _description(step)
    assert described["name"] == f"tcellflow_{step.replace('-', '')}"
    channels = [channel if isinstance(channel, list) else [channel] for channel in described["input"]]
    assert [next(iter(entry)) for channel in channels for entry in channel] == _inputs(step)
    outputs = {
        emit: str(next(iter(rows[0][1])))
        for emit, rows in described["output"].items()
        if "versions" not in emit
    }
    assert outputs == _emitted(step)
    assert described["topics"]["versions"] == described["output"]["versions_tcellflow"]


@EVERY_STEP
def test_a_stub_makes_every_file_that_is_not_optional(step):
    """The stub block touches each output that a real run always has."""
    stub = _script(step).partition("    stub:")[2]
    optional = set(re.findall(r'path\("([^"]+)"\), emit: \w+, optional', _script(step)))
    assert {pattern for pattern in _emitted(step).values() if pattern not in stub} - optional == set()


@EVERY_STEP
def test_a_module_asks_for_this_version(step):
    """Images and conda environments are those of this version, and no other is named."""
    images = set(re.findall(r"localhost/tcellflow:([\w.-]+)", _script(step)))
    assert images <= {__version__, f"{__version__}-gpu"}
    assert __version__ in images
    assert (f"{__version__}-gpu" in images) == ("process_gpu" in _script(step))
    for path in FOLDERS[step].glob("environment*.yml"):
        kind = "gpu" if path.name == "environment.gpu.yml" else "cpu"
        packages = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
        assert packages == [f"tcellflow[{kind}]=={__version__}"]


@EVERY_STEP
def test_a_module_reads_no_parameter_of_the_pipeline(step):
    """A module works in any pipeline: what it needs comes through inputs and ext."""
    assert "params" not in _script(step)
