"""Matrices as text and as 10x HDF5: Cell Ranger, STARsolo, kb, alevin-fry, Parse, CellBender, BD."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from factories import SyntheticSample, write_10x_h5, write_10x_mtx
from situations.row import GENES_ONLY, N_CELLS, SAMPLE, Read, Refused, Situation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Made = dict[str, Any]
N_GENES = len(SAMPLE.gene_names)
COUNTS = {"cells.kept": N_CELLS, "counts_kind": "counts", "genes.n_input": N_GENES}
CORRECTED = {**COUNTS, "counts_kind": "corrected_counts"}


def h5(
    sample: SyntheticSample = SAMPLE, change: Callable[[h5py.File], None] | None = None, **how: Any
) -> Any:
    """Write a 10x HDF5 file, perhaps changed afterwards."""

    def make(folder: Path) -> Made:
        path = write_10x_h5(folder / "sample.h5", sample, **how)
        if change is not None:
            with h5py.File(path, "r+") as file:
                change(file)
        return {"gex": path}

    return make


def mtx(sample: SyntheticSample = GENES_ONLY, name: str = "filtered_feature_bc_matrix", **how: Any) -> Any:
    """Write a 10x folder."""
    return lambda folder: {"gex": write_10x_mtx(folder / name, sample, **how)}


def retype(old: str, new: str) -> Callable[[h5py.File], None]:
    """Give the features of one type another."""

    def change(file: h5py.File) -> None:
        kinds = file["matrix/features/feature_type"][()]
        del file["matrix/features/feature_type"]
        kinds = np.where(kinds == old.encode(), new.encode(), kinds.astype("S40"))
        file["matrix/features/feature_type"] = kinds

    return change


def rename(function: Callable[[str, str], str], *, ids: Callable[[str], str] = str) -> SyntheticSample:
    """Give the genes other names, made of id and name."""
    pairs = zip(GENES_ONLY.gene_ids, GENES_ONLY.gene_names, strict=True)
    return replace(
        GENES_ONLY,
        gene_names=np.array([function(i, n) for i, n in pairs], dtype=object),
        gene_ids=np.array([ids(i) for i in GENES_ONLY.gene_ids], dtype=object),
    )


def foreign_names(names: Callable[[int], str]) -> SyntheticSample:
    """Give the genes names by number, and the same as ids."""
    found = np.array([names(i) for i in range(N_GENES)], dtype=object)
    return replace(GENES_ONLY, gene_names=found, gene_ids=found)


def cells_by_genes(
    matrix: str, barcodes: str, features: str, lines: list[str], *, table: bool = False
) -> Any:
    """Write a matrix whose rows are cells, with its lists."""

    def make(folder: Path) -> Made:
        place = folder / "counts"
        place.mkdir()
        scipy.io.mmwrite(place / matrix, GENES_ONLY.counts, field="integer")
        head = ["bc_wells,sample"] if table else []
        (place / barcodes).write_text(
            "\n".join([*head, *(f"{b},s" if table else b for b in GENES_ONLY.barcodes)])
        )
        (place / features).write_text("\n".join(lines) + "\n")
        return {"gex": place}

    return make


def solo_em(folder: Path) -> Made:
    """STARsolo's matrix with reads of several genes shared out, beside the usual lists."""
    place = write_10x_mtx(folder / "raw", GENES_ONLY, compressed=False)
    (place / "matrix.mtx").unlink()
    soft = GENES_ONLY.counts.T.astype(float)
    soft.data = soft.data * np.random.default_rng(0).choice([1, 0.9314, 0.4876], soft.nnz, p=[0.8, 0.1, 0.1])
    scipy.io.mmwrite(place / "UniqueAndMult-EM.mtx", soft, precision=6)
    return {"gex": place / "UniqueAndMult-EM.mtx"}


def soft_mtx(folder: Path) -> Made:
    """A folder whose counts have fractions."""
    place = write_10x_mtx(folder / "soupx", GENES_ONLY, compressed=False)
    soft = GENES_ONLY.counts.T.astype(float)
    soft.data = np.round(soft.data * np.random.default_rng(0).uniform(0.8, 0.98, soft.nnz), 4)
    scipy.io.mmwrite(place / "matrix.mtx", soft, precision=6)
    return {"gex": place}


def cellbender(file: h5py.File) -> None:
    """Add what CellBender 0.3 writes beside the matrix."""
    file.create_group("droplet_latents")["cell_probability"] = np.ones(N_CELLS)
    file.create_group("global_latents")["ambient_expression"] = np.ones(N_GENES)
    file.create_group("metadata")["barcodes_analyzed_inds"] = np.arange(N_CELLS)


def with_empty_droplets() -> SyntheticSample:
    """Add droplets of one molecule: the raw matrix."""
    empty = sp.csr_matrix(
        (np.ones(200, int), (np.arange(200), np.arange(200))), shape=(200, N_GENES), dtype=np.int32
    )
    barcodes = [
        f"{'ACGT'[i % 4] * 8}{'ACGT'[i // 4 % 4] * 4}{'ACGT'[i // 16 % 4] * 2}{'ACGT'[i // 64]}A-1"
        for i in range(200)
    ]
    return SyntheticSample(
        sp.vstack([GENES_ONLY.counts, empty], format="csr"),
        np.concatenate([GENES_ONLY.barcodes, np.array(barcodes, dtype=object)]),
        GENES_ONLY.gene_names,
        GENES_ONLY.gene_ids,
        np.full(N_CELLS + 200, "", dtype=object),
        np.zeros((N_CELLS + 200, 0), np.int32),
        GENES_ONLY.antibody_names,
    )


def outs_folder(folder: Path) -> Made:
    """Name the folder above the one with the matrix."""
    write_10x_mtx(folder / "outs" / "filtered_feature_bc_matrix", GENES_ONLY)
    return {"gex": folder / "outs"}


def two_samples_in_one_folder(folder: Path) -> Made:
    """Two GEO samples, told apart by the beginnings of their names."""
    for name in ("GSM1_", "GSM2_"):
        inner = write_10x_mtx(folder / name, GENES_ONLY)
        for path in inner.iterdir():
            path.rename(folder / f"{name}{path.name}")
        inner.rmdir()
    return {"gex": folder}


def dense_table(folder: Path) -> Made:
    """A table of genes and cells."""
    table = pd.DataFrame(
        GENES_ONLY.counts.toarray(), index=GENES_ONLY.barcodes, columns=GENES_ONLY.gene_names
    )
    table.to_csv(folder / "counts.csv")
    return {"gex": folder / "counts.csv"}


def one_of_two(folder: Path) -> Made:
    """Name the matrix of one."""
    return {"gex": two_samples_in_one_folder(folder)["gex"] / "GSM2_matrix.mtx.gz"}


IDS_AND_NAMES = [f"{i}\t{n}" for i, n in zip(SAMPLE.gene_ids, SAMPLE.gene_names, strict=True)]
PARSE = [
    "gene_id,gene_name,genome",
    *(f"{i},{n},hg38" for i, n in zip(SAMPLE.gene_ids, SAMPLE.gene_names, strict=True)),
]
USA = [f"{i}{end}" for end in ("", "-U", "-A") for i in SAMPLE.gene_ids][:N_GENES]

ROWS = (
    Situation(
        "Cell Ranger 3 to 9",
        "`filtered_feature_bc_matrix.h5`",
        "Genes and antibodies are told apart by their feature type.",
        h5(),
        Read({**COUNTS, "proteins.n_proteins": 6}),
    ),
    Situation(
        "Cell Ranger 2",
        "`filtered_gene_bc_matrices_h5.h5`, one genome",
        "Read like version 3.",
        h5(GENES_ONLY, version=2),
        Read(COUNTS),
    ),
    Situation(
        "Cell Ranger multi",
        "`sample_filtered_feature_bc_matrix.h5`, guides",
        "Guides (CRISPR Guide Capture) are left out and counted in `matrix.other_features`.",
        h5(change=retype("Antibody Capture", "CRISPR Guide Capture")),
        Read({**COUNTS, "matrix.other_features": {"CRISPR Guide Capture": 6}}),
    ),
    Situation(
        "Cell Ranger multi",
        "the same with CMO tags",
        "Tags (Multiplexing Capture) are left out and counted.",
        h5(change=retype("Antibody Capture", "Multiplexing Capture")),
        Read({**COUNTS, "matrix.other_features": {"Multiplexing Capture": 6}}),
    ),
    Situation(
        "Cell Ranger multi",
        "the same with BEAM antigens",
        "Antigens (Antigen Capture) are left out and counted: they are no surface proteins.",
        h5(change=retype("Antibody Capture", "Antigen Capture")),
        Read({**COUNTS, "matrix.other_features": {"Antigen Capture": 6}}),
    ),
    Situation(
        "Cell Ranger ARC",
        "multiome `filtered_feature_bc_matrix.h5`",
        "Peaks are left out and counted.",
        h5(change=retype("Antibody Capture", "Peaks")),
        Read({**COUNTS, "matrix.other_features": {"Peaks": 6}}),
    ),
    Situation(
        "Cell Ranger",
        "antibodies alone in the `.h5`",
        "There are no genes to read.",
        h5(change=retype("Gene Expression", "Antibody Capture")),
        Refused("the file holds no gene expression"),
    ),
    Situation(
        "Cell Ranger",
        "`raw_feature_bc_matrix.h5`",
        "Empty droplets go by the quality thresholds, counted as too_few_genes.",
        h5(with_empty_droplets()),
        Read({"cells.input": N_CELLS + 200, "cells.kept": N_CELLS, "cells.removed.too_few_genes": 200}),
    ),
    Situation(
        "Cell Ranger 3 to 9",
        "`filtered_feature_bc_matrix/` (gzip)",
        "matrix, features and barcodes are read together.",
        mtx(),
        Read(COUNTS),
    ),
    Situation(
        "Cell Ranger 3 to 9",
        "the same with antibodies",
        "Told apart by the third column of features.tsv.",
        mtx(SAMPLE),
        Read({**COUNTS, "proteins.n_proteins": 6}),
    ),
    Situation(
        "Cell Ranger 2",
        "`hg19/` with genes.tsv",
        "Read like version 3.",
        mtx(name="hg19", version=2),
        Read(COUNTS),
    ),
    Situation(
        "GEO",
        "the three files unpacked by hand",
        "Plain files are as good as gzip.",
        mtx(compressed=False),
        Read(COUNTS),
    ),
    Situation(
        "GEO",
        "three files with line ends of Windows",
        "The carriage returns are no part of names.",
        mtx(compressed=False, line_end="\r\n"),
        Read(COUNTS),
    ),
    Situation(
        "GEO",
        "lists saved by Excel with a byte-order mark",
        "The mark is no part of the first name.",
        mtx(compressed=False, with_bom=True),
        Read(COUNTS),
    ),
    Situation(
        "GEO",
        "`matrix.mtx` sorted by gene",
        "Gathered in memory; the same counts.",
        mtx(sorted_by_cell=False),
        Read(COUNTS),
    ),
    Situation(
        "GEO",
        "two samples in one folder",
        "Which one is asked for.",
        two_samples_in_one_folder,
        Refused("the folder holds 2 matrices"),
    ),
    Situation(
        "GEO",
        "one of them by its matrix file",
        "The lists with the same beginning are taken.",
        one_of_two,
        Read(COUNTS),
    ),
    Situation(
        "Cell Ranger",
        "the folder `outs`",
        "The folder inside is named.",
        outs_folder,
        Refused("the folder holds no matrix.mtx"),
    ),
    Situation(
        "STARsolo",
        "`Solo.out/Gene/filtered/`",
        "Plain files of Cell Ranger's names.",
        mtx(name="filtered", compressed=False),
        Read(COUNTS),
    ),
    Situation(
        "STARsolo",
        "`raw/UniqueAndMult-EM.mtx`",
        "Counts with fractions are kept as they are (corrected_counts).",
        solo_em,
        Read(CORRECTED),
    ),
    Situation(
        "kallisto, bustools",
        "`counts_unfiltered/` of kb count",
        "Rows are cells; ids come from genes.txt.",
        cells_by_genes(
            "cells_x_genes.mtx",
            "cells_x_genes.barcodes.txt",
            "cells_x_genes.genes.txt",
            list(SAMPLE.gene_ids),
        ),
        Read(COUNTS),
    ),
    Situation(
        "alevin-fry",
        "`alevin/quants_mat.mtx`",
        "Rows are cells; ids come from quants_mat_cols.txt.",
        cells_by_genes("quants_mat.mtx", "quants_mat_rows.txt", "quants_mat_cols.txt", IDS_AND_NAMES),
        Read(COUNTS),
    ),
    Situation(
        "alevin-fry",
        "the same in USA mode",
        "Spliced and unspliced molecules stand apart: pyroe joins them.",
        cells_by_genes(
            "quants_mat.mtx",
            "quants_mat_rows.txt",
            "quants_mat_cols.txt",
            [f"{i}{e}" for i, e in zip(SAMPLE.gene_ids, ["", "-U", "-A"] * N_GENES, strict=False)],
        ),
        Refused("spliced, unspliced and ambiguous"),
    ),
    Situation(
        "Parse",
        "`DGE_filtered/` with DGE.mtx",
        "Rows are cells; names come from the two CSV files.",
        cells_by_genes("DGE.mtx", "cell_metadata.csv", "all_genes.csv", PARSE, table=True),
        Read(COUNTS),
    ),
    Situation(
        "Parse",
        "`DGE_filtered/` with count_matrix.mtx",
        "The same under its newer name.",
        cells_by_genes("count_matrix.mtx", "cell_metadata.csv", "all_genes.csv", PARSE, table=True),
        Read(COUNTS),
    ),
    Situation(
        "Parse",
        "DGE.mtx without cell_metadata.csv",
        "The missing file is named.",
        cells_by_genes("DGE.mtx", "cells.csv", "all_genes.csv", PARSE),
        Refused("cell_metadata.csv is missing"),
    ),
    Situation(
        "CellBender 0.3",
        "`output_filtered.h5`",
        "What is beside the matrix is passed over.",
        h5(GENES_ONLY, change=cellbender),
        Read(COUNTS),
    ),
    Situation(
        "SoupX",
        "folder written by write10xCounts, fractions",
        "Kept as they are (corrected_counts), never rounded.",
        soft_mtx,
        Read(CORRECTED),
    ),
    Situation(
        "DropletUtils",
        "write10xCounts with genes.tsv",
        "Read like Cell Ranger 2.",
        mtx(version=2, compressed=False),
        Read(COUNTS),
    ),
    Situation(
        "BD Rhapsody",
        "MEX folder, names `CD3D|NM_000732|Reference_end`",
        "The symbol inside the name is read.",
        mtx(rename(lambda _, n: f"{n}|NM_000001|Reference_end", ids=lambda _: "")),
        Read(COUNTS),
    ),
    Situation(
        "any aligner",
        "names `ENSG00000167286_CD3D`",
        "The id inside the name is read.",
        mtx(rename(lambda i, n: f"{i}_{n}", ids=lambda _: "")),
        Read(COUNTS),
    ),
    Situation(
        "any aligner",
        "ids with versions, `ENSG00000167286.9`",
        "The version is cut off.",
        mtx(rename(lambda i, _: f"{i}.9", ids=lambda i: f"{i}.9")),
        Read(COUNTS),
    ),
    Situation(
        "two species",
        "names `GRCh38_CD3D`",
        "The genome before the name is cut off.",
        mtx(rename(lambda _, n: f"GRCh38_{n}", ids=lambda i: f"GRCh38_{i}")),
        Read({**COUNTS, "genes.n_prefixed": N_GENES}),
    ),
    Situation(
        "a mouse sample",
        "names `Cd3d`",
        "Another species is named as the likely cause.",
        mtx(foreign_names(lambda i: f"Abc{i}")),
        Refused("another species"),
    ),
    Situation(
        "biomaRt",
        "Entrez ids",
        "Row numbers or Entrez ids are named as the likely cause.",
        mtx(foreign_names(lambda i: str(1000 + i))),
        Refused("Entrez ids"),
    ),
    Situation(
        "kallisto, salmon",
        "transcripts `ENST…` instead of genes",
        "Transcripts are named as the likely cause.",
        mtx(foreign_names(lambda i: f"ENST{i:011d}")),
        Refused("ids of transcripts"),
    ),
    Situation(
        "by hand",
        "table of cells and genes (`.csv`)",
        "A table of counts is no matrix file.",
        dense_table,
        Refused("not an HDF5 file but a text file"),
    ),
)
