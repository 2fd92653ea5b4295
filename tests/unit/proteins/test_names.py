"""Reading antibody names."""

from __future__ import annotations

import time

import pytest

from tcellflow.proteins.names import AntibodyKind, clean_name, find_kind, name_key, name_variants


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("CD3", "CD3"),
        ("CD3_TotalSeqC", "CD3"),
        ("CD3-TotalSeqB", "CD3"),
        ("CD3_TotalSeq-A", "CD3"),
        ("CD3_TotalC", "CD3"),
        ("CD4_PROT", "CD4"),
        ("AB_CD4", "CD4"),
        ("adt_CD4", "CD4"),
        ("ADT-CD4", "CD4"),
        ("CD3.1", "CD3"),
        ("CD4-1", "CD4"),
        ("CD45RA_2", "CD45RA"),
        ("CD49-f", "CD49-f"),
        ("Human CD3", "CD3"),
        ("human_CD19", "CD19"),
        ("0034_CD3", "CD3"),
        ("anti-human CD19", "CD19"),
        ("anti-human/mouse CD49f", "CD49f"),
        ("anti-c-Met", "c-Met"),
        ("Hu.CD3", "CD3"),
        ("HuMs.CD44", "CD44"),
        ("A0034_CD3", "CD3"),
        ("CD3_A0034", "CD3"),
        ("CD57 Recombinant", "CD57"),
        ("CD3-CTCATTGTAACTCCT", "CD3"),
        ("CD8a_TotalSeqC-GCTGCGCTTTCCATT", "CD8a"),
        ("CD45RA-TCAATCCTTCCGCTT", "CD45RA"),
        ("CD3-ACT", "CD3-ACT"),
        ("CD103:BER-ACT8|ITGAE|AHS0001|pAbO", "CD103:BER-ACT8"),
        ("PD-1", "PD-1"),
        ("CD45RA", "CD45RA"),
        ("HLA-DR", "HLA-DR"),
        ("4-1BB", "4-1BB"),
        ("_TotalSeqC", "_TotalSeqC"),
        ("", ""),
    ],
)
def test_clean_name(name: str, cleaned: str) -> None:
    """Technical decorations go, what the antibody binds stays."""
    assert clean_name(name) == cleaned


@pytest.mark.parametrize(
    "name",
    [
        "IgG1",
        "IgG1-GCCGGACGACATTAA",
        "IgG2a",
        "IgG2a-control",
        "IgG1_control_TotalSeqB",
        "Mouse IgG1, κ isotype Ctrl",
        "Rat_IgG2b_k_Isotype_Ctrl",
        "Armenian Hamster IgG Isotype Ctrl",
        "Arm.ham.IgG.iso",
        "IgG2b_Mouse_k",
        "control_mIgM",
        "IsoIgG2A",
        "Isotype_MOPC.21",
        "isotype_control_IgG2b",
        "RatIgG2b",
    ],
)
def test_isotype_controls(name: str) -> None:
    """Isotype controls are recognised in the spellings of forty studies."""
    assert find_kind(name) is AntibodyKind.ISOTYPE


@pytest.mark.parametrize(
    "name",
    [
        "HTO28_5P",
        "HTO-1",
        "Hashtag1",
        "anti-human Hashtag 1",
        "C0251",
        "C0251_TotalSeqC",
        "B0260",
        "hash_tag_3",
        "SampleTag01_hs",
        "CMO301",
        "Cell_Hashing_2",
    ],
)
def test_hashtags(name: str) -> None:
    """Sample hashtags are recognised by word or by their TotalSeq number."""
    assert find_kind(name) is AntibodyKind.HASHTAG


@pytest.mark.parametrize(
    "name",
    [
        "CD3",
        "IgG",
        "IgG Fc",
        "IgD",
        "IgM",
        "IgA",
        "IgE",
        "Isolectin",
        "CD251",
        "CD102",
        "Photon",
        "A0034_CD3",
    ],
)
def test_proteins(name: str) -> None:
    """Anti-immunoglobulin antibodies and look-alikes are proteins."""
    assert find_kind(name) is AntibodyKind.PROTEIN


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("TCR α/β", "tcrab"),  # noqa: RUF001
        ("TCR alpha/beta", "tcrab"),
        ("TCR.gamma-delta", "tcrgd"),
        ("HLA-DR", "hladr"),
        ("Integrin β7", "integrinb7"),
        ("IL-7Rα", "il7ra"),  # noqa: RUF001
        ("CD45RA", "cd45ra"),
    ],
)
def test_name_key(name: str, key: str) -> None:
    """Greek letters, their names and separators do not matter for the look-up."""
    assert name_key(name) == key


@pytest.mark.parametrize(
    ("name", "variants"),
    [
        ("PD-1 (CD279)", ["PD-1 (CD279)", "PD-1", "CD279", "PD-1"]),
        ("CD8b.2ST8.5H7", ["CD8b.2ST8.5H7", "CD8b.2ST8", "CD8b"]),
        ("CD103:BER-ACT8|ITGAE|AHS0001|pAbO", ["CD103:BER-ACT8", "ITGAE", "CD103:BER", "CD103"]),
        ("CD3", ["CD3"]),
    ],
)
def test_name_variants(name: str, variants: list[str]) -> None:
    """The most telling name comes first; brackets and clones follow."""
    found = list(name_variants(name))
    assert [v for v in found if v in variants][: len(set(variants))] == list(dict.fromkeys(variants))


@pytest.mark.parametrize("part", ["_adt", "anti-", "-", " ", "(", "a", "1", "_hto", "igg1_", "|AB1|"])
def test_names_of_any_length_are_taken_apart_at_once(part):
    """A name of 30,000 letters is no name: it is kept as it is."""
    name = part * (30_000 // len(part)) + "x"
    start = time.process_time()
    assert clean_name(name) == name
    assert list(name_variants(name)) == [name]
    assert find_kind(name) is AntibodyKind.PROTEIN
    assert time.process_time() - start < 1
