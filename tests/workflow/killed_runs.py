"""Kills of ``tcellflow run``, at random moments and after every rename, and what the next run makes of them.

    python tests/workflow/killed_runs.py --kills 200

Each trial runs in a folder of its own, empty or with the finished results of other options, is killed by
SIGKILL and followed by a run that is left alone. Invariant: that run ends with 0 and leaves the bytes, and
only the files, of one that was never interrupted.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

_TESTS = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # pytest has these on its path already
    sys.path[:0] = [str(_TESTS.parent), str(_TESTS)]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLE = "trex_pt17_trimodal"
OPTIONS = ("--demo-sample", SAMPLE, "--threads", "1")
OTHER_OPTIONS = (*OPTIONS, "--min-genes", "150", "--force")


@dataclass
class Tally:
    """What was tried and what went wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    too_late: int = 0
    faults: list[str] = field(default_factory=list)


def fork_run(folder: Path, options: tuple[str, ...], *, kill_after: int | None = None) -> int:
    """Start a run in a process with loaded libraries; it may kill itself after a number of renames."""
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        silent = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        if kill_after is not None:
            _kill_after(kill_after)
        from tcellflow.cli import app  # noqa: PLC0415 - loaded in the parent already

        sys.argv = ["tcellflow", "-q", "run", "-o", str(folder), *options]
        app.main()
    except SystemExit as done:
        code = int(done.code or 0)
    finally:
        os._exit(code)


def _kill_after(number: int) -> None:
    """Let this process end, as by a power cut, after so many changes of names in a folder."""
    left = [number]

    def wrap(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **options: Any) -> Any:
            given = change(*arguments, **options)
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return given

        return changed

    for name in ("rename", "replace", "link"):
        setattr(os, name, wrap(getattr(os, name)))


def wait(process: int) -> int:
    """Give the exit code; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def contents(folder: Path) -> dict[str, bytes]:
    """Give names and bytes of all files, hidden ones included."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Trials:
    """Trials beside one run that was never interrupted, and results of other options to start from."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._whole = scratch / "whole"
        self._older = scratch / "older"
        for folder, options in ((self._whole, OPTIONS), (self._older, OTHER_OPTIONS)):
            code = wait(fork_run(folder, options))
            assert code == 0, folder.with_suffix(".log").read_text()
        start = time.monotonic()
        assert wait(fork_run(scratch / "timed", OPTIONS)) == 0
        self.seconds = time.monotonic() - start
        self.expected = contents(self._whole)
        assert contents(scratch / "timed") == self.expected
        self.tally = Tally()

    def after_renames(self, *, with_older: bool) -> Iterator[None]:
        """Kill after the first rename, after the second, and so on, until a run ends by itself."""
        number = 1
        while self._try(f"after rename {number}", with_older=with_older, kill_after=number):
            number += 1
            yield

    def at_random(self, rng: random.Random, *, with_older: bool) -> None:
        """Kill at a random moment of a run."""
        self._try("at random", with_older=with_older, kill_at=rng.uniform(0.02, self.seconds))

    def _try(
        self, what: str, *, with_older: bool, kill_after: int | None = None, kill_at: float | None = None
    ) -> bool:
        folder = self._scratch / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        if with_older:
            shutil.copytree(self._older, folder)
        options = (*OPTIONS, "--force") if with_older else OPTIONS
        process = fork_run(folder, options, kill_after=kill_after)
        if kill_at is not None:
            time.sleep(kill_at)
            os.kill(process, signal.SIGKILL)
        was_killed = wait(process) == -signal.SIGKILL
        if not was_killed:
            self.tally.too_late += 1
            return False
        found = f"{what}, {'with' if with_older else 'without'} older results"
        self.tally.kills["renames" if kill_after is not None else "random"] += 1
        left = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        log = folder.with_suffix(".log")
        log.unlink(missing_ok=True)
        code = wait(fork_run(folder, options))
        if code != 0:
            self.tally.faults.append(f"{found}: the next run ends with {code}\n{log.read_text()}left: {left}")
        elif contents(folder) != self.expected:
            now = contents(folder)
            differing = sorted(
                name for name in {*now, *self.expected} if now.get(name) != self.expected.get(name)
            )
            self.tally.faults.append(f"{found}: other files or bytes: {differing}; left: {left}")
        return True


def load_libraries() -> None:
    """Import what a run imports, so that each trial costs its own work alone."""
    import anndata.io  # noqa: F401, PLC0415
    import pyarrow.csv  # noqa: F401, PLC0415

    from tcellflow.cli import app  # noqa: F401, PLC0415
    from tcellflow.pipeline import run  # noqa: F401, PLC0415
    from tcellflow.steps import describe, embed_tcr, predict, preprocess, report  # noqa: F401, PLC0415


def main() -> int:
    """Run trials from the command line; 1 where the next run was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--renames", type=int, default=1000, help="most renames to kill after")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    given = parser.parse_args()
    load_libraries()
    end = time.monotonic() + given.seconds
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="tcellflow-kills-") as name:
        trials = Trials(Path(name))
        tally = trials.tally
        for with_older in (False, True):
            for number, _ in enumerate(trials.after_renames(with_older=with_older), start=1):
                if time.monotonic() > end or number >= given.renames or tally.kills.total() >= given.kills:
                    break
        while tally.kills.total() < given.kills and time.monotonic() < end:
            trials.at_random(rng, with_older=bool(rng.randrange(2)))
            if tally.kills.total() % 10 == 0:
                sys.stderr.write(f"{dict(tally.kills)}, {len(tally.faults)} faults\n")
    for fault in tally.faults:
        sys.stdout.write(fault + "\n")
    each = ", ".join(f"{count} {what}" for what, count in tally.kills.items())
    late = f"{tally.too_late} came too late"
    sys.stdout.write(f"{tally.kills.total()} kills, {len(tally.faults)} faults ({each}; {late})\n")
    return int(bool(tally.faults))


if __name__ == "__main__":
    sys.exit(main())
