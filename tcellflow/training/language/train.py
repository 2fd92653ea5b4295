"""`train language`: a manifest of labelled sets and phrases in, a bundle out.

Invariant: every figure in the bundle is of groups that the network had not learnt from.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tcellflow.errors import InputError
from tcellflow.io.bundles.folders import TRAINED_FOLDER
from tcellflow.io.bundles.language import (
    DECODER_FILE,
    LANGUAGE_GENES_FILE,
    PHRASES_FILE,
    TOKENS_FILE,
    write_language_genes,
    write_tokens,
)
from tcellflow.io.bundles.writing import write_bundle
from tcellflow.language.panel import read_panel
from tcellflow.language.realising.phrases import (
    PHRASES,
    list_unsaid,
    list_words,
    parse_phrases,
    read_packaged,
)
from tcellflow.language.realising.tokens import make_tokens
from tcellflow.models.text_decoder import MemoryGraph
from tcellflow.training.checkpoints import refuse_earlier_run
from tcellflow.training.cohorts.manifest import divide_entries
from tcellflow.training.description import read_text
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.language.description import (
    describe_entries,
    describe_language,
    write_language_card,
)
from tcellflow.training.language.manifest import read_language_manifest
from tcellflow.training.language.plans import choose_panel, make_plans
from tcellflow.training.language.task import LanguageTask
from tcellflow.training.language.teacher import Teacher
from tcellflow.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.language.realising.phrases import Phrase
    from tcellflow.models.text_decoder import LanguageNetwork
    from tcellflow.training.language.options import TrainLanguageOptions

    Progress = Callable[[int, int], None]

_LOG = logging.getLogger(__name__)
_MEMORY: Final = ("memory", "kept", "bias")
_DECODED: Final = ("scores", "pointed", "grown")


def train_language(options: TrainLanguageOptions, *, on_step: Progress | None = None) -> Bundle:
    """Train a language bundle and write it.

    Parameters
    ----------
    options
        Data, phrases, network and place.
    on_step
        Called with (steps done, steps in all).

    Returns
    -------
    Bundle
        The verified bundle, under ``<output>/bundle``.

    Raises
    ------
    OptionsError
        If a held-out set is not in the manifest, nothing is left to learn from, or the GPU was asked for and
        there is none.
    InputError
        If the manifest, the phrases, a set or a checkpoint cannot be used, or the phrases leave a kind of
        claim without words.
    OutputError
        If the folder holds another run and neither going on nor replacing it was asked for.
    BundleError
        If an exported graph does not say what the network says.
    """
    refuse_earlier_run(options.output, resume=options.resume, force=options.force)
    evaluation = read_text(options.evaluation)
    written = read_packaged() if options.phrases is None else read_text(options.phrases)
    phrases = _check_phrases(written, options.phrases or PHRASES)
    learn, held_out = divide_entries(read_language_manifest(options.manifest), options.hold_out)
    seed = options.task.seed
    plans = [plan for i, one in enumerate(learn) for plan in make_plans(one, options.plans, seed + i)]
    others = {one.name: make_plans(one, options.plans, seed) for one in held_out}
    _LOG.info("learning from %d groups of cells of %d sets", len(plans), len(learn))
    panel = choose_panel(plans, options.plans.genes)
    tokens = make_tokens(list_words(phrases), _list_name_words())
    task = LanguageTask(plans, panel, Teacher(phrases, tokens), tokens, options.task)
    train(task, options.output, options.loop, resume=options.resume, on_step=on_step)
    network = task.network.cpu().eval()
    encoder, decoder, difference = export_language(network)
    metrics = [{"set": "all", "judge": "validation fold", **task.judge([p for p in plans if p.is_kept])}]
    metrics += [{"set": name, "judge": "held-out set", **task.judge(own)} for name, own in others.items()]
    measured: dict[str, Any] = {"training": describe_entries(learn, plans), "metrics": metrics}
    document = describe_language(options, network.config, panel, tokens, measured, difference)
    files = {
        "model.onnx": encoder,
        DECODER_FILE: decoder,
        LANGUAGE_GENES_FILE: write_language_genes(panel.symbols, panel.mean, panel.scale),
        TOKENS_FILE: write_tokens(tokens.tokens),
        PHRASES_FILE: written.encode(),
        "CARD.md": write_language_card(document, evaluation).encode(),
    }
    return write_bundle(
        options.output / TRAINED_FOLDER, document, files, force=options.force or options.resume
    )


def export_language(network: LanguageNetwork) -> tuple[bytes, bytes, float]:
    """Export encoder and decoder, having compared them on texts of several lengths, at their start and later.

    Returns
    -------
    tuple
        The two ONNX files and the largest difference from torch.
    """
    rng = np.random.default_rng(0)
    examples = [_draw_memory(network, rng, *shape) for shape in ((3, 5), (1, 20), (17, 2))]
    rows = ("batch", "rows")
    encoder, first = export_onnx(
        MemoryGraph(network),
        GraphSpec(
            {"genes": ("batch", None), "gene_mask": ("batch", None), "kinds": rows, "row_genes": rows,
             "numbers": (*rows, None)}, _MEMORY,
        ), examples,
    )  # fmt: skip
    shapes = ((3, 5, 7, 9), (1, 1, 0, 20), (17, 4, 0, 2), (2, 1, 33, 6))
    steps = [_draw_step(network, rng, *shape) for shape in shapes]
    new = ("batch", "new")
    decoder, second = export_onnx(
        network.decoder,
        GraphSpec(
            {"tokens": new, "rows": new, "past": (None, None, "batch", None, "past", None),
             "memory": ("batch", "memory", None), "kept": (None, None, "batch", None, "memory", None),
             "bias": ("batch", None, None, "memory")}, _DECODED,
        ), steps,
    )  # fmt: skip
    return encoder, decoder, max(first, second)


def _draw_memory(
    network: LanguageNetwork, rng: np.random.Generator, batch: int, rows: int
) -> dict[str, np.ndarray]:
    config = network.config
    return {
        "genes": rng.normal(size=(batch, config.genes)).astype(np.float32),
        "gene_mask": (rng.random((batch, config.genes)) < 0.8).astype(np.float32),
        "kinds": rng.integers(0, config.kinds + 1, (batch, rows)),
        "row_genes": rng.integers(0, config.genes + 1, (batch, rows)),
        "numbers": rng.normal(size=(batch, rows, config.numbers)).astype(np.float32),
    }


def _draw_step(
    network: LanguageNetwork, rng: np.random.Generator, batch: int, new: int, past: int, rows: int
) -> dict[str, np.ndarray]:
    config = network.config
    drawn = _draw_memory(network, rng, batch, rows)
    tokens = torch.from_numpy(rng.integers(0, config.tokens, (batch, past + new)))
    filled = torch.from_numpy(rng.integers(0, rows + 1, (batch, past + new)))
    with torch.no_grad():
        memory = MemoryGraph(network)(**{name: torch.from_numpy(value) for name, value in drawn.items()})
        earlier = (tokens[:, :past], filled[:, :past], network.start(batch))
        before = network.decoder(*earlier, *memory)[2] if past else network.start(batch)
    return {
        "tokens": tokens[:, past:].numpy(),
        "rows": filled[:, past:].numpy(),
        "past": before.numpy(),
        **{name: value.numpy() for name, value in zip(_MEMORY, memory, strict=True)},
    }


def _check_phrases(text: str, where: object) -> tuple[Phrase, ...]:
    phrases = parse_phrases(text, where=where)
    missing = list_unsaid(phrases)
    if missing:
        raise InputError(
            f"no phrase says {', '.join(missing)}",
            where=where,
            mend="give each kind of claim one phrase without items, for all registers, and genes one without "
            "[expected]",
        )
    return phrases


def _list_name_words() -> set[str]:
    """List the words of the names of the panel's types, one or several of the type."""
    return {word for kind in read_panel() for name in (kind.label, f"{kind.label}s") for word in name.split()}
