"""What files say of each other: antibodies beside genes, cell names, donors of demultiplexing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from contig_files import as_10x, write_table
from factories import make_anndata, write_10x_h5, write_h5ad
from situations.row import CONTIGS, GENES_ONLY, N_CELLS, SAMPLE, Read, Refused, Situation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Made = dict[str, Any]
TENX = as_10x(CONTIGS)
BARCODES = list(SAMPLE.barcodes)
SHARED = {"receptors.barcodes.n_shared": N_CELLS}
PROTEINS = {"proteins.n_proteins": 6}
ADT = pd.DataFrame(SAMPLE.antibody_counts, index=BARCODES, columns=list(SAMPLE.antibody_names))


def antibodies(frame: pd.DataFrame, name: str = "adt.csv", sep: str = ",") -> Callable[[Path], Made]:
    """Write a table of antibody counts beside the matrix."""

    def make(folder: Path) -> Made:
        path = folder / name
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        else:
            frame.to_csv(path, sep=sep)
        return {"gex": write_10x_h5(folder / "sample.h5", GENES_ONLY), "adt": path}

    return make


def names(
    of_matrix: Callable[[str], str], of_tcr: Callable[[str], str] = str, **options: Any
) -> Callable[[Path], Made]:
    """Spell the cells of matrix and receptors differently."""

    def make(folder: Path) -> Made:
        adata = make_anndata(GENES_ONLY)
        adata.obs_names = [of_matrix(name) for name in BARCODES]
        adata.write_h5ad(folder / "sample.h5ad")
        table = TENX.assign(barcode=[of_tcr(str(name)) for name in TENX["barcode"]])
        return {"gex": folder / "sample.h5ad", "tcr": write_table(folder / "tcr.csv", table), **options}

    return make


def donors(column: str, values: list[Any], **options: Any) -> Callable[[Path], Made]:
    """Name donors in obs."""

    def make(folder: Path) -> Made:
        obs = pd.DataFrame({column: values})
        path = write_h5ad(folder / "sample.h5ad", GENES_ONLY, obs=obs)
        return {"gex": path, "tcr": write_table(folder / "tcr.csv", TENX), **options}

    return make


def foreign(folder: Path) -> Made:
    """Receptors of another sample."""
    swapped = TENX.assign(barcode=[name.translate(str.maketrans("ACGT", "TGCA")) for name in TENX["barcode"]])
    gex = write_10x_h5(folder / "sample.h5", GENES_ONLY)
    return {"gex": gex, "tcr": write_table(folder / "tcr.csv", swapped)}


def mostly_foreign(folder: Path) -> Made:
    """A file of three samples, of which one is ours."""
    parts = [TENX]
    for old, new in (("ACGT", "TGCA"), ("ACGT", "CATG")):
        swapped = [name.translate(str.maketrans(old, new)) for name in TENX["barcode"]]
        parts.append(
            TENX.assign(barcode=swapped, contig_id=[f"{name}_contig_{i}" for i, name in enumerate(swapped)])
        )
    gex = write_10x_h5(folder / "sample.h5", GENES_ONLY)
    return {"gex": gex, "tcr": write_table(folder / "tcr.csv", pd.concat(parts))}


def of_each(first: int, word: str) -> list[str]:
    """Give most cells two donors, the last ones a word."""
    return ["P1"] * first + ["P2"] * (N_CELLS - first - 6) + [word] * 6


def flagged(folder: Path) -> None:
    """Look for six flagged doublets without donors of their own."""
    import anndata as ad  # noqa: PLC0415 (takes a second)

    cells = ad.read_h5ad(folder / "s.cells.h5ad")
    assert cells.obs["doublet_suspect"].sum() == 6
    assert set(cells.obs["donor"]) == {"P1", "P2", "s"}


def nobody(folder: Path) -> None:
    """Look for cells that fall to the sample."""
    import anndata as ad  # noqa: PLC0415 (takes a second)

    cells = ad.read_h5ad(folder / "s.cells.h5ad")
    assert not cells.obs["doublet_suspect"].any()
    assert (cells.obs["donor"] == "s").sum() == 6


def one_donor(folder: Path) -> None:
    """Look for the donor of the option."""
    import anndata as ad  # noqa: PLC0415 (takes a second)

    assert set(ad.read_h5ad(folder / "s.cells.h5ad").obs["donor"]) == {"D"}


def demultiplexed(tool: str, column: str, word: str, *, is_doublet: bool) -> Situation:
    """Make a row on a word of a demultiplexing program."""
    what = "doublets" if is_doublet else "cells of nobody"
    does = "flagged, and fall to the sample" if is_doublet else "no donor's: they fall to the sample"
    outcome = Read(told="have no donor", check=flagged if is_doublet else nobody)
    return Situation(
        tool,
        f"obs {column}, {what} called `{word}`",
        f"They are {does}; both are said.",
        donors(column, of_each(12, word)),
        outcome,
    )


ROWS = (
    Situation(
        "CITE-seq",
        "table of cells and antibodies (`.csv`)",
        "Names are brought to the genes they measure.",
        antibodies(ADT),
        Read(PROTEINS),
    ),
    Situation(
        "CITE-seq",
        "the same the other way round",
        "Where the cells are decides.",
        antibodies(ADT.T),
        Read(PROTEINS),
    ),
    Situation(
        "CITE-seq",
        "the same as `.tsv`",
        "The separator is recognised.",
        antibodies(ADT, "adt.tsv", "\t"),
        Read(PROTEINS),
    ),
    Situation(
        "CITE-seq",
        "the same as Parquet",
        "The index names the cells.",
        antibodies(ADT, "adt.parquet"),
        Read(PROTEINS),
    ),
    Situation(
        "CITE-seq-Count",
        "names with tag sequences, `CD3-CTCATTGTAACTCCT`",
        "The sequence is cut off before the name is read; isotypes are no proteins.",
        antibodies(
            ADT.set_axis(
                [
                    "CD3-CTCATTGTAACTCCT",
                    "CD4-TGTTCCCGCTCAACT",
                    "CD8a-GCTGCGCTTTCCATT",
                    "CD56-TTCGCCGCATTGAGT",
                    "IgG1-GCCGGACGACATTAA",
                    "IgG2a-CTCTATTCAGACCAG",
                ],
                axis=1,
            )
        ),
        Read({"proteins.n_isotypes": 2, "proteins.n_unknown": 0}),
    ),
    Situation(
        "TotalSeq",
        "names `CD3_TotalSeqC`, `Hu.CD4-RPA-T4`",
        "Vendors' decorations are cut off.",
        antibodies(
            ADT.set_axis(
                [
                    "CD3_TotalSeqC",
                    "Hu.CD4-RPA-T4",
                    "CD8a_TotalSeqB",
                    "anti-human CD56",
                    "CD45RA_TotalSeqC",
                    "CD19",
                ],
                axis=1,
            )
        ),
        Read({"proteins.n_unknown": 0}),
    ),
    Situation(
        "BD AbSeq",
        "names `CD3:UCHT1|CD3E|AHS0231|pAbO`",
        "The target inside the name is read.",
        antibodies(
            ADT.set_axis(
                [
                    "CD3:UCHT1|CD3E|AHS0231|pAbO",
                    "CD4:SK3|CD4|AHS0032|pAbO",
                    "CD8:SK1|CD8A|AHS0228|pAbO",
                    "CD56|NCAM1|AHS0019|pAbO",
                    "CD45RA:HI100|PTPRC|AHS0009|pAbO",
                    "CD19:SJ25C1|CD19|AHS0030|pAbO",
                ],
                axis=1,
            )
        ),
        Read({"proteins.n_unknown": 0}),
    ),
    Situation(
        "HTO",
        "hashtags among the antibodies",
        "Hashtags are kept apart: no proteins.",
        antibodies(ADT.set_axis(["CD3", "CD4", "CD8a", "CD56", "Hashtag_1", "HTO_2"], axis=1)),
        Read({"proteins.n_hashtags": 2}),
    ),
    Situation(
        "CITE-seq",
        "half of the cells are missing",
        "Missing is not zero: they have no antibodies, counted.",
        antibodies(ADT.iloc[: N_CELLS // 2]),
        Read({"proteins.cells_without_antibodies": N_CELLS // 2}),
    ),
    Situation(
        "CITE-seq",
        "normalised values",
        "Counts are whole numbers.",
        antibodies(ADT * 0.37),
        Refused("are not whole numbers"),
    ),
    Situation(
        "CITE-seq",
        "a table of another sample",
        "No axis holds the cells.",
        antibodies(ADT.set_axis([f"cell{i}" for i in range(N_CELLS)])),
        Refused("neither the rows"),
    ),
    Situation(
        "Cell Ranger",
        "`-1` in the matrix, no suffix in the contigs",
        "The suffix is cut on one side.",
        names(str, lambda n: n.removesuffix("-1")),
        Read(SHARED),
    ),
    Situation(
        "scanpy",
        "`AAAC-1-0` after concatenation",
        "The batch is cut off.",
        names(lambda n: f"{n}-0"),
        Read(SHARED),
    ),
    Situation(
        "scanpy",
        "`AAAC-1_S1`, `AAAC-1-donorA`",
        "Matched by the barcode inside, where that is unambiguous.",
        names(lambda n: f"{n}_S1"),
        Read(SHARED),
    ),
    Situation(
        "Seurat",
        "`S1_AAAC-1`",
        "The sample before the barcode is cut off.",
        names(lambda n: f"S1_{n}"),
        Read(SHARED),
    ),
    Situation(
        "R",
        "`AAAC.1`",
        "make.names wrote a dot for the hyphen.",
        names(lambda n: n.replace("-", ".")),
        Read(SHARED),
    ),
    Situation(
        "nf-core/scrnaseq",
        "`AAAC_sample1`",
        "Matched by the barcode inside.",
        names(lambda n: n.replace("-1", "_sample1")),
        Read(SHARED),
    ),
    Situation(
        "any",
        "`--barcode-rule identity,identity` where names differ",
        "The option overrules, and nothing is shared.",
        names(lambda n: f"{n}_S1", barcode_rule="identity,identity"),
        Refused("only 0 of 30 cells"),
    ),
    Situation(
        "any",
        "receptors of another sample",
        "Fewer than a tenth of the cells are shared.",
        foreign,
        Refused("only 0 of 30 cells"),
    ),
    Situation(
        "any",
        "a receptor file of which two thirds are of other samples",
        "Read, and said.",
        mostly_foreign,
        Read(SHARED, told="are not in the expression data"),
    ),
    demultiplexed("vireo", "donor_id", "doublet", is_doublet=True),
    demultiplexed("vireo", "donor_id", "unassigned", is_doublet=False),
    demultiplexed("souporcell", "donor", "0/1", is_doublet=True),
    demultiplexed("HTODemux", "donor", "Doublet", is_doublet=True),
    demultiplexed("HTODemux", "donor", "Negative", is_doublet=False),
    demultiplexed("demuxlet", "donor", "DBL-P1-P2-0.500", is_doublet=True),
    demultiplexed("demuxlet", "donor", "AMB-P1-P2", is_doublet=False),
    demultiplexed("Cell Ranger multi", "donor", "Multiplet", is_doublet=True),
    demultiplexed("Cell Ranger multi", "donor", "Blank", is_doublet=False),
    Situation(
        "any",
        "the same with `--donor D`",
        "The option overrules.",
        donors("donor", of_each(12, "doublet"), donor="D"),
        Read(check=one_donor),
    ),
    Situation(
        "any",
        "`--donor ''`",
        "An empty name is no donor.",
        donors("donor", of_each(12, "P2"), donor=""),
        Refused("the donor's name is empty", 78),
    ),
    Situation(
        "any",
        "`--library-size-column` of true sizes",
        "X is scaled to them.",
        donors("n_counts", list(np.full(N_CELLS, 20000)), library_size_column="n_counts"),
        Read({"matrix.library_size": "n_counts"}),
    ),
    Situation(
        "any",
        "`--library-size-column` below the counts",
        "No library is smaller than what was counted in it.",
        donors("n_counts", list(np.full(N_CELLS, 3)), library_size_column="n_counts"),
        Refused("are smaller than the counts of the cell"),
    ),
)
