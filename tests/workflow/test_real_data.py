"""Every real file goes through preprocess, or is refused with the sentence written here.

The numbers are what the files hold: whoever changes a rule sees here which samples it touches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from command_line import run_command
from tcellflow.contracts.tables import CHAINS
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.parquet import read_table

pytestmark = [pytest.mark.data, pytest.mark.slow]

FIXTURES = "tcr_io_fixtures"
SAMPLES = Path(str(files("tcellflow"))) / "data" / "samples"


@dataclass(frozen=True)
class Refused:
    """The file is refused with these words."""

    words: str


@dataclass(frozen=True)
class Chains:
    """The receptor file gives this many chains; all other contigs are counted under these reasons."""

    layout: str
    read: int
    kept: int
    pairs: int
    dropped: tuple[tuple[str, int], ...] = ()
    warning: str = ""


@dataclass(frozen=True)
class Cells:
    """The matrix gives this many cells, T cells by its genes, and antibodies."""

    read: int
    kept: int
    genes: int
    t_cells: int
    proteins: int = 0
    isotypes: int = 0
    hashtags: int = 0
    unknown: tuple[str, ...] = ()
    warning: str = ""


_TEN_X, _JSON, _AIRR, _BD = (
    "10x contig table",
    "10x contig JSON",
    "AIRR rearrangement table",
    "BD Rhapsody contig table",
)
_PICKLE = Refused("Python pickles are not opened: opening one can run any program on this computer")
_PARQUET = Refused("the file is no table of text but a Parquet file")
_NO_T = "no T-cell receptor chain is left of"
_ANCHORS = "the junctions lack their anchors (C ... F/W)"
_NO_COUNTS = "the file holds no counts"
_FEW = "genes: if they were selected from more, X is inflated"

RECEPTORS: dict[str, Chains | Refused] = {
    f"{FIXTURES}/LICENSE.scirpy": Refused("the file is no table: its first line holds no comma"),
    f"{FIXTURES}/10x/10k_BMMNC_5pv2_nextgem_Multiplex_vdj_t_all_contig_annotations_small.csv": Chains(
        _TEN_X, 5, 3, 1, (("not_a_cell", 2),)
    ),
    f"{FIXTURES}/10x/10k_BMMNC_5pv2_nextgem_Multiplex_vdj_t_all_contig_annotations_small.json": Chains(
        _JSON, 5, 3, 1, (("not_a_cell", 2),)
    ),
    f"{FIXTURES}/10x/all_contig_annotations.json": Chains(
        _JSON, 9, 3, 0, (("immunoglobulin", 4), ("low_confidence", 1), ("not_a_cell", 1))
    ),
    f"{FIXTURES}/10x/filtered_contig_annotations.csv": Chains(
        _TEN_X, 19, 14, 1, (("immunoglobulin", 2), ("not_productive", 1), ("segments_of_several_loci", 2))
    ),
    f"{FIXTURES}/10x/sc5p_v2_hs_melanoma_10k_b_filtered_contig_annotations.csv.gz": Chains(
        _TEN_X, 15_079, 0, 0, (("immunoglobulin", 15_075), ("segments_of_several_loci", 4)), _NO_T
    ),
    f"{FIXTURES}/10x/vdj_nextgem_hs_pbmc3_t_filtered_contig_annotations.csv.gz": Chains(
        _TEN_X, 4004, 3123, 1109, (("not_productive", 869), ("segments_of_several_loci", 12))
    ),
    f"{FIXTURES}/airr/issue_625.tsv": Chains(_AIRR, 158, 0, 0, (("immunoglobulin", 158),), _NO_T),
    f"{FIXTURES}/airr/rearrangement_ig.tsv": Chains(_AIRR, 4, 0, 0, (("immunoglobulin", 4),), _NO_T),
    f"{FIXTURES}/airr/rearrangement_tra.tsv": Chains(_AIRR, 4, 4, 0),
    f"{FIXTURES}/airr/rearrangement_trb.tsv": Chains(
        _AIRR, 4, 4, 0, warning="4 of 4 V gene names are unknown (e.g. IGKV4-1*01"
    ),
    f"{FIXTURES}/airr/tra_issue_280.tsv": Chains(_AIRR, 5, 2, 1, (("no_junction", 2), ("not_productive", 1))),
    f"{FIXTURES}/bd/RhapVDJDemo_BCR_Dominant_Contigs.csv.gz": Chains(
        _BD, 2992, 1283, 362, (("immunoglobulin", 1266), ("not_productive", 443)), _ANCHORS
    ),
    f"{FIXTURES}/bd/RhapVDJDemo_BCR_Unfiltered_Contigs.csv.gz": Chains(
        _BD, 2992, 0, 0, (("immunoglobulin", 263), ("not_a_cell", 2547), ("not_dominant", 182)), _NO_T
    ),
    f"{FIXTURES}/bd/test_per_cell_chain.csv": Chains(_BD, 9, 2, 0, (("not_a_cell", 7),), _ANCHORS),
    f"{FIXTURES}/bd/test_unfiltered_contigs.csv": Chains(
        _BD, 7, 0, 0, (("immunoglobulin", 2), ("not_a_cell", 4), ("not_dominant", 1)), _NO_T
    ),
    f"{FIXTURES}/bracer/changeodb.tab": Chains(
        "Change-O table (BraCeR)", 9, 0, 0, (("immunoglobulin", 9),), _NO_T
    ),
    f"{FIXTURES}/tracer/SRR10782570/filtered_TCR_seqs/SRR10782570.pkl": _PICKLE,
    f"{FIXTURES}/tracer/cell1/filtered_TCR_seqs/cell1.pkl": _PICKLE,
    f"{FIXTURES}/tracer/cell2/filtered_TCR_seqs/cell2.pkl": _PICKLE,
    "bd_rhapsody_pbmc_targeted/meta_tcr.original.csv": Chains(
        "BD Rhapsody per-cell table",
        2744,
        2203,
        1091,
        (("immunoglobulin", 536), ("no_junction", 2), ("not_productive", 1), ("unknown_locus", 2)),
        _NO_COUNTS,
    ),
    "bd_rhapsody_pbmc_targeted/tcr.airr.tsv.gz": Chains(
        _AIRR, 2206, 2205, 1093, (("stop_or_unknown_residue", 1),)
    ),
    "chung2017_breast/tcr.airr.tsv.gz": Chains(_AIRR, 155, 155, 65, warning=_ANCHORS),
    "chung2017_breast/tcr_table.original.tsv": Chains("TraCeR table", 155, 155, 65, warning=_ANCHORS),
    "screp_ards/filtered_contig_annotations.all8.csv.gz": Chains(
        _TEN_X, 55_154, 55_110, 18_400, (("same_chain_of_the_cell", 43), ("segments_of_several_loci", 1))
    ),
    "screp_ards/tcr.airr.tsv.gz": Chains(
        _AIRR, 55_154, 55_110, 18_400, (("same_chain_of_the_cell", 43), ("segments_of_several_loci", 1))
    ),
    "tcr_adt_10x_dextramer_cd8/cells.parquet": _PARQUET,
    "tcr_labels_corvino2024_hnscc_cd8/cells.parquet": _PARQUET,
    "tcr_labels_corvino2024_hnscc_cd8/tcr.airr.tsv.gz": Chains(
        _AIRR,
        29_710,
        21_641,
        6915,
        (("not_productive", 7954), ("same_chain_of_the_cell", 6), ("segments_of_several_loci", 109)),
    ),
    "tcr_labels_suo2022_fetal_T/cells.parquet": _PARQUET,
    "tenx_healthy_T_1k/filtered_contig_annotations.csv": Chains(_TEN_X, 2064, 2064, 831),
    "tenx_healthy_T_1k/tcr.airr.tsv.gz": Chains(_AIRR, 2064, 2064, 831),
    "trex_pt17_trimodal/meta.original.csv": Chains(
        "scRepertoire metadata table", 516, 516, 258, warning=_NO_COUNTS
    ),
    "trex_pt17_trimodal/tcr.airr.tsv.gz": Chains(_AIRR, 516, 516, 258),
}

MATRICES: dict[str, Cells] = {
    "abseq_bm_250/abseq_bm_250.h5ad": Cells(
        250, 250, 462, 55, proteins=197, unknown=("Ly.49C-Ly.49I",), warning=_FEW
    ),
    "bd_rhapsody_pbmc_targeted/counts.h5ad": Cells(1339, 1336, 397, 1069, warning=_FEW),
    "chung2017_breast/counts.h5ad": Cells(563, 422, 23_438, 63),
    "citeseq_cbmc8k/citeseq_cbmc8k.h5ad": Cells(8009, 7941, 1389, 2895, proteins=10, warning=_FEW),
    "citeseq_malt_1k/citeseq_malt_1k.h5ad": Cells(1000, 974, 33_538, 359, proteins=14, isotypes=3),
    "citeseq_pbmc10k/citeseq_pbmc10k.h5ad": Cells(6855, 6854, 4000, 3640, proteins=14, warning=_FEW),
    "citeseq_pbmc5k/citeseq_pbmc5k.h5ad": Cells(3994, 3990, 4000, 2041, proteins=29, warning=_FEW),
    "eccite_pbmc_3300/eccite_pbmc_3300.h5ad": Cells(
        3301, 3301, 1661, 2387, proteins=47, isotypes=2, warning=_FEW
    ),
    "eccite_pbmc_500/eccite_pbmc_500.h5ad": Cells(500, 500, 19_521, 385, proteins=47, isotypes=2, hashtags=4),
    "kang2018_ifnb_2k/kang2018_ifnb_2k.h5ad": Cells(2000, 1988, 9015, 946),
    "malt_rna_1100/malt_rna_1100.h5ad": Cells(1100, 1074, 33_538, 409),
    "pbmc3k/pbmc3k.h5ad": Cells(2638, 2638, 13_714, 1443),
    "pbmc_frozen_donorA/pbmc_frozen_donorA.h5ad": Cells(2896, 2895, 13_939, 2082),
    "pbmc_symphony_1500/pbmc_symphony_1500.h5ad": Cells(1500, 1500, 1764, 766, warning=_FEW),
    "sadefeldman_til/sadefeldman_til_1000_genes.h5ad": Cells(898, 898, 1000, 682, warning=_FEW),
    "sadefeldman_til/sadefeldman_til_3523_genes.h5ad": Cells(248, 212, 3523, 209, warning=_FEW),
    "screp_ards/counts.h5ad": Cells(500, 500, 2000, 399, warning=_FEW),
    "tenx_healthy_T_1k/counts.h5ad": Cells(1137, 1126, 36_592, 1118),
    "trex_pt17_trimodal/counts.h5ad": Cells(320, 315, 33_538, 294),
    "zheng_facs_mudan/zheng_facs_mudan.h5ad": Cells(2140, 2140, 8863, 861),
}


def preprocess(folder, *arguments):
    """Run preprocess and give the account; nothing may go to stdout."""
    outcome = run_command("preprocess", "-o", folder, "--prefix", "s", *arguments)
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.stderr
    return json.loads((folder / "s.qc.json").read_text())


def test_no_real_file_is_forgotten(shared_data):
    """Every receptor fixture and every matrix of the shared data stands in the lists above."""
    fixtures = {
        str(path.relative_to(shared_data)) for path in (shared_data / FIXTURES).rglob("*") if path.is_file()
    }
    assert fixtures == {name for name in RECEPTORS if name.startswith(FIXTURES)}
    matrices = {str(path.relative_to(shared_data)) for path in shared_data.glob("*/*.h5ad")}
    assert matrices == set(MATRICES)


@pytest.mark.parametrize("name", RECEPTORS)
def test_receptor_files_pass_or_are_refused(shared_data, tmp_path, name):
    """Each receptor file gives its chains with every contig accounted for, or its sentence."""
    expected, out = RECEPTORS[name], tmp_path / "out"
    if isinstance(expected, Refused):
        outcome = run_command("preprocess", "--tcr", shared_data / name, "-o", out)
        assert (outcome.code, outcome.stdout) == (66, "")
        assert f"error: {expected.words}" in outcome.stderr
        assert not out.exists()
        return
    qc = preprocess(out, "--tcr", shared_data / name)
    account = qc["receptors"]
    assert account["layout"] == expected.layout
    assert (account["contigs"]["read"], account["contigs"]["kept"]) == (expected.read, expected.kept)
    dropped = {reason: count for reason, count in account["contigs"]["dropped"].items() if count}
    assert dropped == dict(expected.dropped)
    assert expected.read == expected.kept + sum(dropped.values())
    assert account["cells"]["chain_pairing"]["single pair"] == expected.pairs
    assert read_table(out / "s.chains.parquet", CHAINS).num_rows == expected.kept
    assert not expected.warning or any(expected.warning in warning for warning in qc["warnings"])


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_pass(shared_data, tmp_path, name):
    """Each matrix gives its cells with their counts untouched, and every cell is accounted for."""
    expected = MATRICES[name]
    qc = preprocess(tmp_path, "--gex", shared_data / name)
    assert qc["counts_kind"] == "counts"
    assert (qc["cells"]["input"], qc["cells"]["kept"]) == (expected.read, expected.kept)
    assert expected.read == expected.kept + sum(qc["cells"]["removed"].values())
    assert (qc["genes"]["n_output"], qc["gate"]["t_cells"]) == (expected.genes, expected.t_cells)
    proteins = qc.get("proteins", {})
    for kind in ("proteins", "isotypes", "hashtags"):
        assert proteins.get(f"n_{kind}", 0) == getattr(expected, kind)
    assert tuple(proteins.get("unknown", ())) == expected.unknown
    assert bool(expected.warning) == any(_FEW in warning for warning in qc["warnings"])
    read_cells(tmp_path / "s.cells.h5ad")
    cells, source = ad.read_h5ad(tmp_path / "s.cells.h5ad"), ad.read_h5ad(shared_data / name)
    assert cells.shape == (expected.kept, expected.genes)
    kept = source[cells.obs_names]
    assert cells.layers["counts"].sum() == kept.X.sum()
    assert np.array_equal(cells.obs["total_counts"], np.asarray(kept.X.sum(axis=1)).ravel())
    untouched = [column for column in source.obs if column not in {"donor", "clone_id"}]
    assert set(untouched) <= set(cells.obs)
    for column in untouched:
        left, right = cells.obs[column], kept.obs[column]
        assert left.isna().tolist() == right.isna().tolist()
        assert left.dropna().tolist() == right.dropna().tolist()
    if "donor" in source.obs:
        named = kept.obs["donor"].astype(str).replace("unknown", "s")  # no donor: the sample's name
        assert cells.obs["donor"].tolist() == named.tolist()
    if expected.proteins:
        counts = cells.obsm["adt_counts"].to_numpy()
        assert np.array_equal(counts, kept.obsm["protein"].to_numpy())


# Receptor files beside their own matrix: cells with a pair, cells without receptor, barcode rule.
TOGETHER = {
    ("tenx_healthy_T_1k", "filtered_contig_annotations.csv"): (831, 93, "identity,identity"),
    ("tenx_healthy_T_1k", "tcr.airr.tsv.gz"): (831, 93, "identity,identity"),
    ("screp_ards", "filtered_contig_annotations.all8.csv.gz"): (239, 135, "identity,identity"),
    ("screp_ards", "tcr.airr.tsv.gz"): (239, 135, "identity,identity"),
    ("bd_rhapsody_pbmc_targeted", "tcr.airr.tsv.gz"): (1093, 224, "identity,identity"),
    ("bd_rhapsody_pbmc_targeted", "meta_tcr.original.csv"): (1091, 224, "drop-prefix-underscore,identity"),
    ("chung2017_breast", "tcr.airr.tsv.gz"): (59, 341, "identity,identity"),
    ("chung2017_breast", "tcr_table.original.tsv"): (59, 341, "identity,identity"),
    ("trex_pt17_trimodal", "tcr.airr.tsv.gz"): (258, 57, "identity,identity"),
    ("trex_pt17_trimodal", "meta.original.csv"): (258, 57, "identity,identity"),
}


@pytest.mark.parametrize(("folder", "name"), TOGETHER)
def test_receptors_find_the_cells_of_their_matrix(shared_data, tmp_path, folder, name):
    """Receptors of a sample land on its cells, and clones stay within donors."""
    pairs, without, rule = TOGETHER[folder, name]
    data = shared_data / folder
    qc = preprocess(tmp_path, "--gex", data / "counts.h5ad", "--tcr", data / name)
    assert qc["receptors"]["barcodes"]["rule"] == rule
    pairing = qc["receptors"]["cells"]["chain_pairing"]
    assert (pairing["single pair"], pairing["no IR"]) == (pairs, without)
    obs = ad.read_h5ad(tmp_path / "s.cells.h5ad").obs
    chains = pq.read_table(tmp_path / "s.chains.parquet").to_pandas()
    assert obs["chain_pairing"].value_counts().to_dict() == {k: n for k, n in pairing.items() if n}
    assert set(chains["cell_id"]) == set(obs.index[obs["chain_pairing"] != "no IR"])
    donors = obs["donor"].astype(str)
    assert chains["donor"].tolist() == donors[chains["cell_id"]].tolist()
    has_clone = obs["clone_id"].notna()
    assert len(obs[has_clone].groupby(["clone_id", "donor"], observed=True)) == obs["clone_id"].nunique()
    sizes = obs["clone_id"].value_counts()
    assert (obs["clone_id"][has_clone].map(sizes).astype(int) == obs["clone_size"][has_clone]).all()
    # a T-cell receptor makes T cells, and takes none away
    assert qc["gate"]["t_cells"] >= MATRICES[f"{folder}/counts.h5ad"].t_cells


@pytest.mark.parametrize("name", ["tenx_healthy_T_1k", "screp_ards"])
def test_layouts_of_one_sample_agree(shared_data, tmp_path, name):
    """The vendor's table and its AIRR twin give the same cells, clones and chains."""
    data = shared_data / name
    original = next(data.glob("filtered_contig_annotations*"))
    for out, tcr in (("a", original), ("b", data / "tcr.airr.tsv.gz")):
        preprocess(tmp_path / out, "--gex", data / "counts.h5ad", "--tcr", tcr)
    left, right = (ad.read_h5ad(tmp_path / out / "s.cells.h5ad").obs for out in "ab")
    pd.testing.assert_frame_equal(left, right)
    keys, columns = ["cell_id", "arm", "rank"], ["junction_aa", "junction", "v_call", "j_call", "emb_id"]
    tables = [pd.read_parquet(tmp_path / out / "s.chains.parquet") for out in "ab"]
    tables = [t.sort_values(keys, ignore_index=True)[[*keys, *columns]] for t in tables]
    pd.testing.assert_frame_equal(*tables)


def test_antibodies_are_the_same_by_every_route(shared_data, tmp_path):
    """Inside the 10x matrix, as Parquet, as CSV of cells or of antibodies: one panel, one set of counts."""
    data = shared_data / "trex_pt17_trimodal"
    table = pd.read_parquet(data / "proteins.parquet")
    table.to_csv(tmp_path / "cells.csv")
    table.T.to_csv(tmp_path / "antibodies.tsv.gz", sep="\t")
    packaged = SAMPLES / "trex_pt17_trimodal" / "sample_filtered_feature_bc_matrix.h5"
    gex = ["--gex", data / "counts.h5ad"]
    routes = {
        "inside": ["--gex", packaged],
        "parquet": [*gex, "--adt", data / "proteins.parquet"],
        "csv": [*gex, "--adt", tmp_path / "cells.csv"],
        "tsv": [*gex, "--adt", tmp_path / "antibodies.tsv.gz"],
    }
    found = {}
    for name, arguments in routes.items():
        qc = preprocess(tmp_path / name, *arguments)
        assert qc["proteins"]["n_proteins"] == 37
        assert qc["proteins"]["cells_without_antibodies"] == 0
        found[name] = ad.read_h5ad(tmp_path / name / "s.cells.h5ad")
        assert found[name].obs["has_adt"].all()
        panel = found[name].uns["tcellflow"]["antibodies"]
        assert panel.loc["CD45RA", "gene"] == panel.loc["CD45RO", "gene"] == "PTPRC"
    first = found["inside"]  # its cells have no patient in front of their names
    for other in found.values():
        other.obs_names = other.obs_names.str.removeprefix("Pt17_")
        order = other[first.obs_names]
        for key in ("adt_counts", "adt_clr"):
            left, right = first.obsm[key], order.obsm[key]
            pd.testing.assert_frame_equal(left, right[left.columns], check_names=False)


def test_true_library_sizes_deflate_a_selection_of_genes(shared_data, tmp_path):
    """With the column of true counts X no longer sums to 10,000, and cells without one are counted."""
    gex = shared_data / "citeseq_pbmc10k" / "citeseq_pbmc10k.h5ad"
    qc = preprocess(tmp_path, "--gex", gex, "--library-size-column", "n_umi_all_genes")
    assert qc["cells"]["removed"]["no_library_size"] == 34
    assert not any(_FEW in warning for warning in qc["warnings"])
    cells = ad.read_h5ad(tmp_path / "s.cells.h5ad")
    sums = np.asarray(np.expm1(cells.X.astype(np.float64)).sum(axis=1)).ravel()
    expected = 1e4 * cells.obs["total_counts"] / cells.obs["n_umi_all_genes"].astype(float)
    np.testing.assert_allclose(sums, expected, rtol=1e-4)
    assert 1500 < np.median(sums) < 3000  # the 4,000 genes hold a fifth of the molecules
