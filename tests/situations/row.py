"""A row of the table of input situations, and the small real sample that its files are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

from contig_files import make_contig
from factories import MARKER_GENES, SyntheticSample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

N_CELLS = 30
_SAMPLES = Path(str(files("tcellflow"))) / "data" / "samples"
_PACKAGED = _SAMPLES / "trex_pt17_trimodal"
_CONTIG_COLUMNS = {
    "barcode": "cell_id",
    "contig_id": "sequence_id",
    "chain": "locus",
    "v_gene": "v_call",
    "d_gene": "d_call",
    "j_gene": "j_call",
    "c_gene": "c_call",
    "cdr3": "junction_aa",
    "cdr3_nt": "junction",
    "umis": "umi_count",
    "reads": "consensus_count",
}


@dataclass(frozen=True)
class Read:
    """The files are read.

    Parameters
    ----------
    figures
        Place in ``qc.json`` (parts joined by dots) to what stands there.
    told
        Words of a warning; empty: none is looked for.
    check
        Looks at the folder with the outputs.
    """

    figures: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""
    check: Callable[[Path], None] | None = None

    @property
    def word(self) -> str:
        """What the page says."""
        return "read, told" if self.told else "read"


@dataclass(frozen=True)
class Refused:
    """The files are refused with these words and this exit code."""

    words: str
    code: int = 66

    @property
    def word(self) -> str:
        """What the page says."""
        return f"refused ({self.code})"


@dataclass(frozen=True)
class Situation:
    """One row.

    Parameters
    ----------
    source
        Program or laboratory the files come from.
    given
        The files, as people have them.
    does
        What becomes of them, in one sentence.
    make
        Writes them into a folder and gives the options of preprocess, e.g. ``{"gex": path}``.
    outcome
        What is checked.
    """

    source: str
    given: str
    does: str
    make: Callable[[Path], Mapping[str, Any]]
    outcome: Read | Refused

    @property
    def name(self) -> str:
        """Name of the test."""
        return f"{self.source}: {self.given}"


def _read_ids() -> dict[str, str]:
    """Ensembl ids by symbol, of the packaged sample that has them."""
    with h5py.File(_SAMPLES / "tenx_healthy_T_1k" / "sample_filtered_feature_bc_matrix.h5") as file:
        features = file["matrix/features"]
        names, ids = (features[key][()].astype(str) for key in ("name", "id"))
    return dict(zip(names, ids, strict=True))


def _read_packaged() -> tuple[SyntheticSample, pd.DataFrame]:
    """Cut the packaged sample to some T cells with a pair, and to markers and the loudest genes."""
    with h5py.File(_PACKAGED / "sample_filtered_feature_bc_matrix.h5") as file:
        group = file["matrix"]
        matrix = sp.csc_matrix(
            (group["data"][()], group["indices"][()], group["indptr"][()]), shape=tuple(group["shape"][()])
        ).T.tocsr()
        barcodes = group["barcodes"][()].astype(str).astype(object)
        names, kinds = (
            group[f"features/{key}"][()].astype(str).astype(object) for key in ("name", "feature_type")
        )
    known = _read_ids()
    ids = np.array([known.get(name, "") for name in names], dtype=object)
    contigs = pd.read_csv(_PACKAGED / "filtered_contig_annotations.csv", dtype=object)
    contigs = contigs[contigs["productive"].str.lower() == "true"].fillna("")
    chains = contigs.groupby("barcode")["chain"].apply(sorted)
    pairs = chains.index[chains.map(lambda found: found == ["TRA", "TRB"])]
    rows = np.flatnonzero(np.isin(barcodes, pairs))[:N_CELLS]
    is_gene = (kinds == "Gene Expression") & (ids != "")
    is_first = ~pd.Series(names).duplicated().to_numpy()
    loud = np.asarray(matrix.sum(axis=0)).ravel() * (is_gene & is_first)
    chosen = np.isin(names, list(MARKER_GENES)) & is_gene & is_first
    chosen[np.argsort(-loud, kind="stable")[:500]] = True
    genes, proteins = np.flatnonzero(chosen), np.flatnonzero(kinds == "Antibody Capture")[:6]
    counts = sp.csr_matrix(matrix[rows][:, genes], dtype=np.int32)
    counts.sort_indices()
    sample = SyntheticSample(
        counts=counts,
        barcodes=barcodes[rows],
        gene_names=names[genes],
        gene_ids=ids[genes],
        classes=np.full(len(rows), "CD8 T", dtype=object),
        antibody_counts=matrix[rows][:, proteins].toarray().astype(np.int32),
        antibody_names=names[proteins],
    )
    table = contigs[contigs["barcode"].isin(barcodes[rows])].rename(columns=_CONTIG_COLUMNS)
    table = table[list(_CONTIG_COLUMNS.values())]
    table = table.assign(umi_count=table["umi_count"].astype(int), consensus_count=100)
    table = table.assign(productive=True, is_cell=True, high_confidence=True)
    return sample, table[list(make_contig())].reset_index(drop=True)


SAMPLE, CONTIGS = _read_packaged()
# of one sample with antibodies and without
GENES_ONLY = SyntheticSample(
    **{
        **vars(SAMPLE),
        "antibody_counts": SAMPLE.antibody_counts[:, :0],
        "antibody_names": SAMPLE.antibody_names[:0],
    }
)
