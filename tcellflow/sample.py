"""One sample from its files to its report: the steps in order, each only where something changed.

Invariant: a step is kept exactly when version, content-changing options, inputs and bundle are those
of the recorded run and its outputs are unchanged; a killed run goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tcellflow import __version__
from tcellflow.errors import InputError, OptionsError
from tcellflow.inference.receptors import choose_encoder
from tcellflow.io.bundles import find_bundle, read_bundle
from tcellflow.io.run_record import DigestCache, RunRecord
from tcellflow.steps.embed_tcr import EmbedTcrOptions, embed_tcr
from tcellflow.steps.predict import DEFAULT_BUNDLE, PredictOptions, predict
from tcellflow.steps.preprocess import PreprocessOptions, preprocess
from tcellflow.steps.progress import quiet
from tcellflow.steps.report import ReportOptions, report
from tcellflow.vocabulary import STEPS, OutputName, output_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from tcellflow.inference.session import Device
    from tcellflow.inference.states import EffectorMemoryAs
    from tcellflow.provenance import JsonValue
    from tcellflow.steps.progress import Progress

    ShowProgress = Callable[[str], AbstractContextManager[Progress]]

_LOG = logging.getLogger(__name__)
# Options that say where and how fast, never what: two runs that differ in them alone write the same.
_PLACES: Final = frozenset({"output", "force", "threads", "device"})
_SAMPLES: Final = "data/samples"
DEMO_SAMPLE: Final = "tenx_healthy_T_1k"
_DEMO_GEX: Final = "sample_filtered_feature_bc_matrix.h5"
_DEMO_TCR: Final = "filtered_contig_annotations.csv"
_MAKERS: Final = {
    OutputName.QC: "preprocess",
    OutputName.CELLS: "preprocess",
    OutputName.CHAINS: "preprocess",
    OutputName.EMBED_QC: "embed-tcr",
    OutputName.RECEPTORS: "embed-tcr",
    OutputName.EMBEDDINGS: "embed-tcr",
    OutputName.METRICS: "predict",
    OutputName.PREDICTIONS: "predict",
    OutputName.CLONOTYPES: "predict",
}
_OF_REPORT: Final = tuple(name for name in _MAKERS if name not in {OutputName.CELLS, OutputName.EMBEDDINGS})


@dataclass(frozen=True)
class RunOptions:
    """Options of a run.

    Parameters
    ----------
    preprocess
        Inputs, output folder, prefix and all else that preprocess takes; its `force` is not used.
    backend
        Receptor encoder, as in `EmbedTcrOptions`.
    bundle, target_risk, effector_memory_as, device
        As in `PredictOptions`.
    steps
        Steps to run; None = all that there is input for. Their order is fixed.
    threads
        CPU threads of every step; None = those this process may use.
    force
        Whether every step runs again, and files that no earlier run recorded may be replaced.
    """

    preprocess: PreprocessOptions
    backend: str = "kmer"
    bundle: str = DEFAULT_BUNDLE
    target_risk: float | None = None
    effector_memory_as: EffectorMemoryAs = "memory"
    device: Device = "auto"
    steps: tuple[str, ...] | None = None
    threads: int | None = None
    force: bool = False

    @property
    def output(self) -> Path:
        """Output folder."""
        return self.preprocess.output

    @property
    def prefix(self) -> str:
        """Sample name in front of the file names."""
        return self.preprocess.prefix

    def path(self, suffix: str) -> Path:
        """Give the path of an output.

        Parameters
        ----------
        suffix
            One of `OutputName`.

        Returns
        -------
        pathlib.Path
            Its place in the output folder.
        """
        return self.output / output_name(self.prefix, suffix)


@dataclass(frozen=True)
class _Planned:
    """A step with its options and the files it will write."""

    name: str
    run: Callable[..., list[Path]]
    options: Any
    outputs: tuple[str, ...]
    bundle: Mapping[str, JsonValue] = field(default_factory=dict)


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
    plan = _plan_steps(options)
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


def _fingerprint(step: _Planned, digests: DigestCache) -> dict[str, JsonValue]:
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
            options[item.name] = value
    return {"version": __version__, "options": options, "inputs": inputs, "bundle": dict(step.bundle)}


def _plan_steps(options: RunOptions) -> list[_Planned]:
    unknown = sorted(set(options.steps or ()) - set(STEPS))
    if unknown:
        raise OptionsError(
            f"there is no step {unknown[0]!r}", where="--steps", mend="choose from: " + ", ".join(STEPS)
        )
    given = options.preprocess
    for path in (given.gex, *given.tcr, given.adt):
        if path is not None and not path.exists():
            raise InputError("the file does not exist", where=path, mend="check the path")
    plan: list[_Planned] = []
    planners = (_plan_preprocess, _plan_embed_tcr, _plan_predict, _plan_report)
    for name, make in zip(STEPS, planners, strict=True):
        if options.steps is None or name in options.steps:
            step = make(options, {output for step in plan for output in step.outputs})
            plan += [] if step is None else [step]
    return plan


def _plan_preprocess(options: RunOptions, _made: set[str]) -> _Planned:
    given = options.preprocess
    if given.gex is None and not given.tcr:
        raise OptionsError(
            "there is nothing to preprocess",
            where="--gex, --tcr",
            mend="give --gex, --tcr or both, or try --demo",
        )
    outputs = {OutputName.CELLS: given.gex, OutputName.CHAINS: given.tcr, OutputName.QC: True}
    made = tuple(name for name, source in outputs.items() if source)
    return _Planned("preprocess", preprocess, replace(given, force=True), made)


def _plan_embed_tcr(options: RunOptions, made: set[str]) -> _Planned | None:
    chains = _find(options, OutputName.CHAINS, made)
    if chains is None:
        _leave_out(options, "embed-tcr", OutputName.CHAINS, "no receptors were given (--tcr)")
        return None
    choose_encoder(options.backend)  # a wrong name is told before any work is done
    planned = EmbedTcrOptions(
        chains=(chains,),
        output=options.output,
        prefix=options.prefix,
        gex=_find(options, OutputName.CELLS, made),
        backend=options.backend,
        h5ad=False,  # a copy of all matrices per step is too much; the vectors are in their table
        threads=options.threads,
        force=True,
    )
    outputs = (OutputName.EMBEDDINGS, OutputName.RECEPTORS, OutputName.EMBED_QC)
    return _Planned("embed-tcr", embed_tcr, planned, outputs)


def _plan_predict(options: RunOptions, made: set[str]) -> _Planned | None:
    cells = _find(options, OutputName.CELLS, made)
    if cells is None:
        _leave_out(options, "predict", OutputName.CELLS, "no expression was given (--gex)")
        return None
    bundle = read_bundle(find_bundle(options.bundle))
    planned = PredictOptions(
        cells=cells,
        output=options.output,
        prefix=options.prefix,
        receptors=_find(options, OutputName.RECEPTORS, made),
        bundle=options.bundle,
        device=options.device,
        threads=options.threads,
        target_risk=options.target_risk,
        effector_memory_as=options.effector_memory_as,
        force=True,
    )
    outputs = (
        OutputName.PREDICTIONS,
        OutputName.PREDICTIONS_CSV,
        OutputName.CLONOTYPES,
        OutputName.METRICS,
        OutputName.ANNOTATED,
    )
    return _Planned("predict", predict, planned, outputs, bundle.note())


def _plan_report(options: RunOptions, made: set[str]) -> _Planned | None:
    found = [path for name in _OF_REPORT if (path := _find(options, name, made)) is not None]
    if not found:
        _leave_out(options, "report", OutputName.QC, "there is nothing to report on")
        return None
    planned = ReportOptions(options.output, options.prefix, files=tuple(found), force=True)
    return _Planned("report", report, planned, (OutputName.REPORT, OutputName.MULTIQC))


def _find(options: RunOptions, suffix: str, made: set[str]) -> Path | None:
    """Find a file that this run makes, or that an earlier one left if its step was not asked for."""
    path = options.path(suffix)
    is_left_over = options.steps is not None and _MAKERS[suffix] not in options.steps and path.is_file()
    return path if suffix in made or is_left_over else None


def _leave_out(options: RunOptions, step: str, missing: str, reason: str) -> None:
    if options.steps is None:
        _LOG.info("%s: left out, %s", step, reason)
        return
    maker = _MAKERS[missing]
    raise OptionsError(
        f"the step {step} needs {options.path(missing).name}, which neither exists nor is made by this run",
        where=options.output,
        mend=f"add {maker} and its inputs to --steps, or choose the folder of an earlier run with -o",
    )


def use_demo(options: RunOptions, sample: str = DEMO_SAMPLE) -> RunOptions:
    """Put a packaged sample in the place of the user's files.

    Parameters
    ----------
    options
        Options without inputs.
    sample
        Name of a packaged sample; also its donor where none is given.

    Returns
    -------
    RunOptions
        The same options with the sample's files.

    Raises
    ------
    OptionsError
        If inputs are given as well, or there is no such sample.
    """
    given = options.preprocess
    if given.gex is not None or given.tcr or given.adt is not None:
        raise OptionsError(
            "a packaged sample and files of your own cannot go together",
            where="--demo",
            mend="leave out --demo, or --gex, --tcr and --adt",
        )
    samples = Path(str(package_files("tcellflow"))) / _SAMPLES
    names = sorted(path.name for path in samples.iterdir() if path.is_dir())
    if sample not in names:
        raise OptionsError(
            f"there is no packaged sample {sample!r}",
            where="--demo-sample",
            mend="choose one of: " + ", ".join(names),
        )
    folder = samples / sample
    own = replace(given, donor=given.donor or sample, gex=folder / _DEMO_GEX, tcr=(folder / _DEMO_TCR,))
    return replace(options, preprocess=own)
