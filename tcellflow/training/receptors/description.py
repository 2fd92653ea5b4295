"""What ``bundle.json`` says of a trained receptor encoder.

Invariant: rows, sources and settings are those of the run, not of its defaults.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tcellflow.io.bundles.receptors import TASK_RECEPTORS
from tcellflow.receptors.encoding.keys import MAX_JUNCTION_LENGTH
from tcellflow.training.export import OPSET, PARITY_TOLERANCE
from tcellflow.vocabulary import ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tcellflow.training.receptors.corpus import CorpusTally
    from tcellflow.training.receptors.options import TrainReceptorsOptions

VOCABULARY_FILE: Final = "vocabulary.json"
_SUMMARY: Final = "Vectors of alpha and beta chains and of their pairs, learnt by contrast"


def describe_bundle(
    options: TrainReceptorsOptions,
    tally: CorpusTally,
    licences: Mapping[str, str],
    history: Sequence[Mapping[str, Any]],
    difference: float,
) -> dict[str, Any]:
    """Describe a run and its result.

    Parameters
    ----------
    options
        The run.
    tally
        Rows that were learnt from, and that were left out.
    licences
        Source to licence; others are "not stated".
    history
        Validations.
    difference
        Largest difference between graph and network.

    Returns
    -------
    dict
        Content of ``bundle.json`` but for format and files.
    """
    network = options.task.network
    best = min(history, key=lambda line: line["validation_loss"], default=None)
    return {
        "name": options.name,
        "version": options.version,
        "task": TASK_RECEPTORS,
        "summary": _SUMMARY + (" without epitope labels" if options.corpus.is_label_free else ""),
        "inputs": _INPUTS,
        "outputs": _OUTPUTS,
        "backend": ReceptorBackend.NATIVE.value,
        "vocabulary": VOCABULARY_FILE,
        "dimension": network.dimension,
        "pooling": "V token, J token and mean of residues",
        "max_length": MAX_JUNCTION_LENGTH,
        "loci": ["TRA", "TRB"],
        "parity": {
            "tolerance": PARITY_TOLERANCE,
            "largest_difference": float(f"{difference:.1e}"),
            "opset": OPSET,
        },
        "training": [
            {"table": table, "source": source, "rows": rows, "licence": licences.get(source, "not stated")}
            for table, sources in tally.kept.items()
            for source, rows in sorted(sources.items())
        ],
        "left_out_rows": dict(sorted(tally.left_out.items())),
        "excluded_sources": sorted(options.corpus.excluded_sources),
        "is_label_free": options.corpus.is_label_free,
        "recipe": {
            "steps": options.loop.steps,
            "learning_rate": options.loop.learning_rate,
            **asdict(options.task),
        },
        "metrics": [] if best is None else [{"split": "one junction of 256, kept back", **_rounded(best)}],
        "limits": [
            "human alpha and beta chains only",
            "distances rank receptors; they are no probabilities of shared specificity",
            "an unknown V or J gene costs accuracy; a V gene never met in training is judged by its loops",
        ],
        "intended_use": "Nearest neighbours, clusters and features of T-cell receptors; no clinical use",
        "licence": "MIT",
    }


def _tensor(name: str, dtype: str, axes: list[str], meaning: str) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "axes": axes, "meaning": meaning}


def _rounded(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in line.items() if not name.startswith("train_")}


_INPUTS: Final = [
    _tensor("locus", "int64", ["B"], "0 = TRA, 1 = TRB"),
    _tensor("residues", "int64", ["B", "L"], "junction: 0 padding, 1 masked, 2-21 residues"),
    _tensor("v_call", "int64", ["B"], "place in the vocabulary's v_calls from 1; 0 = unknown"),
    _tensor("j_call", "int64", ["B"], "place in the vocabulary's j_calls from 1; 0 = unknown"),
]
_OUTPUTS: Final = [
    _tensor("vector", "float32", ["B", "D"], "vector of the chain, unit length"),
    _tensor(
        "features", "float32", ["B", "D"], "those of a pair's chains are added, then brought to unit length"
    ),
    _tensor("residue_logits", "float32", ["B", "L", "20"], "which residue stands at each place"),
]
