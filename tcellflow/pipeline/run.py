"""One sample from its files to its report: the steps in order, each only where something changed.

Invariant: a step is kept exactly when version, content-changing options, inputs and bundle are those
of the recorded run and its outputs are unchanged; a killed run goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcellflow import __version__
from tcellflow.io.outputs.run_record import DigestCache, RunRecord
from tcellflow.pipeline.plan import plan_steps
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import STEPS, OutputName

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tcellflow.pipeline.options import RunOptions
    from tcellflow.pipeline.plan import PlannedStep
    from tcellflow.provenance import JsonValue
    from tcellflow.steps.progress import Progress

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
    plan = plan_steps(options)
    digests = DigestCache()
    record = RunRecord(options.output, options.prefix, digests)
    if not options.force:
        for step in plan:
            record.check_replaceable(step.name, [options.path(suffix).name for suffix in step.outputs])
    if options.steps is None:
        for name in [name for name in STEPS if name not in {step.name for step in plan}]:
            for removed in record.forget(name):
                _LOG.info("%s: removed %s of an earlier run", name, removed)
    outputs: list[Path] = []
    for step in plan:
        fingerprint = _fingerprint(step, digests)
        if not options.force and record.is_current(step.name, fingerprint):
            _LOG.info("%s: kept", step.name)
            outputs += record.list_outputs(step.name)
            continue
        started = time.perf_counter()
        record.begin(step.name, fingerprint, [options.path(suffix).name for suffix in step.outputs])
        try:
            with show(step.name) if show else nullcontext(quiet) as progress:
                written = step.run(step.options, progress=progress)
        except BaseException:
            record.abandon()
            raise
        record.finish(step.name, fingerprint, written)
        _LOG.info("%s: done in %.1f s", step.name, time.perf_counter() - started)
        outputs += written
    if options.path(OutputName.REPORT) in outputs:
        _LOG.info("the report: %s", options.path(OutputName.REPORT))
    return outputs


def _fingerprint(step: PlannedStep, digests: DigestCache) -> dict[str, JsonValue]:
    options: dict[str, JsonValue] = {}
    inputs: dict[str, JsonValue] = {}
    for item in fields(step.options):
        value = getattr(step.options, item.name)
        if item.name in _PLACES or (item.name == "bundle" and step.bundle):
            continue
        if isinstance(value, Path):
            inputs[item.name] = digests.digest(value)
        elif isinstance(value, tuple):
            inputs[item.name] = [digests.digest(path) for path in value]
        else:
            is_record = is_dataclass(value) and not isinstance(value, type)
            options[item.name] = asdict(value) if is_record else value
    return {"version": __version__, "options": options, "inputs": inputs, "bundle": dict(step.bundle)}
