"""Encoders with weights: a bundle is opened only if it fits, and a chain's features are its own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from receptor_bundles import identity_model, make_native_model, write_native_bundle
from tcellflow.errors import BundleError, InputError, OptionsError
from tcellflow.inference.receptors import network
from tcellflow.inference.receptors.encoder import choose_encoder
from tcellflow.inference.receptors.kmers import KmerEncoder
from tcellflow.inference.receptors.network import NetworkEncoder
from tcellflow.io.bundles import folders
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.receptors.encoding.sequences import ChainSequences, cut_middle
from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.vocabulary import ReceptorBackend


def chains(*rows):
    """Bring rows of (locus, junction, V, J) into the form encoders take."""
    return ChainSequences(*(np.array(column, dtype=object) for column in zip(*rows, strict=True)))


def make_batch(n=300, seed=0):
    """Make n random chains of both loci, some of a length of their own, some without genes."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        locus = ("TRA", "TRB")[number % 2]
        middle = "".join(rng.choice(list("ADEGKLNPQRSTVY"), int(rng.integers(4, 20))))
        genes = ("TRAV27", "TRAJ42") if locus == "TRA" else ("TRBV19", "TRBJ2-7")
        rows.append((locus, f"C{middle}F", None if number % 10 == 0 else genes[0], genes[1]))
    return chains(*rows, ("TRB", "C" + "A" * 30 + "F", "TRBV19", None))


def open_encoder(folder, **changes):
    """Write a native bundle and open it."""
    return NetworkEncoder(read_bundle(write_native_bundle(folder, **changes)), threads=1, device="cpu")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A native encoder with random weights."""
    return open_encoder(tmp_path_factory.mktemp("bundle") / "native")


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_features_do_not_depend_on_batch_or_order(encoder, monkeypatch, size):
    """Any batch size and any order give the same features."""
    batch = make_batch()
    whole = encoder.embed_chains(batch)
    rows = np.random.default_rng(1).permutation(len(batch))
    monkeypatch.setattr(network, "BATCH_ROWS", size)
    np.testing.assert_allclose(encoder.embed_chains(batch.take(rows)), whole[rows], atol=1e-6)
    alone = [encoder.embed_chains(batch.take(slice(row, row + 1)))[0] for row in range(20)]
    np.testing.assert_allclose(alone, whole[:20], atol=1e-6)


def test_each_chain_has_features_of_its_own(encoder):
    """Locus, junction, V and J gene each matter."""
    rows = [
        ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQFF", "TRBV19", "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQYF", "TRBV6-5", "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ1-1"),
        ("TRA", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
    ]
    assert len(np.unique(encoder.embed_chains(chains(*rows)), axis=0)) == len(rows)


def test_unknown_genes_are_one(encoder):
    """A gene that the vocabulary does not hold has the features of no gene."""
    missing, strange = encoder.embed_chains(
        chains(("TRB", "CASSF", None, None), ("TRB", "CASSF", "TRBV99", "Multi"))
    )
    np.testing.assert_array_equal(missing, strange)


def test_long_junctions_are_cut_in_the_middle(tmp_path):
    """A junction above the bundle's maximum has the features of the cut one."""
    encoder = open_encoder(tmp_path / "short", max_length=10)
    junction = "CASSAAAAAAAAAAAYEQYF"
    whole, cut = encoder.embed_chains(
        chains(("TRB", junction, None, None), ("TRB", cut_middle(junction, 10), None, None))
    )
    np.testing.assert_array_equal(whole, cut)


def test_no_chains_give_no_rows(encoder):
    """An empty batch gives zero rows of full width."""
    assert encoder.embed_chains(make_batch().take(slice(0, 0))).shape == (0, 4)


@pytest.mark.parametrize("junction", ["CAS*F", "casf", "CA_SF", "CA9SF", ""])
def test_other_letters_are_refused(encoder, junction):
    """A junction with anything but the 20 upper-case amino acids is an input error."""
    with pytest.raises(InputError, match="not made of the 20 amino acids"):
        encoder.embed_chains(chains(("TRB", junction, None, None)))


def test_loci_that_the_bundle_does_not_cover_are_refused(tmp_path):
    """A gamma chain, or an alpha chain for a bundle of betas, is an input error, not a vector."""
    encoder = open_encoder(tmp_path / "b", loci=["TRB"])
    for locus in ("TRG", "TRA"):
        with pytest.raises(InputError, match=f"does not cover the locus '{locus}'"):
            encoder.embed_chains(chains((locus, "CALWEVF", None, None)))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (identity_model(), "it has no input 'locus'"),
        (make_native_model(output="vector"), "it has no output 'features'"),
        (make_native_model(dimension=5), r"has the shape \(2, 5\)"),
        (make_native_model(n_genes=3), "cannot be run"),
        (b"nonsense", "ONNX"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(tmp_path, model, words):
    """A network with other inputs, outputs, widths or too few genes is a bundle error before any chain."""
    with pytest.raises(BundleError, match=words):
        open_encoder(tmp_path / "b", model=model)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    """A network that gives NaN is refused when it is opened."""
    nan = np.frombuffer(make_native_model(), np.uint8).tobytes()
    table = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    broken = nan.replace(table.tobytes(), np.full_like(table, np.nan).tobytes())
    assert broken != nan
    with pytest.raises(BundleError, match="gives NaN"):
        open_encoder(tmp_path / "b", model=broken)


def test_a_forged_vocabulary_is_refused(tmp_path):
    """A vocabulary whose residues are in another order would give every chain other vectors."""
    folder = write_native_bundle(tmp_path / "b")
    document = json.loads((folder / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(
        json.dumps({**document, "residues": document["residues"].lower()})
    )
    with pytest.raises(BundleError, match="sha256 differs"):
        read_bundle(folder)
    described = json.loads((folder / "bundle.json").read_text())
    described["files"]["vocabulary.json"] = folders.digest_file(folder / "vocabulary.json")
    (folder / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError, match="residues are 'acdef"):
        NetworkEncoder(read_bundle(folder), device="cpu")


def test_backends_are_chosen_by_name(tmp_path):
    """Each backend opens its own kind of encoder, a learned one with the name of its bundle."""
    assert isinstance(choose_encoder("kmer").open(), KmerEncoder)
    folder = write_native_bundle(tmp_path / "b")
    choice = choose_encoder("native", str(folder))
    assert (choice.backend, choice.name) == (ReceptorBackend.NATIVE, "tiny")
    assert choice.note() == {"name": "tiny", "version": "1", "sha256": read_bundle(folder).sha256}
    assert choice.open(threads=1, device="cpu").dimension == 4


def test_choices_that_contradict_each_other_are_refused(tmp_path):
    """An unknown backend, a bundle where none is used, and a switch of another backend are told."""
    with pytest.raises(OptionsError, match="no receptor backend 'word2vec'") as caught:
        choose_encoder("word2vec")
    assert caught.value.mend == "choose one of: native, tcr-bert, kmer"
    with pytest.raises(OptionsError, match="takes no bundle"):
        choose_encoder("kmer", "receptors")
    with pytest.raises(OptionsError, match="no weights for beta chains alone"):
        choose_encoder("native", force_tra=True)


def test_bundles_of_another_kind_are_refused(tmp_path):
    """A states bundle, one of another backend and a missing one are bundle errors that name the mend."""
    with pytest.raises(BundleError, match="task is 'states'"):
        choose_encoder("native", "states-linear")
    with pytest.raises(BundleError, match="made for the backend native") as caught:
        choose_encoder("tcr-bert", str(write_native_bundle(tmp_path / "b")))
    assert "--backend native" in caught.value.mend
    with pytest.raises(BundleError, match="no bundle 'nonsense'"):
        choose_encoder("native", "nonsense")


@pytest.mark.parametrize(
    ("backend", "mend"), [("native", "reinstall tcellflow"), ("tcr-bert", "bundle import tcr-bert")]
)
def test_a_missing_default_bundle_names_the_mend(tmp_path, monkeypatch, backend, mend):
    """Where the backend's own bundle is absent, the message says how to get one."""
    monkeypatch.delenv(folders.SEARCH_VARIABLE, raising=False)
    monkeypatch.setattr(folders, "PACKAGED_FOLDER", tmp_path)
    with pytest.raises(BundleError, match="is not there") as caught:
        choose_encoder(backend)
    assert mend in caught.value.mend


def test_vectors_are_known_by_backend_and_digest(tmp_path):
    """Something that learnt from vectors knows them again by backend or bundle name and digest."""
    choice = choose_encoder("native", str(write_native_bundle(tmp_path / "b")))
    digest = choice.note()["sha256"]
    assert choice.makes("native", digest)
    assert choice.makes("tiny", digest)
    assert not choice.makes("tiny", "0" * 64)
    assert not choice.makes("kmer", None)
    assert choose_encoder("kmer").makes("kmer", None)


@pytest.fixture(scope="module")
def packaged():
    """The bundle that comes with the package, on one thread."""
    return choose_encoder("native").open(threads=1, device="cpu")


def test_the_packaged_encoder_gives_a_chain_one_vector(packaged, monkeypatch):
    """Batch size, order and threads move no feature by more than 1e-5, and repeats are equal bit by bit."""
    batch = make_batch(1_000)
    whole = packaged.embed_chains(batch)
    np.testing.assert_array_equal(packaged.embed_chains(batch), whole)
    rows = np.random.default_rng(1).permutation(len(batch))
    two_threads = choose_encoder("native").open(threads=2, device="cpu")
    for size in (1, 17, 1_000):
        monkeypatch.setattr(network, "BATCH_ROWS", size)
        for encoder in (packaged, two_threads):
            np.testing.assert_allclose(encoder.embed_chains(batch.take(rows)), whole[rows], atol=1e-5)


def test_the_packaged_encoder_puts_like_receptors_together(packaged):
    """One exchanged residue leaves a chain nearer than another junction; a chain lies near its pair."""
    rows = [
        ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7"),
        ("TRB", "CASSIRASYEQYF", "TRBV19", "TRBJ2-7"),
        ("TRB", "CAWGPKKMMNTEAFF", "TRBV30", "TRBJ1-1"),
        ("TRA", "CAGGGSQGNLIF", "TRAV27", "TRAJ42"),
    ]
    features = packaged.embed_chains(chains(*rows))
    pair = pair_vectors(features[3:], features[:1])[0]
    base, like, other = pair_vectors(features[:3], np.zeros((3, packaged.dimension), np.float32))
    assert base @ like > 0.8 > base @ other
    assert pair @ base > pair @ other
