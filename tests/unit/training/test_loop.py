"""One training loop: it learns, it stops when asked, and a killed run ends as if it had not been."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.training.checkpoints import CHECKPOINT_FILE, METRICS_FILE, read_checkpoint, write_checkpoint
from tcellflow.training.loop import choose_device, train
from tcellflow.training.options import LoopOptions

OPTIONS = LoopOptions(steps=40, learning_rate=0.05, warm_up_steps=5, validate_every=10, device="cpu")


class Killed(BaseException):
    """Stands for a signal."""


class Line:
    """A network with dropout that learns y = 2x, told by a step's number alone."""

    def __init__(self, *, fail_at=None, rises=False, data="one"):
        with torch.random.fork_rng([]):
            torch.manual_seed(3)
            self.network = nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.2), nn.Linear(16, 1))
        self.fingerprint = {"data": data}
        self.fail_at = fail_at
        self.rises = rises
        self.validations = 0

    def measure_loss(self, step):
        if step == self.fail_at:
            raise Killed
        x = torch.randn(32, 1, generator=torch.Generator().manual_seed(step))
        error = (self.network(x) - 2 * x).float().square().mean()
        return error, {"error": error.detach()}

    def validate(self):
        self.validations += 1
        x = torch.linspace(-1, 1, 20)[:, None]
        error = float((self.network(x) - 2 * x).square().mean().detach())
        return {"loss": float(self.validations) if self.rises else error, "error": error}


def state(task):
    return {name: value.clone() for name, value in task.network.state_dict().items()}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_it_learns(tmp_path):
    """The error falls, and the metrics file has one line per validation."""
    task = Line()
    before = task.validate()["error"]
    history = train(task, tmp_path, OPTIONS)
    lines = [json.loads(line) for line in (tmp_path / METRICS_FILE).read_text().splitlines()]
    assert lines == history
    assert [line["step"] for line in lines] == [10, 20, 30, 40]
    assert lines[-1]["validation_error"] < before / 5


@pytest.mark.parametrize("is_mixed_precision", [True, False])
def test_a_killed_run_ends_with_the_same_bits(tmp_path, is_mixed_precision):
    """Killed between two checkpoints and started again, weights and metrics are those of one run."""
    options = replace(OPTIONS, is_mixed_precision=is_mixed_precision)
    whole = Line()
    history = train(whole, tmp_path / "whole", options)
    with pytest.raises(Killed):
        train(Line(fail_at=27), tmp_path / "killed", options)
    resumed = Line()
    assert train(resumed, tmp_path / "killed", options, resume=True) == history
    assert_same_bits(state(whole), state(resumed))
    assert (tmp_path / "whole" / METRICS_FILE).read_bytes() == (
        tmp_path / "killed" / METRICS_FILE
    ).read_bytes()


def test_a_finished_run_is_not_repeated(tmp_path):
    """Going on with a finished run takes no step and gives its weights."""
    first = Line()
    train(first, tmp_path, OPTIONS)
    again = Line(fail_at=0)
    train(again, tmp_path, OPTIONS, resume=True)
    assert_same_bits(state(first), state(again))


def test_without_resume_a_run_starts_anew(tmp_path):
    """A checkpoint in the folder is not used unless asked for."""
    train(Line(), tmp_path, OPTIONS)
    with pytest.raises(Killed):
        train(Line(fail_at=0), tmp_path, OPTIONS)


def test_the_best_weights_are_kept_and_patience_ends_a_run(tmp_path):
    """When the loss only rises, the first validation's weights are kept and the run stops early."""
    task = Line(rises=True)
    history = train(task, tmp_path / "long", replace(OPTIONS, patience=2))
    assert [line["step"] for line in history] == [10, 20, 30]
    kept, _ = read_checkpoint(
        tmp_path / "long", fingerprint_of(task, replace(OPTIONS, patience=2)), torch.device("cpu")
    )
    assert_same_bits(state(task), kept["best"])
    assert not torch.equal(kept["best"]["0.weight"], kept["network"]["0.weight"])


def fingerprint_of(task, options):
    return {**vars(options), "task": task.fingerprint}


def test_no_steps_leave_the_network_as_it_is(tmp_path):
    """Zero steps train nothing and write nothing."""
    task = Line()
    before = state(task)
    assert train(task, tmp_path, replace(OPTIONS, steps=0)) == []
    assert_same_bits(before, state(task))


def test_torch_random_state_is_left_alone(tmp_path):
    """Training with dropout does not touch the generator that others use."""
    before = torch.get_rng_state()
    train(Line(), tmp_path, replace(OPTIONS, steps=3))
    assert torch.equal(before, torch.get_rng_state())


def test_progress_is_told(tmp_path):
    """Each step is told with the number of all steps."""
    seen = []
    train(Line(), tmp_path, replace(OPTIONS, steps=3), on_step=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    """Other options or other data are named, and nothing is trained."""
    train(Line(), tmp_path, OPTIONS)
    with pytest.raises(InputError, match=r"learning_rate, task\.data differ"):
        train(Line(data="two"), tmp_path, replace(OPTIONS, learning_rate=0.1), resume=True)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_checkpoint_is_refused(tmp_path, content):
    """A checkpoint that cannot be read is an error, not a new start."""
    (tmp_path / CHECKPOINT_FILE).write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        train(Line(), tmp_path, OPTIONS, resume=True)


class Evil:
    """Runs code when unpickled."""

    def __reduce__(self):
        return (print, ("executed",))


def test_a_checkpoint_is_never_executed(tmp_path, capsys):
    """A checkpoint with code in it is refused before the code runs."""
    torch.save({"state": Evil(), "fingerprint": "{}", "history": "[]"}, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(InputError, match="damaged"):
        train(Line(), tmp_path, OPTIONS, resume=True)
    assert "executed" not in capsys.readouterr().out


def test_figures_that_are_not_finite_end_a_run(tmp_path):
    """A run that diverged says so instead of writing its weights."""
    task = Line()
    task.validate = lambda: {"loss": float("nan")}
    with pytest.raises(InputError, match="diverged"):
        train(task, tmp_path, OPTIONS)
    assert not (tmp_path / CHECKPOINT_FILE).exists()


def test_an_unwritable_folder_is_an_output_error(tmp_path):
    """A file in place of the folder is told as such."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_checkpoint(tmp_path / "taken", {}, {}, [])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    """Asking for the GPU is an error without one; auto takes the processor."""
    assert choose_device("auto").type == "cpu"
    with pytest.raises(OptionsError, match="torch sees none"):
        choose_device("cuda")
