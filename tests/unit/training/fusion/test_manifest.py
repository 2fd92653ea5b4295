"""The manifest of CITE-seq sets: files that are there, labels and what they allow."""

from __future__ import annotations

import pytest

from fusion_sets import make_set, write_sets
from tcellflow.errors import InputError
from tcellflow.training.fusion.manifest import read_fusion_manifest
from tcellflow.training.fusion.sets import read_set


def test_an_entry_keeps_what_was_written(tmp_path):
    """Labels, classes, split and licence come through; a class may be one name or several."""
    classes = {"CD4 T cell": ["CD4 T cell", "CD8 T cell"], "B cell": "B cell"}
    path = write_sets(tmp_path, make_set(tmp_path, "one", 0, classes=classes, split="role"))
    (entry,) = read_fusion_manifest(path)
    assert (entry.name, entry.label, entry.split, entry.adt) == ("one", "kind_of_cell", "role", None)
    assert entry.classes == {"CD4 T cell": ("CD4 T cell", "CD8 T cell"), "B cell": ("B cell",)}
    assert entry.cohort.licence == "CC0"


def test_all_faults_are_told_at_once(tmp_path):
    """Five mistakes in two entries are five lines."""
    entry = make_set(tmp_path, "one", 0)
    path = write_sets(
        tmp_path,
        {**entry, "counts": "nowhere.h5ad", "colour": "red", "classes": ["B"]},
        {**entry, "label": 5},
        "set",
    )
    with pytest.raises(InputError) as raised:
        read_fusion_manifest(path)
    for words in (
        "nowhere.h5ad",
        "colour",
        "classes is no mapping",
        "label is no text",
        "set 3 is no mapping",
    ):
        assert words in raised.value.what


@pytest.mark.parametrize(
    ("text", "words"),
    [("sets: []", "no list 'sets'"), ("cohorts: [1]", "no list 'sets'"), ("sets: [{", "cannot be read")],
)
def test_what_is_no_manifest_is_refused(tmp_path, text, words):
    """The file is named, and what is missing."""
    path = tmp_path / "sets.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_fusion_manifest(path)


def test_classes_without_labels_are_refused(tmp_path):
    """There would be nothing to map."""
    entry = make_set(tmp_path, "one", 0, classes={"B cell": "B cell"})
    del entry["label"]
    with pytest.raises(InputError, match="need a column 'label'"):
        read_fusion_manifest(write_sets(tmp_path, entry))


def test_a_class_of_a_label_that_no_cell_has_is_refused(tmp_path):
    """It is misspelt, and its cells would go unlabelled without a word."""
    entry = make_set(tmp_path, "one", 0, classes={"B cell": "B cell", "monocytes": "monocyte"})
    (read,) = read_fusion_manifest(write_sets(tmp_path, entry))
    with pytest.raises(InputError, match="no cell has the label 'monocytes'"):
        read_set(read)


def test_labels_that_are_no_classes_are_refused(tmp_path):
    """The labels that there are stand in the message."""
    entry = make_set(tmp_path, "one", 0, classes={"T-cell": "T cell"})
    (read,) = read_fusion_manifest(write_sets(tmp_path, entry))
    with pytest.raises(InputError, match=r"no label of column 'kind_of_cell' is among the classes.*monocyte"):
        read_set(read)
