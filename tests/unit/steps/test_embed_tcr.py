"""embed-tcr: each distinct receptor once, every cell accounted for, the same bytes every time."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from receptor_tables import make_chain_rows, make_repertoire, write_cells_of, write_chain_rows
from tcellflow.contracts.tables import EMBEDDINGS, RECEPTORS
from tcellflow.errors import ContractError, InputError, OptionsError, OutputError
from tcellflow.inference.receptors import distinct_vectors, network
from tcellflow.inference.receptors.encoder import EncoderChoice
from tcellflow.inference.receptors.kmers import KmerEncoder
from tcellflow.io.contigs import reading
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.tables.chains import build_chain_table
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.encoding.keys import embedding_key, pair_key
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.steps.embed_tcr import EmbedTcrOptions, embed_tcr

ALPHA, BETA = "CAVRDSNYQLIF", "CASSLGQAYEQYF"


def embed(folder, *chains, prefix="s1", **more):
    """Run the step on chains files, by default without a model, and give its options' folder."""
    embed_tcr(EmbedTcrOptions(tuple(chains), folder, prefix, **{"backend": "kmer", **more}))
    return folder


def read_vectors(folder, prefix="s1"):
    """Give the embeddings as a mapping of (kind, key) to vector."""
    table = read_table(folder / f"{prefix}.embeddings.parquet", EMBEDDINGS)
    rows = np.stack(table["vector"].to_numpy()) if table.num_rows else np.empty((0, 1))
    return dict(
        zip(zip(table["kind"].to_pylist(), table["emb_id"].to_pylist(), strict=True), rows, strict=True)
    )


def read_receptors(folder, prefix="s1"):
    """Give the receptors table as a data frame indexed by cell."""
    return read_table(folder / f"{prefix}.receptors.parquet", RECEPTORS).to_pandas().set_index("cell_id")


def all_bytes(folder):
    """Give the content of every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def repertoire(tmp_path):
    """Write the chains of 120 cells and give rows and path."""
    rows = make_repertoire(120)
    return rows, write_chain_rows(tmp_path / "s1.chains.parquet", rows)


def test_each_distinct_chain_and_pair_has_one_vector(tmp_path):
    """Two cells with the same receptor share their vectors; keys are those of the sequences."""
    rows = make_chain_rows(
        [(cell, *chain) for cell in ("a", "b") for chain in (("TRA", ALPHA), ("TRB", BETA))]
    )
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows))
    alpha = embedding_key("TRA", ALPHA, "TRAV12-1", "TRAJ33")
    beta = embedding_key("TRB", BETA, "TRBV20-1", "TRBJ2-7")
    assert list(read_vectors(folder)) == [("pair", pair_key(alpha, beta)), ("tra", alpha), ("trb", beta)]
    receptors = read_receptors(folder)
    assert (receptors["emb_tra"] == alpha).all()
    assert (receptors["emb_trb"] == beta).all()
    assert (receptors["emb_pair"] == pair_key(alpha, beta)).all()


def test_vectors_are_those_of_the_encoder(tmp_path, repertoire):
    """Every vector equals what the encoder computes for the chain alone."""
    rows, path = repertoire
    vectors = read_vectors(embed(tmp_path / "o", path))
    encoder = KmerEncoder()
    wanted = rows[rows["emb_id"].notna() & (rows["rank"] == 1)].drop_duplicates("emb_id")
    for row in wanted.itertuples():
        chain = ChainSequences(
            *(np.array([value], object) for value in (row.locus, row.junction_aa, row.v_call, row.j_call))
        )
        np.testing.assert_array_equal(vectors[row.locus.lower(), row.emb_id], encoder.embed_chains(chain)[0])
    assert sum(kind != "pair" for kind, _ in vectors) == len(wanted)


def test_two_runs_give_equal_bytes(tmp_path, repertoire):
    """The same files give the same outputs, byte for byte, the h5ad included."""
    rows, path = repertoire
    cells = write_cells_of(tmp_path / "s1.cells.h5ad", sorted(set(rows["cell_id"])), rows)
    first = embed(tmp_path / "o1", path, gex=cells)
    second = embed(tmp_path / "o2", path, gex=cells, threads=2)
    assert all_bytes(first) == all_bytes(second)
    assert len(all_bytes(first)) == 4


def test_order_of_rows_and_files_does_not_matter(tmp_path):
    """Shuffled rows and exchanged files give the same bytes but for the digest of the input."""
    one, two = make_repertoire(40), make_repertoire(40, seed=1, sample="s2", donor="d2")
    paths = [write_chain_rows(tmp_path / name, rows) for name, rows in (("1", one), ("2", two))]
    straight = embed(tmp_path / "o1", *paths)
    exchanged = embed(tmp_path / "o2", *paths[::-1])
    assert all_bytes(straight) == all_bytes(exchanged)
    shuffled = write_chain_rows(tmp_path / "3", one.sample(frac=1, random_state=0))
    tables = [
        read_table(embed(tmp_path / name, path) / "s1.receptors.parquet", RECEPTORS)
        for name, path in (("o3", paths[0]), ("o4", shuffled))
    ]
    assert tables[0].equals(tables[1])


def test_piece_and_batch_size_change_nothing(tmp_path, repertoire, monkeypatch):
    """Vectors are the same whatever the number of rows computed at a time."""
    whole = read_vectors(embed(tmp_path / "o1", repertoire[1]))
    monkeypatch.setattr(distinct_vectors, "PIECE_ROWS", 7)
    monkeypatch.setattr(network, "BATCH_ROWS", 3)
    small = read_vectors(embed(tmp_path / "o2", repertoire[1]))
    assert list(whole) == list(small)
    for key, vector in whole.items():
        np.testing.assert_array_equal(vector, small[key])


def test_vectors_are_computed_once_over_all_files(tmp_path):
    """A receptor that occurs in two samples has one row, and both samples' cells point to it."""
    chains = [("a", "TRA", ALPHA), ("a", "TRB", BETA)]
    paths = [
        write_chain_rows(tmp_path / sample, make_chain_rows(chains, sample=sample, donor=sample))
        for sample in ("s1", "s2")
    ]
    folder = embed(tmp_path / "o", *paths)
    assert len(read_vectors(folder)) == 3
    receptors = read_receptors(folder)
    assert receptors["sample_id"].tolist() == ["s1", "s2"]
    assert len(set(receptors["emb_pair"])) == 1
    assert receptors["clone_id"].nunique() == 2  # another donor is another clone
    assert receptors["clone_size"].tolist() == [1, 1]


def test_missing_chains_are_null(tmp_path):
    """A cell with one chain has a null key for the other and for the pair."""
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", make_chain_rows([("a", "TRB", BETA)])))
    row = read_receptors(folder).loc["a"]
    assert (row["emb_tra"], row["emb_pair"]) == (None, None)
    assert row["emb_trb"] is not None
    assert (row["has_tra"], row["has_trb"], row["chain_pairing"]) == (False, True, "orphan VDJ")


def test_gamma_delta_cells_stay_without_vectors(tmp_path):
    """Chains of loci without encoder are counted and masked; their cells keep a row and a clone."""
    rows = make_chain_rows(
        [("a", "TRG", "CALWEVQELGKKIKVF"), ("a", "TRD", "CACDTLGDTDKLIF"), ("b", "TRB", BETA)]
    )
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows))
    row = read_receptors(folder).loc["a"]
    assert [row[name] for name in ("emb_tra", "emb_trb", "emb_pair")] == [None] * 3
    assert row["receptor_subtype"] == "TRG+TRD"
    assert row["clone_id"] is not None
    account = read_json(folder / "s1.embed.json")["chains"]
    assert account == {"embedded": 1, "not_embedded": {"locus_without_encoder": 2}, "total": 3}


def test_chains_all_embeds_second_chains_too(tmp_path):
    """With --chains all second chains get vectors, while cells still point to their first ones."""
    second = "CALSEGGATNKLIF"
    rows = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRA", second), ("a", "TRB", BETA)])
    path = write_chain_rows(tmp_path / "c", rows)
    first, every = embed(tmp_path / "o1", path), embed(tmp_path / "o2", path, which="all")
    key = embedding_key("TRA", second, "TRAV12-1", "TRAJ33")
    assert ("tra", key) not in read_vectors(first)
    assert ("tra", key) in read_vectors(every)
    assert read_json(first / "s1.embed.json")["chains"]["not_embedded"] == {"lower_rank": 1}
    assert read_json(every / "s1.embed.json")["chains"]["not_embedded"] == {}
    columns = ["emb_tra", "emb_trb", "emb_pair", "chain_pairing"]
    assert read_receptors(first)[columns].equals(read_receptors(every)[columns])
    assert read_receptors(first).loc["a", "chain_pairing"] == "extra VJ"


def test_the_account_adds_up(tmp_path, repertoire):
    """Embedded chains and the others, per reason, add up to the chains of the file."""
    rows, path = repertoire
    account = read_json(embed(tmp_path / "o", path) / "s1.embed.json")
    chains = account["chains"]
    assert chains["total"] == len(rows) == chains["embedded"] + sum(chains["not_embedded"].values())
    assert chains["not_embedded"]["letters_that_are_no_residues"] > 0
    assert account["cells"]["total"] == rows["cell_id"].nunique() == sum(account["cells"]["pairing"].values())


def test_every_cell_of_the_cells_file_has_a_row(tmp_path):
    """With --gex the rows are its cells in its order; cells without receptor are 'no IR'."""
    rows = make_chain_rows([("b", "TRA", ALPHA), ("b", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["c", "b", "a"], rows)
    receptors = read_receptors(embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows), gex=cells))
    assert receptors.index.tolist() == ["c", "b", "a"]
    assert receptors["chain_pairing"].tolist() == ["no IR", "single pair", "no IR"]
    assert receptors["clone_id"].isna().tolist() == [True, False, True]
    assert receptors["clone_size"].isna().tolist() == [True, False, True]


def test_the_h5ad_holds_zeros_for_missing_chains_and_says_so(tmp_path):
    """obsm follows the cells: vectors where there is a chain, zeros where there is none, a mask beside."""
    rows = make_chain_rows([("b", "TRA", ALPHA), ("b", "TRB", BETA), ("c", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b", "c"], rows)
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows), gex=cells)
    data = ad.read_h5ad(folder / "s1.embedded.h5ad")
    vectors, receptors = read_vectors(folder), read_receptors(folder)
    for key, kind, present in (
        ("X_tra", "tra", [False, True, False]),
        ("X_trb", "trb", [False, True, True]),
        ("X_tcr", "pair", [False, True, False]),
    ):
        matrix = data.obsm[key]
        assert (matrix.dtype, matrix.shape) == (np.float32, (3, 692))
        assert (matrix == 0).all(axis=1).tolist() == [not value for value in present]
        assert data.obs[f"has_{key}"].tolist() == present
        for row in np.flatnonzero(present):
            np.testing.assert_array_equal(matrix[row], vectors[kind, receptors[f"emb_{kind}"].iloc[row]])
    assert data.obs["has_tra"].tolist() == [False, True, False]
    assert data.obs["chain_pairing"].tolist() == ["no IR", "single pair", "orphan VDJ"]
    assert data.obs["clone_id"].isna().tolist() == [True, False, False]


def test_the_h5ad_keeps_cells_and_notes(tmp_path):
    """The copy is a valid cells file with the same matrices, and notes which step added what."""
    rows = make_chain_rows([("a", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b"], rows)
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows), gex=cells)
    copy, source = read_cells(folder / "s1.embedded.h5ad"), read_cells(cells)
    assert set(copy.notes) == {"preprocess", "embed-tcr"}
    assert copy.notes["embed-tcr"] == read_table_note(folder / "s1.embeddings.parquet")
    for layer in ("X", "counts"):
        for left, right in zip(copy.blocks(layer=layer), source.blocks(layer=layer), strict=True):
            assert (left != right).nnz == 0


def test_receptors_can_be_added_to_cells_that_had_none(tmp_path):
    """A cells file made without receptors gets pairing and clones of the chains given."""
    rows = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRB", BETA), ("b", "TRA", ALPHA), ("b", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b", "c"])
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows), gex=cells)
    obs = ad.read_h5ad(folder / "s1.embedded.h5ad").obs
    assert obs["chain_pairing"].tolist() == ["single pair", "single pair", "no IR"]
    assert obs["clone_size"].tolist() == [2, 2, 0]
    assert len(set(obs["clone_id"].dropna())) == 1


def test_the_h5ad_can_be_left_out(tmp_path):
    """With h5ad=False the tables follow the cells file, and no copy is written."""
    rows = make_chain_rows([("a", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b"], rows)
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows), gex=cells, h5ad=False)
    assert sorted(all_bytes(folder)) == ["s1.embed.json", "s1.embeddings.parquet", "s1.receptors.parquet"]
    assert len(read_receptors(folder)) == 2


def test_clones_follow_the_choice_made_in_preprocess(tmp_path):
    """Orphans are rescued here exactly when preprocess rescued them."""
    rows = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRB", BETA), ("b", "TRB", BETA)])
    strict = embed(tmp_path / "o1", write_chain_rows(tmp_path / "c1", rows))
    rescue = embed(tmp_path / "o2", write_chain_rows(tmp_path / "c2", rows, orphans="rescue"))
    assert read_receptors(strict)["clone_id"].nunique() == 2
    assert len(set(read_receptors(rescue)["clone_id"])) == 1


def test_files_with_different_clone_rules_are_refused(tmp_path):
    """Clones of two rules in one table would not mean the same."""
    one = write_chain_rows(tmp_path / "1", make_repertoire(5))
    two = write_chain_rows(tmp_path / "2", make_repertoire(5, sample="s2"), orphans="rescue")
    with pytest.raises(InputError, match="strict and some with rescue"):
        embed(tmp_path / "o", one, two)


def test_samples_without_donors_are_told_where_clones_could_span_them(tmp_path, caplog):
    """One sample is one donor; of several that name none, clones stay apart, and a line says so."""
    one = write_chain_rows(tmp_path / "1", make_repertoire(5).assign(donor="s1"))
    embed(tmp_path / "o", one)
    assert "no donor is known" not in caplog.text
    two = write_chain_rows(tmp_path / "2", make_repertoire(5, sample="s2").assign(donor="d1"))
    folder = embed(tmp_path / "p", one, two)
    assert "no donor is known of 1 of 2 samples" in caplog.text
    assert "no donor is known of 1 of 2" in read_json(next(folder.glob("*.embed.json")))["warnings"][0]


def test_clones_of_other_chain_rules_are_refused(tmp_path):
    """Primary and any chains in one table would not mean the same."""
    one = write_chain_rows(tmp_path / "1", make_repertoire(5))
    two = write_chain_rows(tmp_path / "2", make_repertoire(5, sample="s2"), dual_chains="any")
    with pytest.raises(InputError, match="--dual-chains primary and some with any"):
        embed(tmp_path / "o", one, two)


def test_no_usable_chain_gives_empty_tables_and_a_warning(tmp_path, caplog):
    """Without any embeddable chain the files are valid with zero vectors, and a warning says why."""
    rows = make_chain_rows([("a", "TRB", "CAS*LGF"), ("b", "TRG", "CALWEVQELGKKIKVF")])
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows))
    assert read_vectors(folder) == {}
    assert (
        read_table(folder / "s1.embeddings.parquet", EMBEDDINGS).schema.field("vector").type.list_size == 692
    )
    assert "None of 2 chains could be embedded" in caplog.text
    assert len(read_json(folder / "s1.embed.json")["warnings"]) == 1


@pytest.mark.parametrize("with_cells", [False, True])
def test_an_empty_chains_file_gives_zero_rows(tmp_path, with_cells):
    """A chains file without rows is valid input; with a cells file its cells still have rows."""
    path = write_chain_rows(tmp_path / "c", make_chain_rows([]))
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b"]) if with_cells else None
    folder = embed(tmp_path / "o", path, gex=cells)
    assert read_vectors(folder) == {}
    assert len(read_receptors(folder)) == (2 if with_cells else 0)
    if with_cells:
        assert not ad.read_h5ad(folder / "s1.embedded.h5ad").obsm["X_tcr"].any()


def test_long_junctions_are_cut_with_a_warning(tmp_path, monkeypatch, caplog):
    """Junctions above the encoder's maximum are embedded cut, counted and warned of."""
    monkeypatch.setattr(EncoderChoice, "open", lambda _self, **_options: KmerEncoder(max_length=12))
    rows = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRB", BETA)])  # 12 and 13 residues
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows))
    assert read_json(folder / "s1.embed.json")["truncated_junctions"] == 1
    assert "cut in the middle" in caplog.text
    assert len(read_vectors(folder)) == 3


def test_metadata_names_the_encoder(tmp_path, repertoire):
    """Dimension, backend, pooling and the absent bundle stand in the table's metadata."""
    metadata = read_table(
        embed(tmp_path / "o", repertoire[1]) / "s1.embeddings.parquet", EMBEDDINGS
    ).schema.metadata
    assert {
        key: metadata[key] for key in (b"backend", b"dimension", b"pooling", b"bundle_name", b"bundle_sha256")
    } == {
        b"backend": b"kmer",
        b"dimension": b"692",
        b"pooling": b"sum",
        b"bundle_name": b"null",
        b"bundle_sha256": b"null",
    }


def test_rows_are_sorted_by_kind_and_key(tmp_path, repertoire):
    """The embeddings are in one order that depends on nothing else."""
    keys = list(read_vectors(embed(tmp_path / "o", repertoire[1])))
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))


def test_cells_that_are_not_in_the_cells_file_are_refused(tmp_path):
    """Chains of a cell that the cells file lacks mean that the files do not belong together."""
    path = write_chain_rows(tmp_path / "c", make_chain_rows([("a", "TRB", BETA), ("z", "TRB", BETA)]))
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b"])
    with pytest.raises(ContractError, match=r"1 cells with chains are not in the cells file.*'z'"):
        embed(tmp_path / "o", path, gex=cells)
    assert not (tmp_path / "o").exists()


def test_cells_of_another_sample_are_refused(tmp_path):
    """The same barcode in another sample is another cell."""
    path = write_chain_rows(tmp_path / "c", make_chain_rows([("a", "TRB", BETA)], sample="s2"))
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b"])
    with pytest.raises(ContractError, match="of sample 's2' in the chains file"):
        embed(tmp_path / "o", path, gex=cells)


def test_a_sample_given_twice_is_refused(tmp_path, repertoire):
    """A cell that occurs in two files would count twice."""
    copy = write_chain_rows(tmp_path / "copy", repertoire[0])
    with pytest.raises(InputError, match="cells occur in more than one file"):
        embed(tmp_path / "o", repertoire[1], copy)


def test_a_key_that_does_not_belong_to_its_sequence_is_refused(tmp_path):
    """An edited sequence with the old key would get another chain's vector."""
    rows = make_chain_rows([("a", "TRB", BETA)])
    rows["junction_aa"] = "CASSLGQAYEQFF"
    with pytest.raises(ContractError, match="1 chains carry a key that does not belong"):
        embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows))


def test_options_are_checked(tmp_path, repertoire):
    """No file and an unknown backend are option errors; existing outputs are not overwritten."""
    with pytest.raises(OptionsError, match="no chains file"):
        embed(tmp_path / "o")
    with pytest.raises(OptionsError, match="'word2vec'"):
        embed(tmp_path / "o", repertoire[1], backend="word2vec")
    embed(tmp_path / "o", repertoire[1])
    with pytest.raises(OutputError, match="exists"):
        embed(tmp_path / "o", repertoire[1])
    embed(tmp_path / "o", repertoire[1], force=True)


def test_progress_counts_distinct_chains(tmp_path, repertoire):
    """Progress ends at the number of distinct chains, each of which is computed once."""
    seen = []
    embed_tcr(
        EmbedTcrOptions((repertoire[1],), tmp_path / "o", "s1", backend="kmer"),
        progress=lambda done, total: seen.append((done, total)),
    )
    total = sum(kind != "pair" for kind, _ in read_vectors(tmp_path / "o"))
    assert seen[-1] == (total, total)


@pytest.mark.data
def test_real_contigs_give_the_known_numbers(tmp_path, shared_data):
    """On the 10x healthy donor 928 of 1,137 cells have a pair, as the data set's notes say."""
    contig_file = shared_data / "tenx_healthy_T_1k" / "filtered_contig_annotations.csv"
    chosen = choose_chains(
        reading.read_receptors(contig_file),
        donor="d",
    )
    rows = build_chain_table(chosen.chains, sample_id="s1").to_pandas()
    folder = embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows))
    receptors = read_receptors(folder)
    in_gex = pd.Index(ad.read_h5ad(shared_data / "tenx_healthy_T_1k" / "counts.h5ad", backed="r").obs_names)
    kept = receptors[receptors.index.isin(in_gex)]
    assert (kept["has_trb"].sum(), (kept["has_tra"] & kept["has_trb"]).sum()) == (1018, 928)
    assert kept["emb_pair"].notna().sum() == 928


def test_doublet_signs_of_the_expression_reach_the_receptors_table(tmp_path):
    """With --gex a cell suspected by its expression is suspected in the receptors table too."""
    rows = make_chain_rows([("b", "TRA", ALPHA), ("b", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["b", "a"], rows)
    with h5py.File(cells, "r+") as file:
        file["obs/doublet_suspect"][:] = [True, False]
    receptors = read_receptors(embed(tmp_path / "o", write_chain_rows(tmp_path / "c", rows), gex=cells))
    assert receptors["doublet_suspect"].tolist() == [True, False]
