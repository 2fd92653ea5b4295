"""The options of describe and its parts: what each reads, where it writes, and how.

Invariant: nothing heavy is imported here, as in `tcellflow.steps.options`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tcellflow.errors import InputError, OptionsError
from tcellflow.io.files.kinds import check_is_file, check_is_there
from tcellflow.vocabulary import LANGUAGE_BUNDLE, OutputName, Realiser

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
    programmes
        Programmes table of predict; None = programmes are scored from the counts.
    groupby
        obs column whose values are the groups; None = states, clusters and expanded clones.
    register
        How much is said.
    realiser
        What puts claims into words: fixed sentences, a bundle, or a language model that is handed over.
    bundle
        Name or folder of the bundle; read where `realiser` is ``neural`` alone.
    on_ungrounded
        What happens to a sentence that the check does not support: it is dropped, or the run fails.
    layer
        Matrix of an .h5ad file; None = by its values.
    h5ad
        Whether the cells are copied with text and type of each cell's group in obs.
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
    realiser: Realiser = "template"
    bundle: str = LANGUAGE_BUNDLE
    on_ungrounded: Literal["drop", "fail"] = "drop"
    programmes: Path | None = None
    layer: str | None = None
    h5ad: bool = False
    force: bool = False

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the files that describe run writes: some of `OutputName`."""
        return (
            OutputName.DESCRIPTIONS,
            OutputName.CLAIMS,
            OutputName.DESCRIPTIONS_JSON,
            OutputName.DESCRIPTIONS_TEXT,
            *((OutputName.DESCRIBED,) if self.h5ad else ()),
        )

    def check(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist or cannot be read.
        """
        check_is_there(self.cells)
        for path in (self.predictions, self.chains, self.programmes):
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
    support
        Labelled cells: a table with ``cell_id``, or an expression file; None = the cells themselves.
    support_column
        Column with the labels to learn from; None = nothing is learnt.
    h5ad
        Whether the cells are copied with their types in obs.
    """

    cells: Path
    output: Path
    prefix: str
    candidates: Path | None = None
    smooth: int = 20
    support: Path | None = None
    support_column: str | None = None
    layer: str | None = None
    h5ad: bool = False
    force: bool = False

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the files that describe annotate writes: some of `OutputName`."""
        return (OutputName.ANNOTATIONS, *((OutputName.DESCRIBED,) if self.h5ad else ()))

    def check(self) -> None:
        """Refuse inputs that are not there.

        Raises
        ------
        InputError
            If one does not exist or cannot be read.
        """
        check_is_there(self.cells)
        for path in (self.candidates, self.support):
            if path is not None:
                check_is_file(path)


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


@dataclass(frozen=True)
class SearchOptions:
    """Options of describe search.

    Parameters
    ----------
    text
        Which cells are looked for.
    cells, layer, force
        As of `DescribeOptions`.
    groupby
        obs column whose groups are ranked; None = cells.
    top
        Most units listed.
    output
        File for the table beside what is given back; None = none.
    """

    text: str
    cells: Path
    groupby: str | None = None
    top: int = 50
    layer: str | None = None
    output: Path | None = None
    force: bool = False

    def check(self) -> None:
        """Refuse a text that is empty or too long, and cells that are not there.

        Raises
        ------
        OptionsError
            As `check_prompt`.
        InputError
            If the file does not exist or cannot be read.
        """
        check_prompt(self.text)
        check_is_there(self.cells)


@dataclass(frozen=True)
class GenerateOptions:
    """Options of describe generate.

    Parameters
    ----------
    text
        Which cells are wanted.
    output
        The h5ad file.
    n
        Number of cells.
    seed
        Of the draws.
    force
        Whether a finished output may be replaced.
    """

    text: str
    output: Path
    n: int = 500
    seed: int = 0
    force: bool = False

    def check(self) -> None:
        """Refuse a text that is empty or too long, and an output that is no h5ad file.

        Raises
        ------
        OptionsError
            As `check_prompt`, or if the output does not end in .h5ad or the number is not positive.
        """
        check_prompt(self.text)
        if self.output.suffix != ".h5ad" or self.n < 1:
            raise OptionsError(
                f"cannot write {self.n} cells to {self.output.name}",
                where="--output, -n",
                mend="name a file that ends in .h5ad, and at least one cell",
            )


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of describe eval.

    Parameters
    ----------
    cells, layer, output, prefix, force
        As of `DescribeOptions`.
    truth
        obs column of the true labels; cells without one are left out.
    task
        What is measured.
    candidates
        Table of candidates that carry these labels; None = the labels themselves.
    """

    cells: Path
    output: Path
    prefix: str
    truth: str
    task: Literal["text", "annotation", "pseudo-cells"] = "annotation"
    candidates: Path | None = None
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
