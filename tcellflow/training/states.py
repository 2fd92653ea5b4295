"""`train states`: a manifest of cohorts in, a bundle out.

Invariant: every figure in the bundle is of cells that the network which judged them had not learnt from.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.inference.collapse import STATES
from tcellflow.inference.states import StatePredictor
from tcellflow.io.bundle_format import ENSEMBLE_FILE
from tcellflow.io.bundle_writer import write_bundle
from tcellflow.models.states import AxesNetwork, stack_members
from tcellflow.models.states_inference import AxesInference, Calibration
from tcellflow.training.checkpoints import CHECKPOINT_FILE
from tcellflow.training.cohort_manifest import read_manifest
from tcellflow.training.cohorts import Cohort, read_cohort
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.label_maps import resting_states
from tcellflow.training.loop import LoopOptions, train
from tcellflow.training.state_card import write_card
from tcellflow.training.state_cells import StateCells, choose_panel, pool_cohorts
from tcellflow.training.state_description import PANEL_FILE, describe_bundle, describe_training, write_panel
from tcellflow.training.state_distil import DistilTask
from tcellflow.training.state_figures import Learnt, judge_held_out, measure_members
from tcellflow.training.state_reliability import KeptBack, fit_calibration
from tcellflow.training.state_splits import SplitUnit, split_folds
from tcellflow.training.state_task import StateTask, StateTaskOptions, predict_cells
from tcellflow.training.state_teacher import teach_cells
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tcellflow.io.bundles import Bundle

    Progress = Callable[[int, int], None]

_LOG = logging.getLogger(__name__)
BUNDLE_FOLDER: Final = "bundle"
_FOLDS_OF_ONE: Final = 5  # a single member keeps a fifth back
_OUTPUTS: Final = (
    "state_probabilities", "joint", "p_lineage", "p_function", "p_cycling", "latent", "ood_score",
)  # fmt: skip


@dataclass(frozen=True)
class TrainStatesOptions:
    """What to train on, how, and where the result goes.

    Parameters
    ----------
    manifest
        YAML file of cohorts.
    output
        Folder of checkpoints, metrics and bundle.
    split
        What stays together between learning and judging.
    members
        Networks; each keeps another share of the units back.
    hold_out
        Cohorts that nobody learns from.
    n_genes
        Genes of the panel.
    teacher
        Bundle whose genes come first in the panel and whose latent vector is learnt beside the labels;
        None = none.
    task
        Network and losses.
    loop
        Steps, device and checkpoints of a member.
    distil_steps
        Steps of the network that is distilled from several members.
    evaluation
        Markdown file with results to put on the card.
    name, version
        Of the bundle.
    resume
        Whether to go on from the folder's checkpoints.
    force
        Whether an earlier run in the folder may be replaced.
    """

    manifest: Path
    output: Path
    split: SplitUnit = "donor"
    members: int = 5
    hold_out: frozenset[str] = frozenset()
    n_genes: int = 3_400
    teacher: str | None = "states-linear"
    task: StateTaskOptions = field(default_factory=StateTaskOptions)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=800, weight_decay=0.05, warm_up_steps=50, validate_every=100
        )
    )
    distil_steps: int = 1_000
    evaluation: Path | None = None
    name: str = "states"
    version: str = "1"
    resume: bool = False
    force: bool = False


def train_states(options: TrainStatesOptions, *, on_step: Progress | None = None) -> Bundle:
    """Train a states bundle and write it.

    Parameters
    ----------
    options
        Data, network and place.
    on_step
        Called with (steps done, steps in all).

    Returns
    -------
    Bundle
        The verified bundle, under ``<output>/bundle``.

    Raises
    ------
    OptionsError
        If a held-out cohort is not in the manifest, too few units are there to split, or the GPU was
        asked for and there is none.
    InputError
        If the manifest, a cohort or a checkpoint cannot be used.
    OutputError
        If the folder holds another run and neither going on nor replacing it was asked for.
    BundleError
        If an exported graph does not say what its network says.
    """
    evaluation = _check(options)
    learn, held_out = _read_cohorts(options)
    teacher = None if options.teacher is None else StatePredictor(options.teacher, threads=1, device="cpu")
    panel, weights = choose_panel(learn, options.n_genes, () if teacher is None else tuple(teacher.genes))
    cells = pool_cohorts(learn, panel)
    if teacher is not None:
        cells = teach_cells(cells, panel, teacher)
    _LOG.info("learning from %d cells of %d cohorts over %d genes", len(cells), len(learn), len(panel))
    names = [cohort.entry.name for cohort in learn]
    learnt = _train_members(cells, names, options, on_step)
    single, calibration = _distil(cells, learnt, options, on_step)
    graph, difference = export_states(single, calibration)
    files = {"model.onnx": graph, PANEL_FILE: write_panel(panel, weights)}
    if options.members > 1:
        files[ENSEMBLE_FILE], of_members = export_states(learnt.ensemble, learnt.calibration)
        difference = max(difference, of_members)
    measured = measure_members(learnt, names)
    measured["metrics"] += [judge_held_out(cohort, panel, single, calibration) for cohort in held_out]
    measured["training"] = describe_training(learn)
    document = describe_bundle(options, cells.truth, panel, measured, difference)
    files["CARD.md"] = write_card(document, evaluation).encode()
    return write_bundle(
        options.output / BUNDLE_FOLDER, document, files, force=options.force or options.resume
    )


def export_states(network: AxesNetwork, calibration: Calibration) -> tuple[bytes, float]:
    """Export a network, having compared it on batches of several sizes, with one mask and with many.

    Parameters
    ----------
    network
        One member, or several.
    calibration
        Of its logits.

    Returns
    -------
    tuple
        The ONNX file and the largest difference from torch.
    """
    collapse_to = torch.from_numpy(resting_states()).float()
    whole = AxesInference(network, calibration, collapse_to, STATES.index(State.PROLIFERATING))
    outputs = (*_OUTPUTS, *(["member_states"] if network.config.members > 1 else []))
    spec = GraphSpec(
        {"expression": ("batch", None), "present": (None, None)}, outputs, one_or_all=("present",)
    )
    rng = np.random.default_rng(0)
    examples = []
    for rows, masks in ((256, 1), (7, 1), (1, 1), (256, 256), (5, 5)):
        expression = np.log1p(rng.poisson(0.3, (rows, network.config.genes)) * 2.0).astype(np.float32)
        present = (rng.random((masks, network.config.genes)) < 0.8).astype(np.float32)
        examples.append({"expression": expression, "present": present})
    return export_onnx(whole, spec, examples)


def _check(options: TrainStatesOptions) -> str:
    if (options.output / "member-1" / CHECKPOINT_FILE).exists() and not (options.resume or options.force):
        raise OutputError(
            "an earlier run is in the folder",
            where=options.output,
            mend="add --resume to go on with it, --force to replace it, or choose another folder",
        )
    if options.evaluation is None:
        return ""
    try:
        return options.evaluation.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the file cannot be read: {error}", where=options.evaluation, mend="give a text file"
        ) from error


def _read_cohorts(options: TrainStatesOptions) -> tuple[list[Cohort], list[Cohort]]:
    entries = read_manifest(options.manifest)
    unknown = sorted(options.hold_out - {entry.name for entry in entries})
    if unknown:
        raise OptionsError(
            f"no cohort is called {', '.join(unknown)}",
            where="--hold-out",
            mend="name cohorts of the manifest: " + ", ".join(entry.name for entry in entries),
        )
    for entry in entries:
        if entry.receptors is not None:
            _LOG.warning("receptors of %s are not used: this version learns from expression", entry.name)
    cohorts = [read_cohort(entry) for entry in entries if entry.counts is not None]
    held_out = [cohort for cohort in cohorts if cohort.entry.name in options.hold_out]
    donors = {donor for cohort in held_out for donor in cohort.truth.donor}
    learn = [cohort for cohort in cohorts if cohort.entry.name not in options.hold_out]
    shared = [cohort.entry.name for cohort in learn if donors & set(cohort.truth.donor)]
    if shared:
        raise OptionsError(
            f"{', '.join(shared)} have donors of the cohorts held out",
            where="--hold-out",
            mend="hold them out too",
        )
    return learn, held_out


def _train_members(
    cells: StateCells, names: Sequence[str], options: TrainStatesOptions, on_step: Progress | None
) -> Learnt:
    n_folds = options.members if options.members > 1 else _FOLDS_OF_ONE
    folds = split_folds(cells, options.split, n_folds, options.task.seed)
    networks, said = [], []
    for member in range(options.members):
        kept = np.flatnonzero(folds == member)
        task = StateTask(
            cells.take(np.flatnonzero(folds != member)),
            cells.take(kept),
            replace(options.task, seed=options.task.seed + member),
        )
        loop = replace(options.loop, seed=options.loop.seed + member)
        _LOG.info(
            "member %d is judged by %s", member + 1,
            ", ".join(names[number] for number in np.unique(cells.cohort[kept])),
        )  # fmt: skip
        folder = options.output / f"member-{member + 1}"
        train(task, folder, loop, resume=options.resume, on_step=on_step)
        networks.append(task.network.cpu())
        said.append((kept, *predict_cells(task.network, cells, kept)))
    kept, joint, cycle, strange = (np.concatenate(parts) for parts in zip(*said, strict=True))
    truth = cells.truth
    has_state = truth.is_t[kept] & (truth.state[kept] != "") & (truth.evidence[kept] != "teacher")
    kept_back = KeptBack(
        joint[has_state],
        cycle[has_state],
        truth.state[kept][has_state],
        truth.cycle[kept][has_state],
        cells.cohort[kept][has_state],
    )
    is_t = truth.is_t[kept]
    return Learnt(
        stack_members(networks),
        fit_calibration(kept_back),
        kept_back,
        strange[is_t].astype(np.float64),
        strange[~is_t].astype(np.float64),
    )


def _distil(
    cells: StateCells, learnt: Learnt, options: TrainStatesOptions, on_step: Progress | None
) -> tuple[AxesNetwork, Calibration]:
    """Give one network; its answers are calibrated because those it learnt from were."""
    if options.members == 1:
        return learnt.ensemble, learnt.calibration
    task = DistilTask(cells, learnt.ensemble, learnt.calibration, replace(options.task, dropout=0.1))
    loop = replace(options.loop, steps=options.distil_steps, patience=None, weight_decay=0.01)
    train(task, options.output / "distilled", loop, resume=options.resume, on_step=on_step)
    return task.network.cpu(), Calibration(1.0, torch.zeros_like(learnt.calibration.shift))
