"""Defaults of training stand in one place: command line, options, recipes and packaged bundles agree."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from command_line import run_command
from recipes.receptors import build as receptors_recipe
from recipes.states import build as states_recipe
from tcellflow.io.bundles.folders import PACKAGED_FOLDER
from tcellflow.training.fusion import train as fusion_trainer
from tcellflow.training.fusion.options import TrainFusionOptions
from tcellflow.training.language import train as language_trainer
from tcellflow.training.language.options import TrainLanguageOptions
from tcellflow.training.receptors import train as receptors_trainer
from tcellflow.training.receptors.options import QUICK as QUICK_RECEPTORS
from tcellflow.training.receptors.options import CorpusOptions, TrainReceptorsOptions
from tcellflow.training.states import train as states_trainer
from tcellflow.training.states.options import QUICK, TrainStatesOptions


@pytest.fixture
def asked(monkeypatch):
    """What the trainers are asked for, instead of training."""
    found = []
    trainers = (
        (receptors_trainer, "train_receptors"),
        (states_trainer, "train_states"),
        (fusion_trainer, "train_fusion"),
        (language_trainer, "train_language"),
    )

    def train(options, on_step):
        found.append(options)
        return SimpleNamespace(folder=options.output / "bundle")

    for module, name in trainers:
        monkeypatch.setattr(module, name, train)
    return found


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("states", "--manifest", "cohorts.yaml"), TrainStatesOptions(Path("cohorts.yaml"))),
        (("fusion", "--manifest", "sets.yaml"), TrainFusionOptions(Path("sets.yaml"))),
        (("language", "--manifest", "sets.yaml"), TrainLanguageOptions(Path("sets.yaml"))),
        (
            ("receptors", "--chains", "chains.parquet"),
            TrainReceptorsOptions(CorpusOptions((Path("chains.parquet"),))),
        ),
    ],
)
def test_the_command_line_asks_for_the_defaults_of_the_options(asked, words, options):
    """A command with its required options alone trains as the options alone say, in every setting."""
    done = run_command("train", *words)
    assert (done.code, done.stderr) == (0, f"bundle: {options.output}/bundle\n")
    assert asked == [options]


def test_quick_changes_defaults_and_nothing_that_is_asked_for(asked):
    """The preset gives members and steps; an option beside it wins, on either side of it."""
    for words in (("--quick", "--steps", 7), ("--steps", 7, "--quick")):
        assert run_command("train", "states", "--manifest", "cohorts.yaml", *words).code == 0
    first, second = asked
    assert first == second
    assert (first.n_members, first.loop.steps) == (QUICK["seeds"], 7)
    assert (first.distil_steps, first.loop.validate_every) == (QUICK["distil_steps"], QUICK["validate_every"])


def test_quick_receptors_take_fewer_and_smaller_steps(asked):
    """The preset gives steps and size of a batch, and nothing else."""
    words = ("train", "receptors", "--chains", "chains.parquet")
    assert run_command(*words, "--quick").code == 0
    assert run_command(*words, "--steps", 300, "--batch-size", 256, "--validate-every", 100).code == 0
    assert asked[0] == asked[1]
    assert asked[0].loop.steps == QUICK_RECEPTORS["steps"]


def test_packaged_states_are_what_their_recipe_asks_for(asked, tmp_path):
    """The recipe's command gives the settings that the packaged bundle tells of."""
    manifest = tmp_path / "training.yaml"
    manifest.write_text("cohorts: []")
    assert run_command(*states_recipe.build_command(manifest, tmp_path, [])[1:]).code == 0
    (options,) = asked
    assert _packaged_recipe("states") == _as_json(
        {
            "architecture": options.architecture,
            "split": options.split,
            "members": options.n_members,
            "held_out": [],
            "steps": options.loop.steps,
            "distil_steps": options.distil_steps,
            "learning_rate": options.loop.learning_rate,
            **asdict(options.task),
        }
    )


def test_packaged_receptors_are_what_their_recipe_asks_for(asked, tmp_path):
    """The recipe's command gives the settings that the packaged bundle tells of."""
    assert run_command(*receptors_recipe.build_command(tmp_path, tmp_path)[1:]).code == 0
    (options,) = asked
    assert _packaged_recipe("receptors") == _as_json(
        {
            "steps": options.loop.steps,
            "learning_rate": options.loop.learning_rate,
            **asdict(options.task),
        }
    )


def _packaged_recipe(name):
    return json.loads((PACKAGED_FOLDER / name / "bundle.json").read_text(encoding="utf-8"))["recipe"]


def _as_json(recipe):
    return json.loads(json.dumps(recipe))
