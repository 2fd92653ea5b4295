"""Runs of many cases, each in bounded time and memory; failing inputs are saved.

    python tests/fuzz/campaign.py --cases 1000000 --seed 1 --save fuzz-found

Invariant: a case is made again from seed, target and number alone. It fails if reading raises anything but an
error of tcellflow, takes more than 10 s of a processor or 60 s in all, needs 1 GB more than the idle process,
or ends the process.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

_TESTS = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # pytest has these on its path already
    sys.path[:0] = [str(_TESTS.parent), str(_TESTS)]

from tcellflow.errors import TcellflowError  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.targets import Target

_SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None
MAX_SECONDS = 10
MAX_KIB = 1_000_000
_MOST_WAITING = 6  # times as long on a busy machine, for a pipe, or in C code that no signal interrupts
_SHARED = struct.Struct("qqq")  # number of the case, cases done, cases refused


@dataclass
class Outcome:
    """What became of the cases of one target."""

    cases: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


class _HangError(BaseException):
    """A case took too long."""


def run_target(target: Target, numbers: range, *, seed: int, save: Path | None = None) -> Outcome:
    """Run cases of one target in processes of their own, so that none takes the others along."""
    outcome = Outcome()
    shared = mmap.mmap(-1, _SHARED.size)
    start = numbers.start
    while start < numbers.stop:
        _SHARED.pack_into(shared, 0, start, 0, 0)
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(reading)
            os._exit(_run_cases(target, range(start, numbers.stop), seed, shared, writing))
        os.close(writing)
        words = _watch(process, shared, reading)
        number, done, refused = _SHARED.unpack_from(shared)
        outcome.cases += done
        outcome.refused += refused
        if words is None:
            break
        outcome.failures.append(f"{target.name} {number} (seed {seed}): {words}")
        outcome.cases += 1
        if save is not None:
            save_case(target, number, seed=seed, folder=save / f"{target.name}-{seed}-{number}", words=words)
        start = number + 1
    return outcome


def _watch(process: int, shared: mmap.mmap, reading: int) -> str | None:
    """Wait for a process of cases; gives words about a failed case, None if all went well."""
    last, since = -1, time.monotonic()
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        number = _SHARED.unpack_from(shared)[0]
        if number != last:
            last, since = number, time.monotonic()
        elif time.monotonic() - since > MAX_SECONDS * _MOST_WAITING:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    with os.fdopen(reading, "rb") as stream:
        words = stream.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return None
    return words or ("hang, ended by force" if code == -signal.SIGKILL else f"the process ended with {code}")


def _run_cases(target: Target, numbers: range, seed: int, shared: mmap.mmap, writing: int) -> int:
    def stop(_signal: int, _frame: object) -> None:
        raise _HangError

    warnings.simplefilter("ignore")
    faulthandler.disable()  # what a case dies of is told by its number
    logging.disable()
    signal.signal(signal.SIGPROF, stop)
    idle = _peak_kib()
    with tempfile.TemporaryDirectory(prefix="tcellflow-fuzz-", dir=_SCRATCH) as name:
        folder = Path(name) / "case"
        for number in numbers:
            _, done, refused = _SHARED.unpack_from(shared)
            _SHARED.pack_into(shared, 0, number, done, refused)
            path = _make_case(target, number, seed, folder)
            words = ""
            try:
                signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
                target.read(path)
                signal.setitimer(signal.ITIMER_PROF, 0)
            except TcellflowError:
                refused += 1
            except _HangError as error:
                words = "hang\n" + "".join(traceback.format_tb(error.__traceback__)[-3:])
            except BaseException as error:  # noqa: BLE001 - all but the product's own errors are failures
                words = "".join(traceback.format_exception(error)[-6:])
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            if not words and _peak_kib() - idle > MAX_KIB:
                words = f"memory: {(_peak_kib() - idle) / 1e6:.1f} GB"
            if words:
                _SHARED.pack_into(shared, 0, number, done, refused)
                with os.fdopen(writing, "wb") as stream:
                    stream.write(words[-4000:].encode(errors="replace"))
                shutil.rmtree(name, ignore_errors=True)
                return 1
            _SHARED.pack_into(shared, 0, number, done + 1, refused)
    return 0


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _make_case(target: Target, number: int, seed: int, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():  # a whole folder anew takes three times as long
        path.unlink()
    return target.make(folder, random.Random(f"{seed}/{target.name}/{number}"))


def save_case(target: Target, number: int, *, seed: int, folder: Path, words: str) -> None:
    """Write the input of a case again, and beside it what went wrong."""
    _make_case(target, number, seed, folder)
    with contextlib.suppress(OSError):
        folder.with_suffix(".txt").write_text(words, encoding="utf-8")


def run(
    targets: Sequence[Target], n_cases: int, *, seed: int, save: Path | None, seconds: float | None = None
) -> dict[str, Outcome]:
    """Run a number of cases, shared among the targets, in turns, until the time is up."""
    found = {target.name: Outcome() for target in targets}
    end = time.monotonic() + seconds if seconds is not None else None
    total = sum(target.share for target in targets)
    wanted = {target.name: -(-n_cases * target.share // total) for target in targets}
    at = dict.fromkeys(wanted, 0)
    while any(at[name] < wanted[name] for name in wanted):
        for target in targets:
            step = max(1, min(wanted[target.name] // 20, wanted[target.name] - at[target.name]))
            if at[target.name] >= wanted[target.name]:
                continue
            if end is not None and time.monotonic() > end:
                return found
            numbers = range(at[target.name], at[target.name] + step)
            outcome = run_target(target, numbers, seed=seed, save=save)
            at[target.name] += step
            total_of = found[target.name]
            total_of.cases += outcome.cases
            total_of.refused += outcome.refused
            total_of.failures += outcome.failures
            for words in outcome.failures:
                sys.stderr.write(words + "\n")
        sys.stderr.write(describe(found) + "\n")
    return found


def describe(found: dict[str, Outcome]) -> str:
    """Say in one line how many cases there were, how many were refused, and which failed."""
    parts = Counter({name: outcome.cases for name, outcome in found.items()})
    failed = sum(len(outcome.failures) for outcome in found.values())
    refused = sum(outcome.refused for outcome in found.values())
    of_each = ", ".join(f"{name} {count:,}" for name, count in parts.items())
    return f"{parts.total():,} cases ({of_each}): {refused:,} refused, {failed} failed"


def main() -> int:
    """Run a campaign from the command line; 1 where a case failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--save", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    from fuzz.targets import make_targets  # noqa: PLC0415

    targets = [t for t in make_targets() if not given.only or t.name in given.only]
    found = run(targets, given.cases, seed=given.seed, save=given.save, seconds=given.seconds)
    sys.stdout.write(describe(found) + "\n")
    return int(any(outcome.failures for outcome in found.values()))


if __name__ == "__main__":
    sys.exit(main())
