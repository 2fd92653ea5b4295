"""Cells are classed by their chains exactly as scirpy classes them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.pairing import summarise_cells
from tcellflow.vocabulary import ARM_OF_LOCUS, Locus

if TYPE_CHECKING:
    from anndata import AnnData

CLASSES = ["chain_pairing", "receptor_type", "receptor_subtype"]


def chains_of(*loci: str) -> pd.DataFrame:
    """Chains of one cell c, ranked within their arm in the order given."""
    arms = pd.Series([str(ARM_OF_LOCUS[Locus(locus)]) for locus in loci], dtype=object)
    return pd.DataFrame(
        {
            "cell_id": ["c"] * len(loci),
            "locus": pd.Series(loci, dtype=object),
            "rank": arms.groupby(arms).cumcount() + 1,
        }
    )


@pytest.mark.parametrize(
    ("loci", "pairing", "kind", "subtype"),
    [
        ("", "no IR", "no IR", "no IR"),
        ("TRA", "orphan VJ", "TCR", "TRA+TRB"),
        ("TRB", "orphan VDJ", "TCR", "TRA+TRB"),
        ("TRA TRA", "orphan VJ", "TCR", "TRA+TRB"),
        ("TRA TRB", "single pair", "TCR", "TRA+TRB"),
        ("TRA TRA TRB", "extra VJ", "TCR", "TRA+TRB"),
        ("TRA TRB TRB", "extra VDJ", "TCR", "TRA+TRB"),
        ("TRA TRA TRB TRB", "two full chains", "TCR", "TRA+TRB"),
        ("TRA TRA TRA TRB", "multichain", "multichain", "multichain"),
        ("TRB TRB TRB", "multichain", "multichain", "multichain"),
        ("TRG TRD", "single pair", "TCR", "TRG+TRD"),
        ("TRA TRD", "ambiguous", "TCR", "ambiguous"),
        ("TRA TRG TRB", "single pair", "TCR", "TRA+TRB"),
        ("TRA TRA TRG TRB", "extra VJ", "TCR", "TRA+TRB"),
        ("TRA TRG TRG TRB TRB", "extra VDJ", "TCR", "TRA+TRB"),
        ("TRB TRG", "orphan VDJ", "TCR", "TRA+TRB"),
        ("TRG TRG", "orphan VJ", "TCR", "TRG+TRD"),
        ("TRA TRB TRG TRD", "ambiguous", "TCR", "ambiguous"),
        ("TRB IGH", "ambiguous", "ambiguous", "ambiguous"),
        ("IGH", "orphan VDJ", "BCR", "IGH"),
        ("IGK", "orphan VJ", "BCR", "IGH+IGK"),
        ("IGL", "orphan VJ", "BCR", "IGH+IGL"),
        ("IGH IGK", "single pair", "BCR", "IGH+IGK"),
        ("IGH IGK IGL", "extra VJ", "BCR", "IGH+IGK/L"),
        ("IGK IGL", "ambiguous", "BCR", "ambiguous"),
    ],
)
def test_every_class_has_its_example(loci: str, pairing: str, kind: str, subtype: str) -> None:
    """The nine pairings, five types and nine subtypes follow from the loci."""
    cell = summarise_cells(chains_of(*loci.split()), ["c"]).loc["c"]
    assert tuple(cell[CLASSES]) == (pairing, kind, subtype)
    assert cell["has_tra"] == ("TRA" in loci)
    assert cell["has_trb"] == ("TRB" in loci)
    assert cell["doublet_suspect"] == (pairing in {"multichain", "two full chains"})


def test_cells_without_chains_and_chains_of_other_cells() -> None:
    """Every cell asked for has a row in the order asked; chains of other cells are not counted."""
    cells = summarise_cells(chains_of("TRA", "TRB"), ["x", "c", "y"])
    assert list(cells.index) == ["x", "c", "y"]
    assert list(cells["chain_pairing"]) == ["no IR", "single pair", "no IR"]
    assert summarise_cells(chains_of("TRA"), []).empty


def scirpy_classes(adata: AnnData) -> pd.DataFrame:
    """Classes by scirpy on the same contigs."""
    import scirpy as ir  # noqa: PLC0415 (slow to import)

    ir.pp.index_chains(adata)
    ir.tl.chain_qc(adata)
    return adata.obs[CLASSES].astype(str)


def our_classes(path: Path, cells: pd.Index) -> pd.DataFrame:
    """Classes by tcellflow, B-cell chains included as scirpy does."""
    chosen = choose_chains(read_receptors(path), donor="d", keep_immunoglobulins=True)
    return summarise_cells(chosen.chains, cells.to_numpy(dtype=object))[CLASSES]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "tcr_io_fixtures/10x/filtered_contig_annotations.csv",
        "tcr_io_fixtures/10x/all_contig_annotations.json",
        "tcr_io_fixtures/10x/vdj_nextgem_hs_pbmc3_t_filtered_contig_annotations.csv.gz",
        "tcr_io_fixtures/10x/sc5p_v2_hs_melanoma_10k_b_filtered_contig_annotations.csv.gz",
        "tcr_io_fixtures/bd/RhapVDJDemo_BCR_Dominant_Contigs.csv.gz",
        "tenx_healthy_T_1k/filtered_contig_annotations.csv",
        "bd_rhapsody_pbmc_targeted/tcr.airr.tsv.gz",
        "tcr_labels_corvino2024_hnscc_cd8/tcr.airr.tsv.gz",
        "screp_ards/filtered_contig_annotations.all8.csv.gz",
    ],
)
def test_classes_equal_scirpy_on_real_files(shared_data: Path, name: str) -> None:
    """On real files of all makers every cell gets the class that scirpy 0.22 gives it.

    Left out are cells that scirpy judges by other chains: contigs of one chain counted twice, chains with
    stops, gamma chains of alpha-beta cells.
    """
    import scirpy as ir  # noqa: PLC0415 (slow to import)

    path = shared_data / name
    if "airr" in path.name:
        adata = ir.io.read_airr(pd.read_csv(path, sep="\t"))
    elif "bd/" in name:
        adata = ir.io.read_bd_rhapsody(path)
    else:
        adata = ir.io.read_10x_vdj(path)
    theirs = scirpy_classes(adata)
    rows = read_receptors(path).rows
    is_other = rows.duplicated(["cell_id", "locus", "junction_aa"], keep=False) | (rows["locus"] == "TRG")
    is_other |= rows["junction_aa"].astype(str).str.contains("[^A-Za-z]|X")
    n_cells, theirs = len(theirs), theirs[~theirs.index.isin(rows.loc[is_other, "cell_id"])]
    assert len(theirs) > 0.5 * n_cells
    ours = our_classes(path, theirs.index)
    different = (theirs.to_numpy() != ours.to_numpy()).any(axis=1)
    assert not different.any(), pd.concat([theirs[different], ours[different]], axis=1).head()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ranked_chains_equal_scirpy() -> None:
    """First and second chain of each arm are the ones scirpy chooses, on its own test file."""
    import mudata  # noqa: PLC0415 (slow to import)
    import scirpy as ir  # noqa: PLC0415 (slow to import)

    path = Path(ir.__file__).parent / "tests" / "data" / "wu2020_200.h5mu"
    adata = mudata.read_h5mu(path)["airr"]
    ir.pp.index_chains(adata)
    slots = ["VJ_1", "VJ_2", "VDJ_1", "VDJ_2"]
    theirs = ir.get.airr(adata, ["junction_aa", "locus"], slots)
    chosen = choose_chains(read_receptors(path), donor="d", keep_immunoglobulins=True).chains
    for arm, rank in itertools.product(["VJ", "VDJ"], [1, 2]):
        ours = chosen[(chosen["arm"] == arm) & (chosen["rank"] == rank)].set_index("cell_id")
        for field in ("junction_aa", "locus"):
            expected = theirs[f"{arm}_{rank}_{field}"].dropna()
            assert ours[field].sort_index().to_dict() == expected.sort_index().to_dict()
