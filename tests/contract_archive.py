"""Write the archived files of contract versions that are not archived yet.

    python tests/contract_archive.py

Run once when a contract gets a new version, and commit what it writes; archived files are never
written again, for they prove that old versions stay readable. The content is an excerpt of the
packaged sample trex_pt17_trimodal (24 cells, the genes of the states bundle; MIT, Trex).
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.resources import files
from pathlib import Path

import scanpy as sc

from tcellflow.contracts.cells import ANNDATA_CONTRACTS
from tcellflow.contracts.documents import DOCUMENTS
from tcellflow.contracts.tables import TABLES
from tcellflow.io.bundles.folders import find_bundle, read_bundle
from tcellflow.pipeline import RunOptions, run_sample
from tcellflow.steps.describe.annotate import annotate
from tcellflow.steps.describe.options import AnnotateOptions, VerifyOptions
from tcellflow.steps.describe.verify import verify
from tcellflow.steps.embed_tcr import EmbedTcrOptions
from tcellflow.steps.fuse import FuseOptions, fuse
from tcellflow.steps.predict import CallOptions, PredictOptions
from tcellflow.steps.preprocess import PreprocessOptions

ARCHIVE = Path(__file__).parent / "contracts" / "archive"
SAMPLE = files("tcellflow") / "data/samples/trex_pt17_trimodal"
N_CELLS = 24
FILE_OF = {"fused_cells": "fused"}  # contracts whose files bear another name


def archived_path(name: str, version: int) -> Path:
    """Give the place of one archived file."""
    endings = {c.name: "h5ad" for c in ANNDATA_CONTRACTS} | {c.contract: "json" for c in DOCUMENTS}
    ending = endings.get(name, "parquet")
    return ARCHIVE / f"{name}-{version}.{ending}"


def main() -> None:
    """Run all steps on the excerpt and keep the files whose version is new."""
    current = [(c.name, c.version) for c in (*TABLES, *ANNDATA_CONTRACTS)]
    current += [(c.contract, c.version) for c in DOCUMENTS]
    wanted = [contract for contract in current if not archived_path(*contract).exists()]
    if not wanted:
        return
    ARCHIVE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cells = sc.read_10x_h5(str(SAMPLE / "sample_filtered_feature_bc_matrix.h5"), gex_only=True)
        cells.var_names_make_unique()
        panel = set(read_bundle(find_bundle("states-linear")).panel.symbols)
        cells = cells[:N_CELLS, [name in panel or name.startswith("MT-") for name in cells.var_names]].copy()
        cells.write_h5ad(folder / "excerpt.h5ad")
        contigs = Path(str(SAMPLE / "filtered_contig_annotations.csv"))
        options = PreprocessOptions(
            output=folder,
            prefix="archive",
            gex=folder / "excerpt.h5ad",
            tcr=(contigs,),
            allow_low_overlap=True,
        )
        predicted = PredictOptions(
            cells=folder,
            output=folder,
            prefix="archive",
            calls=CallOptions(pool_lineage=True),
            evidence_genes=2,
        )
        embedded = EmbedTcrOptions((), folder, "archive", backend="kmer", neighbours=3)
        run_sample(RunOptions(options, embed_tcr=embedded, predict=predicted, keep_cells=True))
        fuse(FuseOptions(folder / "archive.cells.h5ad", folder, "archive"))
        cells = folder / "archive.cells.h5ad"
        annotate(AnnotateOptions(cells=cells, output=folder, prefix="archive"))
        text = folder / "archive.descriptions.md"
        verify(VerifyOptions(text=text, cells=cells, output=folder, prefix="archive"))
        for name, version in wanted:
            target = archived_path(name, version)
            shutil.copyfile(folder / f"archive.{FILE_OF.get(name, name)}{target.suffix}", target)


if __name__ == "__main__":
    main()
