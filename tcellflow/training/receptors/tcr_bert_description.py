"""What ``bundle.json`` and the card say of imported TCR-BERT weights.

Invariant: alpha chains are claimed only for weights whose head shows that they learnt them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tcellflow.io.bundles.receptors import TASK_RECEPTORS
from tcellflow.receptors.encoding.bert_tokens import BERT_INPUTS
from tcellflow.training.card import write_card
from tcellflow.training.export import OPSET, PARITY_TOLERANCE
from tcellflow.vocabulary import ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcellflow.models.tcr_bert import Pool

VOCABULARY_FILE: Final = "vocabulary.json"
_POOLINGS: Final = {"mean": "mean of residues", "cls": "class token"}
# The published weights with a masked-residue head learnt both loci; those with a classifier were then
# trained on beta chains alone. Of others it is not known.
_KNOWS_ALPHA: Final = frozenset({"BertForMaskedLM", "BertForPreTraining"})
_TOKENS: Final = "0-20 residues, 21 padding, 24 separator, 25 class"
_BETA_ONLY: Final = "the weights are taken to know beta chains alone; alpha chains need --force-tra"


def describe_import(
    *,
    name: str,
    pool: Pool,
    config: Mapping[str, Any],
    max_length: int,
    weights_sha256: str,
    difference: float,
) -> dict[str, Any]:
    """Describe imported weights.

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
        "inputs": [{"name": BERT_INPUTS[0], "dtype": "int64", "axes": ["B", "L"], "meaning": _TOKENS}],
        "outputs": [{"name": "vector", "dtype": "float32", "axes": ["B", "D"], "meaning": pooling}],
        "backend": ReceptorBackend.TCR_BERT.value,
        "vocabulary": VOCABULARY_FILE,
        "dimension": int(config["hidden_size"]),
        "pooling": pooling,
        "max_length": max_length,
        "loci": ["TRA", "TRB"] if knows_alpha else ["TRB"],
        "parity": {
            "tolerance": PARITY_TOLERANCE,
            "largest_difference": float(f"{difference:.1e}"),
            "opset": OPSET,
        },
        "imported": {"weights_sha256": weights_sha256, "architecture": architecture},
        "training": [],
        "metrics": [],
        "limits": ["V and J genes are not read", *([] if knows_alpha else [_BETA_ONLY])],
        "intended_use": "Features of T-cell receptors, for comparison; no clinical use",
        "licence": "that of the imported weights (TCR-BERT was published under Apache-2.0)",
    }


def write_import_card(document: Mapping[str, Any]) -> str:
    """Write the card.

    Parameters
    ----------
    document
        Content of ``bundle.json``.

    Returns
    -------
    str
        Markdown with a final newline.
    """
    about = (
        "Made by `tcellflow bundle import tcr-bert` from a folder of the user's. Junctions of up to "
        f"{document['max_length']} residues are read whole, of {' and '.join(document['loci'])}; vectors "
        f"have {document['dimension']} numbers and keep their lengths. The ONNX graph differs from the "
        f"network by at most {document['parity']['largest_difference']:g}."
    )
    return write_card(document, about=about)
