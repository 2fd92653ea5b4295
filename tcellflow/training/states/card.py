"""What the card of a states bundle tells beside what all cards tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcellflow.training.card import write_card

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def write_state_card(document: Mapping[str, Any], evaluation: str) -> str:
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
    return write_card(document, _tell(document), evaluation=evaluation)


def _tell(document: Mapping[str, Any]) -> Iterator[str]:
    recipe = document["recipe"]
    yield "\n## Truth behind each state\n\n| state | kind of truth |\n|---|---|"
    yield from (f"| {state} | {kind} |" for state, kind in sorted(document["evidence"].items()))
    yield "\nFunctions told apart: " + ", ".join(document["labels"]["function_reported"]) + "."
    yield "\n## Data\n\n| cohort | T cells | donors | labels | licence |\n|---|---|---|---|---|"
    for cohort in document["training"]:
        labels = "; ".join(f"{label} {n:,}" for label, n in cohort["labelled"].items()) or "none"
        yield (
            f"| {cohort['name']} | {cohort['t_cells']:,} of {cohort['cells']:,} | {cohort['donors']} "
            f"| {labels} | {cohort['licence']} |"
        )
    held_out = ", ".join(recipe["held_out"]) or "none"
    is_seed = recipe["architecture"] == "seed"
    kept_back = (
        "one share of the units, by which they were chosen" if is_seed else "its own share of the units"
    )
    yield (
        f"\n{recipe['members']} members, split by {recipe['split']}: each learnt from all but {kept_back}. "
        f"Cells of that share judge. Held out from all members: {held_out}.\n"
    )
    yield "## Figures\n\nCells that the judging member had not learnt from, or that were held out from all.\n"
    yield "| cohort | judged by | cells | macro-F1 | calibration error |\n|---|---|---|---|---|"
    for row in document["metrics"]:
        f1, error = row["macro_f1"], row["ece"]
        yield f"| {row['cohort']} | {row['judge']} | {row['cells']:,} | {f1:.3f} | {error:.3f} |"
    yield f"\n**Calibration.** {document['calibration']['method']}."
    yield from _tell_receptors(document)


def _tell_receptors(document: Mapping[str, Any]) -> Iterator[str]:
    receptors = document.get("receptors")
    if receptors is None:
        return
    yield (
        "\n**Receptors.** Optional: a missing chain is a mask. Vectors of the encoder "
        f"{receptors['encoder_name']}, {receptors['dimension']} wide. Figures and calibration are of cells "
        "whose chains, where known, were shown.\n\n| cohort | cells with alpha | with beta |\n|---|---|---|"
    )
    for cohort in document["training"]:
        if "with_tra" in cohort:
            yield f"| {cohort['name']} | {cohort['with_tra']:,} | {cohort['with_trb']:,} |"
