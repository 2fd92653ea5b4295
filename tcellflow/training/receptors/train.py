"""`train receptors`: tables of receptors in, a bundle out.

Invariant: the bundle says which rows of which sources it learnt from, and what was left out.
"""

from __future__ import annotations

import logging
import tomllib
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.errors import InputError, OptionsError
from tcellflow.io.bundles.folders import TRAINED_FOLDER
from tcellflow.io.bundles.writing import write_bundle
from tcellflow.models.receptors import ReceptorInference
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.receptors.encoding.tokens import build_vocabulary
from tcellflow.training.checkpoints import refuse_earlier_run
from tcellflow.training.description import read_text
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.loop import OnStep, train
from tcellflow.training.receptors.clusters import measure_distances
from tcellflow.training.receptors.corpus import read_corpus
from tcellflow.training.receptors.description import VOCABULARY_FILE, describe_bundle, write_receptor_card
from tcellflow.training.receptors.task import ReceptorTask

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.models.receptors import ReceptorEncoder
    from tcellflow.receptors.encoding.tokens import ReceptorVocabulary
    from tcellflow.training.receptors.options import TrainReceptorsOptions

_LOG = logging.getLogger(__name__)

_GRAPH: Final = GraphSpec(
    inputs={
        "locus": ("batch",),
        "residues": ("batch", "length"),
        "v_call": ("batch",),
        "j_call": ("batch",),
    },
    outputs=("vector", "features", "residue_logits"),
)
# Junctions that meet every part of the tokeniser; parity is measured on batches of them.
_EXAMPLES: Final = (
    ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
    ("TRA", "CAGGGSQGNLIF", "TRAV27", "TRAJ42"),
    ("TRB", "CSVGTGGTNEKLFF", "TRBV29-1", None),
    ("TRA", "CAVSGDSNYQLIW", None, "TRAJ33"),
    ("TRB", "CASSLAPGATNEKLFF", "TRBV7", "TRBJ1"),
    ("TRB", "C" + "ASGRT" * 7 + "EQYF", None, None),
)


def train_receptors(options: TrainReceptorsOptions, *, on_step: OnStep | None = None) -> Bundle:
    """Train a receptor encoder and write its bundle.

    Returns
    -------
    Bundle
        The verified bundle, under ``<output>/bundle``.

    Raises
    ------
    OptionsError
        If pairs are to be free of labels and no labelled receptors were named, or the GPU was asked
        for and there is none.
    InputError
        If a table, the licences or the checkpoint cannot be used.
    OutputError
        If the folder holds another run and neither going on nor replacing it was asked for.
    BundleError
        If the exported graph does not say what the network says.
    """
    _check(options)
    licences = _read_licences(options.licences)
    evaluation = read_text(options.evaluation)
    vocabulary = build_vocabulary()
    learn, validate, tally = read_corpus(options.corpus, vocabulary)
    _LOG.info(
        "learning from %d pairs, %d alpha and %d beta chains",
        len(learn.pair_betas), len(learn.alphas), len(learn.betas),
    )  # fmt: skip
    task = ReceptorTask(learn, validate, vocabulary, options.task)
    history = train(task, options.output, options.loop, resume=options.resume, on_step=on_step)
    content, difference = export_encoder(task.network, vocabulary)
    distances = measure_distances(task.network, learn, seed=options.task.seed)
    document = describe_bundle(options, tally, licences, history, difference, distances)
    return write_bundle(
        options.output / TRAINED_FOLDER,
        document,
        {
            "model.onnx": content,
            VOCABULARY_FILE: vocabulary.to_json().encode(),
            "CARD.md": write_receptor_card(document, evaluation).encode(),
        },
        force=options.force or options.resume,
    )


def export_encoder(encoder: ReceptorEncoder, vocabulary: ReceptorVocabulary) -> tuple[bytes, float]:
    """Export a trained receptor encoder, compared on batches of several sizes and lengths.

    Parameters
    ----------
    encoder
        The network.
    vocabulary
        Names it was made for.

    Returns
    -------
    tuple
        The ONNX file and the largest difference from torch.
    """
    columns = [np.array(column, dtype=object) for column in zip(*_EXAMPLES, strict=True)]
    chains = ChainSequences(*columns)
    every = vocabulary.tokenise(chains)
    batches = [every, *(vocabulary.tokenise(chains.take(slice(row, row + 1))) for row in range(len(chains)))]
    batches.append({name: np.tile(array, (40,) + (1,) * (array.ndim - 1)) for name, array in every.items()})
    return export_onnx(ReceptorInference(encoder), _GRAPH, batches)


def _check(options: TrainReceptorsOptions) -> None:
    if options.corpus.pairs and options.corpus.is_label_free and not options.corpus.withheld:
        raise OptionsError(
            "pairs without the flag may still hold a labelled chain, and no labelled receptors were named",
            where="--withhold",
            mend="name the tables of labelled receptors, or add --keep-labelled",
        )
    refuse_earlier_run(options.output, resume=options.resume, force=options.force)


def _read_licences(path: Path | None) -> dict[str, str]:
    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"the licences are no TOML: {error}", where=path, mend='write lines such as "my source" = "MIT"'
        ) from error
    return {source: str(licence) for source, licence in document.items()}
