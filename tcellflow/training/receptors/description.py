"""What a trained receptor encoder tells of itself: ``bundle.json`` and card.

Invariant: rows, sources and settings are those of the run, not of its defaults.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tcellflow.io.bundles.receptors import TASK_RECEPTORS
from tcellflow.receptors.encoding.keys import MAX_JUNCTION_LENGTH
from tcellflow.training.description import describe_parity, describe_tensor, name_bundle, write_card
from tcellflow.training.options import NOT_STATED
from tcellflow.vocabulary import ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
    cluster_distances: Mapping[str, float],
) -> dict[str, Any]:
    """Describe a trained receptor encoder: its run and result.

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
    cluster_distances
        As `measure_distances` gives them.

    Returns
    -------
    dict
        Content of ``bundle.json`` but for format and files.
    """
    network = options.task.network
    best = min(history, key=lambda line: line["validation_loss"], default=None)
    return {
        "name": name_bundle(options.name, options.output),
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
        "cluster_distances": dict(cluster_distances),
        "parity": describe_parity(difference),
        "training": [
            {"table": table, "source": source, "rows": rows, "licence": licences.get(source, NOT_STATED)}
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
        "licence": options.licence,
    }


def _rounded(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in line.items() if not name.startswith("train_")}


_INPUTS: Final = [
    describe_tensor("locus", ["B"], "0 = TRA, 1 = TRB", "int64"),
    describe_tensor("residues", ["B", "L"], "junction: 0 padding, 1 masked, 2-21 residues", "int64"),
    describe_tensor("v_call", ["B"], "place in the vocabulary's v_calls from 1; 0 = unknown", "int64"),
    describe_tensor("j_call", ["B"], "place in the vocabulary's j_calls from 1; 0 = unknown", "int64"),
]
_OUTPUTS: Final = [
    describe_tensor("vector", ["B", "D"], "vector of the chain, unit length"),
    describe_tensor(
        "features", ["B", "D"], "those of a pair's chains are added, then brought to unit length"
    ),
    describe_tensor("residue_logits", ["B", "L", "20"], "which residue stands at each place"),
]


def write_receptor_card(document: Mapping[str, Any], evaluation: str) -> str:
    """Write the card that describes a trained receptor encoder."""
    network = document["recipe"]["network"]
    about = (
        f"A transformer of {network['layers']} layers, {network['width']} wide, over the junction, V gene "
        f"(its identity and its CDR1 and CDR2 loops), J gene and locus of one chain; vectors have "
        f"{document['dimension']} numbers. The vector of a pair is the sum of the features of both "
        f"chains, at unit length."
    )
    return write_card(document, _tell_receptors(document), about=about, evaluation=evaluation)


def _tell_receptors(document: Mapping[str, Any]) -> Iterator[str]:
    recipe = document["recipe"]
    yield "\n## Data\n"
    yield _say_labels(document)
    yield "\n| table | source | rows | licence of the source |\n|---|---|---|---|"
    for row in document["training"]:
        yield f"| {row['table']} | {row['source']} | {row['rows']:,} | {row['licence']} |"
    excluded = ", ".join(document["excluded_sources"]) or "none"
    yield f"\nSources left out: {excluded}. Rows left out, by the first reason that applied:"
    counts = "; ".join(f"{reason} {rows:,}" for reason, rows in document["left_out_rows"].items()) or "none"
    yield f"{counts}.\n\n## Training\n"
    yield (
        f"{recipe['steps']:,} steps of {recipe['batch_size']} receptors. Losses: contrast of a receptor and "
        f"its noised view at temperature {recipe['temperature']}; neighbours as an alignment corrected for "
        f"crowding has them (weight {recipe['teacher_weight']:g}); hidden residues (weight "
        f"{recipe['residue_weight']:g})."
    )
    for metrics in document["metrics"]:
        figures = ", ".join(
            f"{name.replace('_', ' ')} {value}" for name, value in metrics.items() if name != "split"
        )
        yield f"\nValidation ({metrics['split']}): {figures}."
    distances = ", ".join(f"{kind} {value:g}" for kind, value in document["cluster_distances"].items())
    yield (
        f"\nCosine distance below which `--neighbours` links two receptors into a cluster, so that of a "
        f"million pairs of the receptors above one is: {distances} (0: too few were there to tell)."
    )
    yield (
        f"\nThe ONNX graph (opset {document['parity']['opset']}) differs from the network by at most "
        f"{document['parity']['largest_difference']:g}."
    )


def _say_labels(document: Mapping[str, Any]) -> str:
    if document["is_label_free"]:
        return (
            "No receptor with a known epitope was seen: flagged rows, and every row that shares a junction "
            "with the tables of labelled receptors, were left out."
        )
    return "Receptors with known epitopes were among the data (as sequences, without their labels)."
