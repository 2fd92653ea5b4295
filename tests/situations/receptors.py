"""Receptor files: Cell Ranger, AIRR and its writers, BD, TRUST4, MiXCR, scirpy, scRepertoire and others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anndata as ad
import pandas as pd

from contig_files import as_10x, as_airr, write_json, write_table
from factories import make_anndata, write_10x_h5
from situations.row import CONTIGS, GENES_ONLY, N_CELLS, Read, Refused, Situation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Made = dict[str, Any]
TENX, AIRR = as_10x(CONTIGS), as_airr(CONTIGS)
N_CHAINS = len(CONTIGS)
PAIRS = {"receptors.contigs.kept": N_CHAINS, "receptors.cells.chain_pairing.single pair": N_CELLS}
ALPHA, BETA = (CONTIGS[CONTIGS["locus"] == locus].set_index("cell_id") for locus in ("TRA", "TRB"))


def with_matrix(folder: Path, **options: Any) -> Made:
    """Give the receptors together with the matrix of the same cells."""
    return {"gex": write_10x_h5(folder / "sample.h5", GENES_ONLY), **options}


def table(
    frame: pd.DataFrame, name: str, delimiter: str = "\t", *, alone: bool = False, **how: Any
) -> Callable[[Path], Made]:
    """Write a table."""

    def make(folder: Path) -> Made:
        options = {key: how[key] for key in ("tcr_sample", "donor", "dual_chains", "species") if key in how}
        layout = {key: value for key, value in how.items() if key not in options}
        path = write_table(folder / name, frame, delimiter=delimiter, **layout)
        return {"tcr": path, **options} if alone else with_matrix(folder, tcr=path, **options)

    return make


def tenx(
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame, **how: Any
) -> Callable[[Path], Made]:
    """Write Cell Ranger's table, changed."""
    return table(change(TENX.copy()), "filtered_contig_annotations.csv", ",", **how)


def airr(
    change: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame, **how: Any
) -> Callable[[Path], Made]:
    """Write an AIRR table, changed."""
    return table(change(AIRR.copy()), "airr_rearrangement.tsv", **how)


def contig_json(folder: Path) -> Made:
    """Write all_contig_annotations.json."""
    return with_matrix(folder, tcr=write_json(folder / "all_contig_annotations.json", CONTIGS))


def two_files(folder: Path) -> Made:
    """Write alphas and betas apart."""
    return with_matrix(
        folder,
        tcr=[write_table(folder / f"{locus}.csv", TENX[TENX["chain"] == locus]) for locus in ("TRA", "TRB")],
    )


def outs(folder: Path) -> Made:
    """Name a folder."""
    write_table(folder / "filtered_contig_annotations.csv", TENX)
    return {"tcr": folder}


def empty_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Say of every second contig that its barcode is no cell."""
    return frame.assign(is_cell=[str(i % 2 == 0) for i in range(len(frame))])


def extra(frame: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """Add a contig of the first cell."""
    return pd.concat([frame, frame.iloc[:1].assign(**changes)], ignore_index=True)


def with_gamma(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a loud gamma contig to a cell with a pair."""
    return extra(
        frame, contig_id="g", chain="TRG", v_gene="TRGV9", d_gene="None", j_gene="TRGJP", c_gene="TRGC1",
        cdr3="CALWEVQELGKKIKVF", cdr3_nt="None", umis=90,
    )  # fmt: skip


def per_cell(columns: dict[str, tuple[str, str]]) -> pd.DataFrame:
    """Spread alpha and beta of each cell over columns: name to (chain, field)."""
    frames = {"a": ALPHA, "b": BETA}
    return pd.DataFrame({name: frames[chain][field] for name, (chain, field) in columns.items()})


def tracer() -> pd.DataFrame:
    """TraCeR's chains in columns."""
    found = per_cell({
        "v_alpha": ("a", "v_call"), "j_alpha": ("a", "j_call"), "cdr3_alpha": ("a", "junction_aa"),
        "v_beta": ("b", "v_call"), "j_beta": ("b", "j_call"), "cdr3_beta": ("b", "junction_aa"),
    })  # fmt: skip
    return found.assign(productive_alpha="True", productive_beta="True").rename_axis("cell_id").reset_index()


def screpertoire() -> pd.DataFrame:
    """Metadata as scRepertoire's combineTCR leaves them."""
    gene = {
        name: frame["v_call"] + "." + frame["j_call"] + "." + frame["c_call"]
        for name, frame in (("a", ALPHA), ("b", BETA))
    }
    return pd.DataFrame({
        "barcode": ALPHA.index,
        "CTgene": gene["a"] + "_" + gene["b"].reindex(ALPHA.index),
        "CTnt": ALPHA["junction"] + "_" + BETA["junction"].reindex(ALPHA.index),
        "CTaa": ALPHA["junction_aa"] + "_" + BETA["junction_aa"].reindex(ALPHA.index),
    }).reset_index(drop=True)  # fmt: skip


def scirpy_obs(names: dict[str, str]) -> pd.DataFrame:
    """Annotation of cells as scirpy saves it."""
    found = {}
    for slot, chain in (("IR_VJ_1", "a"), ("IR_VDJ_1", "b")):
        found |= {f"{slot}_{new}": (chain, old) for old, new in names.items()}
    return per_cell(found).rename_axis("").reset_index()


SCIRPY_NEW = {n: n for n in ("locus", "v_call", "j_call", "junction_aa", "junction")}
SCIRPY_OLD = {
    "locus": "locus",
    "v_call": "v_gene",
    "j_call": "j_gene",
    "junction_aa": "cdr3",
    "junction": "cdr3_nt",
}


def scirpy_h5ad(folder: Path) -> Made:
    """Write scirpy's obs columns in an h5ad file."""
    frame = scirpy_obs(SCIRPY_NEW).set_index("")
    adata = ad.AnnData(obs=frame.rename_axis(None))
    adata.write_h5ad(folder / "ir.h5ad")
    return with_matrix(folder, tcr=folder / "ir.h5ad")


def several_in_h5ad(folder: Path) -> Made:
    """Name two samples in obs of scirpy's file."""
    frame = scirpy_obs(SCIRPY_NEW).set_index("").rename_axis(None)
    frame["sample_id"] = ["A"] * 10 + ["B"] * (N_CELLS - 10)
    ad.AnnData(obs=frame).write_h5ad(folder / "ir.h5ad")
    return with_matrix(folder, tcr=folder / "ir.h5ad", tcr_sample="A")


def several_in_json(folder: Path) -> Made:
    """Name two samples in Cell Ranger's JSON."""
    path = write_json(folder / "all_contig_annotations.json", CONTIGS)
    contigs = json.loads(path.read_text())
    for number, contig in enumerate(contigs):
        contig["sample_id"] = "A" if number < 20 else "B"
    path.write_text(json.dumps(contigs))
    return with_matrix(folder, tcr=path, tcr_sample="A")


def receptors_in_gex(folder: Path) -> Made:
    """Keep scirpy's columns in obs of the expression file, and give it as --gex alone."""
    adata = make_anndata(GENES_ONLY)
    frame = scirpy_obs(SCIRPY_NEW).set_index("").reindex(adata.obs_names)
    adata.obs = adata.obs.join(frame)
    adata.write_h5ad(folder / "both.h5ad")
    return {"gex": folder / "both.h5ad"}


def receptors_in_gex_twice(folder: Path) -> Made:
    """Give the same file as --tcr as well."""
    return {**receptors_in_gex(folder), "tcr": folder / "both.h5ad"}


def bd_contigs() -> pd.DataFrame:
    """BD's table of dominant contigs."""
    words = {"TRA": "TCR_Alpha", "TRB": "TCR_Beta"}
    cells = {cell: number for number, cell in enumerate(CONTIGS["cell_id"].unique(), start=1)}
    return pd.DataFrame({
        "Cell_Index": CONTIGS["cell_id"].map(cells), "Chain_Type": CONTIGS["locus"].map(words),
        "V_gene_Dominant": CONTIGS["v_call"] + "*01", "D_gene_Dominant": "",
        "J_gene_Dominant": CONTIGS["j_call"] + "*01", "C_gene_Dominant": CONTIGS["c_call"] + "*01",
        "CDR3_Nucleotide_Dominant": CONTIGS["junction"].str[3:-3],
        "CDR3_Translation_Dominant": CONTIGS["junction_aa"].str[1:-1],
        "Molecule_Count": 3, "Read_Count": 30, "Productive": "True",
    })  # fmt: skip


def changeo() -> pd.DataFrame:
    """BraCeR's Change-O table."""
    return pd.DataFrame({
        "CELL": CONTIGS["cell_id"], "SEQUENCE_ID": CONTIGS["sequence_id"], "LOCUS": CONTIGS["locus"],
        "FUNCTIONAL": "TRUE", "V_CALL": CONTIGS["v_call"], "D_CALL": "", "J_CALL": CONTIGS["j_call"],
        "JUNCTION": CONTIGS["junction"],
    })  # fmt: skip


def plain(**columns: Any) -> pd.DataFrame:
    """A table of two rows."""
    return pd.DataFrame({name: [value] * 2 for name, value in columns.items()})


def json_of(value: Any) -> Callable[[Path], Made]:
    """Write some JSON."""

    def make(folder: Path) -> Made:
        (folder / "x.json").write_text(json.dumps(value))
        return {"tcr": folder / "x.json"}

    return make


def text_of(name: str, content: bytes) -> Callable[[Path], Made]:
    """Write a file of these bytes."""

    def make(folder: Path) -> Made:
        (folder / name).write_bytes(content)
        return {"tcr": folder / name}

    return make


def kept(n_chains: int, **more: Any) -> Read:
    """Expect this many usable chains."""
    return Read({"receptors.contigs.kept": n_chains, **more})


V, J, C = CONTIGS["v_call"][0], CONTIGS["j_call"][0], CONTIGS["junction_aa"][0]
ROWS = (
    Situation(
        "Cell Ranger 3 to 5",
        "`filtered_contig_annotations.csv`, 18 columns",
        "Each productive contig of a cell is a chain.",
        tenx(),
        Read(PAIRS),
    ),
    Situation(
        "Cell Ranger 6 to 9",
        "the same with 31 columns",
        "cdr3 is taken, not the other regions.",
        table(as_10x(CONTIGS, generation=31), "f.csv", ","),
        Read(PAIRS),
    ),
    Situation(
        "Cell Ranger",
        "`all_contig_annotations.csv`",
        "Contigs of barcodes that are no cells are dropped and counted.",
        tenx(empty_cells),
        kept(N_CHAINS // 2, **{"receptors.contigs.dropped.not_a_cell": N_CHAINS // 2}),
    ),
    Situation(
        "Cell Ranger",
        "`all_contig_annotations.json`",
        "Genes are taken from the annotations.",
        contig_json,
        Read(PAIRS),
    ),
    Situation(
        "Cell Ranger", "`airr_rearrangement.tsv`", "junction_aa is taken, never cdr3_aa.", airr(), Read(PAIRS)
    ),
    Situation(
        "Cell Ranger",
        "`clonotypes.csv`",
        "It names no cells; the file that does is named.",
        table(
            plain(clonotype_id="clonotype1", frequency=3, proportion=0.1, cdr3s_aa=f"TRB:{C}", cdr3s_nt=""),
            "clonotypes.csv",
            ",",
        ),
        Refused("table of clonotypes: it names no cells"),
    ),
    Situation(
        "Cell Ranger",
        "`consensus_annotations.csv`",
        "It names no cells; the file that does is named.",
        table(
            plain(clonotype_id="clonotype1", consensus_id="c1", chain="TRB", v_gene=V, j_gene=J, cdr3=C),
            "c.csv",
            ",",
        ),
        Refused("consensus sequences: it names no cells"),
    ),
    Situation(
        "Cell Ranger",
        "the folder `outs` as `--tcr`",
        "The table inside is named.",
        outs,
        Refused("a folder stands where a receptor file belongs"),
    ),
    Situation(
        "Cell Ranger",
        "a table without contigs",
        "Zero receptors are a valid result, and said.",
        tenx(lambda f: f.iloc[:0]),
        Read({"receptors.contigs.kept": 0}, told="hold no contigs"),
    ),
    Situation(
        "Cell Ranger",
        "B-cell contigs (`vdj_b`)",
        "Immunoglobulins are counted, and that no T-cell chain is left is said.",
        tenx(lambda f: f.assign(chain="IGH", v_gene="IGHV1-2", j_gene="IGHJ4", c_gene="IGHM", d_gene="None")),
        Read({"receptors.contigs.dropped.immunoglobulin": N_CHAINS}, told="no T-cell receptor chain is left"),
    ),
    Situation("Cell Ranger", "alphas and betas in two files", "Files are joined.", two_files, Read(PAIRS)),
    Situation(
        "Cell Ranger",
        "a loud gamma contig beside a pair",
        "The αβ pair is the receptor; gamma is kept as a further chain.",
        tenx(with_gamma),
        Read({"receptors.contigs.kept": N_CHAINS + 1, "receptors.cells.receptor_subtype.TRA+TRB": N_CELLS}),
    ),
    Situation(
        "Cell Ranger",
        "one chain assembled twice",
        "One chain; the molecules are summed.",
        tenx(lambda f: extra(f, contig_id="again")),
        Read({**PAIRS, "receptors.contigs.dropped.same_chain_of_the_cell": 1}),
    ),
    Situation(
        "Cell Ranger",
        "rows pasted twice",
        "Repeated rows are one.",
        tenx(lambda f: pd.concat([f, f])),
        Read({**PAIRS, "receptors.contigs.dropped.repeated_row": N_CHAINS}),
    ),
    Situation(
        "Cell Ranger",
        "a contig with chain `Multi`",
        "Segments of several loci are no chain.",
        tenx(
            lambda f: extra(
                f,
                contig_id="m",
                chain="Multi",
                v_gene="TRAV1-2",
                j_gene="TRBJ1-1",
                cdr3="CASSF",
                cdr3_nt="None",
            )
        ),
        Read({**PAIRS, "receptors.contigs.dropped.segments_of_several_loci": 1}),
    ),
    Situation(
        "Excel",
        "the table saved with semicolons",
        "The separator is recognised.",
        table(TENX, "f.csv", ";"),
        Read(PAIRS),
    ),
    Situation(
        "Excel",
        "the table saved as Unicode text",
        "UTF-16 with tabs is recognised.",
        table(TENX, "f.txt", encoding="utf-16"),
        Read(PAIRS),
    ),
    Situation(
        "Excel",
        "the table saved as `.xlsx`",
        "No table of text: save it as CSV.",
        text_of("f.xlsx", b"PK\x03\x04" + bytes(60)),
        Refused("zip archive"),
    ),
    Situation(
        "R",
        "the table saved with `write.csv`, row numbers first",
        "The nameless first column is no cell name where barcode is there.",
        tenx(lambda f: f.reset_index().rename(columns={"index": ""})),
        Read(PAIRS),
    ),
    Situation(
        "R",
        "an `.rds` file",
        "R data are not read: save a table.",
        text_of("f.rds", b"RDX3\n" + bytes(60)),
        Refused("R data file"),
    ),
    Situation(
        "any",
        "the table packed with gzip",
        "Unpacked while it is read.",
        table(TENX, "f.csv.gz", ","),
        Read(PAIRS),
    ),
    Situation(
        "AIRR",
        "a table with commas",
        "Words of the standard, whatever the separator.",
        table(AIRR, "a.csv", ","),
        Read(PAIRS),
    ),
    Situation(
        "AIRR",
        "junction without anchors (IMGT's CDR3)",
        "Anchors are restored from the germline where it leaves no choice, and said.",
        airr(lambda f: f.assign(junction_aa=f["junction_aa"].str[1:-1], junction="")),
        Read({"receptors.contigs.kept": N_CHAINS}, told="lack their anchors"),
    ),
    Situation(
        "AIRR",
        "nucleotides alone",
        "They are translated.",
        airr(lambda f: f.assign(junction_aa="")),
        Read(PAIRS),
    ),
    Situation(
        "AIRR",
        "genes with alleles (`*01`)",
        "Alleles are cut for clones, kept in the table.",
        airr(lambda f: f.assign(v_call=f["v_call"] + "*01", j_call=f["j_call"] + "*01")),
        Read(PAIRS),
    ),
    Situation(
        "AIRR",
        "flags as `true`, `TRUE` or 1",
        "Every spelling of the standard's writers is known.",
        airr(lambda f: f.assign(productive=["true", "TRUE", "1"] * (N_CHAINS // 3))),
        Read(PAIRS),
    ),
    Situation(
        "AIRR",
        "a flag `maybe`",
        "Neither true nor false.",
        airr(lambda f: f.assign(productive="maybe")),
        Refused("maybe"),
    ),
    Situation(
        "AIRR",
        "a bulk table without cell_id",
        "It names no cells.",
        airr(lambda f: f.drop(columns="cell_id")),
        Refused("bulk library: it names no cells"),
    ),
    Situation(
        "AIRR",
        "no junction column",
        "The missing column is named.",
        airr(lambda f: f.drop(columns=["junction", "junction_aa"])),
        Refused("junction_aa"),
    ),
    Situation(
        "AIRR",
        "two samples in one table",
        "Which one is asked for, with their names.",
        airr(lambda f: f.assign(sample_id=["A", "B"] * (N_CHAINS // 2))),
        Refused("holds 2 samples (sample_id: A, B)"),
    ),
    Situation(
        "AIRR",
        "the same with `--tcr-sample A`",
        "Its rows are read, the others counted.",
        airr(lambda f: f.assign(sample_id=["A"] * 40 + ["B"] * (N_CHAINS - 40)), tcr_sample="A"),
        kept(40, **{"receptors.contigs.dropped.other_sample": N_CHAINS - 40}),
    ),
    Situation(
        "AIRR",
        "the same with a sample that is not there",
        "The samples that are there are named.",
        airr(lambda f: f.assign(sample_id="A"), tcr_sample="C"),
        Refused("there is no sample C", 78),
    ),
    Situation(
        "AIRR",
        "counts with fractions (TPM)",
        "Ranks need no whole numbers.",
        airr(lambda f: f.assign(umi_count=1.5)),
        Read(PAIRS),
    ),
    Situation(
        "AIRR",
        "one sample, some cells `doublet` or `unassigned`",
        "Such words name no second sample.",
        airr(lambda f: f.assign(subject_id=["P1"] * 50 + ["doublet"] * 6 + ["unassigned"] * (N_CHAINS - 56))),
        kept(N_CHAINS),
    ),
    Situation(
        "scirpy",
        "`.h5ad` of several samples with `--tcr-sample A`",
        "Cells of other samples are left out and counted.",
        several_in_h5ad,
        kept(20, **{"receptors.contigs.dropped.other_sample": N_CHAINS - 20}),
    ),
    Situation(
        "Cell Ranger",
        "`all_contig_annotations.json` with sample_id, `--tcr-sample A`",
        "Contigs of other samples are left out and counted.",
        several_in_json,
        kept(20, **{"receptors.contigs.dropped.other_sample": N_CHAINS - 20}),
    ),
    Situation(
        "MiXCR",
        "`exportAirr` with cell_id, stop codons as `*` and `_`",
        "Such junctions are never usable, whatever the flag says.",
        airr(
            lambda f: f.assign(
                junction_aa=[f"{j[:4]}*{j[5:]}" if i < 4 else j for i, j in enumerate(f["junction_aa"])]
            )
        ),
        kept(N_CHAINS - 4, **{"receptors.contigs.dropped.stop_or_unknown_residue": 4}),
    ),
    Situation(
        "MiXCR",
        "`clones.tsv` of exportClones",
        "It names no cells.",
        table(plain(cloneId=1, cloneCount=5, nSeqCDR3="TGT", aaSeqCDR3=C), "clones.tsv"),
        Refused("MiXCR's table of clones: it names no cells"),
    ),
    Situation(
        "TRUST4",
        "`_barcode_airr.tsv`",
        "Read like any AIRR table.",
        airr(lambda f: f.drop(columns="umi_count")),
        Read(PAIRS),
    ),
    Situation(
        "TRUST4",
        "`_barcode_report.tsv`",
        "Its table of chains is named.",
        table(
            plain(
                **{
                    "#barcode": "AAAC-1",
                    "cell_type": "abT",
                    "chain1": "*",
                    "chain2": "*",
                    "secondary_chain1": "*",
                    "secondary_chain2": "*",
                }
            ),
            "r.tsv",
        ),
        Refused("TRUST4's barcode report"),
    ),
    Situation(
        "immunarch",
        "`immdata$data` saved as a table",
        "The contigs that it loaded are asked for.",
        table(
            plain(
                Clones=3,
                Proportion=0.1,
                **{"CDR3.nt": "TGT", "CDR3.aa": C, "V.name": V, "J.name": J},
                Barcode="AAAC-1",
            ),
            "i.tsv",
        ),
        Refused("immunarch's table"),
    ),
    Situation(
        "VDJtools",
        "a clone table",
        "It names no cells.",
        table(plain(count=3, freq=0.1, cdr3nt="TGT", cdr3aa=C, v=V, d=".", j=J), "v.txt"),
        Refused("VDJtools: it names no cells"),
    ),
    Situation(
        "Adaptive",
        "immunoSEQ's table",
        "It names no cells.",
        table(
            plain(rearrangement="ACGT", amino_acid=C, frame_type="In", v_resolved="TCRBV20-01*01"), "a.tsv"
        ),
        Refused("immunoSEQ's table of a bulk library"),
    ),
    Situation(
        "VDJdb",
        "its table",
        "Receptors with known antigens are no sample.",
        table(
            plain(**{"complex.id": 1, "Gene": "TRB", "CDR3": C, "V": V, "J": J, "Epitope": "GILGFVFTL"}),
            "v.tsv",
        ),
        Refused("VDJdb"),
    ),
    Situation(
        "Dandelion",
        "`all_contig_dandelion.tsv`",
        "An AIRR table with further columns.",
        airr(lambda f: f.assign(v_call_genotyped=f["v_call"], sequence_alignment="", clone_id="1")),
        Read(PAIRS),
    ),
    Situation(
        "Parse",
        "`tcr_annotation_airr.tsv`",
        "An AIRR table of cells.",
        airr(lambda f: f.assign(cell_barcode=f["cell_id"])),
        Read(PAIRS),
    ),
    Situation(
        "BD Rhapsody",
        "`VDJ_Dominant_Contigs.csv`",
        "Chain types of BD's words; CDR3 gets its anchors.",
        table(bd_contigs(), "bd.csv", ",", alone=True),
        kept(N_CHAINS),
    ),
    Situation(
        "BraCeR", "Change-O table", "Nucleotides are translated.", table(changeo(), "c.tab"), Read(PAIRS)
    ),
    Situation(
        "TraCeR",
        "table of chains in columns",
        "One row per cell, a chain per set of columns.",
        table(tracer(), "t.csv", ","),
        Read(PAIRS),
    ),
    Situation(
        "TraCeR",
        "a pickle",
        "Never opened: opening one can run any program.",
        text_of("cell.pkl", b"\x80\x04" + bytes(60)),
        Refused("pickles are not opened"),
    ),
    Situation(
        "scRepertoire",
        "metadata with CTgene, CTaa, CTnt",
        "Chains are taken apart again.",
        table(screpertoire(), "m.csv", ","),
        Read(PAIRS),
    ),
    Situation(
        "scirpy",
        "`adata.obs` saved as CSV (0.7 to 0.12)",
        "Columns IR_VJ_1_… are slots of chains.",
        table(scirpy_obs(SCIRPY_NEW), "obs.csv", ","),
        Read(PAIRS),
    ),
    Situation(
        "scirpy",
        "the same of version 0.6 and before",
        "Older names of the columns are known.",
        table(scirpy_obs(SCIRPY_OLD), "obs.csv", ","),
        Read(PAIRS),
    ),
    Situation("scirpy", "`.h5ad` with such columns", "Read without the matrix.", scirpy_h5ad, Read(PAIRS)),
    Situation(
        "scirpy",
        "such columns in the file of `--gex`, no `--tcr`",
        "Named by preprocess: give the file as --tcr too. `run` does so itself (`--no-gex-receptors`: not).",
        receptors_in_gex,
        Read({"cells.kept": N_CELLS}, told="holds receptors too"),
    ),
    Situation(
        "scirpy",
        "the same file as `--gex` and `--tcr`",
        "Both parts are read.",
        receptors_in_gex_twice,
        Read(PAIRS),
    ),
    Situation(
        "by hand",
        "receptors alone, no matrix",
        "Chains are checked and ranked; there is no cells file.",
        tenx(alone=True),
        kept(N_CHAINS),
    ),
    Situation(
        "by hand",
        "one column of sequences",
        "No table.",
        text_of("x.csv", b"CASSLGF\nCASSF\n"),
        Refused("no table"),
    ),
    Situation("by hand", "an empty file", "Nothing to read.", text_of("x.csv", b""), Refused("empty")),
    Situation(
        "by hand", "JSON of something else", "Not contigs.", json_of({"a": 1}), Refused("not Cell Ranger")
    ),
    Situation(
        "a mouse sample",
        "`--species mouse`",
        "Human only, so far.",
        tenx(species="mouse"),
        Refused("mouse", 78),
    ),
)
