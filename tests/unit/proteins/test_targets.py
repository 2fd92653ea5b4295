"""Antibodies of all vendors under the name of what they measure."""

from __future__ import annotations

import numpy as np
import pytest

from tcellflow.proteins.panel import name_antibodies
from tcellflow.proteins.targets import find_targets, sum_by_target


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("CD3_TotalSeqC", "CD3E"),
        ("CD8a", "CD8A"),
        ("PD1 (CD279)", "PDCD1"),
        ("CD45", "PTPRC"),
        ("CD45RA", "PTPRC:RA"),
        ("Hu.CD45RO_UCHL1", "PTPRC:RO"),
        ("B220 (CD45R)", "PTPRC:R"),
        ("HLA-A,B,C", "HLA-A|HLA-B|HLA-C"),
        ("IgG1-control", ""),
        ("Hashtag 1", ""),
        ("Ly.49C-Ly.49I", ""),
    ],
)
def test_a_target_is_the_coding_gene_and_the_splice_form(name, target):
    """Splice forms of CD45 stay apart; controls, tags and unknown names measure nothing."""
    assert find_targets(name_antibodies([name])).tolist() == [target]


def test_clones_are_summed_and_controls_left_out():
    """Targets come in alphabetical order."""
    panel = name_antibodies(["PD1 (CD279)", "IgG1-control", "PD-1", "CD3"])
    targets, counts = sum_by_target(np.array([[1, 9, 2, 5], [0, 9, 4, 0]]), panel)
    assert targets.tolist() == ["CD3E", "PDCD1"]
    assert counts.tolist() == [[5, 3], [0, 4]]
