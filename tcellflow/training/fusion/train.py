"""`train fusion`: a manifest of CITE-seq sets in, a bundle out.

Invariant: every figure in the bundle is of cells that the network had not learnt from.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tcellflow.errors import InputError, OptionsError
from tcellflow.io.bundles.folders import TRAINED_FOLDER
from tcellflow.io.bundles.fusion import (
    FAMILIARITY_FILE,
    GENES_FILE,
    PROTEINS_FILE,
    write_familiar_vectors,
    write_fusion_genes,
    write_fusion_proteins,
)
from tcellflow.io.bundles.writing import write_bundle
from tcellflow.models.fusion import FusionBasis, FusionInference
from tcellflow.training.checkpoints import refuse_earlier_run
from tcellflow.training.cohorts.manifest import divide_entries
from tcellflow.training.description import read_text
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.fusion.basis import find_axes, make_patches
from tcellflow.training.fusion.cells import choose_fold, choose_genes, list_classes, pool_sets
from tcellflow.training.fusion.description import (
    describe_familiarity,
    describe_fusion,
    describe_sets,
    tell_between_sets,
    tell_genes,
    tell_proteins,
    write_fusion_card,
)
from tcellflow.training.fusion.familiarity import learn_familiarity
from tcellflow.training.fusion.figures import calibrate, measure
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import read_set
from tcellflow.training.fusion.stages import train_fusion_networks, train_published_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.models.fusion import FusionNetwork
    from tcellflow.training.fusion.cells import FusionCells
    from tcellflow.training.fusion.figures import FusionCalibration
    from tcellflow.training.fusion.options import TrainFusionOptions
    from tcellflow.training.fusion.sets import FusionSet

    Progress = Callable[[int, int], None]

_LOG = logging.getLogger(__name__)
_MOST_AXES: Final = 32
_FOLD_SHARE: Final = 0.1
_INPUTS: Final = ("genes", "gene_mask", "proteins", "protein_mask")
_OUTPUTS: Final = ("latent", "class_probabilities", "protein_mean", "protein_sd", "weights")


def train_fusion(options: TrainFusionOptions, *, on_step: Progress | None = None) -> Bundle:
    """Train a fusion bundle and write it.

    Parameters
    ----------
    options
        Data, network and place.
    on_step
        Called with (steps done, steps in all) of each network.

    Returns
    -------
    Bundle
        The verified bundle, under ``<output>/bundle``.

    Raises
    ------
    OptionsError
        If a held-out set is not in the manifest, nothing is left to learn from, there are too few units to
        split, or the GPU was asked for and there is none.
    InputError
        If the manifest, a set or a checkpoint cannot be used, or no set has antibodies.
    OutputError
        If the folder holds another run and neither going on nor replacing it was asked for.
    BundleError
        If the exported graph does not say what the network says.
    """
    first = "stage-1" if options.is_published else "network"
    for folder in (first, "member-1"):
        refuse_earlier_run(options.output / folder, resume=options.resume, force=options.force)
    evaluation = read_text(options.evaluation)
    learn, held_out = _read_sets(options)
    panel = choose_genes(learn, options.n_genes)
    proteins = np.array(
        sorted({str(name) for one in learn if one.has_adt.any() for name in one.targets}), dtype=object
    )
    if not proteins.size:
        raise InputError(
            "no set has antibody counts of known proteins",
            where=options.manifest,
            mend="name their files under 'adt'",
        )
    classes = list_classes(learn)
    fold = choose_fold(learn, options.split, _FOLD_SHARE, options.task.seed)
    cells = pool_sets(learn, panel, proteins, classes, fold)
    _LOG.info(
        "learning from %d cells of %d sets over %d genes and %d proteins",
        int((fold == 0).sum()), len(learn), len(panel), len(proteins),
    )  # fmt: skip
    loadings, spread = find_axes(cells, min(_MOST_AXES, len(panel)))
    patches = make_patches(panel, options.genes_per_patch, options.order, options.task.seed)
    basis = FusionBasis(*map(torch.from_numpy, (loadings, spread, *patches)))
    run = train_published_stages if options.is_published else train_fusion_networks
    network = run(cells, basis, options, on_step)
    calibration = calibrate(network, cells)
    familiarity = learn_familiarity(network, cells)
    graph, difference = export_fusion(network, calibration)
    panels = (tell_genes(cells, panel, loadings, spread), tell_proteins(learn, proteins))
    others = {
        one.entry.name: pool_sets([one], panel, proteins, classes, np.zeros(len(one), np.int8))
        for one in held_out
    }
    measured = _measure(network, cells, calibration, learn, others)
    document = describe_fusion(options, calibration, panels, classes, measured, difference)
    document |= describe_familiarity(familiarity) | {"between_sets": tell_between_sets(learn)}
    files = {
        "model.onnx": graph,
        GENES_FILE: write_fusion_genes(panels[0]),
        PROTEINS_FILE: write_fusion_proteins(panels[1]),
        "CARD.md": write_fusion_card(document, evaluation).encode(),
    }
    if familiarity:
        vectors = np.concatenate([one.stack() for one in familiarity.values()])
        files[FAMILIARITY_FILE] = write_familiar_vectors(vectors)
    return write_bundle(
        options.output / TRAINED_FOLDER, document, files, force=options.force or options.resume
    )


def export_fusion(network: FusionNetwork, calibration: FusionCalibration) -> tuple[bytes, float]:
    """Export a network, having compared it on batches of several sizes and of either modality.

    Parameters
    ----------
    network
        Trained.
    calibration
        Of its numbers.

    Returns
    -------
    tuple
        The ONNX file and the largest difference from torch.
    """
    whole = FusionInference(network, calibration.temperature, torch.from_numpy(calibration.deviation))
    spec = GraphSpec(dict.fromkeys(_INPUTS, ("batch", None)), _OUTPUTS, is_unrolled=True)
    rng = np.random.default_rng(0)
    examples = []
    for rows in (64, 7, 1):
        example = {}
        for name, mask, width in (
            ("genes", "gene_mask", network.config.genes),
            ("proteins", "protein_mask", network.config.proteins),
        ):
            example[mask] = (rng.random((rows, width)) < 0.8).astype(np.float32)
            example[name] = rng.normal(size=(rows, width)).astype(np.float32)
        if rows > 2:
            example["gene_mask"][0], example["protein_mask"][1] = 0, 0
        examples.append(example)
    return export_onnx(whole, spec, examples)


def _read_sets(options: TrainFusionOptions) -> tuple[list[FusionSet], list[FusionSet]]:
    entries = read_fusion_manifest(options.manifest)
    parts = divide_entries(entries, options.hold_out)
    learn, held_out = ([read_set(entry) for entry in part] for part in parts)
    donors = {str(donor) for one in held_out for donor in one.donor}
    shared = [one.entry.name for one in learn if donors & set(map(str, one.donor))]
    if shared:
        raise OptionsError(
            f"{', '.join(shared)} have donors of the sets held out",
            where="--hold-out",
            mend="hold them out too",
        )
    return learn, held_out


def _measure(
    network: FusionNetwork,
    cells: FusionCells,
    calibration: FusionCalibration,
    learn: Sequence[FusionSet],
    held_out: Mapping[str, FusionCells],
) -> dict[str, Any]:
    names = [one.entry.name for one in learn]
    rows = np.flatnonzero(cells.fold == 1)
    metrics = measure(network, cells, rows, names, calibration, "validation fold")
    for name, alone in held_out.items():
        metrics += measure(network, alone, np.arange(len(alone)), [name], calibration, "held-out set")
    found: dict[str, Any] = {"training": describe_sets(learn), "metrics": metrics}
    if network.tokens is not None and network.plain is not None:
        found["weight_of_tokens"] = round(float(network.token_weight.detach()), 4)
    return found
