"""Text of language models: what is not supported is not written."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from language_samples import make_sample
from tcellflow.contracts.descriptions import CLAIMS, DESCRIPTIONS
from tcellflow.contracts.layout import lay_out
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.errors import ContractError, InputError
from tcellflow.io.tables.parquet import read_table, write_table
from tcellflow.provenance import StepNote
from tcellflow.steps.describe import DescribeOptions, describe


@pytest.fixture
def cells(tmp_path):
    """Give a file of cells of four types."""
    path = tmp_path / "cells.h5ad"
    make_sample().write_h5ad(path)
    return path


def speak(prompt):
    """Repeat how many cells there are, and make things up."""
    assert "Use only the facts" in prompt
    assert "CL_0000860" not in prompt
    line = next(line for line in prompt.splitlines() if "The group holds" in line)
    fact = line.split('"fact": "')[1].rsplit('"', 1)[0]
    return (
        f"{fact} CD3E is detected in 77.7 % of them. They are happy. <script>x()</script> XYZ99 is absent.\n"
    )


def test_only_what_the_cells_support_is_written(cells, tmp_path, caplog):
    """A true sentence stays with its claim; a wrong number, an unknown name and prose without a claim go."""
    with caplog.at_level(logging.WARNING):
        describe(DescribeOptions(cells, tmp_path, "s", groupby="kind", realiser="llm"), speak=speak)
    table = read_table(tmp_path / "s.descriptions.parquet", DESCRIPTIONS).to_pandas()
    assert set(table["realiser"]) == {"llm"}
    assert table["n_sentences"].tolist() == [1] * 5
    assert (table["n_dropped"] == 2).all()
    assert not table["text"].str.contains("77.7|happy|script|XYZ99").any()
    claims = read_table(tmp_path / "s.claims.parquet", CLAIMS).to_pandas()
    said = claims[claims["sentence_id"].notna()]
    assert said.groupby("unit_id").size().tolist() == [1] * 5
    assert "of the realiser were not supported" in caplog.text
    assert "Made by the llm realiser" in (tmp_path / "s.descriptions.md").read_text()


def test_a_model_that_makes_things_up_can_end_the_run(cells, tmp_path):
    """With on_ungrounded = fail nothing is written."""
    options = DescribeOptions(cells, tmp_path, "s", groupby="kind", realiser="llm", on_ungrounded="fail")
    with pytest.raises(ContractError, match="not supported"):
        describe(options, speak=speak)
    assert not list(tmp_path.glob("s.*"))


def test_programmes_of_other_cells_are_refused(cells, tmp_path):
    """A programmes table is matched by barcode."""
    for name, ids in (("own", [f"c{i}" for i in range(160)]), ("other", ["x", "y"])):
        columns = {c.name: np.full(len(ids), 0.9, np.float32) for c in PROGRAMMES.columns}
        columns["cell_id"] = np.array(ids, dtype=object)
        rows = lay_out(columns, PROGRAMMES)
        write_table(tmp_path / f"{name}.parquet", rows, PROGRAMMES, StepNote("predict"))
    describe(DescribeOptions(cells, tmp_path, "s", groupby="kind", programmes=tmp_path / "own.parquet"))
    claims = read_table(tmp_path / "s.claims.parquet", CLAIMS).to_pandas()
    assert set(claims.loc[claims["type"] == "programme", "value"]) == {100}
    with pytest.raises(InputError, match="none of its 2 cells"):
        describe(DescribeOptions(cells, tmp_path, "t", programmes=tmp_path / "other.parquet"))
