"""embed-tcr with trained bundles: each distinct chain once, masked where it cannot be embedded."""

from __future__ import annotations

import json

import numpy as np
import pytest

from command_line import run_command
from receptor_bundles import write_bert_bundle, write_native_bundle
from receptor_tables import make_chain_rows, make_repertoire, write_cells_of, write_chain_rows
from tcellflow.contracts.similarity import NEIGHBOURS
from tcellflow.contracts.tables import EMBEDDINGS, RECEPTORS
from tcellflow.errors import BundleError
from tcellflow.inference.receptors import distinct_vectors, network
from tcellflow.inference.receptors.network import NetworkEncoder
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.tables.documents import read_json
from tcellflow.io.tables.parquet import read_table, read_table_note
from tcellflow.provenance import digest_file
from tcellflow.receptors.encoding.keys import embedding_keys
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.steps.embed_tcr import EmbedTcrOptions, embed_tcr

ALPHA, BETA = "CAVRDSNYQLIF", "CASSLGQAYEQYF"
ABOUT = ("backend", "dimension", "pooling", "bundle_name", "bundle_sha256")


def embed(folder, bundle, *chains, **more):
    """Run the step with a native bundle and give its folder."""
    options = {"backend": "native", "bundle": bundle and str(bundle), "device": "cpu", **more}
    embed_tcr(EmbedTcrOptions(tuple(chains), folder, "s1", **options))
    return folder


def read_vectors(folder):
    """Give the embeddings as a mapping of key to vector."""
    table = read_table(folder / "s1.embeddings.parquet", EMBEDDINGS)
    return dict(zip(table["emb_id"].to_pylist(), map(np.array, table["vector"].to_pylist()), strict=True))


def read_receptors(folder):
    """Give the receptors table by cell."""
    return read_table(folder / "s1.receptors.parquet", RECEPTORS).to_pandas().set_index("cell_id")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A native bundle with random weights."""
    return write_native_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def repertoire(tmp_path_factory):
    """The chains of 150 cells, and their file."""
    rows = make_repertoire(150)
    return rows, write_chain_rows(tmp_path_factory.mktemp("chains") / "c.parquet", rows)


def test_vectors_are_those_of_the_bundle(tmp_path, bundle, repertoire):
    """A chain has its features at unit length; a pair the sum of both chains' features, at unit length."""
    rows, path = repertoire
    folder = embed(tmp_path / "o", bundle, path)
    vectors, receptors = read_vectors(folder), read_receptors(folder)
    encoder = NetworkEncoder(read_bundle(bundle), threads=1, device="cpu")
    features = {}
    for row in rows[rows["emb_id"].notna() & (rows["rank"] == 1)].itertuples():
        chain = [np.array([value], object) for value in (row.locus, row.junction_aa, row.v_call, row.j_call)]
        features[row.emb_id] = encoder.embed_chains(ChainSequences(*chain))[0].astype(float)
        expected = features[row.emb_id] / np.linalg.norm(features[row.emb_id])
        np.testing.assert_allclose(vectors[row.emb_id], expected, atol=1e-6)
    for row in receptors[receptors["emb_pair"].notna()].itertuples():
        summed = features[row.emb_tra] + features[row.emb_trb]
        np.testing.assert_allclose(vectors[row.emb_pair], summed / np.linalg.norm(summed), atol=1e-6)


def test_each_distinct_chain_reaches_the_network_once(tmp_path, bundle, monkeypatch):
    """Over all files and pairs, no chain is computed twice; a lone one of its length is doubled inside."""
    seen = []
    inner = NetworkEncoder.embed_chains

    def count(self, chains):
        seen.extend(zip(chains.locus, chains.junction_aa, strict=True))
        return inner(self, chains)

    monkeypatch.setattr(NetworkEncoder, "embed_chains", count)
    rows = [(cell, *chain) for cell in "abc" for chain in (("TRA", ALPHA), ("TRB", BETA))]
    paths = [
        write_chain_rows(tmp_path / name, make_chain_rows(rows, sample=name, donor=name))
        for name in ("s1", "s2")
    ]
    embed(tmp_path / "o", bundle, *paths)
    assert sorted(seen) == [("TRA", ALPHA), ("TRB", BETA)]


def test_two_runs_give_equal_bytes(tmp_path, bundle, repertoire):
    """The same files give the same outputs, byte for byte, whatever the number of threads."""
    rows, path = repertoire
    cells = write_cells_of(tmp_path / "cells.h5ad", sorted(set(rows["cell_id"])), rows)
    runs = [
        embed(tmp_path / name, bundle, path, gex=cells, threads=threads, neighbours=2)
        for name, threads in (("o1", 1), ("o2", 2))
    ]
    contents = [{item.name: item.read_bytes() for item in folder.iterdir()} for folder in runs]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 5


def test_batches_and_order_change_no_vector(tmp_path, bundle, repertoire, monkeypatch):
    """Batch and piece size, and the order of rows, move no vector by more than 1e-5."""
    rows, path = repertoire
    whole = read_vectors(embed(tmp_path / "o1", bundle, path))
    monkeypatch.setattr(network, "BATCH_ROWS", 3)
    monkeypatch.setattr(distinct_vectors, "PIECE_ROWS", 11)
    shuffled = write_chain_rows(tmp_path / "c", rows.sample(frac=1, random_state=0))
    small = read_vectors(embed(tmp_path / "o2", bundle, shuffled))
    assert list(whole) == list(small)
    np.testing.assert_allclose(list(whole.values()), list(small.values()), atol=1e-5)


def test_metadata_names_the_bundle(tmp_path, bundle, repertoire):
    """Backend, dimension, pooling, and name and digest of the bundle stand in the table's metadata."""
    folder = embed(tmp_path / "o", bundle, repertoire[1], neighbours=1)
    digest = read_bundle(bundle).sha256
    for name in ("embeddings", "neighbours"):
        metadata = read_table(
            folder / f"s1.{name}.parquet", EMBEDDINGS if name == "embeddings" else NEIGHBOURS
        ).schema.metadata
        assert {key: metadata[key.encode()].decode() for key in ABOUT} == {
            "backend": "native",
            "dimension": "4",
            "pooling": "class token",
            "bundle_name": "tiny",
            "bundle_sha256": digest,
        }
    note = read_table_note(folder / "s1.receptors.parquet")
    assert note["bundle"] == {"name": "tiny", "version": "1", "sha256": digest}


BAD = {
    "stop": ("TRB", "CAS*LGF", "letters_that_are_no_residues"),
    "frame": ("TRB", "CAS_LGF", "letters_that_are_no_residues"),
    "digit": ("TRB", "CAS1LGF", "letters_that_are_no_residues"),
    "lower": ("TRB", "casslgqayeqyf", "letters_that_are_no_residues"),
    "unknown letter": ("TRB", "CASXLGF", "letters_that_are_no_residues"),
    "no first anchor": ("TRB", "ASSLGQAYEQYF", "anchors_missing"),
    "no last anchor": ("TRA", "CAVRDSNYQLI", "anchors_missing"),
    "60 residues": ("TRB", "C" + "A" * 58 + "F", "too_short_or_too_long"),
    "too short": ("TRB", "CASF", "too_short_or_too_long"),
    "gamma": ("TRG", "CALWEVQELGKKIKVF", "locus_without_encoder"),
    "delta": ("TRD", "CACDTLGDTDKLIF", "locus_without_encoder"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("backend", ["native", "kmer"])
def test_bad_junctions_are_masked_and_counted(tmp_path, bundle, name, backend):
    """A chain that cannot be embedded leaves a null and a count; the good chain beside it is embedded."""
    locus, junction, reason = BAD[name]
    good = ("TRA", ALPHA) if locus in ("TRB", "TRD") else ("TRB", BETA)
    path = write_chain_rows(tmp_path / "c", make_chain_rows([("a", locus, junction), ("b", *good)]))
    folder = embed(tmp_path / "o", bundle if backend == "native" else None, path, backend=backend)
    receptors = read_receptors(folder)
    assert receptors.loc["a", ["emb_tra", "emb_trb", "emb_pair"]].tolist() == [None] * 3
    assert receptors.loc["b", ["emb_tra", "emb_trb"]].notna().sum() == 1
    assert len(read_vectors(folder)) == 1
    assert read_json(folder / "s1.embed.json")["chains"] == {
        "total": 2, "embedded": 1, "not_embedded": {reason: 1},
    }  # fmt: skip


def test_an_unknown_v_gene_is_embedded_as_unknown(tmp_path, bundle):
    """A chain without V gene, or with one that the bundle does not know, has a vector all the same."""
    rows = make_chain_rows([(cell, "TRB", BETA) for cell in "abc"])
    rows["v_call"] = ["TRBV20-1", None, "TRBV99-9"]
    rows["emb_id"] = embedding_keys(rows)
    folder = embed(tmp_path / "o", bundle, write_chain_rows(tmp_path / "c", rows))
    known, missing, strange = (read_vectors(folder)[key] for key in read_receptors(folder)["emb_trb"])
    np.testing.assert_array_equal(missing, strange)
    assert np.abs(known - missing).max() > 1e-3


def test_an_empty_table_gives_zero_rows(tmp_path, bundle):
    """No chains give valid tables without rows, of the bundle's width, and exit code 0."""
    path = write_chain_rows(tmp_path / "c.parquet", make_chain_rows([]))
    done = run_command(
        "embed-tcr", path, "--backend", "native", "--bundle", bundle, "--neighbours", 2, "-o", tmp_path / "o"
    )
    assert (done.code, done.stdout) == (0, "")
    assert "None of 0 chains could be embedded (the files are empty)" in done.stderr
    table = read_table(tmp_path / "o" / "sample.embeddings.parquet", EMBEDDINGS)
    assert (table.num_rows, table.schema.field("vector").type.list_size) == (0, 4)


def test_long_junctions_are_cut_with_a_warning(tmp_path, caplog):
    """A junction above the bundle's maximum is embedded cut in the middle, counted and warned of."""
    short = write_native_bundle(tmp_path / "short", max_length=12)
    rows = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRB", BETA)])  # 12 and 13 residues
    folder = embed(tmp_path / "o", short, write_chain_rows(tmp_path / "c", rows))
    assert read_json(folder / "s1.embed.json")["truncated_junctions"] == 1
    assert "1 junctions are longer than 12 residues and were cut in the middle" in caplog.text
    cut = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRB", "CASSLGAYEQYF")])
    same = embed(tmp_path / "o2", short, write_chain_rows(tmp_path / "c2", cut))
    of_cut, of_long = (read_vectors(f)[read_receptors(f)["emb_trb"]["a"]] for f in (same, folder))
    np.testing.assert_array_equal(of_cut, of_long)


@pytest.mark.parametrize("file", ["model.onnx", "vocabulary.json", "CARD.md"])
def test_an_altered_bundle_ends_with_69(tmp_path, repertoire, file):
    """A bundle of which one file differs from its sha256 embeds nothing."""
    folder = write_native_bundle(tmp_path / "b")
    (folder / file).write_bytes((folder / file).read_bytes() + b" ")
    done = run_command(
        "embed-tcr", repertoire[1], "--backend", "native", "--bundle", folder, "-o", tmp_path / "o"
    )
    assert done.code == 69
    assert f"'{file}' was altered (its sha256 differs)" in done.stderr
    assert not (tmp_path / "o").exists()


def test_beta_weights_refuse_alpha_chains(tmp_path, repertoire):
    """Weights that know beta chains alone refuse alphas, unless they are told to embed them all the same."""
    bert = write_bert_bundle(tmp_path / "bert")
    with pytest.raises(BundleError, match="learnt beta chains alone") as caught:
        embed(tmp_path / "o", bert, repertoire[1], backend="tcr-bert")
    assert "--force-tra" in caught.value.mend
    assert not (tmp_path / "o").exists()
    forced = embed(tmp_path / "forced", bert, repertoire[1], backend="tcr-bert", force_tra=True)
    receptors = read_receptors(forced)
    assert receptors["emb_tra"].notna().any()
    assert read_table_note(forced / "s1.embeddings.parquet")["options"]["force_tra"] is True
    betas = repertoire[0].query("locus == 'TRB'")
    beta_only = embed(tmp_path / "b", bert, write_chain_rows(tmp_path / "c", betas), backend="tcr-bert")
    assert read_receptors(beta_only)["emb_tra"].isna().all()
    vectors = read_vectors(forced)
    for key, vector in read_vectors(beta_only).items():
        np.testing.assert_allclose(vectors[key], vector, atol=1e-6)


def test_tcr_bert_keeps_the_lengths_of_chains(tmp_path):
    """Imported vectors of chains are those of the network; missing chains stay masked, never a constant."""
    bert = write_bert_bundle(tmp_path / "bert", loci=["TRA", "TRB"])
    rows = make_chain_rows([("a", "TRA", ALPHA), ("a", "TRB", BETA), ("b", "TRB", BETA)])
    cells = write_cells_of(tmp_path / "cells.h5ad", ["a", "b"], rows)
    folder = embed(
        tmp_path / "o", bert, write_chain_rows(tmp_path / "c", rows), backend="tcr-bert", gex=cells
    )
    receptors, vectors = read_receptors(folder), read_vectors(folder)
    assert receptors.loc["b", "emb_tra"] is None
    chain = vectors[receptors["emb_trb"]["b"]]
    assert abs(np.linalg.norm(chain) - 1) > 0.01
    np.testing.assert_allclose(np.linalg.norm(vectors[receptors["emb_pair"]["a"]]), 1, atol=1e-6)


def test_a_forged_tcr_bert_vocabulary_ends_with_69(tmp_path, repertoire):
    """A bundle whose vocabulary is another is refused although its digests agree."""
    folder = write_bert_bundle(tmp_path / "bert")
    path = folder / "vocabulary.json"
    tokens = json.loads(path.read_text())["tokens"]
    path.write_text(json.dumps({"tokens": [token.lower() for token in tokens]}))
    about = json.loads((folder / "bundle.json").read_text())
    about["files"]["vocabulary.json"] = digest_file(path)
    (folder / "bundle.json").write_text(json.dumps(about))
    done = run_command(
        "embed-tcr", repertoire[1], "--backend", "tcr-bert", "--bundle", folder, "-o", tmp_path / "o"
    )
    assert done.code == 69
    assert "the vocabulary is not that of TCR-BERT" in done.stderr
