"""The step describe and its parts, on files."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from language_samples import make_sample
from tcellflow.contracts.descriptions import ANNOTATIONS, CLAIMS, DESCRIPTIONS, VERDICTS
from tcellflow.errors import ContractError, InputError, OutputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.language import verifier
from tcellflow.steps.describe import DescribeOptions, describe
from tcellflow.steps.describe.annotate import annotate
from tcellflow.steps.describe.inputs import open_sample
from tcellflow.steps.describe.options import AnnotateOptions, VerifyOptions
from tcellflow.steps.describe.texts import describe_units
from tcellflow.steps.describe.verify import verify


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Give a file of cells of four types."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    make_sample().write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def described(cells, tmp_path_factory):
    """Describe the types of the file."""
    folder = tmp_path_factory.mktemp("described")
    describe(DescribeOptions(cells, folder, "s", groupby="kind"))
    return folder


def test_descriptions_and_claims_fit_their_contracts(described):
    """Each group and the sample have a row; each sentence lies where its claim says."""
    table = read_table(described / "s.descriptions.parquet", DESCRIPTIONS).to_pandas()
    assert table["unit_level"].tolist() == ["kind"] * 4 + ["sample"]
    assert table["text"].str.len().min() > 50
    assert (table["grounding_precision"] == 1).all()
    assert table.loc[table["unit_id"] == "CL_0000860", "label"].item() == "classical monocyte"
    claims = read_table(described / "s.claims.parquet", CLAIMS).to_pandas()
    said = claims[claims["sentence_id"].notna()]
    texts = table.set_index("unit_id")["text"]
    for row in said.itertuples():
        sentence = texts[row.unit_id][int(row.span_start) : int(row.span_end)]
        assert sentence.endswith(".")
        if row.type.startswith("marker"):
            assert row.subject in sentence
    assert {"marker_present", "marker_absent", "identity", "size"} <= set(claims["type"])
    lines = (described / "s.descriptions.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == table["text"].tolist()


def test_the_same_cells_give_the_same_bytes(cells, described, tmp_path):
    """A second run writes the same files."""
    for path in describe(DescribeOptions(cells, tmp_path, "s", groupby="kind")):
        assert path.read_bytes() == (described / path.name).read_bytes()
    with pytest.raises(OutputError):
        describe(DescribeOptions(cells, tmp_path, "s", groupby="kind"))


def test_the_text_that_was_written_is_verified(cells, described, tmp_path):
    """verify supports every sentence of our own Markdown and catches one that was altered."""
    text = described / "s.descriptions.md"
    verify(VerifyOptions(text, cells, tmp_path, "own", groupby="kind"))
    own = read_table(tmp_path / "own.verdicts.parquet", VERDICTS).to_pandas()
    checked = own[own["verdict"] != "unchecked"]
    assert len(checked) > 20
    assert set(checked["verdict"]) == {"supported"}
    altered = tmp_path / "altered.md"
    altered.write_text(text.read_text().replace("is detected in", "is absent in"))
    verify(VerifyOptions(altered, cells, tmp_path, "altered", groupby="kind"))
    found = read_table(tmp_path / "altered.verdicts.parquet", VERDICTS).to_pandas()
    assert set(found.loc[found["sentence"].str.contains("is absent in"), "verdict"]) == {"contradicted"}


def test_markup_in_text_is_read_and_never_run(cells, tmp_path):
    """Scripts, escapes and a text of a megabyte go through; what is no text is refused."""
    text = tmp_path / "odd.md"
    text.write_text("<script>alert(1)</script> $(rm -rf /) `x`\n\x1b[31mred\n" + "They are fine. " * 60_000)
    verify(VerifyOptions(text, cells, tmp_path, "odd"))
    found = read_table(tmp_path / "odd.verdicts.parquet", VERDICTS).to_pandas()
    assert len(found) > 50_000
    assert "supported" not in set(found["verdict"])
    text.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        verify(VerifyOptions(text, cells, tmp_path, "bytes"))
    assert not (tmp_path / "bytes.verdicts.parquet").exists()


def test_every_cell_is_annotated(cells, tmp_path):
    """Rows are the cells in order; smoothing changes probabilities, not what was raw."""
    candidates = tmp_path / "candidates.tsv"
    candidates.write_text(
        "label\tdefinition\nB cell\t\nMono\tCD14+ monocytes\nT\tnaive CD4 T cells\nNK cell\t\n"
    )
    for prefix, smooth in (("raw", 0), ("smooth", 20)):
        annotate(AnnotateOptions(cells, tmp_path, prefix, candidates=candidates, smooth=smooth))
    raw = read_table(tmp_path / "raw.annotations.parquet", ANNOTATIONS).to_pandas()
    smoothed = read_table(tmp_path / "smooth.annotations.parquet", ANNOTATIONS).to_pandas()
    assert raw["cell_id"].tolist() == [f"c{i}" for i in range(160)]
    assert (raw["label"] == raw["label_raw"]).all()
    assert raw["label"].tolist() == np.repeat(["B cell", "Mono", "T", "NK cell"], 40).tolist()
    assert smoothed["label"].tolist() == raw["label"].tolist()
    np.testing.assert_array_equal(smoothed["probability_raw"], raw["probability_raw"])
    assert raw.loc[0, "label_backed_off"] == "B cell"


def test_a_file_without_cells_gives_empty_tables(tmp_path):
    """No cells are no fault: every table is there and empty, but for the sample without text."""
    make_sample()[:0].copy().write_h5ad(tmp_path / "empty.h5ad")
    describe(DescribeOptions(tmp_path / "empty.h5ad", tmp_path, "s"))
    assert pq.read_metadata(tmp_path / "s.descriptions.parquet").num_rows == 0
    annotate(AnnotateOptions(tmp_path / "empty.h5ad", tmp_path, "s"))
    assert pq.read_metadata(tmp_path / "s.annotations.parquet").num_rows == 0


def test_what_is_not_there_is_told(cells, tmp_path):
    """A missing column, duplicate candidates and too few genes are input errors, and nothing is written."""
    with pytest.raises(InputError, match="no column 'nothing'"):
        describe(DescribeOptions(cells, tmp_path, "s", groupby="nothing"))
    twice = tmp_path / "twice.tsv"
    twice.write_text("label\nB cell\nB cell\n")
    with pytest.raises(InputError, match="given twice"):
        annotate(AnnotateOptions(cells, tmp_path, "s", candidates=twice))
    sample = make_sample()
    sample[:, ["CD3E", "CD4", "LYZ"]].copy().write_h5ad(tmp_path / "narrow.h5ad")
    with pytest.raises(InputError, match="too few"):
        annotate(AnnotateOptions(tmp_path / "narrow.h5ad", tmp_path, "s"))
    assert not list(tmp_path.glob("s.*"))


def test_a_run_can_fail_on_what_is_not_supported(monkeypatch, cells):
    """With on_ungrounded = fail the first sentence that the check does not support ends the run."""
    facts = open_sample(cells, predictions=None, chains=None, groupby=None, layer=None).measure()
    kept = describe_units(facts, "full", fail=True)
    assert kept[0].n_dropped == 0
    verdict = (verifier.Verdict.CONTRADICTED, "made up")
    monkeypatch.setattr(verifier.Verifier, "_judge", lambda *_: verdict)
    assert describe_units(facts, "full", fail=False)[0].sentences == ()
    with pytest.raises(ContractError, match="not supported"):
        describe_units(facts, "full", fail=True)
