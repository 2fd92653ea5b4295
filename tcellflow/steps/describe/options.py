"""The options of describe and its parts: what each reads, where it writes, and how.

Invariant: nothing heavy is imported here, as in `tcellflow.steps.options`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tcellflow.errors import InputError, OptionsError
from tcellflow.io.files.kinds import check_is_file, check_is_there
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_TEXT: Final = 10_000_000  # bytes of a text to be verified
LONGEST_PROMPT: Final = 20_000  # characters of a free text


@dataclass(frozen=True)
class DescribeOptions:
    """Options of describe run.

    Parameters
    ----------
    cells
        Cells file of preprocess, or any expression file with counts.
    output
        Output folder.
    prefix
        Sample name in front of the file names.
    predictions
        Predictions table; else the state columns of the cells, if any.
    chains
        Chains table, for segments and junctions.
    groupby
        obs column whose values are the groups; None = states, clusters and expanded clones.
    register
        How much is said.
    on_ungrounded
        What happens to a sentence that the check does not support: it is dropped, or the run fails.
    layer
        Matrix of an .h5ad file; None = by its values.
    force
        Whether finished outputs may be replaced.
    """

    cells: Path
    output: Path
    prefix: str
    predictions: Path | None = None
    chains: Path | None = None
    groupby: str | None = None
    register: Literal["short", "clinical", "full"] = "full"
    on_ungrounded: Literal["drop", "fail"] = "drop"
    layer: str | None = None
    force: bool = False

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the files that describe run writes: some of `OutputName`."""
        return (
            OutputName.DESCRIPTIONS,
            OutputName.CLAIMS,
            OutputName.DESCRIPTIONS_JSON,
            OutputName.DESCRIPTIONS_TEXT,
        )

    def check(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist or cannot be read.
        """
        check_is_there(self.cells)
        for path in (self.predictions, self.chains):
            if path is not None:
                check_is_file(path)


@dataclass(frozen=True)
class VerifyOptions:
    """Options of describe verify: the text, the cells it is about, and where verdicts go.

    Parameters
    ----------
    text
        File of plain text or Markdown.
    cells, predictions, chains, groupby, layer, output, prefix, force
        As of `DescribeOptions`.
    """

    text: Path
    cells: Path
    output: Path
    prefix: str
    predictions: Path | None = None
    chains: Path | None = None
    groupby: str | None = None
    layer: str | None = None
    force: bool = False

    def check(self) -> None:
        """Refuse inputs that are not there, and texts that are too long.

        Raises
        ------
        InputError
            If one does not exist or cannot be read, or the text is longer than `LONGEST_TEXT`.
        """
        check_is_file(self.text)
        check_is_there(self.cells)
        for path in (self.predictions, self.chains):
            if path is not None:
                check_is_file(path)
        size = self.text.stat().st_size
        if size > LONGEST_TEXT:
            raise InputError(
                f"the text has {size:,} bytes, more than {LONGEST_TEXT:,}",
                where=self.text,
                mend="give it in parts",
            )


@dataclass(frozen=True)
class AnnotateOptions:
    """Options of describe annotate.

    Parameters
    ----------
    cells, layer, output, prefix, force
        As of `DescribeOptions`.
    candidates
        Table of candidates; None = the packaged immune panel.
    smooth
        Similar cells over which probabilities are averaged, the cell itself among them; 0 = none.
    """

    cells: Path
    output: Path
    prefix: str
    candidates: Path | None = None
    smooth: int = 20
    layer: str | None = None
    force: bool = False

    def check(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist or cannot be read.
        """
        check_is_there(self.cells)
        if self.candidates is not None:
            check_is_file(self.candidates)


def check_prompt(text: str) -> str:
    """Check a free text and give it without control characters.

    Raises
    ------
    OptionsError
        If it is empty or longer than `LONGEST_PROMPT`.
    """
    plain = "".join(c if c.isprintable() else " " for c in text).strip()
    if not plain or len(plain) > LONGEST_PROMPT:
        raise OptionsError(
            f"the text is empty or longer than {LONGEST_PROMPT:,} characters",
            where="--text",
            mend="say in a few words which cells are meant",
        )
    return plain
