"""``describe verify``: every sentence of anybody's text against the cells that it is about."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.contracts.descriptions import VERDICTS
from tcellflow.contracts.layout import lay_out
from tcellflow.errors import InputError
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.parquet import write_table
from tcellflow.language.verifier import Verifier
from tcellflow.provenance import StepNote, digest_file
from tcellflow.steps.describe.inputs import open_sample
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.steps.describe.options import VerifyOptions
    from tcellflow.steps.progress import Progress


def verify(options: VerifyOptions, *, progress: Progress = quiet) -> list[Path]:
    """Check every sentence of a text against a sample.

    Parameters
    ----------
    options
        The text and the cells.
    progress
        Called with (done, total).

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.verdicts.parquet``.

    Raises
    ------
    InputError
        If a file cannot be read, or the text is not UTF-8.
    ContractError
        If a table breaks its contract.
    OutputError
        If the output cannot be written, or exists without `force`.
    """
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        path = outputs.path(OutputName.VERDICTS)
        text = _read(options.text)
        sample = open_sample(
            options.cells,
            predictions=options.predictions,
            chains=options.chains,
            groupby=options.groupby,
            layer=options.layer,
        )
        facts = sample.measure()
        progress(1, 2)
        checked = Verifier(facts).check(text)
        units = [facts.units[item.unit] for item in checked]
        columns = {
            "sentence_id": np.arange(1, len(checked) + 1),
            "sentence": _texts([text[item.start : item.end] for item in checked]),
            "span_start": np.array([item.start for item in checked], dtype=np.int64),
            "span_end": np.array([item.end for item in checked], dtype=np.int64),
            "unit_id": _texts([unit.name for unit in units]),
            "unit_level": _texts([unit.level for unit in units]),
            "n_statements": np.array([len(item.statements) for item in checked], dtype=np.int64),
            "verdict": _texts([str(item.verdict) for item in checked]),
            "reason": _texts([item.reason for item in checked]),
        }
        note = StepNote(
            "describe verify",
            inputs={"text": digest_file(options.text), "cells": digest_file(options.cells)},
        )
        write_table(path, lay_out(columns, VERDICTS), VERDICTS, note)
        finished = outputs.commit()
        progress(2, 2)
        return finished


def _texts(values: list[str]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array(values, dtype=object)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"the text is not UTF-8 (byte {error.start})", where=path, mend="save it as UTF-8 text"
        ) from error
    return html.unescape(re.sub(r"\\([\\`*\[\]#|])", r"\1", text))
