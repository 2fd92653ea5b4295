"""`train states`: a manifest of cohorts in, a bundle out.

Invariant: every figure in the bundle is of cells that the network which judged them had not learnt from.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tcellflow.errors import OptionsError
from tcellflow.inference.receptors.encoder import find_encoder
from tcellflow.inference.states.predictor import StatePredictor
from tcellflow.io.bundles.description import ENSEMBLE_FILE
from tcellflow.io.bundles.folders import TRAINED_FOLDER
from tcellflow.io.bundles.writing import write_bundle
from tcellflow.models.exported_states import AxesInference
from tcellflow.states.axes import STATES, resting_states
from tcellflow.training.checkpoints import refuse_earlier_run
from tcellflow.training.cohorts.cells import Cohort, read_cohort, read_receptor_cohort
from tcellflow.training.cohorts.manifest import read_manifest
from tcellflow.training.cohorts.receptors import embed_cohorts
from tcellflow.training.cohorts.truth import take_truth
from tcellflow.training.description import read_text
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.states.cells import choose_panel, pool_cohorts, teach_cells
from tcellflow.training.states.description import (
    PANEL_FILE,
    describe_bundle,
    describe_receptors,
    describe_training,
    write_panel,
    write_state_card,
)
from tcellflow.training.states.figures import judge_held_out, measure_members
from tcellflow.training.states.members import distil, train_members, train_seed_members
from tcellflow.training.states.options import SEED_MEMBERS, TrainStatesOptions
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tcellflow.inference.receptors.encoder import EncoderChoice
    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.models.exported_states import Calibration, StateNetwork
    from tcellflow.training.loop import OnStep
    from tcellflow.training.states.cells import StateCells


_LOG = logging.getLogger(__name__)
_SEED_GENES: Final = 3_000
_OUTPUTS: Final = (
    "state_probabilities", "joint", "p_lineage", "p_function", "p_cycling", "latent", "ood_score",
)  # fmt: skip


def train_states(options: TrainStatesOptions, *, on_step: OnStep | None = None) -> Bundle:
    """Train a states bundle and write it.

    Returns
    -------
    Bundle
        The verified bundle, under ``<output>/bundle``.

    Raises
    ------
    OptionsError
        If a held-out cohort is not in the manifest, too few units are there to split, no cohort has
        receptors where they were asked for, the seed network has fewer members than asked for, or the GPU
        was asked for and there is none.
    InputError
        If the manifest, a cohort or a checkpoint cannot be used.
    OutputError
        If the folder holds another run and neither going on nor replacing it was asked for.
    BundleError
        If an exported graph does not say what its network says, or the receptor encoder is missing or
        damaged.
    """
    _check(options)
    evaluation = read_text(options.evaluation)
    encoder = None if options.receptors is None else find_encoder(options.receptors)
    learn, held_out = _read_cohorts(options, encoder)
    is_seed = options.architecture == "seed"
    cells, panel, weights = _gather_cells(learn, options)
    names = [cohort.entry.name for cohort in learn]
    _LOG.info(
        "learning from %s cells (%s) over %s genes", f"{len(cells):,}", ", ".join(names), f"{len(panel):,}"
    )
    scores: list[dict[str, Any]] = []
    if is_seed:
        learnt, scores = train_seed_members(cells, options, on_step)
    else:
        learnt = train_members(cells, names, options, on_step)
    single, calibration = distil(cells, learnt, options, on_step)
    graph, difference = export_states(single, calibration)
    files = {"model.onnx": graph, PANEL_FILE: write_panel(panel, weights)}
    if options.n_members > 1 and not is_seed:
        files[ENSEMBLE_FILE], of_members = export_states(learnt.ensemble, learnt.calibration)
        difference = max(difference, of_members)
    measured = measure_members(learnt, names)
    for cohort in (cohort for cohort in held_out if cohort.has_expression):
        measured["metrics"] += judge_held_out(cohort, panel, single, calibration)
    measured["training"] = describe_training(learn)
    if encoder is not None:
        measured["receptors"] = describe_receptors(encoder, single.config.receptor_dimension)
    # a state that receptors alone were labelled with is not told from expression by that label
    truth = take_truth(cells.truth, np.flatnonzero(cells.has_expression))
    document = describe_bundle(options, truth, panel, measured, difference)
    if is_seed:
        document["recipe"]["scores"] = scores
    files["CARD.md"] = write_state_card(document, evaluation).encode()
    return write_bundle(
        options.output / TRAINED_FOLDER, document, files, force=options.force or options.resume
    )


def _gather_cells(
    learn: list[Cohort], options: TrainStatesOptions
) -> tuple[StateCells, NDArray[np.object_], NDArray[np.float64]]:
    """Give the cells over the panel, taught where there is a teacher; the panel and its weights."""
    teacher, n_genes = None, options.n_genes
    if options.architecture == "seed":
        n_genes = min(n_genes, _SEED_GENES)
    elif options.teacher is not None:
        teacher = StatePredictor(options.teacher, threads=1, device="cpu")
    measuring = [cohort for cohort in learn if cohort.has_expression]
    panel, weights = choose_panel(measuring, n_genes, () if teacher is None else tuple(teacher.genes))
    cells = pool_cohorts(learn, panel)
    return cells if teacher is None else teach_cells(cells, panel, teacher), panel, weights


def export_states(network: StateNetwork, calibration: Calibration) -> tuple[bytes, float]:
    """Export a trained states network, compared on batches of several sizes, with one mask and many.

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
    dimension = network.config.receptor_dimension
    chains = ("tra", "trb", "has_tra", "has_trb") if dimension else ()
    spec = GraphSpec(
        {"expression": ("batch", None), "present": (None, None), **dict.fromkeys(chains, ("batch", None))},
        outputs,
        one_or_all=("present",),
    )
    rng = np.random.default_rng(0)
    examples = []
    for rows, masks in ((256, 1), (7, 1), (1, 1), (256, 256), (5, 5)):
        expression = np.log1p(rng.poisson(0.3, (rows, network.config.genes)) * 2.0).astype(np.float32)
        present = (rng.random((masks, network.config.genes)) < 0.8).astype(np.float32)
        if masks > 1 and dimension:
            expression[0], present[0] = 0, 0  # a cell of which receptors alone are known
        example = {"expression": expression, "present": present}
        for name in chains:
            is_mask = name.startswith("has_")
            values = rng.random((rows, 1)) < 0.6 if is_mask else rng.normal(0, 0.1, (rows, dimension))
            example[name] = values.astype(np.float32)
        examples.append(example)
    return export_onnx(whole, spec, examples)


def _check(options: TrainStatesOptions) -> None:
    refuse_earlier_run(options.output / "member-1", resume=options.resume, force=options.force)
    if options.architecture == "seed" and options.n_members > len(SEED_MEMBERS):
        raise OptionsError(
            f"the seed network has {len(SEED_MEMBERS)} members",
            where=f"--seeds {options.n_members}",
            mend=f"ask for at most {len(SEED_MEMBERS)}",
        )


def _read_cohorts(
    options: TrainStatesOptions, encoder: EncoderChoice | None
) -> tuple[list[Cohort], list[Cohort]]:
    entries = read_manifest(options.manifest)
    unknown = sorted(options.hold_out - {entry.name for entry in entries})
    if unknown:
        raise OptionsError(
            f"no cohort is called {', '.join(unknown)}",
            where="--hold-out",
            mend="name cohorts of the manifest: " + ", ".join(entry.name for entry in entries),
        )
    cohorts = [read_cohort(entry) for entry in entries if entry.counts is not None]
    n_receptors = sum(entry.receptors is not None for entry in entries)
    if encoder is not None:
        if options.architecture == "axes":  # the seed network has no mask for expression
            cohorts += [read_receptor_cohort(entry) for entry in entries if entry.counts is None]
        cohorts = _embed_receptors(cohorts, encoder)
    elif n_receptors:
        _LOG.info("the receptors of %d cohorts are not learnt from; --encoder native would", n_receptors)
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


def _embed_receptors(cohorts: list[Cohort], encoder: EncoderChoice) -> list[Cohort]:
    if not any(cohort.entry.receptors for cohort in cohorts):
        raise OptionsError(
            "no cohort that could be learnt from has receptors",
            where="--encoder",
            mend="name the receptor files under 'receptors', or leave the option out",
        )
    return embed_cohorts(cohorts, encoder)
