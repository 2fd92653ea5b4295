"""The packaged tables of programmes and markers are those that the provenance notes describe."""

import csv
import hashlib
import tomllib
from importlib.resources import files

import pytest

DATA = files("tcellflow") / "data"
TRUST = ("trust.tsv", "trust_risk.tsv", "trust_sets.tsv")


@pytest.mark.parametrize("file", ["programmes.tsv", "programme_scales.tsv", "marker_model.tsv", *TRUST])
def test_provenance_describes_the_packaged_table(file):
    """The note gives source, licence and the checksum of the very file shipped."""
    notes = {note["file"]: note for note in tomllib.loads((DATA / "PROVENANCE.toml").read_text())["table"]}
    assert notes[file]["sha256"] == hashlib.sha256((DATA / file).read_bytes()).hexdigest()
    assert notes[file]["sources"]
    assert notes[file]["licence"]


def test_every_gene_of_a_programme_names_a_source():
    """Each gene stands in at least one published list that was read, two where it speaks against."""
    with (DATA / "programmes.tsv").open(encoding="utf-8") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    for row in rows:
        assert len(row["sources"].split(";")) >= (1 if row["direction"] == "+" else 2)
        assert (float(row["plus"]) > float(row["minus"])) == (row["direction"] == "+")
