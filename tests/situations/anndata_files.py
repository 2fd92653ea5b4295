"""AnnData and MuData files: scanpy, CELLxGENE, conversions from Seurat, layers of every kind."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from factories import log_normalised, make_anndata, write_h5ad, write_h5mu
from situations.row import GENES_ONLY, N_CELLS, SAMPLE, Read, Refused, Situation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import anndata as ad

Made = dict[str, Any]
N_GENES = len(SAMPLE.gene_names)
COUNTS = {"cells.kept": N_CELLS, "counts_kind": "counts", "genes.n_input": N_GENES}
LOG = {**COUNTS, "counts_kind": "log1p_cp10k"}
RAW = GENES_ONLY.counts
LOGS = log_normalised(RAW)
HVG = slice(0, 150)


def h5ad(change: Callable[[ad.AnnData], ad.AnnData | None] | None = None, **options: Any) -> Any:
    """Write an h5ad file with counts in X, changed before."""

    def make(folder: Path) -> Made:
        adata = make_anndata(GENES_ONLY)
        adata = adata if change is None else change(adata) or adata
        adata.write_h5ad(folder / "sample.h5ad")
        return {"gex": folder / "sample.h5ad", **options}

    return make


def stored(**how: Any) -> Any:
    """Write an h5ad file in some form of storage."""
    return lambda folder: {"gex": write_h5ad(folder / "sample.h5ad", GENES_ONLY, **how)}


def with_x(matrix: Any, **layers: Any) -> Callable[[ad.AnnData], ad.AnnData]:
    """Give X and layers these matrices."""

    def change(adata: ad.AnnData) -> ad.AnnData:
        adata.X = matrix
        for name, values in layers.items():
            adata.layers[name] = values
        return adata

    return change


def with_raw(raw: Any, x: Any = None) -> Callable[[ad.AnnData], ad.AnnData]:
    """Keep a selection of genes in X, all genes in raw."""

    def change(adata: ad.AnnData) -> ad.AnnData:
        found = make_anndata(GENES_ONLY)
        found.X = raw
        adata = adata[:, HVG].copy() if x is None else adata
        if x is not None:
            adata.X = x
        adata.raw = found
        return adata

    return change


def scaled() -> np.ndarray:
    """Z-scores, as scanpy and Seurat scale."""
    dense = LOGS.toarray()
    return ((dense - dense.mean(axis=0)) / (dense.std(axis=0) + 1)).clip(-10, 10).astype(np.float32)


def cellxgene(adata: ad.AnnData) -> ad.AnnData:
    """Counts in raw, log values in X, ids as names, symbols in feature_name."""
    adata.var["feature_name"] = pd.Categorical(adata.var_names)
    adata.var_names = adata.var["gene_ids"].to_numpy()
    adata.raw = adata.copy()
    adata.X = LOGS
    adata.obs["donor_id"] = pd.Categorical(["P1"] * 20 + ["P2"] * (N_CELLS - 20))
    return adata


def no_counts(adata: ad.AnnData) -> ad.AnnData:
    """CELLxGENE without raw."""
    adata = cellxgene(adata)
    del adata.raw
    return adata


def made_unique(adata: ad.AnnData) -> ad.AnnData:
    """Let two columns be of one gene, as var_names_make_unique leaves them."""
    names = adata.var_names.to_numpy(dtype=object)
    names[1] = f"{names[0]}-1"
    adata.var_names = names
    del adata.var["gene_ids"]
    return adata


def repeated_cells(adata: ad.AnnData) -> ad.AnnData:
    """Name two cells alike."""
    adata.obs_names = [adata.obs_names[0], *adata.obs_names[:-1]]
    return adata


def reordered_ids(adata: ad.AnnData) -> ad.AnnData:
    """Ensembl ids as names, nothing else."""
    adata.var_names = adata.var["gene_ids"].to_numpy()
    del adata.var["gene_ids"]
    return adata


def with_tpm() -> sp.csr_matrix:
    """Counts per million, not logarithms."""
    return sp.csr_matrix(np.expm1(LOGS.toarray()) * 100)


def of_base_two() -> sp.csr_matrix:
    """Logarithms of base 2."""
    return sp.csr_matrix(np.log2(1 + np.expm1(LOGS.toarray()))).astype(np.float32)


def with_nan() -> sp.csr_matrix:
    """Counts with a gap."""
    values = RAW.astype(np.float32)
    values.data[7] = np.nan
    return values


def soft(seed: int = 0) -> sp.csr_matrix:
    """Counts less an ambient share."""
    values = RAW.astype(np.float32)
    values.data = np.round(
        values.data * np.random.default_rng(seed).uniform(0.8, 0.98, values.nnz), 3
    ).astype(np.float32)
    return values


def packed(folder: Path) -> Made:
    """Compress the file as a whole."""
    path = write_h5ad(folder / "sample.h5ad", GENES_ONLY)
    packed_path = folder / "sample.h5ad.gz"
    packed_path.write_bytes(gzip.compress(path.read_bytes()))
    return {"gex": packed_path}


def own_file(folder: Path) -> Made:
    """Give the cells file of an earlier preprocess."""
    from command_line import run_command  # noqa: PLC0415 (the one row that runs the program to make its input)

    path = write_h5ad(folder / "sample.h5ad", GENES_ONLY)
    run_command("preprocess", "--gex", path, "--min-genes", 5, "-o", folder, "--prefix", "before")
    return {"gex": folder / "before.cells.h5ad"}


def mudata(gex: str = "gex", prot: str = "prot") -> Any:
    """Write a MuData file."""
    return lambda folder: {"gex": write_h5mu(folder / "sample.h5mu", SAMPLE, gex=gex, prot=prot)}


def proteins_in_obsm(folder: Path) -> Made:
    """Antibodies as scvi-tools keeps them."""
    return {"gex": write_h5ad(folder / "sample.h5ad", SAMPLE, antibody_key="protein_expression")}


PASSED = "passed_over"
ROWS = (
    Situation("scanpy", "`.h5ad`, counts in X", "X is read.", h5ad(), Read(COUNTS)),
    Situation(
        "scanpy",
        "X stored by gene (csc)",
        "Gathered in memory; the same counts.",
        stored(layout="csc"),
        Read(COUNTS),
    ),
    Situation("scanpy", "X dense", "Read in blocks of cells.", stored(layout="dense"), Read(COUNTS)),
    Situation(
        "scanpy",
        "X compressed with gzip",
        "Read by every HDF5 library.",
        stored(compression="gzip"),
        Read(COUNTS),
    ),
    Situation("scanpy", "X compressed with lzf", "Read by h5py.", stored(compression="lzf"), Read(COUNTS)),
    Situation(
        "scanpy",
        "counts as 64-bit floats",
        "Whole numbers are counts, whatever their type.",
        h5ad(with_x(RAW.astype(np.float64))),
        Read(COUNTS),
    ),
    Situation(
        "tcellflow",
        "counts as 16-bit integers without sign",
        "Sums do not overflow.",
        h5ad(with_x(RAW.astype(np.uint16))),
        Read({**COUNTS, "genes.n_output": N_GENES}),
    ),
    Situation(
        "tcellflow",
        "`.cells.h5ad` of an earlier preprocess as `--gex`",
        "Counts are read from its layer again.",
        own_file,
        Read(COUNTS),
    ),
    Situation(
        "scanpy",
        "X log-normalised, counts in `layers['counts']`",
        "The layer is read.",
        stored(counts_in="layers"),
        Read({**COUNTS, "matrix.place": "layers/counts"}),
    ),
    Situation(
        "scanpy",
        "X log-normalised, counts in `raw`",
        "raw is read.",
        stored(counts_in="raw"),
        Read({**COUNTS, "matrix.place": "raw/X"}),
    ),
    Situation(
        "scanpy",
        "X log-normalised, nothing else",
        "X is kept as it is; counts are estimated for quality alone.",
        stored(counts_in="nowhere"),
        Read({**LOG, "matrix.place": "X"}),
    ),
    Situation(
        "scanpy",
        "X of selected genes, raw with counts of all",
        "The widest matrix of counts is read, and said.",
        h5ad(with_raw(RAW)),
        Read({**COUNTS, "matrix.place": "raw/X"}, told="raw"),
    ),
    Situation(
        "scanpy",
        "X of selected genes, raw log-normalised",
        "The widest is read, though it holds logarithms.",
        h5ad(with_raw(LOGS)),
        Read({"matrix.place": "raw/X", "counts_kind": "log1p_cp10k"}, told="raw"),
    ),
    Situation(
        "scanpy",
        "the same with `--layer X`",
        "The option overrules.",
        h5ad(with_raw(RAW), layer="X"),
        Read({"matrix.place": "X", "genes.n_input": 150}),
    ),
    Situation(
        "scanpy",
        "X scaled, raw log-normalised",
        "raw is read.",
        h5ad(with_raw(LOGS, scaled())),
        Read({**LOG, "matrix.place": "raw/X"}),
    ),
    Situation(
        "scanpy",
        "X scaled, nothing else",
        "Scaled values cannot be undone.",
        h5ad(with_x(scaled())),
        Refused("negative"),
    ),
    Situation(
        "scanpy",
        "X in counts per million",
        "Not counts and no logarithms.",
        h5ad(with_x(with_tpm())),
        Refused("holds no counts"),
    ),
    Situation(
        "R, edgeR",
        "X of base-2 logarithms",
        "Another normalisation than log1p(counts per 10,000).",
        h5ad(with_x(of_base_two())),
        Refused("log2(x + 1)"),
    ),
    Situation(
        "scanpy",
        "X with a missing value",
        "NaN is no count.",
        h5ad(with_x(with_nan())),
        Refused("is not finite"),
    ),
    Situation(
        "scanpy",
        "`--layer` of a name that is not there",
        "The layers that are there are named.",
        h5ad(layer="umi"),
        Refused("there is no matrix in layers/umi; there are: X"),
    ),
    Situation(
        "scVelo, velocyto",
        "layers spliced, unspliced, ambiguous beside counts in X",
        "X is read.",
        h5ad(with_x(RAW, spliced=RAW, unspliced=RAW)),
        Read({**COUNTS, "matrix.place": "X"}),
    ),
    Situation(
        "SoupX, decontX",
        "X log-normalised, counts less ambient in a layer",
        "X is read: it has no fractions to interpret.",
        h5ad(with_x(LOGS, decontX=soft())),
        Read({**LOG, "matrix.place": "X"}),
    ),
    Situation(
        "CellBender",
        "counts with fractions in X, nothing else",
        "Kept as they are (corrected_counts), never rounded.",
        h5ad(with_x(soft())),
        Read({**COUNTS, "counts_kind": "corrected_counts"}),
    ),
    Situation(
        "CELLxGENE",
        "ids as names, feature_name, counts in raw",
        "raw is read; symbols from feature_name; donors from donor_id.",
        h5ad(cellxgene),
        Read({**COUNTS, "matrix.place": "raw/X", "genes.no_symbol.count": 0}),
    ),
    Situation(
        "CELLxGENE",
        "the same without raw",
        "Log values are read, ids are resolved.",
        h5ad(no_counts),
        Read({**LOG, "genes.no_symbol.count": 0}),
    ),
    Situation(
        "scanpy",
        "Ensembl ids as names, no symbols",
        "Ids are resolved to approved symbols.",
        h5ad(reordered_ids),
        Read({**COUNTS, "genes.no_symbol.count": 0}),
    ),
    Situation(
        "scanpy",
        "names made unique (`-1`)",
        "A name behind which a gene stands is read once; the other stays unknown.",
        h5ad(made_unique),
        Read({"cells.kept": N_CELLS, "genes.n_input": N_GENES}),
    ),
    Situation(
        "scanpy",
        "two cells of one name",
        "Cells cannot be told apart.",
        h5ad(repeated_cells),
        Refused("more than once"),
    ),
    Situation(
        "zellkonverter",
        "X counts, `layers['logcounts']`",
        "Counts come first.",
        h5ad(with_x(RAW.astype(np.float64), logcounts=LOGS)),
        Read({**COUNTS, "matrix.place": "X"}),
    ),
    Situation(
        "zellkonverter",
        "X logcounts, `layers['counts']`",
        "Counts come first.",
        h5ad(with_x(LOGS, counts=RAW.astype(np.float64))),
        Read({**COUNTS, "matrix.place": "layers/counts"}),
    ),
    Situation(
        "SeuratDisk",
        "X scaled of variable genes, raw log-normalised",
        "raw is read, and said.",
        h5ad(lambda a: with_raw(LOGS)(with_x(scaled())(a))),
        Read({"matrix.place": "raw/X", "counts_kind": "log1p_cp10k"}, told="raw"),
    ),
    Situation(
        "sceasy",
        "X log-normalised dense, raw counts sparse",
        "raw is read.",
        h5ad(with_raw(RAW, LOGS.toarray())),
        Read({**COUNTS, "matrix.place": "raw/X"}),
    ),
    Situation(
        "by hand",
        "`.h5ad.gz`",
        "HDF5 cannot be read through gzip: unpack it.",
        packed,
        Refused("a gzip-compressed file"),
    ),
    Situation(
        "muon",
        "`.h5mu` with gex and prot",
        "Both modalities are read.",
        mudata(),
        Read({**COUNTS, "proteins.n_proteins": 6}),
    ),
    Situation(
        "muon",
        "`.h5mu` with rna and prot",
        "Other names of modalities are known.",
        mudata("rna", "prot"),
        Read({**COUNTS, "proteins.n_proteins": 6}),
    ),
    Situation(
        "muon",
        "`.h5mu` with rna and adt",
        "Other names of modalities are known.",
        mudata("rna", "adt"),
        Read({**COUNTS, "proteins.n_proteins": 6}),
    ),
    Situation(
        "scvi-tools",
        "antibodies in `obsm['protein_expression']`",
        "Read beside the genes.",
        proteins_in_obsm,
        Read({**COUNTS, "proteins.n_proteins": 6}),
    ),
)
