"""The packaged gene table."""

from __future__ import annotations

import hashlib
import tomllib
from importlib.resources import files

import pytest

from tcellflow.genes.reference import is_clone_name, read_gene_reference

DATA = files("tcellflow") / "data"


def test_no_name_is_both_approved_and_older() -> None:
    """An approved symbol is never listed as an older name."""
    reference = read_gene_reference()
    assert not reference.approved & reference.symbols_of_alias.keys()


def test_every_meaning_is_an_approved_symbol() -> None:
    """Older names and ids lead to approved symbols only."""
    reference = read_gene_reference()
    meanings = {symbol for text in reference.symbols_of_alias.values() for symbol in text.split("|")}
    assert meanings <= reference.approved
    assert set(reference.symbol_of_id.values()) <= reference.approved


@pytest.mark.parametrize(
    ("ensembl_id", "symbol"),
    [
        ("ENSG00000277734", "TRAC"),
        ("ENSG00000182378_PAR_Y", "PLCXD1"),
        ("ENSG00000999999", ""),
        ("", ""),
    ],
)
def test_symbol_of_an_id(ensembl_id: str, symbol: str) -> None:
    """A known id gives its symbol, any other id nothing."""
    assert read_gene_reference().symbol_of(ensembl_id) == symbol


@pytest.mark.parametrize("name", ["CD3E-like", "99-Mar", "3-Apr", "12", "", "2023-13-03"])
def test_names_without_meaning(name: str) -> None:
    """Names that are no gene and no date of a gene mean nothing."""
    assert read_gene_reference().candidates_of(name) == ()


@pytest.mark.parametrize(
    ("name", "is_clone"),
    [
        ("AL627309.1", True),
        ("RP11-206L10.2", True),
        ("CTD-2017C7.1", True),
        ("TBCE.1", False),
        ("CD3E", False),
    ],
)
def test_is_clone_name(name: str, is_clone: bool) -> None:
    """Clone names are told from symbols that R made unique."""
    assert is_clone_name(name) is is_clone


@pytest.mark.parametrize("file", ["genes.parquet", "gene_aliases.parquet"])
def test_provenance_describes_the_packaged_table(file: str) -> None:
    """The provenance note gives source, licence and the checksum of the very file shipped."""
    notes = {note["file"]: note for note in tomllib.loads((DATA / "PROVENANCE.toml").read_text())["table"]}
    note = notes[file]
    assert note["sha256"] == hashlib.sha256((DATA / file).read_bytes()).hexdigest()
    assert note["sources"]
    assert note["licence"]
