"""Anchors are restored where the germline leaves one choice, and nowhere else."""

from __future__ import annotations

import pandas as pd
import pytest

from tcellflow.receptors.anchors import lacks_anchors, restore_anchors


def restore(
    junction: str | None, locus: str, v: str | None, j: str | None, *, anchored: bool = False
) -> tuple:
    rows = pd.DataFrame(
        {"junction_aa": [junction], "anchored": [anchored], "locus": [locus], "v_call": [v], "j_call": [j]},
        dtype=object,
    )
    junctions, added = restore_anchors(rows)
    return junctions[0], bool(added[0])


@pytest.mark.parametrize(
    ("junction", "locus", "v", "j", "restored"),
    [
        ("AVSDIHASGGSYIPT", "TRA", "TRAV21", "TRAJ6", "CAVSDIHASGGSYIPTF"),
        ("AMREDEDSNYQLI", "TRA", "TRAV14/DV4", "TRAJ33", "CAMREDEDSNYQLIW"),
        ("ALSRGFGNVLH", "TRA", "TRAV19", "TRAJ35", "CALSRGFGNVLHC"),
        ("AVGNNAGNNRKL", "TRA", "TRAV3", "TRAJ38", "CAVGNNAGNNRKLW"),
        ("ASSWWQNTEAF", "TRB", "TRBV5-1", "TRBJ1-1", "CASSWWQNTEAFF"),
        # one choice although the gene is not known: all functional J genes of beta end in F
        ("ASSWWQNTEAF", "TRB", None, None, "CASSWWQNTEAFF"),
        ("ASSWWQNTEAF", "TRB", "TRBV6", "TRBJ1", "CASSWWQNTEAFF"),
        ("ALWEGGELGKK", "TRG", "TRGV9", None, "CALWEGGELGKKF"),
    ],
)
def test_anchors_follow_the_j_gene(
    junction: str, locus: str, v: str | None, j: str | None, restored: str
) -> None:
    """C in front; F, W or C behind, as the J gene has it."""
    assert restore(junction, locus, v, j) == (restored, True)


@pytest.mark.parametrize(
    ("junction", "locus", "v", "j"),
    [
        # TRAJ unknown: F, W and C are possible
        ("AVSDIHASGGSYIPT", "TRA", "TRAV21", None),
        # a pseudogene whose sequence is not known, a J gene without an anchor
        ("ASSKGSLGPAGELF", "TRB", "TRBV21-1", "TRBJ2-2"),
        ("ASSKGSLGPAGELF", "TRB", "TRBV9", "TRBJ2-2P"),
        # the anchor is there already
        ("ASSWWQNTEAFF", "TRB", "TRBV5-1", "TRBJ1-1"),
    ],
)
def test_ambiguous_junctions_stay_as_they_are(junction: str, locus: str, v: str, j: str | None) -> None:
    """Where the germline leaves a choice, nothing is added."""
    assert restore(junction, locus, v, j) == (junction, False)


def test_anchored_and_missing_junctions_are_left_alone() -> None:
    """Rows of anchored files are never touched."""
    assert restore("ASSF", "TRB", "TRBV9", "TRBJ1-1", anchored=True) == ("ASSF", False)
    assert restore(None, "TRB", "TRBV9", "TRBJ1-1") == (None, False)


@pytest.mark.parametrize(
    ("junctions", "answer"),
    [
        (["CASSF", "CAVW", "CAVC"], False),
        (["ASSYEQY", "AVSDIHASGGSYIPT"], True),
        (["CASSF", "ASSYEQY"], False),
        (["CASSYEQY"], True),
        ([], False),
        ([None, None], False),
    ],
)
def test_files_without_anchors_are_recognised(junctions: list[str | None], answer: bool) -> None:
    """A file lacks anchors if less than a tenth of its junctions has them."""
    assert lacks_anchors(pd.Series(junctions, dtype=object)) is answer
