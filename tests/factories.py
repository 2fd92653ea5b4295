"""Makers of all synthetic test data: seeded, small, shaped like the real files.

Invariant: the same arguments give the same data; nothing here reads a file or the network.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

if TYPE_CHECKING:
    from pathlib import Path

# Gene -> (Ensembl id, cell classes that express it; "all" = every class).
_T = ("CD4 T", "CD8 T")
_EVERY = ("CD4 T", "CD8 T", "B", "monocyte")
MARKER_GENES: dict[str, tuple[str, tuple[str, ...]]] = {
    "CD3D": ("ENSG00000167286", _T),
    "CD3E": ("ENSG00000198851", _T),
    "CD3G": ("ENSG00000160654", _T),
    "TRAC": ("ENSG00000277734", _T),
    "TRBC1": ("ENSG00000211751", _T),
    "TRBC2": ("ENSG00000211772", _T),
    "TRDC": ("ENSG00000211829", ()),
    "TRGC1": ("ENSG00000211689", ()),
    "TRGC2": ("ENSG00000227191", ()),
    "CD4": ("ENSG00000010610", ("CD4 T",)),
    "CD8A": ("ENSG00000153563", ("CD8 T",)),
    "CD8B": ("ENSG00000172116", ("CD8 T",)),
    "CCR7": ("ENSG00000126353", ("CD4 T",)),
    "SELL": ("ENSG00000188404", ("CD4 T",)),
    "LEF1": ("ENSG00000138795", ("CD4 T",)),
    "TCF7": ("ENSG00000081059", ("CD4 T",)),
    "IL7R": ("ENSG00000168685", ("CD4 T",)),
    "FOXP3": ("ENSG00000049768", ()),
    "IL2RA": ("ENSG00000134460", ()),
    "CTLA4": ("ENSG00000163599", ()),
    "GZMA": ("ENSG00000145649", ("CD8 T",)),
    "GZMB": ("ENSG00000100453", ("CD8 T",)),
    "GZMK": ("ENSG00000113088", ("CD8 T",)),
    "PRF1": ("ENSG00000180644", ("CD8 T",)),
    "NKG7": ("ENSG00000105374", ("CD8 T",)),
    "GNLY": ("ENSG00000115523", ()),
    "CCL5": ("ENSG00000271503", ("CD8 T",)),
    "PDCD1": ("ENSG00000188389", ()),
    "HAVCR2": ("ENSG00000135077", ()),
    "LAG3": ("ENSG00000089692", ()),
    "TOX": ("ENSG00000198846", ()),
    "TIGIT": ("ENSG00000181847", ()),
    "MKI67": ("ENSG00000148773", ()),
    "TOP2A": ("ENSG00000131747", ()),
    "CD40LG": ("ENSG00000102245", ("CD4 T",)),
    "TRAV1-2": ("ENSG00000256553", ()),
    "TRBV20-1": ("ENSG00000211747", _T),
    "CD79A": ("ENSG00000105369", ("B",)),
    "CD79B": ("ENSG00000007312", ("B",)),
    "MS4A1": ("ENSG00000156738", ("B",)),
    "CD19": ("ENSG00000177455", ("B",)),
    "IGKC": ("ENSG00000211592", ("B",)),
    "JCHAIN": ("ENSG00000132465", ()),
    "LYZ": ("ENSG00000090382", ("monocyte",)),
    "CD14": ("ENSG00000170458", ("monocyte",)),
    "FCGR3A": ("ENSG00000203747", ()),
    "S100A8": ("ENSG00000143546", ("monocyte",)),
    "CST3": ("ENSG00000101439", ("monocyte",)),
    "NCAM1": ("ENSG00000149294", ()),
    "KLRD1": ("ENSG00000134539", ()),
    "KLRF1": ("ENSG00000150045", ()),
    "TYROBP": ("ENSG00000011600", ("monocyte",)),
    "FCER1G": ("ENSG00000158869", ("monocyte",)),
    "HBA1": ("ENSG00000206172", ()),
    "HBB": ("ENSG00000244734", ()),
    "PPBP": ("ENSG00000163736", ()),
    "MT-CO1": ("ENSG00000198804", _EVERY),
    "MT-CO2": ("ENSG00000198712", _EVERY),
    "MT-ND1": ("ENSG00000198888", _EVERY),
    "MT-ND4": ("ENSG00000198886", _EVERY),
    "MT-CYB": ("ENSG00000198727", _EVERY),
    "RPL3": ("ENSG00000100316", _EVERY),
    "RPS6": ("ENSG00000137154", _EVERY),
    "MALAT1": ("ENSG00000251562", _EVERY),
    "B2M": ("ENSG00000166710", _EVERY),
    "ACTB": ("ENSG00000075624", _EVERY),
    "GAPDH": ("ENSG00000111640", _EVERY),
}
ANTIBODIES = (
    "CD3_TotalSeqC",
    "CD4_TotalSeqC",
    "CD8a_TotalSeqC",
    "CD45RA_TotalSeqC",
    "IgG1_control_TotalSeqC",
)
# Share of the classes among the cells; most are T cells, as in a T-cell experiment.
_CLASS_SHARES = {"CD4 T": 0.45, "CD8 T": 0.35, "B": 0.1, "monocyte": 0.1}


@dataclass(frozen=True)
class SyntheticSample:
    """One sample: gene counts, and antibody counts where asked for.

    Parameters
    ----------
    counts
        int32 CSR (cells, genes), sorted indices, no stored zeros.
    barcodes, gene_names, gene_ids
        Object arrays of str.
    classes
        The class each cell was drawn from: "CD4 T", "CD8 T", "B" or "monocyte".
    antibody_counts
        int32 (cells, antibodies); no columns without antibodies.
    antibody_names
        Names of the antibodies.
    """

    counts: sp.csr_matrix
    barcodes: np.ndarray
    gene_names: np.ndarray
    gene_ids: np.ndarray
    classes: np.ndarray
    antibody_counts: np.ndarray
    antibody_names: np.ndarray

    def rows(self, keep: np.ndarray) -> SyntheticSample:
        """The sample cut to some cells (boolean mask or indices)."""
        return replace(
            self,
            counts=self.counts[keep],
            barcodes=self.barcodes[keep],
            classes=self.classes[keep],
            antibody_counts=self.antibody_counts[keep],
        )


def make_barcodes(n_cells: int, *, seed: int = 0, suffix: str = "-1") -> np.ndarray:
    """Distinct 16-letter 10x barcodes."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n_cells:
        found["".join(rng.choice(list("ACGT"), 16)) + suffix] = None
    return np.array(list(found), dtype=object)


def make_counts(
    n_cells: int = 60,
    n_genes: int = 300,
    *,
    seed: int = 0,
    antibodies: tuple[str, ...] = (),
    barcodes: np.ndarray | None = None,
) -> SyntheticSample:
    """Draw Poisson counts of T cells, B cells and monocytes.

    The first genes are `MARKER_GENES` (as many as fit), the rest are named SYN0001 ….
    Markers have a mean of 6 counts in the classes that express them and 0 elsewhere; the other
    genes have class-free means that give about 10 % non-zeros.
    """
    rng = np.random.default_rng(seed)
    markers = list(MARKER_GENES.items())[:n_genes]
    n_filler = n_genes - len(markers)
    names = [name for name, _ in markers] + [f"SYN{i:04d}" for i in range(1, n_filler + 1)]
    ids = [gene_id for _, (gene_id, _) in markers] + [f"ENSG{99_000_000 + i:011d}" for i in range(n_filler)]
    shares = list(_CLASS_SHARES.values())
    classes = rng.choice(list(_CLASS_SHARES), size=n_cells, p=shares).astype(object)
    means = np.zeros((n_cells, n_genes))
    for column, (_, (_, expressed_in)) in enumerate(markers):
        means[np.isin(classes, expressed_in), column] = 6.0
    means[:, len(markers) :] = rng.gamma(0.2, 0.5, size=n_filler)
    counts = sp.csr_matrix(rng.poisson(means).astype(np.int32))
    panel = np.array(antibodies, dtype=object)
    return SyntheticSample(
        counts=counts,
        barcodes=make_barcodes(n_cells, seed=seed) if barcodes is None else barcodes,
        gene_names=np.array(names, dtype=object),
        gene_ids=np.array(ids, dtype=object),
        classes=classes,
        antibody_counts=rng.negative_binomial(2, 0.02, size=(n_cells, len(panel))).astype(np.int32),
        antibody_names=panel,
    )


def _all_features(sample: SyntheticSample) -> tuple[sp.csr_matrix, list[str], list[str], list[str]]:
    """Genes followed by antibodies, as Cell Ranger writes them: matrix, ids, names, types."""
    antibodies = list(sample.antibody_names)
    matrix = sp.hstack([sample.counts, sp.csr_matrix(sample.antibody_counts)], format="csr", dtype=np.int32)
    ids = [*sample.gene_ids, *(name.removesuffix("_TotalSeqC") for name in antibodies)]
    types = ["Gene Expression"] * len(sample.gene_ids) + ["Antibody Capture"] * len(antibodies)
    return matrix, ids, [*sample.gene_names, *antibodies], types


def write_10x_h5(
    path: Path, sample: SyntheticSample, *, version: Literal[2, 3] = 3, genome: str = "GRCh38"
) -> Path:
    """Write a 10x HDF5 matrix; antibodies of the sample go in as 'Antibody Capture' (version 3 only)."""
    matrix, ids, names, types = _all_features(sample)
    if version == 2 and len(sample.antibody_names):
        message = "Cell Ranger 2 knew no antibodies"
        raise ValueError(message)
    matrix.sort_indices()
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else genome)

        def store(name: str, values: object) -> None:
            array = np.asarray(values)
            group.create_dataset(name, data=array, compression="gzip" if array.size else None)

        store("barcodes", sample.barcodes.astype("S"))
        store("data", matrix.data)
        store("indices", matrix.indices.astype(np.int64))
        store("indptr", matrix.indptr.astype(np.int64))
        store("shape", np.array([matrix.shape[1], matrix.shape[0]], dtype=np.int32))
        if version == 2:
            store("genes", np.array(ids, dtype="S"))
            store("gene_names", np.array(names, dtype="S"))
            return path
        file.attrs["filetype"] = "matrix"
        file.attrs["version"] = 2
        store("features/_all_tag_keys", np.array([b"genome"]))
        store("features/id", np.array(ids, dtype="S"))
        store("features/name", np.array(names, dtype="S"))
        store("features/feature_type", np.array(types, dtype="S"))
        store(
            "features/genome",
            np.array([genome if kind == "Gene Expression" else "" for kind in types], dtype="S"),
        )
    return path


def write_10x_mtx(
    folder: Path,
    sample: SyntheticSample,
    *,
    version: Literal[2, 3] = 3,
    compressed: bool | None = None,
    line_end: str = "\n",
    with_bom: bool = False,
    sorted_by_cell: bool = True,
) -> Path:
    """Write a 10x mtx folder: genes.tsv (2) or features.tsv (3), gzipped from version 3 on unless told."""
    folder.mkdir(parents=True, exist_ok=True)
    matrix, ids, names, types = _all_features(sample)
    compressed = version == 3 if compressed is None else compressed
    entries = matrix.tocoo()
    order = (
        np.lexsort((entries.col, entries.row)) if sorted_by_cell else np.lexsort((entries.row, entries.col))
    )
    lines = [
        "%%MatrixMarket matrix coordinate integer general",
        '%metadata_json: {"software_version": "synthetic", "format_version": 2}',
        f"{matrix.shape[1]} {matrix.shape[0]} {matrix.nnz}",
        *(
            f"{gene + 1} {cell + 1} {value}"
            for cell, gene, value in zip(
                entries.row[order], entries.col[order], entries.data[order], strict=True
            )
        ),
    ]
    features = (
        [f"{i}\t{n}\t{t}" for i, n, t in zip(ids, names, types, strict=True)]
        if version == 3
        else [f"{i}\t{n}" for i, n in zip(ids, names, strict=True)]
    )
    _write_lines(folder / "matrix.mtx", lines, compressed=compressed, line_end=line_end)
    bom = "\ufeff" if with_bom else ""
    feature_file = folder / ("features.tsv" if version == 3 else "genes.tsv")
    _write_lines(feature_file, features, compressed=compressed, line_end=line_end, start=bom)
    _write_lines(
        folder / "barcodes.tsv", list(sample.barcodes), compressed=compressed, line_end=line_end, start=bom
    )
    return folder


def _write_lines(path: Path, lines: list[str], *, compressed: bool, line_end: str, start: str = "") -> None:
    text = (start + "".join(line + line_end for line in lines)).encode()
    if not compressed:
        path.write_bytes(text)
        return
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as handle:
        handle.write(text)
    path.with_name(path.name + ".gz").write_bytes(buffer.getvalue())


def log_normalised(counts: sp.csr_matrix, *, total: float = 1e4) -> sp.csr_matrix:
    """log1p of counts per `total`, float32; empty cells stay empty."""
    sums = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    scaled = sp.csr_matrix(counts, dtype=np.float64)
    scaled.data *= np.repeat(total / np.where(sums == 0, 1, sums), np.diff(counts.indptr))
    scaled.data = np.log1p(scaled.data)
    return scaled.astype(np.float32)


def make_anndata(
    sample: SyntheticSample,
    *,
    counts_in: Literal["X", "layers", "raw", "nowhere"] = "X",
    layout: Literal["csr", "csc", "dense"] = "csr",
    antibody_key: str = "protein",
    obs: pd.DataFrame | None = None,
) -> ad.AnnData:
    """The sample as AnnData; X is log-normalised wherever the counts lie elsewhere.

    The cells' classes are in obs["class"], antibodies (if any) in obsm[antibody_key].
    """
    counts = _as_layout(sample.counts, layout)
    names = pd.Index(sample.gene_names.astype(str))
    var = pd.DataFrame({"gene_ids": sample.gene_ids.astype(str)}, index=names)
    own_obs = pd.DataFrame(
        {"class": pd.Categorical(sample.classes.astype(str))}, index=sample.barcodes.astype(str)
    )
    table = own_obs if obs is None else obs.set_axis(own_obs.index)
    if counts_in == "raw":
        adata = ad.AnnData(counts, obs=table, var=var)
        adata.raw = adata.copy()
        adata.X = _as_layout(log_normalised(sample.counts), layout)
    else:
        x = counts if counts_in == "X" else _as_layout(log_normalised(sample.counts), layout)
        adata = ad.AnnData(x, obs=table, var=var)
    if counts_in == "layers":
        adata.layers["counts"] = counts
    if len(sample.antibody_names):
        adata.obsm[antibody_key] = pd.DataFrame(
            sample.antibody_counts, index=adata.obs_names, columns=sample.antibody_names.astype(str)
        )
    return adata


def _as_layout(matrix: sp.csr_matrix, layout: str) -> sp.csr_matrix | sp.csc_matrix | np.ndarray:
    return {"csr": matrix.copy, "csc": matrix.tocsc, "dense": matrix.toarray}[layout]()


def write_h5ad(
    path: Path,
    sample: SyntheticSample,
    *,
    counts_in: Literal["X", "layers", "raw", "nowhere"] = "X",
    layout: Literal["csr", "csc", "dense"] = "csr",
    antibody_key: str = "protein",
    obs: pd.DataFrame | None = None,
    compression: Literal["gzip", "lzf"] | None = None,
) -> Path:
    """Write the sample as h5ad; see `make_anndata`."""
    adata = make_anndata(sample, counts_in=counts_in, layout=layout, antibody_key=antibody_key, obs=obs)
    adata.write_h5ad(path, compression=compression)
    return path


def write_h5mu(path: Path, sample: SyntheticSample, *, gex: str = "gex", prot: str = "prot") -> Path:
    """Write expression and antibodies of the sample as two modalities of a MuData file."""
    import mudata as md  # noqa: PLC0415 (a second of imports that few tests need)

    adata = make_anndata(sample)
    adata.obsm.clear()
    proteins = ad.AnnData(
        sp.csr_matrix(sample.antibody_counts),
        obs=pd.DataFrame(index=adata.obs_names),
        var=pd.DataFrame(index=pd.Index(sample.antibody_names.astype(str))),
    )
    with md.set_options(pull_on_update=False):
        md.MuData({gex: adata, prot: proteins}).write(path)
    return path


def make_cells_obs(sample: SyntheticSample, *, sample_id: str = "s1", donor: str = "d1") -> pd.DataFrame:
    """The obs columns of a valid cells file: T cells by class, every second one with one clone's receptor."""
    n_cells = len(sample.barcodes)
    is_t = np.isin(sample.classes, _T)
    has_pair = is_t & (np.arange(n_cells) % 2 == 0)
    is_mt = np.array([str(name).startswith("MT-") for name in sample.gene_names])
    totals = np.asarray(sample.counts.sum(axis=1)).ravel()
    mt_totals = np.asarray(sample.counts[:, is_mt].sum(axis=1)).ravel()
    return pd.DataFrame(
        {
            "sample_id": sample_id,
            "donor": donor,
            "total_counts": totals.astype(np.int64),
            "n_genes_by_counts": np.diff(sample.counts.indptr).astype(np.int32),
            "pct_counts_mt": (100 * mt_totals / np.maximum(totals, 1)).astype(np.float32),
            "is_t_cell": is_t,
            "t_cell_evidence": np.where(has_pair, "both", np.where(is_t, "genes", "against")),
            "other_lineage": np.where(is_t, "", sample.classes),
            "doublet_suspect": False,
            "doublet_evidence": "",
            "has_tra": has_pair,
            "has_trb": has_pair,
            "chain_pairing": np.where(has_pair, "single pair", "no IR"),
            "receptor_type": np.where(has_pair, "TCR", "no IR"),
            "receptor_subtype": np.where(has_pair, "TRA+TRB", "no IR"),
            "clone_id": np.where(has_pair, f"{donor}-clone1", None),
            "clone_size": np.where(has_pair, has_pair.sum(), 0).astype(np.int32),
        },
        index=pd.Index(sample.barcodes.astype(str)),
    )


def write_cells_file(path: Path, sample: SyntheticSample, obs: pd.DataFrame | None = None) -> Path:
    """Write a valid cells file of all cells of the sample, as preprocess would."""
    from tcellflow.io.h5ad.cells_writer import write_cells  # noqa: PLC0415 (so that a broken writer fails its tests alone)
    from tcellflow.provenance import StepNote  # noqa: PLC0415

    var = pd.DataFrame(
        {"gene_ids": sample.gene_ids, "gene_name_raw": sample.gene_names}, index=pd.Index(sample.gene_names)
    )
    with write_cells(path, var) as writer:
        for start in range(0, len(sample.barcodes), 1024):
            writer.append_counts(sample.counts[start : start + 1024])
        table = make_cells_obs(sample) if obs is None else obs
        tables = {}
        if len(sample.antibody_names):
            names = sample.antibody_names.astype(str)
            tables["adt_counts"] = pd.DataFrame(sample.antibody_counts, index=table.index, columns=names)
        writer.finish(table, note=StepNote("preprocess"), obsm=tables)
    return path


class InBlocks:
    """A matrix source that streams in blocks of another height than the usual."""

    def __init__(self, source: object, n_rows: int) -> None:
        self._source, self._n_rows = source, n_rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def blocks(self) -> object:
        """Stream the matrix in the chosen blocks."""
        return self._source.blocks(self._n_rows)
