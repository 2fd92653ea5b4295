"""Copies of the cells with what describe found in obs, and claims and alternatives in the Markdown."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy import sparse

from language_samples import make_sample
from tcellflow.contracts.descriptions import ANNOTATIONS, CLAIMS, DESCRIPTIONS, VERDICTS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.steps.describe import DescribeOptions, describe
from tcellflow.steps.describe.annotate import annotate
from tcellflow.steps.describe.options import AnnotateOptions, VerifyOptions
from tcellflow.steps.describe.verify import verify


@pytest.fixture
def cells(tmp_path):
    sample = make_sample()
    sample.obs["cell_type"] = "mine"
    sample.obs["state"] = np.where(np.arange(sample.n_obs) % 3 == 0, "Naive", "Memory")
    sample.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_cells_carry_text_and_type_of_their_group(cells, tmp_path):
    """Each cell has what the table says of its group; the user's own columns stay."""
    describe(DescribeOptions(cells, tmp_path, "s", groupby="kind", h5ad=True))
    found = ad.read_h5ad(tmp_path / "s.described.h5ad")
    groups = read_table(tmp_path / "s.descriptions.parquet", DESCRIPTIONS).to_pandas().set_index("unit_id")
    own = groups.loc[found.obs["kind"].astype(str)]
    assert found.obs["describe_text"].astype(str).tolist() == own["text"].tolist()
    assert found.obs["describe_cell_type"].astype(object).tolist() == own["label"].tolist()
    assert found.obs["describe_cell_type_ontology_term_id"].astype(object).tolist() == own["cl_id"].tolist()
    assert found.obs["describe_probability"].to_numpy() == pytest.approx(own["probability"].to_numpy())
    assert set(found.obs["cell_type"]) == {"mine"}
    assert "describe" in found.uns["tcellflow"]
    before = ad.read_h5ad(cells)
    assert (found.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(found.obs[before.obs.columns], before.obs)


def test_annotated_cells_carry_their_own_type(cells, tmp_path):
    """annotate writes each cell's label; a folder of counts has no copy, and nothing is written."""
    annotate(AnnotateOptions(cells, tmp_path, "s", smooth=0, h5ad=True))
    found = ad.read_h5ad(tmp_path / "s.described.h5ad").obs
    rows = read_table(tmp_path / "s.annotations.parquet", ANNOTATIONS).to_pandas()
    assert found["describe_cell_type"].astype(object).tolist() == rows["label"].tolist()
    assert found["describe_probability"].tolist() == rows["probability"].tolist()
    assert "describe_text" not in found
    sample = ad.read_h5ad(cells)
    table = tmp_path / "mtx"
    table.mkdir()
    scipy.io.mmwrite(table / "matrix.mtx", sparse.coo_matrix(sample.X.T.astype(int)))
    (table / "barcodes.tsv").write_text("".join(f"{name}\n" for name in sample.obs_names))
    (table / "features.tsv").write_text(
        "".join(f"{name}\t{name}\tGene Expression\n" for name in sample.var_names)
    )
    with pytest.raises(InputError, match=r"no \.h5ad file to copy"):
        annotate(AnnotateOptions(table, tmp_path, "other", smooth=0, h5ad=True))
    assert not list(tmp_path.glob("other.*"))


def test_sentences_name_their_claims_and_other_types_are_told(cells, tmp_path):
    """Numbers behind a sentence are those of its claims; the whole text is supported when read back."""
    describe(DescribeOptions(cells, tmp_path, "s"))
    text = (tmp_path / "s.descriptions.md").read_text()
    claims = read_table(tmp_path / "s.claims.parquet", CLAIMS).to_pandas()
    part = text.split("## state: Naive")[1].split("##")[0].replace("\\", "")
    own = claims[(claims["unit_id"] == "Naive") & claims["sentence_id"].notna()]
    for claim in own[own["type"].str.startswith("marker")].itertuples():
        line = next(x for x in part.splitlines() if x.startswith(f"- {claim.subject} "))
        assert line.endswith(f"[{claim.claim_id}]")
    assert "Also possible: " in text
    verify(VerifyOptions(tmp_path / "s.descriptions.md", cells, tmp_path, "own"))
    verdicts = read_table(tmp_path / "own.verdicts.parquet", VERDICTS).to_pandas()
    assert set(verdicts["verdict"]) == {"supported", "unchecked"}
    assert (verdicts["verdict"] == "supported").sum() > 20
    assert verdicts["sentence"].str.contains("is called for").any()
