"""What a bundle of the task "language" says beyond the common entries, and its tables.

Invariant: genes and tokens in hand are those that ``bundle.json`` describes, in the order of the axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from tcellflow.io.bundles.fields import LOOSE, Name, Size
from tcellflow.io.bundles.panel_tables import (
    PanelEntry,
    as_numbers,
    check_panel_file,
    read_columns,
    write_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TASK_LANGUAGE: Final = "language"
DECODER_FILE: Final = "decoder.onnx"
LANGUAGE_GENES_FILE: Final = "genes.tsv"
PHRASES_FILE: Final = "phrases.toml"
TOKENS_FILE: Final = "tokens.tsv"
_GENE_COLUMNS: Final = ("symbol", "mean", "scale")
_TOKEN_COLUMNS: Final = ("token",)


@dataclass(frozen=True, config=LOOSE)
class LanguageDetails:
    """What ``bundle.json`` says of a language bundle.

    Parameters
    ----------
    genes, tokens
        Its tables.
    decoder
        ONNX file of the decoder; ``model.onnx`` is the encoder.
    phrases
        TOML file of the phrases that it writes with.
    layers, heads, width
        Shape of what the decoder keeps of earlier tokens: (layers, 2, B, heads, P, width / heads).
    most_rows, longest
        Most rows of a plan, and tokens of a text.
    """

    genes: PanelEntry
    tokens: PanelEntry
    decoder: Annotated[Name, AfterValidator(check_panel_file)]
    phrases: Annotated[Name, AfterValidator(check_panel_file)]
    layers: Size
    heads: Size
    width: Size
    most_rows: Size
    longest: Size


def read_language_genes(
    folder: Path, entry: PanelEntry
) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.float64]]:
    """Read the genes of a bundle: symbols, mean and scale of log1p(molecules per 10,000) over groups.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    columns = read_columns(folder, entry, _GENE_COLUMNS)
    mean, scale = (as_numbers(folder, entry.file, columns[name]) for name in _GENE_COLUMNS[1:])
    return columns["symbol"], mean, scale


def read_tokens(folder: Path, entry: PanelEntry) -> tuple[str, ...]:
    """Read the tokens of a bundle, in the order of their numbers.

    Raises
    ------
    BundleError
        If the file is no such table, or differs from its entry.
    """
    return tuple(map(str, read_columns(folder, entry, _TOKEN_COLUMNS)["token"]))


def write_language_genes(
    symbols: NDArray[np.object_], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> bytes:
    """Write genes as `read_language_genes` reads them."""
    return write_columns(_GENE_COLUMNS, (symbols, mean, scale))


def write_tokens(tokens: Sequence[str]) -> bytes:
    """Write tokens as `read_tokens` reads them."""
    return write_columns(_TOKEN_COLUMNS, (np.array(tokens, dtype=object),))
