"""One sample from its files to its report: the steps in order, each only where something changed.

Invariant: a step is kept exactly when version, content-changing options, inputs and bundle are those
of the recorded run and its outputs are unchanged; a killed run goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcellflow import __version__
from tcellflow.errors import OptionsError
from tcellflow.io.outputs.digests import DigestCache
from tcellflow.io.outputs.lock import hold_outputs
from tcellflow.io.outputs.run_record import RunRecord
from tcellflow.pipeline.plan import plan_steps
from tcellflow.pipeline.receptors import take_receptors_of_gex
from tcellflow.steps.options import ReportOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import STEPS, OutputName

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tcellflow.io.outputs.lock import OutputLock
    from tcellflow.pipeline.options import RunOptions
    from tcellflow.pipeline.plan import PlannedStep
    from tcellflow.provenance import JsonValue
    from tcellflow.steps.progress import Progress

    Digest = Callable[[Path], str]
    ShowProgress = Callable[[str], AbstractContextManager[Progress]]

_LOG = logging.getLogger(__name__)
# Options that say where and how fast, never what: two runs that differ in them alone write the same.
_PLACES: Final = frozenset({"output", "force", "threads", "device"})


def run_sample(options: RunOptions, *, show: ShowProgress | None = None) -> list[Path]:
    """Run the steps of one sample, keeping those that an earlier run has done already.

    Parameters
    ----------
    options
        What to run, and how.
    show
        Gives, for the name of a step, a context whose value is called with (done, total).

    Returns
    -------
    list of pathlib.Path
        The outputs of all steps of this run, those kept included.

    Raises
    ------
    OptionsError
        If a step is unknown, or its input neither exists nor is made by this run.
    InputError
        If an input is missing or not what it should be.
    ContractError
        If a file exchanged between steps breaks its contract.
    BundleError
        If the bundle is missing or damaged.
    OutputError
        If an output cannot be written, or exists without being recorded by an earlier run.
    """
    options.check()
    options = take_receptors_of_gex(options)
    plan = plan_steps(options)
    digests = DigestCache()
    with hold_outputs(options.output, options.prefix, digests) as lock:
        record = RunRecord(options.output, options.prefix, digests)
        if not options.force:
            _check_ours(options, plan, record, digests)
        if options.steps is None:
            for name in [name for name in STEPS if name not in {step.name for step in plan}]:
                for removed in record.forget(name):
                    _LOG.info("%s: removed %s of an earlier run", name, removed)
        redone = _list_redone(options, plan, record)
        for step in plan:
            _run_step(step, options, record, lock, show, is_redone=step.name in redone)
        if options.steps is None and not options.keep_cells:
            _give_up_cells(options, plan, record)
        outputs = [path for step in plan for path in record.list_outputs(step.name)]
        superseded = record.list_superseded()
    if superseded:
        _LOG.warning("set aside, for what they were made from has changed: %s", ", ".join(superseded))
    if options.path(OutputName.REPORT) in outputs:
        _LOG.info("the report: %s", options.path(OutputName.REPORT))
    return outputs


def _check_ours(
    options: RunOptions, plan: list[PlannedStep], record: RunRecord, digests: DigestCache
) -> None:
    """Refuse to mix this run's files with those of another sample or of other programs."""
    given = options.preprocess
    if given.gex is not None or given.tcr:
        record.check_same_inputs("preprocess", _digest_inputs(given, digests.digest))
    for step in plan:
        record.check_replaceable(step.name, [options.path(suffix).name for suffix in step.outputs])


def _list_redone(options: RunOptions, plan: list[PlannedStep], record: RunRecord) -> set[str]:
    """List the steps that run although they are done: their cells file was given up, and is needed again."""
    cells = options.path(OutputName.CELLS)
    if not plan or OutputName.CELLS not in plan[0].outputs or cells.exists():
        return set()
    later = [step for step in plan[1:] if cells in _find_paths(step)]
    is_needed = options.keep_cells or any(
        any(record.locate(path) is None for path in _find_paths(step))
        or not record.is_current(step.name, _fingerprint(step, record.digest))
        for step in later
    )
    return {plan[0].name} if is_needed else set()


def _give_up_cells(options: RunOptions, plan: list[PlannedStep], record: RunRecord) -> None:
    """Remove the cells file where the annotated one holds all of it."""
    cells, annotated = options.path(OutputName.CELLS), options.path(OutputName.ANNOTATED)
    if any(OutputName.ANNOTATED in step.outputs and cells in _find_paths(step) for step in plan):
        record.give_up(STEPS[0], cells.name, annotated.name)


def _run_step(
    step: PlannedStep,
    options: RunOptions,
    record: RunRecord,
    lock: OutputLock,
    show: ShowProgress | None,
    *,
    is_redone: bool,
) -> None:
    step = _leave_out_lost(step, record)
    _check_inputs(step, record)
    fingerprint = _fingerprint(step, record.digest)
    if not options.force and not is_redone and record.is_current(step.name, fingerprint):
        _LOG.info("%s: kept", step.name)
        return
    fingerprint = _fingerprint(_take_holders(step, record), record.digest)
    started = time.perf_counter()
    try:
        record.begin(step.name, fingerprint, [options.path(suffix).name for suffix in step.outputs])
        with show(step.name) if show else nullcontext(quiet) as progress:
            # asked again, for what holds the cells may just have been set aside
            written = step.run(_take_holders(step, record).options, progress=progress)
        record.finish(step.name, fingerprint, written)
        lock.settle()
    except BaseException:
        lock.roll_back()
        record.abandon()
        raise
    _LOG.info("%s: done in %.1f s", step.name, time.perf_counter() - started)


def _leave_out_lost(step: PlannedStep, record: RunRecord) -> PlannedStep:
    """Let the report go without files that were set aside: it tells of what there is."""
    if not isinstance(step.options, ReportOptions):
        return step
    kept = tuple(path for path in step.options.files if record.locate(path) is not None)
    return replace(step, options=replace(step.options, files=kept)) if kept else step


def _check_inputs(step: PlannedStep, record: RunRecord) -> None:
    """Refuse a step whose input, left by an earlier run, was made from what this run has made anew."""
    lost = [path for path in _find_paths(step) if record.locate(path) is None]
    if step.name != STEPS[0] and lost:
        raise OptionsError(
            f"{step.name} needs {lost[0].name}, whose own inputs this run has made anew",
            where="--steps",
            mend="add the step that makes it, or leave --steps out",
        )


def _take_holders(step: PlannedStep, record: RunRecord) -> PlannedStep:
    """Let a step read the annotated file where the cells file was given up for it."""
    held = {
        name: place
        for name, path in _find_files(step.options).items()
        if isinstance(path, Path) and (place := record.locate(path)) not in {None, path}
    }
    return replace(step, options=replace(step.options, **held)) if held else step


def _fingerprint(step: PlannedStep, digest: Digest) -> dict[str, JsonValue]:
    options: dict[str, JsonValue] = {}
    for item in fields(step.options):
        value = getattr(step.options, item.name)
        if item.name in _PLACES or (item.name == "bundle" and step.bundle) or isinstance(value, Path | tuple):
            continue
        is_record = is_dataclass(value) and not isinstance(value, type)
        options[item.name] = asdict(value) if is_record else value
    inputs = _digest_inputs(step.options, digest)
    return {"version": __version__, "options": options, "inputs": inputs, "bundle": dict(step.bundle)}


def _digest_inputs(options: object, digest: Digest) -> dict[str, JsonValue]:
    return {
        name: [digest(path) for path in value] if isinstance(value, tuple) else digest(value)
        for name, value in _find_files(options).items()
    }


def _find_paths(step: PlannedStep) -> list[Path]:
    found = _find_files(step.options).values()
    return [path for value in found for path in (value if isinstance(value, tuple) else (value,))]


def _find_files(options: object) -> dict[str, Path | tuple[Path, ...]]:
    """Find the files that options name, by the name of the option."""
    return {
        name: value
        for name, value in vars(options).items()
        if name not in _PLACES and isinstance(value, Path | tuple)
    }
