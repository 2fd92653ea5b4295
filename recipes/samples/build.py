"""Build the samples that ship in the package from their public sources.

Invariant: the same sources give the same bytes. Counts are written as Cell Ranger writes them
(`filtered_feature_bc_matrix.h5`, layout 3: genes x cells, compressed by column, so that the
values of one cell lie together); nothing is added that the source does not hold.

Usage: ``python -m recipes.samples.build SOURCES [OUTPUT]``, where SOURCES holds
``tenx_healthy_T_1k/`` and ``trex_pt17_trimodal/``.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

PACKAGED = Path(__file__).parents[2] / "tcellflow" / "data" / "samples"
MATRIX = "sample_filtered_feature_bc_matrix.h5"
CONTIGS = "filtered_contig_annotations.csv"
_CHUNK = 80_000  # values per compressed chunk

CONTIG_COLUMNS = (
    "barcode",
    "is_cell",
    "contig_id",
    "high_confidence",
    "length",
    "chain",
    "v_gene",
    "d_gene",
    "j_gene",
    "c_gene",
    "full_length",
    "productive",
    "cdr3",
    "cdr3_nt",
    "reads",
    "umis",
    "raw_clonotype_id",
    "raw_consensus_id",
)


@dataclass(frozen=True)
class Features:
    """The rows of a 10x matrix: ids, names, types and genomes of equal length."""

    ids: list[str]
    names: list[str]
    types: list[str]
    genomes: list[str]


@dataclass(frozen=True)
class FileNotes:
    """The attributes of a 10x matrix file."""

    library: str
    chemistry: str
    software: str


def write_matrix(
    path: Path, counts: sparse.csr_matrix, barcodes: list[str], features: Features, notes: FileNotes
) -> None:
    """Write counts in the 10x HDF5 layout 3.

    Parameters
    ----------
    path
        File to write.
    counts
        Cells x features, whole numbers.
    barcodes, features
        Names of rows and columns.
    notes
        What the file says about itself.
    """
    counts = sparse.csr_matrix(counts)
    counts.sort_indices()
    with h5py.File(path, "w") as handle:
        handle.attrs["chemistry_description"] = np.bytes_(notes.chemistry)
        handle.attrs["filetype"] = np.bytes_("matrix")
        handle.attrs["library_ids"] = np.array([notes.library], dtype="S")
        handle.attrs["original_gem_groups"] = np.array([1], dtype=np.int64)
        handle.attrs["software_version"] = np.bytes_(notes.software)
        handle.attrs["version"] = np.int64(2)
        matrix = handle.create_group("matrix")
        _write_dataset(matrix, "barcodes", np.array(barcodes, dtype="S"))
        # A csr matrix of cells x features is byte for byte the csc matrix of features x cells.
        _write_dataset(matrix, "data", counts.data.astype(np.int32))
        _write_dataset(matrix, "indices", counts.indices.astype(np.int64))
        _write_dataset(matrix, "indptr", counts.indptr.astype(np.int64))
        _write_dataset(matrix, "shape", np.array([counts.shape[1], counts.shape[0]], dtype=np.int32))
        group = matrix.create_group("features")
        _write_dataset(group, "_all_tag_keys", np.array(["genome"], dtype="S"))
        _write_dataset(group, "feature_type", np.array(features.types, dtype="S"))
        _write_dataset(group, "genome", np.array(features.genomes, dtype="S"))
        _write_dataset(group, "id", np.array(features.ids, dtype="S"))
        _write_dataset(group, "name", np.array(features.names, dtype="S"))


def _write_dataset(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.create_dataset(
        name,
        data=values,
        chunks=(min(_CHUNK, max(1, len(values))),),
        compression="gzip",
        compression_opts=9,
        shuffle=True,
        track_times=False,
    )


def _names_of_the_vendor(names: list[str]) -> list[str]:
    """Undo what anndata's var_names_make_unique did to the ten genes that share a name with another."""
    known = set(names)
    return [stem if name.endswith("-1") and (stem := name[:-2]) in known else name for name in names]


def build_healthy_t_cells(source: Path, folder: Path) -> None:
    """Write tenx_healthy_T_1k: all 1,137 cells, and the contig table as the vendor published it.

    Parameters
    ----------
    source, folder
        Folder read and folder written.
    """
    cells = ad.read_h5ad(source / "counts.h5ad")
    features = Features(
        ids=cells.var["gene_ids"].tolist(),
        names=_names_of_the_vendor(cells.var_names.tolist()),
        types=cells.var["feature_types"].tolist(),
        genomes=cells.var["genome"].tolist(),
    )
    notes = FileNotes("sc5p_v2_hs_T_1k_multi_5gex_t", "Single Cell 5' R2-only", "cellranger-5.0.0")
    write_matrix(folder / MATRIX, cells.X, cells.obs_names.tolist(), features, notes)
    shutil.copyfile(source / CONTIGS, folder / CONTIGS)


def build_trimodal(source: Path, folder: Path) -> None:
    """Write trex_pt17_trimodal: genes and antibodies in one matrix, contigs in 10x words.

    The source has gene symbols only, so the symbol stands as the feature id too (as other
    writers of the format do); antibodies get the suffix of their reagent line, which keeps
    ids unique (CD4 is a gene and an antibody).

    Parameters
    ----------
    source, folder
        Folder read and folder written.
    """
    cells = ad.read_h5ad(source / "counts.h5ad")
    proteins = pd.read_parquet(source / "proteins.parquet").loc[cells.obs_names]
    genes, antibodies = cells.var_names.tolist(), proteins.columns.tolist()
    features = Features(
        ids=genes + [f"{name}_TotalSeqC" for name in antibodies],
        names=genes + antibodies,
        types=["Gene Expression"] * len(genes) + ["Antibody Capture"] * len(antibodies),
        genomes=["GRCh38"] * len(genes) + [""] * len(antibodies),
    )
    both = sparse.hstack([cells.X, sparse.csr_matrix(proteins.to_numpy(np.int32))], format="csr")
    barcodes = [_strip_patient(name) for name in cells.obs_names]
    order = np.argsort(barcodes)
    notes = FileNotes("Pt17", "Single Cell 5'", "cellranger")
    write_matrix(folder / MATRIX, both[order], [barcodes[i] for i in order], features, notes)
    _write_contigs(source / "tcr.airr.tsv.gz", folder / CONTIGS)


def _strip_patient(cell: str) -> str:
    return cell.removeprefix("Pt17_")


def _write_contigs(airr: Path, path: Path) -> None:
    with gzip.open(airr, "rt", encoding="utf-8") as handle:
        rows = [_as_contig(row) for row in csv.DictReader(handle, delimiter="\t")]
    rows.sort(key=lambda row: (row["barcode"], row["contig_id"]))
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, CONTIG_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _as_contig(row: dict[str, str]) -> dict[str, str]:
    barcode = _strip_patient(row["cell_id"])
    return {
        "barcode": barcode,
        "is_cell": "true",
        "contig_id": f"{barcode}_contig_{1 if row['locus'] == 'TRA' else 2}",
        "high_confidence": "true",
        "length": "",  # the source tells neither length nor clonotype
        "chain": row["locus"],
        "v_gene": row["v_call"],
        "d_gene": row["d_call"],
        "j_gene": row["j_call"],
        "c_gene": row["c_call"],
        "full_length": "true",
        "productive": row["productive"].lower(),
        "cdr3": row["junction_aa"],
        "cdr3_nt": row["junction"],
        "reads": row["consensus_count"],
        "umis": row["duplicate_count"],
        "raw_clonotype_id": "",
        "raw_consensus_id": "",
    }


BUILDERS = {"tenx_healthy_T_1k": build_healthy_t_cells, "trex_pt17_trimodal": build_trimodal}


def build_samples(sources: Path, output: Path) -> list[Path]:
    """Build every packaged sample.

    Parameters
    ----------
    sources
        Folder that holds one folder per source data set.
    output
        Folder to write to; one folder per sample.

    Returns
    -------
    list of pathlib.Path
        The files, in name order.
    """
    for name, build in BUILDERS.items():
        folder = output / name
        folder.mkdir(parents=True, exist_ok=True)
        build(sources / name, folder)
    return sorted(path for name in BUILDERS for path in (output / name).iterdir())


def main() -> None:
    """Read the arguments, build, print the digests for PROVENANCE.toml."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sources", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=PACKAGED)
    arguments = parser.parse_args()
    for path in build_samples(arguments.sources, arguments.output):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"{digest}  {path.relative_to(arguments.output)}  {path.stat().st_size}")


if __name__ == "__main__":
    main()
