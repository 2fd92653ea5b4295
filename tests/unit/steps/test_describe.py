"""The step describe and its parts, on files."""

from __future__ import annotations

import io
import json

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from language_samples import make_sample
from tcellflow.api import describe as tcellflow_describe
from tcellflow.contracts.descriptions import ANNOTATIONS, CLAIMS, DESCRIPTIONS, VERDICTS
from tcellflow.errors import ContractError, InputError, OptionsError, OutputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.language import verifier
from tcellflow.steps.describe import DescribeOptions, describe
from tcellflow.steps.describe.annotate import annotate
from tcellflow.steps.describe.generate import generate
from tcellflow.steps.describe.inputs import open_sample
from tcellflow.steps.describe.options import AnnotateOptions, GenerateOptions, SearchOptions, VerifyOptions
from tcellflow.steps.describe.search import search
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
    rows = [json.loads(line) for line in lines]
    assert [row["text"] for row in rows] == table["text"].tolist()
    assert ["|".join(row["cl_path"]) for row in rows] == table["cl_path"].fillna("").tolist()
    assert {row["realiser"] for row in rows} == {"template"}
    for row in rows:
        for claim in row["claims"]:
            if claim["span"] is not None:
                assert row["text"][slice(*claim["span"])] == row["sentences"][claim["sentence"] - 1]


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


def test_search_ranks_what_the_text_means(cells, tmp_path):
    """Cells of the type come first; words without meaning are named; the table is written where asked."""
    found = search(SearchOptions("CD14+ monocytes of Mars", cells, top=40))
    table = pd.read_csv(io.StringIO(found), sep="\t")
    assert set(table["unit_id"]) == {f"c{i}" for i in range(40, 80)}
    assert set(table["not_understood"]) == {"mars"}
    output = tmp_path / "found.tsv"
    groups = search(SearchOptions("NK cells but CD79A-", cells, groupby="kind", output=output))
    assert output.read_text() == groups
    assert groups.splitlines()[1].split("\t")[1] == "CL_0000939"
    with pytest.raises(ContractError, match="nothing of the text"):
        search(SearchOptions("xyzzy", cells))
    with pytest.raises(InputError, match="no column"):
        search(SearchOptions("B cells", cells, groupby="nothing"))


def test_pseudo_cells_are_what_the_text_says(tmp_path):
    """Counts are whole and flagged; text, seed and number alone decide them."""
    for name, text, seed in (("b", "B cells", 1), ("again", "B cells", 1), ("t", "naive CD4 T cells", 1)):
        generate(GenerateOptions(text, tmp_path / f"{name}.h5ad", n=30, seed=seed))
    made = ad.read_h5ad(tmp_path / "b.h5ad")
    assert made.obs["synthetic"].all()
    assert made.layers["counts"].dtype == np.int32
    np.testing.assert_allclose(np.expm1(made.X.toarray()).sum(axis=1), 1e4, rtol=1e-3)
    assert (tmp_path / "again.h5ad").read_bytes() == (tmp_path / "b.h5ad").read_bytes()
    other = ad.read_h5ad(tmp_path / "t.h5ad")
    for cells, high, low in ((made, "CD79A", "CD3E"), (other, "CD3E", "CD79A")):
        counts = pd.DataFrame(cells.layers["counts"].toarray(), columns=cells.var_names)
        assert counts[high].mean() > 5 * counts[low].mean()


def test_genes_of_a_prompt_change_the_cells(tmp_path):
    """A gene that is asked for rises, one that is excluded goes."""
    generate(GenerateOptions("B cells", tmp_path / "plain.h5ad", n=100))
    generate(GenerateOptions("B cells expressing GZMB without MS4A1", tmp_path / "odd.h5ad", n=100))
    plain, odd = (ad.read_h5ad(tmp_path / f"{name}.h5ad").to_df("counts") for name in ("plain", "odd"))
    assert odd["GZMB"].mean() > plain["GZMB"].mean() + 0.3
    assert odd["MS4A1"].mean() < 0.1 < plain["MS4A1"].mean()


@pytest.mark.parametrize("text", ["", " \n\x00", "x" * 20_001])
def test_texts_that_are_empty_or_too_long_are_refused(text, tmp_path, cells):
    """Nothing is read or written for them."""
    with pytest.raises(OptionsError):
        GenerateOptions(text, tmp_path / "a.h5ad").check()
    with pytest.raises(OptionsError):
        SearchOptions(text, cells).check()


def test_prompts_without_meaning_make_no_cells(tmp_path):
    """A text that names nothing, or a file of another kind, is an error; commands in it are words."""
    with pytest.raises(ContractError, match="nothing of the text"):
        generate(GenerateOptions("$(touch pwned); <b>hi</b>", tmp_path / "a.h5ad"))
    with pytest.raises(OptionsError, match="cannot write"):
        GenerateOptions("B cells", tmp_path / "a.csv").check()
    assert not list(tmp_path.iterdir())


def test_cells_in_memory_are_described():
    """The function for notebooks gives the table that the command writes."""
    table = tcellflow_describe(make_sample(), groupby="kind")
    other = tcellflow_describe(make_sample(), groupby="kind", realiser="neural")
    assert set(other["realiser"]) == {"neural"}
    assert other["label"].tolist() == table["label"].tolist()
    assert table.loc[table["unit_id"] == "CL_0000860", "label"].item() == "classical monocyte"
    assert table["text"].str.contains("is detected in").any()
