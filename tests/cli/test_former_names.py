"""Options that were renamed: former names run on, today's are in the help, and each means one thing."""

from __future__ import annotations

import pytest
import typer

from command_line import run_command
from tcellflow.cli.app import app
from tcellflow.cli.former_names import FORMER_NAMES, rename_options


def find_command(path):
    """Give a command by its words."""
    command = typer.main.get_command(app)
    for word in path.split():
        command = command.commands[word]
    return command


@pytest.mark.parametrize("path", FORMER_NAMES)
def test_a_former_name_stands_for_an_option_of_today_and_for_nothing_else(path):
    """Today's name is one of the command's options, the former name is none of any kind."""
    known = {option for parameter in find_command(path).params for option in parameter.opts}
    for former, today in FORMER_NAMES[path].items():
        assert today in known
        assert former not in known


def test_words_are_renamed_up_to_the_end_of_options():
    """With a value behind a space or an equals sign; values and what follows -- stay."""
    words = ["--genes", "5", "--genes=6", "--genesis", "--", "--genes"]
    assert rename_options(words, {"--genes": "--evidence-genes"}) == [
        "--evidence-genes", "5", "--evidence-genes=6", "--genesis", "--", "--genes",
    ]  # fmt: skip


def test_a_former_name_is_checked_as_todays():
    """The range of values is that of the option, and the message names what it is called now."""
    done = run_command("predict", "x.h5ad", "--genes", "51")
    assert done.code == 2
    assert "--evidence-genes" in done.stderr


def test_a_mistyped_option_gets_a_suggestion():
    """The message names the option that was meant."""
    done = run_command("predict", "x.h5ad", "--evidence-gene", "5")
    assert done.code == 2
    assert "--evidence-genes" in done.stderr


@pytest.mark.parametrize(
    ("option", "owners"),
    [
        ("--steps", {"run"}),
        ("--bundle", {"predict", "run", "evaluate"}),
        ("--receptors", {"predict"}),
        ("--chains", {"predict", "train receptors"}),
    ],
)
def test_a_name_means_one_thing(option, owners):
    """Steps to run, a states bundle, the receptors table, chains tables: no command means another thing."""
    found = set()

    def walk(command, path):
        for name, below in getattr(command, "commands", {}).items():
            walk(below, f"{path} {name}".strip())
        if any(option in parameter.opts for parameter in command.params):
            found.add(path)

    walk(typer.main.get_command(app), "")
    assert {path for path in found if not path.startswith(("describe", "bundle"))} == owners
