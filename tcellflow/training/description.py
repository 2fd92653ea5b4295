"""What every trained bundle tells of itself: parts of ``bundle.json``, and the card that a person reads.

Invariant: every figure on a card is in ``bundle.json`` or in the evaluation handed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcellflow.errors import InputError
from tcellflow.io.bundles.description import plain_name
from tcellflow.training.export import OPSET, PARITY_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def describe_tensor(name: str, axes: list[str], meaning: str, dtype: str = "float32") -> dict[str, Any]:
    """Describe a tensor in a trained bundle's ``bundle.json``: an input or output of a graph."""
    return {"name": name, "dtype": dtype, "axes": axes, "meaning": meaning}


def describe_parity(difference: float) -> dict[str, Any]:
    """Describe in ``bundle.json`` how far graph and network may lie apart, and the largest difference."""
    return {
        "tolerance": PARITY_TOLERANCE,
        "largest_difference": float(f"{difference:.1e}"),
        "opset": OPSET,
    }


def name_bundle(name: str | None, output: Path) -> str:
    """Name a trained bundle in its description: as asked, else as the folder it is written to, made plain."""
    return name or plain_name(output.resolve().name)


def read_text(path: Path | None) -> str:
    """Read a text that a user hands over for the card that describes a trained bundle.

    Parameters
    ----------
    path
        A text file; None = nothing.

    Returns
    -------
    str
        Its content.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the file cannot be read: {error}", where=path, mend="give a text file") from error


def write_card(
    document: Mapping[str, Any], sections: Iterable[str] = (), *, about: str = "", evaluation: str = ""
) -> str:
    """Write the card that describes any trained bundle: name to limits, then what its kind has to tell.

    Parameters
    ----------
    document
        Content of ``bundle.json``.
    sections
        Markdown lines of the kind of bundle.
    about
        A paragraph behind the summary.
    evaluation
        Markdown with results.
    """
    lines = [f"# {document['name']} {document['version']}", f"\n{document['summary']}."]
    if about:
        lines.append(f"\n{about}")
    lines += [
        f"\n**Use.** {document['intended_use']}.\n\n**Licence.** {document['licence']}.",
        "\n## Limits\n",
        *(f"- {limit}" for limit in document["limits"]),
        *sections,
    ]
    if evaluation.strip():
        lines.append(f"\n{evaluation.strip()}")
    return "\n".join(lines) + "\n"
