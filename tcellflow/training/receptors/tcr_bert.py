"""`bundle import tcr-bert`: a user's Hugging Face folder in, a bundle that needs no torch out.

Invariant: the folder's tokeniser names residues as the published one does, the weights are complete,
and the graph says what the transformers library says. Nothing is downloaded, no code of the folder runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
import transformers

from tcellflow.errors import BundleError, InputError, OptionsError
from tcellflow.io.bundles.receptors import TASK_RECEPTORS
from tcellflow.io.bundles.writing import write_bundle
from tcellflow.models.tcr_bert import BertTokens, PooledBert
from tcellflow.provenance import digest_file
from tcellflow.receptors.encoding.bert_tokens import (
    BERT_CLASS,
    BERT_INPUTS,
    BERT_PADDING,
    BERT_SEPARATOR,
    BERT_VOCABULARY,
    N_SPECIAL,
    tokenise_for_bert,
    write_bert_vocabulary,
)
from tcellflow.receptors.encoding.keys import MIN_JUNCTION_LENGTH
from tcellflow.receptors.encoding.sequences import ChainSequences, cut_middle
from tcellflow.training.description import describe_parity, describe_tensor, write_card
from tcellflow.training.export import GraphSpec, export_onnx
from tcellflow.training.receptors.description import VOCABULARY_FILE
from tcellflow.vocabulary import ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.models.tcr_bert import Pool

_GRAPH: Final = GraphSpec(inputs={BERT_INPUTS[0]: ("batch", "length")}, outputs=("vector",))
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
_MEND: Final = "give a folder of TCR-BERT weights as published: config.json, vocab.txt, tokenizer_config.json"
# Junctions whose vectors are compared with torch's; every residue is among them.
_EXAMPLES: Final = ("CASSIRSSYEQYF", "CAGGGSQGNLIF", "CASSDKMHPVTWQEAFF", "CSVGTGGTNEKLFF")
_POOLINGS: Final = {"mean": "mean of residues", "cls": "class token"}
# The published weights with a masked-residue head learnt both loci; those with a classifier were then
# trained on beta chains alone. Of others it is not known.
_KNOWS_ALPHA: Final = frozenset({"BertForMaskedLM", "BertForPreTraining"})
_TOKENS: Final = "0-20 residues, 21 padding, 24 separator, 25 class"
_BETA_ONLY: Final = "the weights are taken to know beta chains alone; alpha chains need --force-tra"


@dataclass(frozen=True)
class ImportOptions:
    """What to import, and how.

    Parameters
    ----------
    folder
        Hugging Face folder of a BERT model and its tokeniser.
    output
        Folder of the bundle.
    name
        Of the bundle.
    pool
        How residues become one vector: ``mean`` over them, or the ``cls`` token.
    max_length
        Most tokens of a junction, class and separator included; what the weights allow if not given.
    force
        Whether a bundle that is there may be replaced.
    """

    folder: Path
    output: Path
    name: str = "tcr-bert"
    pool: Pool = "mean"
    max_length: int | None = None
    force: bool = False


def import_tcr_bert(options: ImportOptions) -> Bundle:
    """Turn a Hugging Face folder of TCR-BERT weights into a bundle.

    Returns
    -------
    Bundle
        The verified bundle.

    Raises
    ------
    InputError
        If the folder or one of its files is missing.
    BundleError
        If it is no BERT model of the published vocabulary, its tokeniser reads residues differently, or
        weights are missing.
    OptionsError
        If the weights have fewer places than asked for.
    OutputError
        If the place of the bundle is taken, or cannot be written.
    """
    config = _read_config(options.folder)
    weights = _find_weights(options.folder)
    max_tokens = _choose_length(options, int(config["max_position_embeddings"]))
    check_tokeniser(options.folder)
    bert = load_bert(options.folder)
    special = BertTokens(BERT_PADDING, BERT_CLASS, BERT_SEPARATOR)
    content, difference = export_onnx(
        PooledBert(bert, special, options.pool), _GRAPH, _make_examples(max_tokens)
    )
    document = describe_import(
        name=options.name,
        pool=options.pool,
        config=config,
        max_length=max_tokens - N_SPECIAL,
        weights_sha256=digest_file(weights),
        difference=difference,
    )
    files = {
        "model.onnx": content,
        VOCABULARY_FILE: write_bert_vocabulary().encode(),
        "CARD.md": write_import_card(document).encode(),
    }
    return write_bundle(options.output, document, files, force=options.force)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"the configuration cannot be read: {error.strerror}", where=path, mend=_MEND
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError("the configuration is not JSON", where=path, mend=_MEND) from error
    expected = {"model_type": "bert", "vocab_size": len(BERT_VOCABULARY)}
    if not isinstance(config, dict):
        raise BundleError("the configuration is no JSON object", where=path, mend=_MEND)
    faults = [
        f"'{key}' is {config.get(key)!r} instead of {value!r}"
        for key, value in expected.items()
        if config.get(key) != value
    ]
    faults += [
        f"'{key}' is {config.get(key)!r}, no number above 0"
        for key in ("hidden_size", "max_position_embeddings")
        if not (isinstance(config.get(key), int) and config[key] > 0)
    ]
    if faults:
        raise BundleError(f"this is no TCR-BERT: {'; '.join(faults)}", where=path, mend=_MEND)
    return config


def _find_weights(folder: Path) -> Path:
    found = [folder / name for name in _WEIGHTS if (folder / name).is_file()]
    if not found:
        raise InputError(f"the folder holds no weights ({' or '.join(_WEIGHTS)})", where=folder, mend=_MEND)
    return found[0]


def _choose_length(options: ImportOptions, positions: int) -> int:
    asked = options.max_length or positions
    if not MIN_JUNCTION_LENGTH + N_SPECIAL <= asked <= positions:
        raise OptionsError(
            f"{asked} tokens are not within {MIN_JUNCTION_LENGTH + N_SPECIAL} and the {positions} places of "
            "these weights",
            where="--max-length",
            mend="give the junction's residues and two more",
        )
    return asked


def check_tokeniser(folder: Path) -> None:
    """Refuse a TCR-BERT folder whose tokeniser names residues otherwise than the published one.

    Parameters
    ----------
    folder
        Hugging Face folder.

    Raises
    ------
    BundleError
        If a residue, or one of the tokens around them, gets another number; a tokeniser that lower-cases
        turns every residue into the unknown one.
    """
    try:
        tokeniser = transformers.BertTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleError(
            f"the tokeniser cannot be loaded: {str(error).splitlines()[0]}", where=folder, mend=_MEND
        ) from error
    residues = [token for token in BERT_VOCABULARY if token.isalpha()]
    # the published test and every residue
    for text in ("R K D E S", " ".join(residues)):
        expected = [BERT_CLASS, *map(BERT_VOCABULARY.index, text.split()), BERT_SEPARATOR]
        found = [int(number) for number in tokeniser(text)["input_ids"]]
        if found != expected:
            raise BundleError(
                f"the tokeniser reads {text!r} as {found} instead of {expected}",
                where=folder,
                mend="give the tokeniser that was published with the weights; it must not lower-case "
                '("do_lower_case": false in tokenizer_config.json)',
            )


def load_bert(folder: Path) -> nn.Module:
    """Load the TCR-BERT encoder of a folder, in float32.

    Parameters
    ----------
    folder
        Hugging Face folder.

    Returns
    -------
    torch.nn.Module
        The encoder without pooler and head.

    Raises
    ------
    BundleError
        If the weights cannot be read, or some are missing.
    """
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        bert, about = transformers.BertModel.from_pretrained(
            folder,
            local_files_only=True,
            add_pooling_layer=False,
            attn_implementation="eager",
            dtype=torch.float32,
            output_loading_info=True,
        )
    except MemoryError:
        raise
    except Exception as error:
        raise BundleError(
            f"the weights cannot be loaded: {str(error).splitlines()[0]}", where=folder, mend=_MEND
        ) from error
    missing = sorted(about["missing_keys"])
    if missing:
        raise BundleError(
            f"{len(missing)} tensors are missing from the weights (first: {missing[0]})",
            where=folder,
            mend=_MEND,
        )
    module: nn.Module = bert
    return module


def _make_examples(max_tokens: int) -> list[dict[str, np.ndarray]]:
    examples = []
    for junctions in (_EXAMPLES, _EXAMPLES[:1], _EXAMPLES[1:3]):
        cut = [cut_middle(junction, max_tokens - N_SPECIAL) for junction in junctions]
        nothing = np.full(len(cut), None, dtype=object)
        chains = ChainSequences(nothing, np.array(cut, dtype=object), nothing, nothing)
        examples.append(dict(tokenise_for_bert(chains)))
    return examples


def describe_import(
    *,
    name: str,
    pool: Pool,
    config: Mapping[str, Any],
    max_length: int,
    weights_sha256: str,
    difference: float,
) -> dict[str, Any]:
    """Describe imported TCR-BERT weights.

    Parameters
    ----------
    name
        Of the bundle.
    pool
        How residues become one vector.
    config
        Configuration of the folder.
    max_length
        Residues that are read whole.
    weights_sha256
        Digest of the weights file.
    difference
        Largest difference between graph and network.

    Returns
    -------
    dict
        Content of ``bundle.json`` but for format and files.
    """
    names = config.get("architectures")
    architecture = str(names[0]) if isinstance(names, list) and names else "not stated"
    knows_alpha = architecture in _KNOWS_ALPHA
    pooling = _POOLINGS[pool]
    return {
        "name": name,
        "version": "1",
        "task": TASK_RECEPTORS,
        "summary": f"Imported TCR-BERT weights ({architecture}), {pooling}",
        "inputs": [describe_tensor(BERT_INPUTS[0], ["B", "L"], _TOKENS, "int64")],
        "outputs": [describe_tensor("vector", ["B", "D"], pooling)],
        "backend": ReceptorBackend.TCR_BERT.value,
        "vocabulary": VOCABULARY_FILE,
        "dimension": int(config["hidden_size"]),
        "pooling": pooling,
        "max_length": max_length,
        "loci": ["TRA", "TRB"] if knows_alpha else ["TRB"],
        "parity": describe_parity(difference),
        "imported": {"weights_sha256": weights_sha256, "architecture": architecture},
        "training": [],
        "metrics": [],
        "limits": ["V and J genes are not read", *([] if knows_alpha else [_BETA_ONLY])],
        "intended_use": "Features of T-cell receptors, for comparison; no clinical use",
        "licence": "that of the imported weights (TCR-BERT was published under Apache-2.0)",
    }


def write_import_card(document: Mapping[str, Any]) -> str:
    """Write the card of imported TCR-BERT weights."""
    about = (
        "Made by `tcellflow bundle import tcr-bert` from a folder of the user's. Junctions of up to "
        f"{document['max_length']} residues are read whole, of {' and '.join(document['loci'])}; vectors "
        f"have {document['dimension']} numbers and keep their lengths. The ONNX graph differs from the "
        f"network by at most {document['parity']['largest_difference']:g}."
    )
    return write_card(document, about=about)
