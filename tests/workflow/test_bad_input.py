"""Bad input through the command line: one sentence, one exit code, nothing written.

Each case is a file as a laboratory might have it; the words are those a biologist reads.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from command_line import run_command
from contig_files import as_10x, make_sample_contigs, write_table
from factories import (
    ANTIBODIES,
    log_normalised,
    make_anndata,
    make_barcodes,
    make_counts,
    write_10x_h5,
    write_10x_mtx,
    write_h5ad,
)

SAMPLE = make_counts(60, 200)
CONTIGS = make_sample_contigs(SAMPLE.barcodes[:40])
TEN_X = as_10x(CONTIGS)
ADT = make_counts(60, 200, antibodies=ANTIBODIES)
ADT_TABLE = pd.DataFrame(ADT.antibody_counts, index=ADT.barcodes, columns=list(ANTIBODIES))


@pytest.fixture
def gex(tmp_path):
    """Give a good matrix."""
    return write_10x_h5(tmp_path / "good.h5", SAMPLE)


def preprocess(folder, *arguments):
    """Run preprocess into a folder that is not there yet."""
    return run_command("preprocess", "--min-genes", 1, "-o", folder / "out", "--prefix", "s", *arguments)


def assert_refused(folder, code, words, *arguments):
    """Check exit code, sentence and mend, an empty stdout, and that nothing was left behind."""
    outcome = preprocess(folder, *arguments)
    assert outcome.code == code, outcome.stderr
    assert outcome.stdout == ""
    assert words in outcome.stderr
    assert outcome.stderr.count("error: ") == 1
    assert "\n  at:   " in outcome.stderr
    assert "\n  mend: " in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not (folder / "out").exists()


# ------------------------------------------------------------------------------ the matrix


def _truncated(folder):
    content = write_10x_h5(folder / "a.h5", SAMPLE).read_bytes()
    (folder / "a.h5").write_bytes(content[: len(content) // 2])
    return folder / "a.h5"


def _h5_with(name, value):
    def write(folder):
        with h5py.File(folder / "a.h5", "w") as file:
            file[name] = value
        return folder / "a.h5"

    return write


def _bytes(name, content):
    def write(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return write


def _mtx(change):
    def write(folder):
        path = write_10x_mtx(folder / "mtx", SAMPLE, compressed=False) / "matrix.mtx"
        lines = path.read_text().splitlines()
        change(lines)
        path.write_text("\n".join(lines) + "\n")
        return folder / "mtx"

    return write


def _wrong_size(lines):
    lines[2] = lines[2].replace("200 60 ", "200 61 ")


def _too_few_entries(lines):
    del lines[-5:]


def _place_outside(lines):
    lines[-1] = "201 60 1"


def _value(value, *, dtype=np.float64, counts_in="X"):
    def write(folder):
        dense = SAMPLE.counts.toarray().astype(dtype)
        dense[3, 5] = value
        adata = make_anndata(SAMPLE, counts_in=counts_in)
        adata.X = sp.csr_matrix(dense)
        adata.write_h5ad(folder / "a.h5ad")
        return folder / "a.h5ad"

    return write


def _h5ad_of(matrix):
    def write(folder):
        adata = make_anndata(SAMPLE)
        adata.X = matrix
        adata.write_h5ad(folder / "a.h5ad")
        return folder / "a.h5ad"

    return write


def _scaled():
    dense = SAMPLE.counts.toarray().astype(np.float32)
    return (dense - dense.mean(axis=0)) / (dense.std(axis=0) + 0.01)


def _renamed(writer, **columns):
    def write(folder):
        changed = {}
        for name, change in columns.items():
            values = getattr(SAMPLE, name).copy()
            change(values)
            changed[name] = values
        return writer(folder, replace(SAMPLE, **changed))

    return write


def _repeat_first(values):
    values[-1] = values[0]


def _h5(folder, sample):
    return write_10x_h5(folder / "a.h5", sample)


def _h5ad_without_ids(folder, sample):
    adata = ad.AnnData(sample.counts, obs=pd.DataFrame(index=sample.barcodes.astype(str)))
    adata.var_names = sample.gene_names.astype(str)
    adata.write_h5ad(folder / "a.h5ad")
    return folder / "a.h5ad"


def _as_mouse(values):
    values[:] = [name.capitalize() for name in values]


def _as_mouse_ids(values):
    values[:] = [f"ENSMUSG{number:011d}" for number in range(len(values))]


def _folder(name):
    def write(folder):
        (folder / name).mkdir()
        return folder / name

    return write


CELL, GENE = SAMPLE.barcodes[3], SAMPLE.gene_names[5]
BAD_MATRICES = {
    "absent": (lambda folder: folder / "none.h5", "the file does not exist"),
    "truncated": (_truncated, "the HDF5 file is truncated"),
    "empty file": (_bytes("a.h5", b""), "not an HDF5 file but an empty file"),
    "h5 without a matrix": (_h5_with("note", 1), "holds no expression matrix; it holds note"),
    "h5 with half a matrix": (_h5_with("matrix/data", [1]), "a group 'matrix' without its parts (data)"),
    "a table": (_bytes("a.csv", b"gene,cell\nCD4,1\n"), "not an HDF5 file but a text file"),
    "a compressed h5": (_bytes("a.h5.gz", gzip.compress(b"x")), "not an HDF5 file but a gzip-compressed"),
    "a folder without matrix": (_folder("outs"), "the folder holds no matrix.mtx"),
    "mtx of other dimensions": (_mtx(_wrong_size), "declares 200 features x 61 cells, but"),
    "mtx cut off": (_mtx(_too_few_entries), "entries"),
    "mtx with a gene too many": (_mtx(_place_outside), "201"),
    "negative count": (_value(-2), f"the value -2 in cell {CELL}, {GENE}, is negative"),
    "fractional count": (_value(1.5), f"the value 1.5 in cell {CELL}, {GENE}, is fractional"),
    "NaN count": (_value(np.nan), f"the value nan in cell {CELL}, {GENE}, is not finite"),
    "infinite count": (_value(np.inf), f"the value inf in cell {CELL}, {GENE}, is not finite"),
    "impossible count": (_value(3e9), f"the value 3e+09 in cell {CELL}, {GENE}, is larger than"),
    "scaled values": (_h5ad_of(_scaled()), "negative values and is no count matrix; it looks scaled"),
    "log of another sum": (
        _h5ad_of(log_normalised(SAMPLE.counts, total=1e6)),
        "log1p of counts per 1,000,000, not per 10,000",
    ),
    "per million": (
        _h5ad_of(sp.csr_matrix(np.expm1(log_normalised(SAMPLE.counts, total=1e6).toarray()))),
        "values normalised to 1,000,000 per cell (CPM, TPM or the like)",
    ),
    "repeated barcode": (_renamed(_h5, barcodes=_repeat_first), f"{SAMPLE.barcodes[0]} (2 times)"),
    "repeated Ensembl id": (_renamed(_h5, gene_ids=_repeat_first), "are repeated (e.g. ENSG00000167286)"),
    "repeated gene name": (
        _renamed(_h5ad_without_ids, gene_names=_repeat_first),
        "gene names without Ensembl ids to tell them apart are repeated (e.g. CD3D)",
    ),
    "mouse genes": (
        _renamed(_h5, gene_names=_as_mouse, gene_ids=_as_mouse_ids),
        "these look like mouse genes: 200 of 200 (e.g. Cd3d, Cd3e, Cd3g)",
    ),
    "mouse names": (_renamed(_h5ad_without_ids, gene_names=_as_mouse), "these look like mouse genes"),
    "antibodies alone": (
        lambda folder: write_10x_h5(folder / "a.h5", make_counts(9, 0, antibodies=ANTIBODIES)),
        "no gene expression, only 5 antibodies",
    ),
    "no genes": (lambda folder: write_10x_h5(folder / "a.h5", make_counts(9, 0)), "9 cells but no genes"),
}


@pytest.mark.parametrize("case", BAD_MATRICES)
def test_bad_matrices_are_refused(tmp_path, case):
    """A matrix that cannot be true ends with 66 and a sentence that names the fault."""
    write, words = BAD_MATRICES[case]
    path = write(tmp_path)
    assert_refused(tmp_path, 66, words, "--gex", path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--min-genes", 5000], "60  fewer than 5000 genes (--min-genes)"),
        (["--min-counts", 10**6], "60  fewer than 1000000 counts (--min-counts)"),
        (["--max-pct-mt", 0], "60  more than 0.0 % mitochondrial counts (--max-pct-mt)"),
    ],
)
def test_zero_cells_after_quality_control_are_refused(tmp_path, gex, options, words):
    """When no cell passes, the thresholds that removed them are told with numbers."""
    assert_refused(tmp_path, 66, words, "--gex", gex, *options)


def test_no_t_cell_left_is_refused(tmp_path):
    """With --t-cells-only a sample of B cells ends with 66, not with an empty file."""
    path = write_10x_h5(tmp_path / "b.h5", SAMPLE.rows(SAMPLE.classes == "B"))
    assert_refused(tmp_path, 66, "not called T cells (--t-cells-only)", "--gex", path, "--t-cells-only")


def test_log_normalised_values_are_accepted(tmp_path):
    """log1p(counts per 10,000) passes, is kept as it is, and the missing counts are told."""
    outcome = preprocess(tmp_path, "--gex", write_h5ad(tmp_path / "a.h5ad", SAMPLE, counts_in="nowhere"))
    assert (outcome.code, outcome.stdout) == (0, "")
    assert "no counts were found (X), so X is read" in outcome.stderr
    cells = ad.read_h5ad(tmp_path / "out" / "s.cells.h5ad")
    assert "counts" not in cells.layers
    assert abs(cells.X - log_normalised(SAMPLE.counts)).max() == 0


# ------------------------------------------------------------------------------ receptors


def _contigs(change=lambda table: table, name="c.csv", **options):
    return lambda folder: write_table(folder / name, change(TEN_X.copy()), **options)


def _cut_gzip(folder):
    path = write_table(folder / "c.csv.gz", TEN_X)
    path.write_bytes(path.read_bytes()[:-40])
    return path


def _cut_csv(folder):
    path = write_table(folder / "c.csv", TEN_X)
    path.write_bytes(path.read_bytes()[:-45])
    return path


BAD_CONTIGS = {
    "absent": (lambda folder: folder / "none.csv", "the file does not exist"),
    "empty file": (_bytes("c.csv", b""), "the file holds no header line: it is empty"),
    "missing columns": (
        _contigs(lambda t: t.drop(columns=["cdr3", "cdr3_nt", "productive"])),
        "the file (10x contig table) lacks 2 of its columns: productive, cdr3 or cdr3_nt",
    ),
    "wrong delimiter": (_contigs(delimiter="^"), "no table: its first line holds no comma, tab"),
    "spaces for tabs": (_contigs(delimiter=" "), "no table: its first line holds no comma, tab"),
    "gz that is not gz": (
        lambda folder: write_table(folder / "c.csv", TEN_X).rename(folder / "c.csv.gz"),
        "name ends in .gz but it is not gzip-compressed",
    ),
    "gz cut off": (_cut_gzip, "the gzip file is damaged or cut off"),
    "cut off": (_cut_csv, "the file is cut off"),
    "words for counts": (_contigs(lambda t: t.assign(umis="many")), "column 'umis' holds 'many' in row 1"),
    "negative counts": (_contigs(lambda t: t.assign(umis=-1)), "column 'umis' holds '-1' in row 1"),
    "maybe productive": (
        _contigs(lambda t: t.assign(productive="maybe")),
        "column 'productive' holds 'maybe' in row 1",
    ),
    "clonotypes.csv": (
        _bytes("c.csv", b"clonotype_id,frequency,cdr3s_aa\nclonotype1,3,TRA:CAVF\n"),
        "Cell Ranger's table of clonotypes: it names no cells",
    ),
    "two samples in one": (
        _contigs(lambda t: pd.concat([t, t.assign(cdr3="CASSF")])),
        "occur again with different content",
    ),
    "another sample": (
        _contigs(lambda t: t.assign(barcode=make_barcodes(len(t), seed=9))),
        "only 0 of 60 cells of the expression data",
    ),
    "two donors in a cell": (
        _contigs(lambda t: t.assign(donor=["d1", "d2"] * 40)),
        f"cells have chains of several donors (40; first: cell {SAMPLE.barcodes[0]}, donors d1, d2)",
    ),
    "a folder": (_folder("vdj_t"), "a folder stands where a receptor file belongs"),
    "a matrix": (lambda folder: write_10x_h5(folder / "c.h5", SAMPLE), "the file holds no receptors"),
    "a pickle": (_bytes("c.pkl", b"\x80\x04N."), "Python pickles are not opened"),
}


@pytest.mark.parametrize("case", BAD_CONTIGS)
def test_bad_receptor_files_are_refused(tmp_path, gex, case):
    """A receptor file that cannot be read or does not belong ends with 66 and names the fault."""
    write, words = BAD_CONTIGS[case]
    path = write(tmp_path)
    assert_refused(tmp_path, 66, words, "--gex", gex, "--tcr", path)


def test_two_cells_under_one_barcode_are_refused(tmp_path):
    """Where names of two cells fall together, both are shown."""
    # two libraries in one matrix, the receptors without library number: half would fit each
    bare = [cell.removesuffix("-1") for cell in SAMPLE.barcodes]
    barcodes = np.array([f"{cell}-{1 + i % 2}" for i, cell in enumerate(bare)], dtype=object)
    barcodes[1] = f"{bare[0]}-2"
    path = write_10x_h5(tmp_path / "a.h5", replace(SAMPLE, barcodes=barcodes))
    contigs = CONTIGS.assign(cell_id=CONTIGS["cell_id"].str.removesuffix("-1"))
    tcr = write_table(tmp_path / "c.csv", as_10x(contigs))
    words = f"{bare[0]}-1 and {bare[0]}-2 all become {bare[0]}"
    assert_refused(tmp_path, 66, words, "--gex", path, "--tcr", tcr)


def test_a_low_overlap_can_be_allowed(tmp_path, gex):
    """With --allow-low-overlap another sample's receptors pass, with a warning and no chain."""
    contigs = TEN_X.assign(barcode=make_barcodes(len(TEN_X), seed=9))
    tcr = write_table(tmp_path / "c.csv", contigs)
    outcome = preprocess(tmp_path, "--gex", gex, "--tcr", tcr, "--allow-low-overlap")
    assert outcome.code == 0
    assert "c.csv: 0 of 60 cells" in outcome.stderr
    assert "no T-cell receptor chain is left of 80 contigs (80: the cell is not in the" in outcome.stderr


def _unknown_words(table):
    for word, rows in (("None", slice(0, 10)), ("nan", slice(10, 20)), ("NA", slice(20, 30))):
        table.loc[table.index[rows], ["cdr3", "cdr3_nt", "d_gene"]] = word
    return table


GOOD_CONTIGS = {
    "byte order mark": (_contigs(start="\ufeff"), 80),
    "Windows line ends": (_contigs(line_end="\r\n"), 80),
    "both, with semicolons": (_contigs(start="\ufeff", line_end="\r\n", delimiter=";"), 80),
    "tabs in a .csv": (_contigs(delimiter="\t"), 80),
    "gzip without the ending": (
        lambda folder: write_table(folder / "c.gz", TEN_X).rename(folder / "c.csv"),
        80,
    ),
    "UTF-16 of a spreadsheet": (_contigs(encoding="utf-16", delimiter="\t"), 80),
    "words for missing": (_contigs(_unknown_words), 50),
}


@pytest.mark.parametrize("case", GOOD_CONTIGS)
def test_odd_but_good_receptor_files_are_read(tmp_path, gex, case):
    """Marks, line ends, delimiters and words for missing do no harm, and no word becomes residues."""
    write, n_chains = GOOD_CONTIGS[case]
    outcome = preprocess(tmp_path, "--gex", gex, "--tcr", write(tmp_path))
    assert (outcome.code, outcome.stdout) == (0, "")
    chains = pd.read_parquet(tmp_path / "out" / "s.chains.parquet")
    assert len(chains) == n_chains
    assert set(chains["junction_aa"]) <= set(CONTIGS["junction_aa"])
    dropped = json.loads((tmp_path / "out" / "s.qc.json").read_text())["receptors"]["contigs"]["dropped"]
    assert dropped["no_junction"] == 80 - n_chains


# ------------------------------------------------------------------------------ antibodies


def _adt(change=lambda table: table, **options):
    def write(folder):
        change(ADT_TABLE.copy()).to_csv(folder / "adt.csv", **options)
        return folder / "adt.csv"

    return write


BAD_ANTIBODIES = {
    "absent": (lambda folder: folder / "none.csv", 66, "the file does not exist"),
    "a folder": (_folder("adt"), 66, "the folder holds no matrix.mtx"),
    "other cells": (_adt(lambda t: t.set_axis(make_barcodes(60, seed=9))), 66, "neither the rows (first:"),
    "fractions": (_adt(lambda t: t / 2), 66, "not whole numbers of at least zero"),
    "repeated cells": (
        _adt(lambda t: pd.concat([t, t])),
        66,
        "cell barcodes occur more than once (60; first: ",
    ),
    "gene expression": (
        lambda folder: write_10x_h5(folder / "other.h5", SAMPLE),
        66,
        "the file holds gene expression, not antibody counts: 200 features",
    ),
    "no table": (_bytes("adt.csv", b"nothing\n"), 66, "the first line holds no comma, tab or semicolon"),
    "cut off": (_bytes("adt.csv.gz", gzip.compress(b"a,b\n" * 99)[:-9]), 66, "the gzip file is damaged"),
}


@pytest.mark.parametrize("case", BAD_ANTIBODIES)
def test_bad_antibody_files_are_refused(tmp_path, gex, case):
    """Antibody counts that cannot be read, or are none, end with their code and sentence."""
    write, code, words = BAD_ANTIBODIES[case]
    assert_refused(tmp_path, code, words, "--gex", gex, "--adt", write(tmp_path))


def test_antibodies_in_two_places_contradict(tmp_path):
    """Counts inside the matrix and beside it end with 78."""
    inside = write_10x_h5(tmp_path / "a.h5", ADT)
    words = "antibody counts are in the expression file already (5, features of 10x h5 v3)"
    assert_refused(tmp_path, 78, words, "--gex", inside, "--adt", _adt()(tmp_path))


def test_unknown_antibodies_pass_aloud(tmp_path, gex):
    """An antibody nobody knows is kept, counted and named in a warning."""
    adt = _adt(lambda t: t.rename(columns={ANTIBODIES[0]: "Frobnicase"}))(tmp_path)
    outcome = preprocess(tmp_path, "--gex", gex, "--adt", adt)
    assert outcome.code == 0
    assert "warning: antibodies that are unknown are kept without a gene: Frobnicase" in outcome.stderr
    proteins = json.loads((tmp_path / "out" / "s.qc.json").read_text())["proteins"]
    assert (proteins["n_unknown"], proteins["unknown"]) == (1, ["Frobnicase"])
    assert "Frobnicase" in ad.read_h5ad(tmp_path / "out" / "s.cells.h5ad").obsm["adt_counts"]


# ------------------------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "neither expression nor receptors are given"),
        (["--tcr", "{tcr}", "--adt", "{gex}"], "--adt needs an expression file"),
        (["--tcr", "{tcr}", "--t-cells-only"], "T cells are told by their expression"),
        (["--tcr", "{tcr}", "--library-size-column", "n"], "--library-size-column needs an expression file"),
        (["--gex", "{gex}", "--donor", ""], "the donor's name is empty"),
        (["--gex", "{gex}", "--prefix", "a/b"], "the prefix 'a/b' is no sample name"),
        (["--gex", "{gex}", "--prefix", "../a"], "the prefix '../a' is no sample name"),
        (["--gex", "{gex}", "--prefix", ""], "the prefix '' is no sample name"),
        (["--gex", "{gex}", "--tcr", "{tcr}", "--barcode-rule", "strip"], "barcode rule 'strip' is not"),
        (["--tcr", "{tcr}", "--species", "yeast"], "species 'yeast'"),
        (["--gex", "{log}", "--library-size-column", "n"], "cannot be scaled to a library size any more"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path, gex, arguments, words):
    """Contradicting options end with 78 before anything is written, inside or outside the folder."""
    obs = pd.DataFrame({"n": np.full(60, 1e4)})
    names = {
        "gex": gex,
        "tcr": write_table(tmp_path / "c.csv", TEN_X),
        "log": write_h5ad(tmp_path / "log.h5ad", SAMPLE, counts_in="nowhere", obs=obs),
    }
    before = sorted(tmp_path.iterdir())
    assert_refused(tmp_path, 78, words, *(argument.format(**names) for argument in arguments))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("nothing", "there is no column 'nothing' about the cells; there are: small, class"),
        (
            "small",
            f"'small' are smaller than the counts of the cell (60; first: cell {SAMPLE.barcodes[0]}, 1 for",
        ),
        ("class", "library sizes in 'class' are no positive numbers"),
    ],
)
def test_columns_that_are_no_library_size_are_refused(tmp_path, column, words):
    """An absent, textual or too small library size ends with 66."""
    obs = pd.DataFrame({"small": np.ones(60), "class": SAMPLE.classes.astype(str)})
    path = write_h5ad(tmp_path / "a.h5ad", SAMPLE, obs=obs)
    assert_refused(tmp_path, 66, words, "--gex", path, "--library-size-column", column)


@pytest.mark.parametrize(
    "arguments",
    [["--max-pct-mt", "120"], ["--min-genes", "-1"], ["--orphans", "all"], ["--unknown"], ["--gex"]],
)
def test_what_cannot_be_parsed_is_usage(tmp_path, arguments):
    """Impossible values and unknown options end with 2."""
    outcome = preprocess(tmp_path, *arguments)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert not (tmp_path / "out").exists()
