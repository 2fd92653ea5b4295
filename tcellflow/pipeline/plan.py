"""The plan of a run: which steps there is input for, in their order, each with its options and outputs.

Invariant: whatever can be told to fail before any work is done is told here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tcellflow.errors import OptionsError
from tcellflow.inference.receptors.encoder import choose_encoder
from tcellflow.inference.receptors.similar import choose_similarity
from tcellflow.ingest.proteins import has_antibodies
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.steps.describe import DescribeOptions, describe
from tcellflow.steps.embed_tcr import embed_tcr
from tcellflow.steps.fuse import fuse
from tcellflow.steps.options import ReportOptions
from tcellflow.steps.predict import predict
from tcellflow.steps.preprocess import preprocess
from tcellflow.steps.report import OF_MULTIQC, report
from tcellflow.vocabulary import STEPS, OutputName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tcellflow.io.bundles.reliability import ReceptorInput
    from tcellflow.pipeline.options import RunOptions
    from tcellflow.provenance import JsonValue

_LOG = logging.getLogger(__name__)
_MAKERS: Final = {
    OutputName.QC: "preprocess",
    OutputName.CELLS: "preprocess",
    OutputName.CHAINS: "preprocess",
    OutputName.EMBED_QC: "embed-tcr",
    OutputName.RECEPTORS: "embed-tcr",
    OutputName.EMBEDDINGS: "embed-tcr",
    OutputName.NEIGHBOURS: "embed-tcr",
    OutputName.METRICS: "predict",
    OutputName.PREDICTIONS: "predict",
    OutputName.CLONOTYPES: "predict",
    OutputName.ANNOTATED: "predict",
    OutputName.FUSE_QC: "fuse",
    OutputName.FUSED: "fuse",
    OutputName.DESCRIPTIONS: "describe",
    OutputName.CLAIMS: "describe",
}
_NOT_OF_REPORT: Final = frozenset({OutputName.CELLS, OutputName.EMBEDDINGS})
_OF_REPORT: Final = tuple(name for name in _MAKERS if name not in _NOT_OF_REPORT)


@dataclass(frozen=True)
class PlannedStep:
    """A step with its options and the files it will write.

    Parameters
    ----------
    name
        One of `STEPS`.
    run
        Its function.
    options
        What it is called with.
    outputs
        `OutputName` of each file it will write.
    bundle
        Note of the bundle it loads, empty if none.
    """

    name: str
    run: Callable[..., list[Path]]
    options: Any
    outputs: tuple[str, ...]
    bundle: Mapping[str, JsonValue] = field(default_factory=dict)


def plan_steps(options: RunOptions) -> list[PlannedStep]:
    """Plan the steps of a run.

    Raises
    ------
    OptionsError
        If a step is unknown, or its input neither exists nor is made by this run.
    InputError
        If a file given does not exist or cannot be read.
    BundleError
        If a bundle is missing or damaged.
    """
    options.check()
    plan: list[PlannedStep] = []
    planners = (_plan_preprocess, _plan_embed_tcr, _plan_fuse, _plan_predict, _plan_describe, _plan_report)
    for name, make in zip(STEPS, planners, strict=True):
        if options.steps is None or name in options.steps:
            step = make(options, {output for step in plan for output in step.outputs})
            plan += [] if step is None else [step]
    return plan


def _plan_preprocess(options: RunOptions, _made: set[str]) -> PlannedStep:
    given = options.preprocess
    if given.gex is None and not given.tcr:
        raise OptionsError(
            "there is nothing to preprocess",
            where="--gex, --tcr",
            mend="give --gex, --tcr or both, or try --demo",
        )
    outputs = {OutputName.CELLS: given.gex, OutputName.CHAINS: given.tcr, OutputName.QC: True}
    made = tuple(name for name, source in outputs.items() if source)
    return PlannedStep("preprocess", preprocess, replace(given, force=True), made)


def _plan_embed_tcr(options: RunOptions, made: set[str]) -> PlannedStep | None:
    chains = _find(options, OutputName.CHAINS, made)
    if chains is None:
        _leave_out(options, "embed-tcr", OutputName.CHAINS, "no receptors were given (--tcr)")
        return None
    asked = options.embed_tcr
    choice = choose_encoder(asked.backend, asked.bundle, force_tra=asked.force_tra)
    choose_similarity(asked.neighbours, asked.cluster_distance, choice)
    planned = replace(
        asked,
        chains=(chains,),
        output=options.output,
        prefix=options.prefix,
        gex=_find(options, OutputName.CELLS, made),
        h5ad=False,  # a copy of all matrices per step is too much; the vectors are in their table
        threads=options.threads,
        force=True,
    )
    return PlannedStep("embed-tcr", embed_tcr, planned, planned.output_names, choice.note())


def _plan_predict(options: RunOptions, made: set[str]) -> PlannedStep | None:
    cells = _find(options, OutputName.CELLS, made)
    if cells is None:
        _leave_out(options, "predict", OutputName.CELLS, "no expression was given (--gex)")
        return None
    bundle = read_bundle(find_bundle(options.predict.bundle))
    receptors = _find(options, OutputName.RECEPTORS, made)
    wanted = bundle.states.reliability.receptor_input
    takes_vectors = receptors is not None and wanted is not None
    if wanted is not None and OutputName.EMBEDDINGS in made:
        _check_encoder(options, wanted)
    planned = replace(
        options.predict,
        cells=cells,
        output=options.output,
        prefix=options.prefix,
        receptors=receptors,
        embeddings=_find(options, OutputName.EMBEDDINGS, made) if takes_vectors else None,
        fused=_find(options, OutputName.FUSED, made),
        chains=_find(options, OutputName.CHAINS, made) if options.predict.mudata else None,
        threads=options.threads,
        force=True,
    )
    return PlannedStep("predict", predict, planned, planned.output_names, bundle.note())


def _plan_fuse(options: RunOptions, made: set[str]) -> PlannedStep | None:
    is_named = "fuse" in (options.steps or ())
    if options.fusing == "never" and not is_named:
        return None
    cells = _find(options, OutputName.CELLS, made)
    if cells is None:
        _leave_out(options, "fuse", OutputName.CELLS, "no expression was given (--gex)")
        return None
    given = options.preprocess
    if options.fusing == "auto" and not is_named and not has_antibodies(given.gex, given.adt, given.layer):
        _LOG.info("fuse: left out, the sample has no antibodies (--fuse always fuses expression alone)")
        return None
    asked = options.fuse
    bundle = read_bundle(find_bundle(asked.bundle))
    planned = replace(
        asked,
        cells=cells,
        output=options.output,
        prefix=options.prefix,
        h5ad=False,  # a copy of all matrices per step is too much; the vectors are in their table
        device=options.predict.device,
        threads=options.threads,
        force=True,
    )
    return PlannedStep("fuse", fuse, planned, planned.output_names, bundle.note())


def _check_encoder(options: RunOptions, wanted: ReceptorInput) -> None:
    """Refuse a run whose embed-tcr makes other vectors than its states bundle learnt from."""
    asked = options.embed_tcr
    made_by = choose_encoder(asked.backend, asked.bundle, force_tra=asked.force_tra)
    if not made_by.makes(wanted.encoder, wanted.encoder_sha256):
        raise OptionsError(
            f"the bundle {options.predict.bundle} learnt from receptor vectors of {wanted.encoder}; "
            f"this run makes those of {made_by.name}",
            where="--backend, --receptors-bundle",
            mend=f"add --backend {wanted.encoder}, or choose a states bundle that uses expression alone",
        )


def _plan_describe(options: RunOptions, made: set[str]) -> PlannedStep | None:
    if not options.describe:
        return None
    cells = _find(options, OutputName.CELLS, made)
    if cells is None:
        _leave_out(options, "describe", OutputName.CELLS, "no expression was given (--gex)")
        return None
    planned = DescribeOptions(
        cells=cells,
        output=options.output,
        prefix=options.prefix,
        predictions=_find(options, OutputName.PREDICTIONS, made),
        chains=_find(options, OutputName.CHAINS, made),
        programmes=_find(options, OutputName.PROGRAMMES, made),
        force=True,
    )
    return PlannedStep("describe", describe, planned, planned.output_names)


def _plan_report(options: RunOptions, made: set[str]) -> PlannedStep | None:
    found = [path for name in _OF_REPORT if (path := _find(options, name, made)) is not None]
    if not found:
        _leave_out(options, "report", OutputName.QC, "there is nothing to report on")
        return None
    planned = ReportOptions(options.output, options.prefix, files=tuple(found), force=True)
    return PlannedStep("report", report, planned, (OutputName.REPORT, *OF_MULTIQC))


def _find(options: RunOptions, suffix: str, made: set[str]) -> Path | None:
    """Find a file that this run makes, or that an earlier one left if its step was not asked for.

    An annotated file may stand for the cells file: only the record of the earlier run knows.
    """
    path = options.path(suffix)
    places = (path, options.path(OutputName.ANNOTATED)) if suffix == OutputName.CELLS else (path,)
    may_be_left = options.steps is not None and _MAKERS[suffix] not in options.steps
    is_left_over = may_be_left and any(place.is_file() for place in places)
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
