"""Junctions are translated without guessing."""

from __future__ import annotations

import pytest

from tcellflow.receptors.translation import translate


@pytest.mark.parametrize(
    ("nucleotides", "residues"),
    [
        ("TGTGCCAGCAGCTTC", "CASSF"),
        ("tgtgcc", "CA"),
        ("UGUGCC", "CA"),
        ("TGTTAATGG", "C*W"),
        ("TGTNNNTGG", "CXW"),
        ("TGTG", None),
        ("", None),
    ],
)
def test_translation(nucleotides: str, residues: str | None) -> None:
    """Stops are *, ambiguous codons X, broken frames nothing."""
    assert translate(nucleotides) == residues


def test_all_codons_of_the_standard_code() -> None:
    """64 codons give 20 amino acids and three stops."""
    codons = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]
    residues = [translate(codon) for codon in codons]
    assert len(set(residues)) == 21
    assert residues.count("*") == 3
    assert translate("ATG") == "M"
