"""AnnData and MuData files as expression matrices."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from factories import ANTIBODIES, log_normalised, make_anndata, make_counts, write_h5ad, write_h5mu
from tcellflow.errors import ExitCode, InputError
from tcellflow.io.files import csr_blocks
from tcellflow.io.matrices import h5ad_blocks
from tcellflow.io.matrices.h5ad import is_anndata, is_mudata, open_anndata
from tcellflow.io.matrices.source import ANTIBODY_CAPTURE, GENE_EXPRESSION, split_features


@pytest.fixture
def sample():
    return make_counts(40, 100, antibodies=ANTIBODIES)


def whole(source, n_rows=1024):
    return sp.vstack(list(source.blocks(n_rows)), format="csr")


def refuse(path, **options):
    with pytest.raises(InputError) as caught:
        for _ in open_anndata(path, **options).blocks():
            pass
    assert caught.value.exit_code == ExitCode.INPUT
    assert caught.value.mend
    return caught.value


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def replace(group, name, values):
    del group[name]
    group[name] = values


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
@pytest.mark.parametrize(("counts_in", "slot"), [("X", "X"), ("layers", "layers/counts"), ("raw", "raw/X")])
@pytest.mark.parametrize("n_rows", [9, 1024])
def test_counts_are_found_in_any_slot_and_layout(tmp_path, sample, layout, counts_in, slot, n_rows):
    """Counts stream the same from X, a layer or raw, stored by row, by column or dense."""
    path = write_h5ad(tmp_path / "a.h5ad", sample, counts_in=counts_in, layout=layout)
    source = open_anndata(path)
    assert source.slot == slot
    blocks = list(source.blocks(n_rows))
    assert max(block.shape[0] for block in blocks) <= n_rows
    assert all(block.indices.dtype == np.int32 and block.has_sorted_indices for block in blocks)
    assert (sp.vstack(blocks, format="csr") != sample.counts).nnz == 0
    assert source.barcodes.tolist() == sample.barcodes.tolist()
    assert source.features.names.tolist() == sample.gene_names.tolist()
    assert source.features.ids.tolist() == sample.gene_ids.tolist()


@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_small_limits_give_the_same_matrix(tmp_path, sample, layout, monkeypatch):
    """Slabs, strips and value limits far below the matrix's size change nothing."""
    monkeypatch.setattr(h5ad_blocks, "_DENSE_BYTES", 2000)
    monkeypatch.setattr(h5ad_blocks, "_GATHERED_COLUMNS", 7)
    monkeypatch.setattr(h5ad_blocks, "MAX_BLOCK_VALUES", 50)
    monkeypatch.setattr(csr_blocks, "MAX_BLOCK_VALUES", 50)
    source = open_anndata(write_h5ad(tmp_path / "a.h5ad", sample, layout=layout))
    blocks = list(source.blocks())
    assert len(blocks) > 3
    assert (sp.vstack(blocks, format="csr") != sample.counts).nnz == 0


def test_column_compressed_matrix_says_so(tmp_path, sample, caplog):
    """A matrix stored by gene is gathered in memory, and the log says so."""
    with caplog.at_level("INFO", logger="tcellflow"):
        whole(open_anndata(write_h5ad(tmp_path / "a.h5ad", sample, layout="csc")))
    assert "gathered in memory" in caplog.text


def test_dense_nan_is_kept(tmp_path, sample):
    """NaN in a dense matrix reaches quality control instead of becoming zero."""
    dense = sample.counts.toarray().astype(np.float32)
    dense[3, 5] = np.nan
    path = tmp_path / "a.h5ad"
    ad.AnnData(dense, obs=pd.DataFrame(index=sample.barcodes.astype(str))).write_h5ad(path)
    block = next(iter(open_anndata(path).blocks()))
    assert np.isnan(block[3, 5])


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_compressed_files_are_read(tmp_path, sample, compression):
    """Compression by anndata's own filters changes nothing."""
    path = write_h5ad(tmp_path / "a.h5ad", sample, compression=compression)
    assert (whole(open_anndata(path)) != sample.counts).nnz == 0


def test_without_counts_log_values_are_read(tmp_path, sample, caplog):
    """A file with log-normalised X alone gives X, and the log says that no counts were found."""
    with caplog.at_level("INFO", logger="tcellflow"):
        source = open_anndata(write_h5ad(tmp_path / "a.h5ad", sample, counts_in="nowhere"))
    assert source.slot == "X"
    assert "no counts were found" in caplog.text
    assert abs(whole(source) - log_normalised(sample.counts)).max() == 0


def test_scaled_x_yields_to_log_values_in_raw(tmp_path, sample):
    """Where X was scaled (negative values), log-normalised values in raw are read."""
    adata = make_anndata(sample, counts_in="nowhere")
    adata.raw = adata.copy()
    adata.X = adata.X.toarray() - 1
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert open_anndata(tmp_path / "a.h5ad").slot == "raw/X"


def test_raw_brings_its_own_features(tmp_path, sample):
    """Counts in raw have the genes of raw, though X was cut to fewer."""
    adata = make_anndata(sample, counts_in="raw")[:, :20].copy()
    adata.write_h5ad(tmp_path / "a.h5ad")
    source = open_anndata(tmp_path / "a.h5ad")
    assert source.slot == "raw/X"
    assert source.features.names.tolist() == sample.gene_names.tolist()
    assert (whole(source) != sample.counts).nnz == 0


def test_user_chooses_the_slot(tmp_path, sample):
    """A named slot is read, whatever the others hold; an absent one is refused with the list."""
    path = write_h5ad(tmp_path / "a.h5ad", sample, counts_in="layers")
    assert open_anndata(path, slot="X").slot == "X"
    assert abs(whole(open_anndata(path, slot="X")) - log_normalised(sample.counts)).max() == 0
    error = refuse(path, slot="layers/umi")
    assert "X, layers/counts" in error.what


def test_integer_looking_floats_count_as_counts(tmp_path, sample):
    """Counts stored as float32 are taken for counts."""
    adata = make_anndata(sample, counts_in="X")
    adata.X = adata.X.astype(np.float32)
    adata.raw = make_anndata(sample, counts_in="nowhere")
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert open_anndata(tmp_path / "a.h5ad").slot == "X"


def test_obs_keeps_the_users_columns(tmp_path, sample):
    """Columns about the cells come back with their types, indexed by barcode."""
    obs = pd.DataFrame({"donor": ["a", "b"] * 20, "age": range(40), "naive": [True, False] * 20})
    source = open_anndata(write_h5ad(tmp_path / "a.h5ad", sample, obs=obs))
    assert source.obs.index.tolist() == sample.barcodes.tolist()
    assert source.obs["donor"].tolist() == obs["donor"].tolist()
    assert source.obs["age"].tolist() == obs["age"].tolist()
    assert source.obs["naive"].dtype == bool


def test_ensembl_rows_take_names_from_a_column(tmp_path, sample):
    """Where rows are named by Ensembl ids, symbols come from the column that holds them."""
    adata = make_anndata(sample)
    adata.var = pd.DataFrame(
        {"feature_name": pd.Categorical(sample.gene_names.astype(str)), "feature_type": "protein_coding"},
        index=pd.Index(sample.gene_ids.astype(str)),
    )
    adata.write_h5ad(tmp_path / "a.h5ad")
    features = open_anndata(tmp_path / "a.h5ad").features
    assert features.ids.tolist() == sample.gene_ids.tolist()
    assert features.names.tolist() == sample.gene_names.tolist()
    assert set(features.types) == {GENE_EXPRESSION}


def test_ensembl_rows_without_names_keep_their_ids(tmp_path, sample):
    """Without a column of symbols the ids stand for the names."""
    adata = make_anndata(sample)
    adata.var = pd.DataFrame(index=pd.Index(sample.gene_ids.astype(str)))
    adata.write_h5ad(tmp_path / "a.h5ad")
    features = open_anndata(tmp_path / "a.h5ad").features
    assert features.names.tolist() == sample.gene_ids.tolist()


@pytest.mark.parametrize("word", ["Antibody Capture", "ADT"])
def test_antibodies_among_the_features_are_typed(tmp_path, sample, word):
    """Antibodies that scanpy left among the features are told apart by feature_types."""
    adata = make_anndata(sample)
    types = np.array(["Gene Expression"] * 97 + [word] * 3)
    adata.var["feature_types"] = pd.Categorical(types)
    adata.write_h5ad(tmp_path / "a.h5ad")
    source = open_anndata(tmp_path / "a.h5ad")
    assert set(source.features.types) == {GENE_EXPRESSION, ANTIBODY_CAPTURE}
    assert split_features(source).antibodies.sum() == 3


@pytest.mark.parametrize("key", ["protein", "adt", "ADT", "adt_counts"])
def test_antibody_table_in_obsm_is_read(tmp_path, sample, key):
    """Antibody counts in obsm are read under any of their usual keys."""
    source = open_anndata(write_h5ad(tmp_path / "a.h5ad", sample, antibody_key=key))
    antibodies = source.read_antibodies()
    assert antibodies.names == ANTIBODIES
    assert antibodies.cell_ids.tolist() == sample.barcodes.tolist()
    assert antibodies.counts.dtype == np.int32
    assert np.array_equal(antibodies.counts.toarray(), sample.antibody_counts)


@pytest.mark.parametrize("key", ["hto", "hto_counts", "Hashtags"])
def test_hashtags_beside_the_antibodies_are_read_too(tmp_path, sample, key, caplog):
    """A table of sample hashtags follows the antibodies, and is left out aloud under other names."""
    adata = make_anndata(sample)
    tags = pd.DataFrame({"HTO_1": range(40), "HTO_2": 1}, index=adata.obs_names)
    adata.obsm[key] = tags
    adata.write_h5ad(tmp_path / "a.h5ad")
    found = open_anndata(tmp_path / "a.h5ad").read_antibodies()
    assert found.names == (*ANTIBODIES, "HTO_1", "HTO_2")
    assert np.array_equal(found.counts[:, -2:].toarray(), tags.to_numpy())
    adata.obsm[key] = tags.set_axis(["CD3", "x"], axis=1)
    adata.write_h5ad(tmp_path / "b.h5ad")
    assert open_anndata(tmp_path / "b.h5ad").read_antibodies().names == ANTIBODIES
    assert "hashtags under unknown names" in caplog.text
    del adata.obsm["protein"]
    adata.obsm[key] = tags
    adata.write_h5ad(tmp_path / "c.h5ad")
    assert open_anndata(tmp_path / "c.h5ad").read_antibodies().names == ("HTO_1", "HTO_2")


def test_antibody_array_takes_names_from_uns(tmp_path, sample):
    """An array in obsm is read if uns names its columns, and left out with a warning otherwise."""
    adata = make_anndata(sample)
    adata.obsm["protein_expression"] = sp.csr_matrix(adata.obsm.pop("protein").to_numpy())
    adata.uns["protein_names"] = np.array(ANTIBODIES)
    adata.write_h5ad(tmp_path / "a.h5ad")
    antibodies = open_anndata(tmp_path / "a.h5ad").read_antibodies()
    assert antibodies.names == ANTIBODIES
    assert np.array_equal(antibodies.counts.toarray(), sample.antibody_counts)


def test_unnamed_or_normalised_antibodies_are_left_out_aloud(tmp_path, sample, caplog):
    """Tables without names, or with values that are no counts, are left out with a warning."""
    adata = make_anndata(sample)
    adata.obsm["adt"] = sample.antibody_counts
    adata.obsm["protein"] = adata.obsm["protein"] + 0.5
    adata.obsm["prot"] = pd.DataFrame({"CD3": ["a"] * 40}, index=adata.obs_names)
    adata.write_h5ad(tmp_path / "a.h5ad")
    assert open_anndata(tmp_path / "a.h5ad").read_antibodies() is None
    assert "obsm/adt has no antibody names" in caplog.text
    assert "obsm/protein holds values that are no counts" in caplog.text
    assert "obsm/prot holds values that are no counts" in caplog.text


def test_file_without_antibodies_gives_none(tmp_path):
    """Without an antibody table there is none."""
    assert open_anndata(write_h5ad(tmp_path / "a.h5ad", make_counts(5, 80))).read_antibodies() is None


@pytest.mark.parametrize(("gex", "prot"), [("gex", "prot"), ("rna", "adt"), ("RNA", "Prot")])
def test_mudata_gives_expression_and_antibodies(tmp_path, sample, gex, prot):
    """Both modalities of a MuData file are read, whatever their usual names."""
    path = write_h5mu(tmp_path / "a.h5mu", sample, gex=gex, prot=prot)
    source = open_anndata(path)
    assert source.slot == f"mod/{gex}/X"
    assert (whole(source) != sample.counts).nnz == 0
    assert source.obs["class"].tolist() == sample.classes.tolist()
    antibodies = source.read_antibodies()
    assert antibodies.names == ANTIBODIES
    assert np.array_equal(antibodies.counts.toarray(), sample.antibody_counts)
    with h5py.File(path) as file:
        assert is_mudata(file)
        assert not is_anndata(file)


def test_mudata_without_expression_names_its_modalities(tmp_path, sample):
    """A MuData file without gene expression is refused, naming what it has."""
    path = write_h5mu(tmp_path / "a.h5mu", sample, gex="atac")
    assert "atac, prot" in refuse(path).what


def test_normalised_antibody_modality_is_left_out_aloud(tmp_path, sample, caplog):
    """A protein modality without counts is left out with a warning."""
    path = write_h5mu(tmp_path / "a.h5mu", sample)
    edit(path, lambda f: replace(f, "mod/prot/X/data", f["mod/prot/X/data"][:] + 0.5))
    assert open_anndata(path).read_antibodies() is None
    assert "no counts and is left out" in caplog.text


def test_damaged_antibody_modality_is_refused(tmp_path, sample):
    """A protein modality whose names do not fit its matrix is refused."""
    path = write_h5mu(tmp_path / "a.h5mu", sample)
    edit(path, lambda f: f["mod/prot/X"].attrs.__setitem__("shape", np.array([40, 7])))
    with pytest.raises(InputError, match="5 antibodies"):
        open_anndata(path).read_antibodies()


@pytest.mark.parametrize(("n_cells", "n_genes"), [(0, 80), (5, 0), (0, 0)])
@pytest.mark.parametrize("layout", ["csr", "csc", "dense"])
def test_empty_matrix_is_valid(tmp_path, n_cells, n_genes, layout):
    """No cells or no genes is no error, in any layout."""
    source = open_anndata(write_h5ad(tmp_path / "a.h5ad", make_counts(n_cells, n_genes), layout=layout))
    assert sum(block.shape[0] for block in source.blocks()) == n_cells


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.pop("X"), "holds no matrix"),
        (lambda f: f.pop("obs"), "/obs is missing"),
        (lambda f: replace(f, "var", np.zeros(3)), "/var is missing or in the layout before"),
        (lambda f: f["obs"].pop("_index"), "/obs has no row names"),
        (lambda f: f["X"].pop("indices"), "lacks indices"),
        (lambda f: f["X"].attrs.__setitem__("encoding-type", "coo"), "encoded as coo"),
        (lambda f: f["X"].attrs.__setitem__("shape", np.array([40, 99])), "has the shape (40, 99)"),
        (lambda f: replace(f, "X/indptr", f["X/indptr"][:-1]), "40 entries"),
        (lambda f: f["X"].attrs.__setitem__("shape", np.array([39, 100])), "entries"),
        (lambda f: replace(f, "X", np.zeros(5)), "has the shape (5,)"),
        (lambda f: replace(f, "X", np.zeros((39, 100))), "has the shape (39, 100)"),
        (lambda f: replace(f, "X", np.full((40, 100), b"a")), "where numbers belong"),
        (lambda f: replace(f, "X/data", np.full(len(f["X/data"]), b"a")), "where numbers belong"),
        (
            lambda f: replace(f, "X/indices", f["X/indices"][:] * 1.0),
            "/X/indices holds values of the type float",
        ),
        (lambda f: replace(f, "X/indices", f["X/indices"][:] + 90), "100 features"),
        (lambda f: replace(f, "obs/_index", np.array(["A"] * 40, dtype="S1")), "A (40 times)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, sample, change, said):
    """Missing or contradicting parts are refused, saying which."""
    path = write_h5ad(tmp_path / "a.h5ad", sample)
    edit(path, change)
    error = refuse(path)
    assert said in error.what
    assert error.where == str(path)


def test_rows_must_match_the_cells(tmp_path, sample):
    """A matrix with fewer rows than obs has names is refused."""
    path = write_h5ad(tmp_path / "a.h5ad", sample)

    def cut(file):
        replace(file, "obs/_index", file["obs/_index"][:39])

    edit(path, cut)
    assert "obs names 39 cells" in refuse(path).what


def test_counts_in_a_layer_of_any_name_are_read(tmp_path, sample):
    """Without X, counts are found by their values, and a user may name the layer without its folder."""
    path = write_h5ad(tmp_path / "a.h5ad", sample, counts_in="layers")

    def rename(file):
        file.move("layers/counts", "layers/umis")
        del file["X"]

    edit(path, rename)
    for slot in (None, "umis", "layers/umis"):
        source = open_anndata(path, slot=slot)
        assert source.slot == "layers/umis"
        assert (whole(source) != sample.counts).nnz == 0


def test_index_outside_a_column_matrix_is_refused(tmp_path, sample):
    """A cell index beyond the cells of a matrix stored by gene is refused."""
    path = write_h5ad(tmp_path / "a.h5ad", sample, layout="csc")
    edit(path, lambda f: replace(f, "X/indices", f["X/indices"][:] + 1))
    assert "but there are only 40" in refuse(path).what


def test_unreadable_obs_is_refused_when_asked_for(tmp_path, sample):
    """An obs column that anndata cannot read is refused by name, only when obs is read."""
    path = write_h5ad(tmp_path / "a.h5ad", sample)
    edit(path, lambda f: f["obs/class"].attrs.__setitem__("encoding-type", "riddle"))
    source = open_anndata(path)
    assert (whole(source) != sample.counts).nnz == 0
    with pytest.raises(InputError, match="/obs cannot be read"):
        _ = source.obs


def test_obs_must_be_a_data_frame(tmp_path, sample):
    """An obs that is another kind of mapping is refused when obs is read."""
    path = write_h5ad(tmp_path / "a.h5ad", sample)

    def spoil(file):
        file["obs"].attrs["encoding-type"] = "dict"
        file["obs"].attrs["encoding-version"] = "0.1.0"

    edit(path, spoil)
    with pytest.raises(InputError, match="not a data frame"):
        _ = open_anndata(path).obs


def test_symbols_beside_row_numbers_are_read(tmp_path, sample):
    """Where the row names are numbers, a column of symbols names the genes."""
    adata = make_anndata(sample)
    adata.var["gene_symbols"] = adata.var_names.to_numpy()
    adata.var_names = [str(number) for number in range(100)]
    adata.write_h5ad(tmp_path / "a.h5ad")
    features = open_anndata(tmp_path / "a.h5ad").features
    assert features.names.tolist() == sample.gene_names.tolist()
    assert features.ids.tolist() == sample.gene_ids.tolist()
    del adata.var["gene_symbols"]
    adata.write_h5ad(tmp_path / "b.h5ad")
    assert open_anndata(tmp_path / "b.h5ad").features.ids.tolist() == sample.gene_ids.tolist()
