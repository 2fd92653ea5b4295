"""Naming the antibodies of a panel."""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING

import anndata as ad
import pandas as pd
import pytest

from tcellflow.errors import InputError
from tcellflow.genes.reference import read_gene_reference
from tcellflow.proteins.names import AntibodyKind
from tcellflow.proteins.panel import name_antibodies

if TYPE_CHECKING:
    from pathlib import Path

DATA = files("tcellflow") / "data"


@pytest.mark.parametrize(
    ("name", "genes"),
    [
        ("CD3", "CD3E"),
        ("CD4_TotalSeqC", "CD4"),
        ("CD8a", "CD8A"),
        ("CD8b.2ST8.5H7", "CD8B"),
        ("CD45RA", "PTPRC"),
        ("CD45RO", "PTPRC"),
        ("CD16", "FCGR3A"),
        ("CD56 (NCAM)", "NCAM1"),
        ("CD127 (IL-7Rα)", "IL7R"),  # noqa: RUF001
        ("PD-1", "PDCD1"),
        ("PD1 (CD279)", "PDCD1"),
        ("CD279.EH12", "PDCD1"),
        ("HLA-DR", "HLA-DRA"),
        ("HLA.A.B.C", "HLA-A|HLA-B|HLA-C"),
        ("TCR α/β", "TRAC|TRBC1|TRBC2"),  # noqa: RUF001
        ("TCR gamma/delta", "TRDC|TRGC1|TRGC2"),
        ("TCR Vα7.2", "TRAV1-2"),  # noqa: RUF001
        ("CD11a/CD18 (LFA-1)", "ITGAL|ITGB2"),
        ("CD66ace", "CEACAM1|CEACAM6|CEACAM5"),
        ("CD3.1", "CD3E"),
        ("CD31", "PECAM1"),
        ("CD212", "IL12RB1"),
        ("IL.21R", "IL21R"),
        ("Notch1", "NOTCH1"),
        ("CD103:BER-ACT8|ITGAE|AHS0001|pAbO", "ITGAE"),
        ("IgG", "IGHG1|IGHG2|IGHG3|IGHG4"),
        ("CX3CR1", "CX3CR1"),
    ],
)
def test_genes_of_antibodies(name: str, genes: str) -> None:
    """Antibody names in vendors' and labs' spellings lead to the genes whose products they bind."""
    panel = name_antibodies([name])
    assert panel.genes.tolist() == [genes]
    assert panel.kinds.tolist() == [AntibodyKind.PROTEIN]


@pytest.mark.parametrize("name", ["XYZ-17", "Biotin", "Anti-PE", "FITC"])
def test_unknown_antibodies_stay(name: str) -> None:
    """An antibody without a gene stays in the panel, is no error, and is counted."""
    panel = name_antibodies(["CD3", name])
    assert panel.genes.tolist() == ["CD3E", ""]
    assert panel.unknown == (name,)
    assert panel.as_dict()["n_unknown"] == 1


def test_isotypes_and_hashtags_are_split_off() -> None:
    """Isotype controls and hashtags have no gene and are not unknown."""
    panel = name_antibodies(["CD3_TotalSeqB", "IgG1_control_TotalSeqB", "Hashtag1_TotalSeqB"])
    assert panel.names.tolist() == ["CD3", "IgG1_control", "Hashtag1"]
    assert panel.is_protein.tolist() == [True, False, False]
    assert panel.is_isotype.tolist() == [False, True, False]
    assert panel.is_hashtag.tolist() == [False, False, True]
    assert panel.genes.tolist() == ["CD3E", "", ""]
    assert panel.unknown == ()


def test_isoforms_keep_their_names() -> None:
    """CD45RA and CD45RO share a gene but not a name."""
    panel = name_antibodies(["CD45RA_TotalSeqC", "CD45RO_TotalSeqC"])
    assert panel.names.tolist() == ["CD45RA", "CD45RO"]
    assert panel.genes.tolist() == ["PTPRC", "PTPRC"]


def test_names_that_would_clash_stay_whole() -> None:
    """Two antibodies that differ only by decoration keep their full names."""
    assert name_antibodies(["CD3_TotalSeqA", "CD3_TotalSeqC", "CD4_TotalSeqC"]).names.tolist() == [
        "CD3_TotalSeqA",
        "CD3_TotalSeqC",
        "CD4",
    ]


def test_repeated_names_are_refused() -> None:
    """The same name twice is an input error that shows it and the file."""
    with pytest.raises(InputError, match="CD4") as caught:
        name_antibodies(["CD4", "CD3", "CD4"], where="adt.csv")
    assert caught.value.where == "adt.csv"


def test_an_empty_panel() -> None:
    """No antibodies give empty arrays and a report of zeros."""
    panel = name_antibodies([])
    assert panel.names.shape == panel.is_protein.shape == (0,)
    assert panel.as_dict()["n_antibodies"] == 0


def test_the_account_is_json() -> None:
    """The account of a panel goes into JSON."""
    account = name_antibodies(["CD3", "XYZ", "IgG1", "HTO1"]).as_dict()
    assert json.loads(json.dumps(account)) == account


def test_every_gene_of_the_table_is_approved() -> None:
    """The packaged antibody table leads to approved symbols only."""
    rows = (DATA / "antibodies.tsv").read_text().splitlines()[1:]
    genes = {gene for row in rows for gene in row.split("\t")[1].split("|") if gene}
    assert genes <= read_gene_reference().approved


def test_provenance_describes_the_packaged_table() -> None:
    """The provenance note gives source, licence and the checksum of the very file shipped."""
    notes = {note["file"]: note for note in tomllib.loads((DATA / "PROVENANCE.toml").read_text())["table"]}
    note = notes["antibodies.tsv"]
    assert note["sha256"] == hashlib.sha256((DATA / "antibodies.tsv").read_bytes()).hexdigest()
    assert note["sources"]
    assert note["licence"]


@pytest.mark.data
def test_real_panels_are_named(shared_data: Path) -> None:
    """Of the six real panels (343 antibodies), all but one mouse antibody find their genes."""
    panels = [list(pd.read_parquet(shared_data / "trex_pt17_trimodal" / "proteins.parquet").columns)]
    for name in ("citeseq_pbmc10k", "citeseq_pbmc5k", "citeseq_malt_1k", "eccite_pbmc_500", "abseq_bm_250"):
        obsm = ad.read_h5ad(shared_data / name / f"{name}.h5ad", backed="r").obsm
        panels.append([str(antibody) for antibody in obsm["protein"].columns])
    unknown = [antibody for panel in panels for antibody in name_antibodies(panel).unknown]
    assert sum(map(len, panels)) == 343
    assert unknown == ["Ly.49C-Ly.49I"]
