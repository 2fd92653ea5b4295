"""Which matrix of an AnnData is read: decided by what each holds, alike for files and objects."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from factories import log_normalised, make_anndata, make_counts, write_h5ad
from tcellflow.errors import InputError
from tcellflow.io.matrices.h5ad import open_anndata
from tcellflow.io.matrices.in_memory import open_in_memory
from tcellflow.io.matrices.slot_choice import Holds, SlotLook, choose_by_content, judge_rows, sample_rows

SAMPLE = make_counts(200, 150)
COUNTS = SAMPLE.counts
LOGS = log_normalised(COUNTS)
SOFT = sp.csr_matrix(COUNTS.multiply(np.linspace(0.8, 0.98, 150)))
SOFT.data[::2] = np.ceil(SOFT.data[::2])
PARTS = {"counts": COUNTS, "log": LOGS, "soft": SOFT, "scaled": sp.csr_matrix(LOGS.toarray() - 1)}


def build(x, raw=None, **layers):
    """Put matrices into an object: each a name of `PARTS`, those with * cut to 40 genes."""

    def take(name):
        matrix = PARTS[name.strip("*")]
        return (matrix[:, :40] if name.endswith("*") else matrix).copy()

    var = pd.DataFrame(index=SAMPLE.gene_names.astype(str))
    obs = pd.DataFrame(index=SAMPLE.barcodes.astype(str))
    matrix = take(x)
    adata = ad.AnnData(matrix, obs=obs, var=var.iloc[: matrix.shape[1]])
    if raw is not None:
        adata.raw = ad.AnnData(take(raw), obs=obs, var=var)
    for name, part in layers.items():
        adata.layers[name] = take(part)
    return adata


CASES = [
    (build("counts*", raw="counts"), "raw/X"),
    (build("log*", raw="log", counts="counts*"), "raw/X"),
    (build("log*", raw="log"), "raw/X"),
    (build("scaled*", raw="counts"), "raw/X"),
    (build("log", counts="soft"), "X"),
    (build("scaled", counts="soft"), "layers/counts"),
    (build("counts*", raw="soft"), "raw/X"),
    (build("scaled", umi="counts"), "layers/umi"),
    (build("counts", counts="log"), "X"),
    (build("log", counts="counts"), "layers/counts"),
    (build("log", spliced="counts"), "X"),
    (build("scaled", spliced="counts"), "layers/spliced"),
    (build("log", raw="counts"), "raw/X"),
]


@pytest.mark.parametrize(("adata", "slot"), CASES, ids=range(len(CASES)))
@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_files_and_objects_give_the_same_matrix(tmp_path, adata, slot, layout):
    """The widest matrix of counts or log1p(CP10k) is read, however stored, from file and object alike."""
    adata = adata.copy()
    if layout != "csr":
        store = sp.csc_matrix if layout == "csc" else lambda matrix: matrix.toarray()
        adata.X = store(adata.X)
        for name in adata.layers:
            adata.layers[name] = store(adata.layers[name])
    adata.write_h5ad(tmp_path / "a.h5ad")
    source, in_memory = open_anndata(tmp_path / "a.h5ad"), open_in_memory(adata)
    assert source.slot == in_memory.slot == slot
    assert source.choice == in_memory.choice
    assert len(source.features) == len(in_memory.features)


def test_what_is_passed_over_is_told_in_one_line(tmp_path):
    """A wider matrix than the one that stands first is a surprise, equal ones are not."""
    build("counts*", raw="counts").write_h5ad(tmp_path / "a.h5ad")
    choice = open_anndata(tmp_path / "a.h5ad").choice
    assert choice.is_surprising
    assert choice.line == (
        "raw/X (150 features, counts) is read; passed over: X (40 features, counts) (--layer)"
    )
    usual = open_anndata(write_h5ad(tmp_path / "b.h5ad", SAMPLE, counts_in="layers")).choice
    assert not usual.is_surprising
    assert [look.name for look in usual.passed_over] == ["X"]
    alone = open_anndata(write_h5ad(tmp_path / "c.h5ad", SAMPLE)).choice
    assert (alone.line, alone.is_surprising, alone.passed_over) == ("", False, ())


@pytest.mark.parametrize(
    ("named", "slot"), [("X", "X"), ("raw", "raw/X"), ("counts", "layers/counts"), ("raw/X", "raw/X")]
)
def test_a_named_matrix_is_read_whatever_it_holds(tmp_path, named, slot):
    """The user's word stands above the values, in files and objects."""
    adata = build("scaled*", raw="log", counts="soft*")
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert open_anndata(tmp_path / "a.h5ad", slot=named).slot == slot
    assert open_in_memory(adata, named).slot == slot
    with pytest.raises(InputError, match="there is no matrix in layers/spliced") as caught:
        open_anndata(tmp_path / "a.h5ad", slot="spliced")
    assert "--layer: X, counts, raw" in caught.value.mend


def test_a_layer_called_raw_is_found_where_there_is_no_raw(tmp_path):
    """raw is adata.raw, else the layer of that name."""
    adata = make_anndata(SAMPLE)
    adata.layers["raw"] = adata.X.copy()
    assert open_in_memory(adata, "raw").slot == "layers/raw"


def test_a_layer_that_is_no_matrix_of_numbers_is_passed_over(tmp_path):
    """Flags in a layer are nothing to read, and no reason to fail."""
    adata = make_anndata(SAMPLE, counts_in="layers")
    adata.layers["seen"] = adata.layers["counts"].toarray() > 0
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert open_anndata(tmp_path / "a.h5ad").slot == open_in_memory(adata).slot == "layers/counts"


def test_an_object_without_a_matrix_is_refused():
    """Names alone are no expression."""
    with pytest.raises(InputError, match="no matrix in X"):
        open_in_memory(ad.AnnData(obs=pd.DataFrame(index=["a"]), var=pd.DataFrame(index=["CD4"])))


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        (np.zeros((3, 2)), Holds.NOTHING),
        (np.array([[np.nan, 1]]), Holds.OTHER),
        (np.array([[3e9, 1]]), Holds.OTHER),
        (np.array([[0.5, 1.25], [3, 2], [7, 1]]), Holds.CORRECTED),
        (np.array([[0.5, 1.5], [0.25, 0.75]]), Holds.NON_NEGATIVE),
    ],
)
def test_rows_are_judged_by_their_values(values, holds):
    """Zeros say nothing; NaN and huge values are no expression; fractions need more than a small range."""
    assert judge_rows("X", sp.csr_matrix(values)) is holds


def test_borders_of_the_choice():
    """95 % of the genes count as all of them; plain counts of half the genes beat corrected ones of all."""

    def look(name, n_features, holds):
        return SlotLook(name, n_features, holds)

    wide = look("raw/X", 1000, Holds.LOG)
    assert choose_by_content([look("X", 950, Holds.COUNTS), wide]).name == "X"
    assert choose_by_content([look("X", 949, Holds.COUNTS), wide]).name == "raw/X"
    corrected = look("raw/X", 1000, Holds.CORRECTED)
    assert choose_by_content([look("X", 500, Holds.COUNTS), corrected]).name == "X"
    assert choose_by_content([look("X", 499, Holds.COUNTS), corrected]).name == "raw/X"


def test_rows_to_look_at_do_not_overlap():
    """Few rows are looked at once, many at the beginning, the middle and the end."""
    assert sample_rows(180) == [slice(0, 180)]
    assert sample_rows(181) == [slice(0, 60), slice(60, 120), slice(121, 181)]
