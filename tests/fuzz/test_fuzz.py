"""A short run of the fuzz harnesses; ``make fuzz`` is the long one."""

from __future__ import annotations

import os
import signal
import time

import pytest

from fuzz.campaign import run, run_target
from fuzz.targets import Target, make_targets
from tcellflow.errors import InputError

CASES = int(os.environ.get("TCELLFLOW_FUZZ_CASES", "3000"))


def test_no_damage_makes_more_than_an_error_of_tcellflow(tmp_path):
    """Of a few thousand damaged files each is read or refused in words; none is a bug, hangs or swells."""
    found = run(make_targets(), CASES, seed=20_000, save=tmp_path, seconds=45)
    failures = [words for outcome in found.values() for words in outcome.failures]
    assert failures == []
    assert all(outcome.cases and outcome.refused for outcome in found.values())


def _fail(kind):
    def read(path):
        number = int(path.read_text())
        if number != 3:
            raise InputError("no", where=path, mend="none")
        while kind == "busy":
            pass
        if kind == "waiting":
            time.sleep(60)
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == "memory":
            return len(bytearray(1 << 30) + b"1")
        raise KeyError(kind)

    return read


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("busy", "hang"),
        ("waiting", "by force"),
        ("killed", "ended with -11"),
        ("memory", "GB"),
        ("bug", "KeyError: 'bug'"),
    ],
)
def test_the_harness_finds_what_it_looks_for(tmp_path, monkeypatch, kind, words):
    """A case that fails is told by its number and saved, and the cases behind it are run all the same."""
    if kind in {"busy", "waiting"}:
        monkeypatch.setattr("fuzz.campaign.MAX_SECONDS", 1)
    numbers = iter(range(100))

    def make(folder, rng):
        (folder / "n").write_text(str(next(numbers)))
        return folder / "n"

    target = Target("made", make, _fail(kind), 1)
    outcome = run_target(target, range(6), seed=1, save=tmp_path)
    assert len(outcome.failures) == 1
    assert words in outcome.failures[0]
    assert outcome.failures[0].startswith("made 3 (seed 1)")
    assert outcome.cases == 6
    assert outcome.refused >= 4
    assert (tmp_path / "made-1-3" / "n").is_file()
    assert (tmp_path / "made-1-3.txt").read_text() in outcome.failures[0]
