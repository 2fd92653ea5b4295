"""``describe``: text about groups of cells in which every sentence can be checked, and what goes with it.

Invariant: a sentence is written only if an independent reading of it agrees with the matrix; the same files
give the same text.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from tcellflow.contracts.descriptions import CLAIMS, DESCRIPTIONS
from tcellflow.io.h5ad.cells_copy import write_described_copy
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.parquet import write_table
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.describe.columns import list_group_columns
from tcellflow.steps.describe.inputs import open_sample
from tcellflow.steps.describe.options import DescribeOptions
from tcellflow.steps.describe.texts import (
    describe_units,
    tabulate_claims,
    tabulate_descriptions,
    write_lines,
    write_markdown,
)
from tcellflow.steps.describe.writers import choose_writer
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.language.foreign import Speak
    from tcellflow.steps.describe.texts import Description
    from tcellflow.steps.progress import Progress

_LOG: Final = logging.getLogger(__name__)

__all__ = ["DescribeOptions", "describe"]


def describe(
    options: DescribeOptions, *, speak: Speak | None = None, progress: Progress = quiet
) -> list[Path]:
    """Run the step describe: text about the groups of a sample's cells.

    Parameters
    ----------
    options
        What to describe, and how.
    speak
        Language model that puts claims into words; None = the template.
    progress
        Called with (done, total).

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.`` and `DescribeOptions.output_names`.

    Raises
    ------
    InputError
        If a file cannot be read, tables belong to other cells, or the column of groups is not there.
    ContractError
        If a table breaks its contract, or a sentence is not supported and the run is to fail then.
    OptionsError
        If the realiser is ``llm`` and no model is handed over, or the other way round.
    BundleError
        If the realiser's bundle is not there, is broken or is of another task.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        paths = {name: outputs.path(name) for name in options.output_names}
        sample = open_sample(
            options.cells,
            predictions=options.predictions,
            chains=options.chains,
            programmes=options.programmes,
            groupby=options.groupby,
            layer=options.layer,
        )
        write, bundle = choose_writer(options.realiser, options.bundle, speak)
        facts = sample.measure()
        progress(1, 2)
        found = describe_units(facts, options.register, fail=options.on_ungrounded == "fail", write=write)
        realiser = options.realiser
        _tell_dropped(found, realiser)
        inputs = {
            "cells": options.cells, "predictions": options.predictions, "chains": options.chains,
            "programmes": options.programmes,
        }  # fmt: skip
        note = StepNote(
            "describe",
            options={"register": options.register, "groupby": options.groupby, "realiser": realiser},
            inputs={role: digest_file(path) for role, path in inputs.items() if path is not None},
            bundle=bundle,
        )
        table = tabulate_descriptions(found, facts, options.register, realiser)
        write_table(paths[OutputName.DESCRIPTIONS], table, DESCRIPTIONS, note)
        write_table(paths[OutputName.CLAIMS], tabulate_claims(found), CLAIMS, note)
        _write(paths[OutputName.DESCRIPTIONS_JSON], write_lines(found, realiser))
        _write(paths[OutputName.DESCRIPTIONS_TEXT], write_markdown(found, realiser))
        if OutputName.DESCRIBED in paths:
            columns = list_group_columns(sample, found)
            write_described_copy(options.cells, paths[OutputName.DESCRIBED], obs=columns, note=note)
        finished = outputs.commit()
        progress(2, 2)
        return finished


def _tell_dropped(found: list[Description], realiser: str) -> None:
    dropped = sum(item.n_dropped for item in found)
    if dropped and realiser != "template":
        total = dropped + sum(len(item.sentences) for item in found)
        _LOG.warning(
            "%d of %d sentences of the realiser were not supported and are not written", dropped, total
        )


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
