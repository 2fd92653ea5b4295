"""What a fusion bundle says of itself is parsed, every fault is told, and its panels are those it names."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.contracts.faults import validate
from tcellflow.errors import BundleError
from tcellflow.io.bundles.fusion import (
    FusionDetails,
    FusionGenes,
    FusionProteins,
    read_fusion_genes,
    read_fusion_proteins,
    write_fusion_genes,
    write_fusion_proteins,
)
from tcellflow.io.bundles.panel_tables import PanelEntry, describe_panel

GENES = FusionGenes(np.array(["CD3E", "CD19"], object), *np.array([[0.5, 0.5], [1.0, 2.0], [1.0, 1.5]]))
PROTEINS = FusionProteins(np.array(["CD4"], object), np.array(["CD4"], object), *np.ones((5, 1)))
DOCUMENT = {
    "genes": describe_panel("genes.tsv", GENES.symbols),
    "proteins": describe_panel("proteins.tsv", PROTEINS.targets),
    "labels": {"class": ["B cell"]},
    "coverage": {"least": 0.25, "good": 0.6},
    "conformal": [{"coverage": 0.9, "least_probability": 0.1}],
    "calibration": {},
}


def parse(**changes):
    files = {"genes.tsv": "", "proteins.tsv": ""}
    return validate({**DOCUMENT, **changes}, FusionDetails, mend="mend it", context={"files": files})


def test_entries_are_read():
    """Panels, classes, coverage and prediction sets come back as written."""
    details, faults = parse()
    assert faults == []
    assert (details.genes.rows, details.classes, details.coverage.least) == (2, ("B cell",), 0.25)
    assert details.conformal[0].least_probability == 0.1


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"genes": {**DOCUMENT["genes"], "file": "other.tsv"}}, "the panel file is not listed"),
        ({"genes": {**DOCUMENT["genes"], "rows": 0}}, "'rows' is 0"),
        ({"proteins": {**DOCUMENT["proteins"], "sha256": "abc"}}, "'sha256' is no sha256 digest"),
        ({"labels": {}}, "the labels have no list 'class'"),
        ({"coverage": {"least": 2.0, "good": 0.6}}, "'least' is 2.0"),
        ({"conformal": [{"coverage": 0.9}]}, "'least_probability' is missing"),
    ],
    ids=str,
)
def test_wrong_entries_are_told(changes, fault):
    """Each entry that cannot be right is told by name."""
    _, faults = parse(**changes)
    assert any(fault in str(one) for one in faults)


def test_panels_come_back_as_written(tmp_path):
    """Symbols, targets and numbers of both panels."""
    (tmp_path / "genes.tsv").write_bytes(write_fusion_genes(GENES))
    (tmp_path / "proteins.tsv").write_bytes(write_fusion_proteins(PROTEINS))
    genes = read_fusion_genes(tmp_path, PanelEntry(**DOCUMENT["genes"]))
    proteins = read_fusion_proteins(tmp_path, PanelEntry(**DOCUMENT["proteins"]))
    assert (genes.symbols.tolist(), genes.scale.tolist()) == (["CD3E", "CD19"], [1.0, 1.5])
    assert proteins.targets.tolist() == ["CD4"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"symbol", b"gene", "it is no table of symbol"),
        (b"CD19", b"CD20", "it is another panel"),
        (b"0.5", b"half", "could not convert"),
        (b"0.5", b"nan", "a number is not finite"),
        (b"CD19\t0.5\t2\t1.5\n", b"", "it has 1 rows, not 2"),
    ],
    ids=str,
)
def test_broken_panels_are_refused(tmp_path, old, new, words):
    """The file is named, and what is wrong with it."""
    (tmp_path / "genes.tsv").write_bytes(write_fusion_genes(GENES).replace(old, new))
    with pytest.raises(BundleError, match=words):
        read_fusion_genes(tmp_path, PanelEntry(**DOCUMENT["genes"]))
