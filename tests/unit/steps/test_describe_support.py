"""Types learnt from a few labelled cells."""

from __future__ import annotations

import numpy as np
import pytest

from language_samples import make_sample
from tcellflow.contracts.descriptions import ANNOTATIONS
from tcellflow.errors import InputError
from tcellflow.io.tables.parquet import read_table
from tcellflow.steps.describe.annotate import annotate
from tcellflow.steps.describe.options import AnnotateOptions

NAMES = {
    "CL_0000236": "odd one",
    "CL_0000860": "odd two",
    "CL_0000895": "odd three",
    "CL_0000939": "odd four",
}


@pytest.fixture(scope="module")
def sample():
    """Give cells of four types under names without meaning, five of each with a label."""
    made = make_sample()
    made.obs["truth"] = made.obs["kind"].map(NAMES).astype(str)
    is_first = made.obs.groupby("kind", observed=True).cumcount() < 5
    made.obs["few"] = made.obs["truth"].where(is_first, "")
    return made


def read_labels(folder):
    """Read the raw labels of the only annotation there."""
    return read_table(folder / "s.annotations.parquet", ANNOTATIONS).to_pandas()["label_raw"].to_numpy()


def test_names_without_meaning_are_learnt_from_five_cells(sample, tmp_path):
    """A column of obs, a table and another file that lacks genes all teach the same four types."""
    sample.write_h5ad(tmp_path / "cells.h5ad")
    table = sample.obs.loc[sample.obs["few"] != "", ["few"]].rename(columns={"few": "label"})
    table.to_csv(tmp_path / "few.tsv", sep="\t", index_label="cell_id")
    other = make_sample(seed=7)[:, ::2].copy()
    other.obs["label"] = other.obs["kind"].map(NAMES).astype(str)
    other.write_h5ad(tmp_path / "other.h5ad")
    for path, column in ((None, "few"), (tmp_path / "few.tsv", "label"), (tmp_path / "other.h5ad", "label")):
        options = AnnotateOptions(
            tmp_path / "cells.h5ad", tmp_path, "s", smooth=0, support=path, support_column=column, force=True
        )
        options.check()
        annotate(options)
        assert (read_labels(tmp_path) == sample.obs["truth"].to_numpy()).mean() > 0.95


def test_labels_join_the_candidates_that_are_given(sample, tmp_path):
    """What is told in words and what is learnt from cells are candidates side by side."""
    made = sample.copy()
    made.obs["few"] = made.obs["few"].where(made.obs["few"] == "odd one", None)
    made.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "words.tsv").write_text("label\nCD14+ monocyte\nnaive CD4 T cell\nNK cell\n")
    options = AnnotateOptions(
        tmp_path / "cells.h5ad", tmp_path, "s", tmp_path / "words.tsv", 0, support_column="few"
    )
    annotate(options)
    wanted = np.repeat(["odd one", "CD14+ monocyte", "naive CD4 T cell", "NK cell"], 40)
    assert (read_labels(tmp_path) == wanted).mean() > 0.95


def test_what_is_told_in_words_learns_too(sample, tmp_path):
    """Labels that words tell need no profile of their own, and stay right."""
    made = sample.copy()
    words = {"odd one": "B cell", "odd two": "monocyte", "odd three": "CD4 T cell", "odd four": "NK cell"}
    made.obs["truth"], made.obs["few"] = (made.obs[c].map({**words, "": ""}) for c in ("truth", "few"))
    made.write_h5ad(tmp_path / "cells.h5ad")
    annotate(AnnotateOptions(tmp_path / "cells.h5ad", tmp_path, "s", support_column="few"))
    assert (read_labels(tmp_path) == made.obs["truth"].to_numpy()).mean() > 0.95


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (None, "nothing", "no column 'nothing'"),
        (None, "empty", "0 labels of cells"),
        ("label\nB\n", "label", "no column 'cell_id'"),
        ("cell_id\tlabel\nzz\tB\n", "label", "none of its cells"),
        ("cell_id\tlabel\nc1\tB\nc1\tB\n", "label", "each cell once"),
        ("cell_id\tlabel\nc1\ta\x1bb\n", "label", "control characters"),
        ("", "label", "no table of text"),
    ],
)
def test_support_that_teaches_nothing_is_refused(sample, tmp_path, text, column, message):
    """Each fault is told, and nothing is written."""
    made = sample.copy()
    made.obs["empty"] = ""
    made.write_h5ad(tmp_path / "cells.h5ad")
    path = None if text is None else tmp_path / "few.tsv"
    if path is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        annotate(AnnotateOptions(tmp_path / "cells.h5ad", tmp_path, "s", support=path, support_column=column))
    assert not list(tmp_path.glob("s.*"))
