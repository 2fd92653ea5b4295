"""The packaged language bundle on cells that it did not learn from: everything it says is true."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from command_line import run_command
from language_samples import make_sample
from tcellflow.contracts.descriptions import CLAIMS, DESCRIPTIONS
from tcellflow.errors import BundleError
from tcellflow.inference.language.writer import NeuralWriter
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.io.tables.parquet import read_table
from tcellflow.provenance import digest_file
from tcellflow.steps.describe import DescribeOptions, describe


def run(cells, folder, register="full"):
    describe(DescribeOptions(cells, folder, "s", groupby="kind", realiser="neural", register=register))
    return (
        read_table(folder / "s.descriptions.parquet", DESCRIPTIONS).to_pandas(),
        read_table(folder / "s.claims.parquet", CLAIMS).to_pandas(),
    )


def test_the_packaged_bundle_writes_what_is_true(tmp_path):
    """In each register all is grounded before the check, the type is said, and most claims are."""
    make_sample(seed=5).write_h5ad(tmp_path / "cells.h5ad")
    texts = set()
    for register in ("short", "clinical", "full"):
        found, claims = run(tmp_path / "cells.h5ad", tmp_path / register, register)
        assert found["grounding_precision"].min() == 1
        assert claims.loc[claims["sentence_id"].notna(), "verdict"].eq("supported").all()
        said = claims[claims["sentence_id"].notna()]
        assert set(found["unit_id"]) == set(said.loc[said["type"] == "identity", "unit_id"])
        texts.update(found["text"])
    coverage = claims.loc[claims["type"].str.startswith("marker"), "sentence_id"].notna().mean()
    assert coverage > 0.8
    assert len(texts) > 10
    template = tmp_path / "template"
    describe(DescribeOptions(tmp_path / "cells.h5ad", template, "s", groupby="kind"))
    assert not texts & set(pd.read_parquet(template / "s.descriptions.parquet")["text"])


def test_the_same_cells_get_the_same_text(tmp_path):
    """Byte for byte, and the table names the bundle that wrote it."""
    make_sample(n_each=20, seed=6).write_h5ad(tmp_path / "cells.h5ad")
    for folder in ("a", "b"):
        run(tmp_path / "cells.h5ad", tmp_path / folder)
    assert (tmp_path / "a/s.descriptions.md").read_bytes() == (tmp_path / "b/s.descriptions.md").read_bytes()
    digest = read_bundle(PACKAGED_FOLDER / "language").sha256
    assert digest in str(read_table(tmp_path / "a/s.descriptions.parquet", DESCRIPTIONS).schema.metadata)


def test_the_packaged_bundle_is_small_and_whole():
    """At most 25 MB, and both graphs run."""
    size = sum(path.stat().st_size for path in (PACKAGED_FOLDER / "language").iterdir())
    assert size < 25_000_000
    assert run_command("bundle", "verify", "language").code == 0


def test_broken_phrases_are_told(tmp_path):
    """A bundle whose phrases cannot be used is refused before anything is written."""
    copy = tmp_path / "language"
    shutil.copytree(PACKAGED_FOLDER / "language", copy)
    (copy / "phrases.toml").write_text("phrase = 1\n", encoding="utf-8")
    document = json.loads((copy / "bundle.json").read_text(encoding="utf-8"))
    document["files"]["phrases.toml"] = digest_file(copy / "phrases.toml")
    (copy / "bundle.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(BundleError, match="the phrases are broken"):
        NeuralWriter(read_bundle(copy))
