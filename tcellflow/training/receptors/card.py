"""What the card of a receptors bundle tells beside what all cards tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcellflow.training.card import write_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def write_receptor_card(document: Mapping[str, Any], evaluation: str) -> str:
    """Write the card.

    Parameters
    ----------
    document
        Content of ``bundle.json``.
    evaluation
        Markdown with results; may be empty.

    Returns
    -------
    str
        Markdown with a final newline.
    """
    network = document["recipe"]["network"]
    about = (
        f"A transformer of {network['layers']} layers, {network['width']} wide, over the junction, V gene "
        f"(its identity and its CDR1 and CDR2 loops), J gene and locus of one chain; vectors have "
        f"{document['dimension']} numbers. The vector of a pair is the sum of the features of both "
        f"chains, at unit length."
    )
    return write_card(document, _tell(document), about=about, evaluation=evaluation)


def _tell(document: Mapping[str, Any]) -> Iterator[str]:
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
