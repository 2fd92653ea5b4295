"""The k-mer encoder: fixed, batch-independent vectors that keep what the chains hold."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tcellflow.errors import InputError
from tcellflow.inference.receptors import network
from tcellflow.inference.receptors.kmers import KmerCounter, KmerEncoder
from tcellflow.inference.receptors.network import batch_by_length
from tcellflow.receptors.encoding.sequences import RESIDUES, ChainSequences, cut_middle
from tcellflow.receptors.encoding.vectors import pair_vectors
from tcellflow.vocabulary import Locus

ALPHA = ("TRA", "CVVNLPEGNTPLVF", "TRAV12-1", "TRAJ29")
BETA = ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ2-7")


def chains(*rows: tuple[str, str, str | None, str | None]) -> ChainSequences:
    """Bring rows of (locus, junction, V, J) into the form encoders take."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return ChainSequences(*(np.array(column, dtype=object) for column in columns))


def random_chains(n: int, seed: int = 0) -> ChainSequences:
    """Make n chains with junctions of 6 to 25 residues, every tenth without V."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        locus = ("TRA", "TRB")[int(rng.integers(2))]
        middle = "".join(rng.choice(list(RESIDUES), int(rng.integers(4, 24))))
        genes = ("TRAV12-1", "TRAJ29") if locus == "TRA" else ("TRBV19", "TRBJ2-7")
        rows.append((locus, f"C{middle}F", None if number % 10 == 0 else genes[0], genes[1]))
    return chains(*rows)


@pytest.fixture(scope="module")
def encoder() -> KmerEncoder:
    """One encoder for all tests."""
    return KmerEncoder()


def test_bucket_and_sign_follow_the_documented_hash() -> None:
    """A junction of one residue falls into the bucket and sign that the documented hash names."""
    counts = KmerCounter([Locus.TRB], 64).count(["TRB"], ["W"])
    digest = hashlib.blake2b(b"W", digest_size=8, salt=b"TRB", person=b"tcellflow-kmer-1").digest()
    number = int.from_bytes(digest, "little")
    expected = np.zeros((1, 64))
    expected[0, (number >> 1) % 64] = -1 if number & 1 else 1
    np.testing.assert_array_equal(counts, expected)


def test_counts_equal_a_count_word_by_word() -> None:
    """The vectorised counts equal those of a plain loop over all words of one to three residues."""
    junctions = ["CASSF", "CAWWWWWWWKLF", "CAF"]
    expected = np.zeros((3, 32))
    for row, junction in enumerate(junctions):
        for k in (1, 2, 3):
            for start in range(len(junction) - k + 1):
                word = junction[start : start + k].encode()
                digest = hashlib.blake2b(
                    word, digest_size=8, salt=b"TRA", person=b"tcellflow-kmer-1"
                ).digest()
                number = int.from_bytes(digest, "little")
                expected[row, (number >> 1) % 32] += -1 if number & 1 else 1
    counts = KmerCounter([Locus.TRB, Locus.TRA], 32).count(["TRA"] * 3, junctions)
    np.testing.assert_array_equal(counts, expected)


def test_junctions_shorter_than_a_word_count_their_shorter_words() -> None:
    """A junction of two residues has two single letters and one word of two."""
    counts = KmerCounter([Locus.TRA], 100_000).count(["TRA"], ["CF"])
    assert np.abs(counts).sum() == 3


def test_chain_vectors_have_unit_length(encoder: KmerEncoder) -> None:
    """Every chain vector is float32, of the stated width and of unit length."""
    vectors = encoder.embed_chains(random_chains(200))
    assert vectors.dtype == np.float32
    assert vectors.shape == (200, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("size", [1, 7, 1024, 5000])
def test_vectors_do_not_depend_on_batch_or_order(encoder: KmerEncoder, size: int) -> None:
    """Any batch size and any order give bit-equal vectors."""
    batch = random_chains(2500)
    whole = encoder.embed_chains(batch)
    rows = np.random.default_rng(1).permutation(len(batch))
    parts = [encoder.embed_chains(batch.take(rows[at : at + size])) for at in range(0, len(rows), size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[rows])


def test_vectors_do_not_depend_on_the_hash_seed() -> None:
    """Two processes with different PYTHONHASHSEED compute the same bytes."""
    script = (
        "import hashlib, numpy as np\n"
        "from tcellflow.inference.receptors.kmers import KmerEncoder\n"
        "from tcellflow.receptors.encoding.sequences import ChainSequences\n"
        f"row = {BETA!r}\n"
        "chain = ChainSequences(*(np.array([value], dtype=object) for value in row))\n"
        "print(hashlib.sha256(KmerEncoder().embed_chains(chain).tobytes()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(digests) == 1


def test_locus_junction_and_genes_each_matter(encoder: KmerEncoder) -> None:
    """Changing junction, V or J changes the vector, and the same junction differs between loci."""
    rows = [
        BETA,
        ("TRB", "CASSIRSSYEQFF", "TRBV19", "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQYF", "TRBV6-5", "TRBJ2-7"),
        ("TRB", "CASSIRSSYEQYF", "TRBV19", "TRBJ1-1"),
        ("TRA", "CASSIRSSYEQYF", None, None),
    ]
    vectors = encoder.embed_chains(chains(*rows))
    similarity = vectors @ vectors[0]
    np.testing.assert_allclose(similarity[0], 1, atol=1e-6)
    assert (similarity[1:] < 0.95).all()
    assert abs(similarity[4]) < 0.35


def test_similar_junctions_lie_nearer_than_unrelated_ones(encoder: KmerEncoder) -> None:
    """One exchanged residue leaves a chain nearer than a different junction of the same genes."""
    near, far = ("TRB", "CASSIRASYEQYF", *BETA[2:]), ("TRB", "CAWGPKKMMNTEAFF", *BETA[2:])
    base, one, other = encoder.embed_chains(chains(BETA, near, far))
    assert base @ one > base @ other


@pytest.mark.parametrize("gene", [None, "TRBV99-1", float("nan"), ""])
def test_unknown_genes_share_one_slot(encoder: KmerEncoder, gene: str | None) -> None:
    """An unknown, absent or misspelt V gene takes the slot of its segment kept for the unknown."""
    missing, given = encoder.embed_chains(
        chains(("TRB", "CASSF", None, "TRBJ2-7"), ("TRB", "CASSF", gene, "TRBJ2-7"))
    )
    np.testing.assert_array_equal(missing, given)


def test_pair_keeps_both_chains(encoder: KmerEncoder) -> None:
    """A pair has unit length, and each of its chains is as near to it as the other."""
    alpha, beta = chains(ALPHA), chains(BETA)
    pair = pair_vectors(encoder.embed_chains(alpha), encoder.embed_chains(beta))[0]
    assert pair.shape == (encoder.dimension,)
    np.testing.assert_allclose(np.linalg.norm(pair), 1, atol=1e-6)
    np.testing.assert_allclose(pair @ encoder.embed_chains(alpha)[0], np.sqrt(0.5), atol=0.1)
    np.testing.assert_allclose(pair @ encoder.embed_chains(beta)[0], np.sqrt(0.5), atol=0.1)


def test_pairs_differ_when_either_chain_differs(encoder: KmerEncoder) -> None:
    """Two pairs that share only alpha or only beta have different vectors."""
    other_alpha, other_beta = ("TRA", "CAVRDSNYQLIW", *ALPHA[2:]), ("TRB", "CASSLGQAYEQYF", *BETA[2:])
    alphas, betas = chains(ALPHA, ALPHA, other_alpha), chains(BETA, other_beta, BETA)
    vectors = pair_vectors(encoder.embed_chains(alphas), encoder.embed_chains(betas))
    similarity = vectors @ vectors.T
    assert similarity[~np.eye(3, dtype=bool)].max() < 0.95


def test_no_chains_give_no_rows(encoder: KmerEncoder) -> None:
    """An empty batch gives an array of zero rows and full width."""
    assert encoder.embed_chains(chains()).shape == (0, encoder.dimension)


@pytest.mark.parametrize("junction", ["CAS*F", "casf", "CASXF", "CASÄF", "CA_SF", "CA SF"])
def test_other_letters_are_refused(encoder: KmerEncoder, junction: str) -> None:
    """A junction with anything but the 20 upper-case amino acids is an input error that names it."""
    with pytest.raises(InputError, match="holds other letters") as caught:
        encoder.embed_chains(chains(BETA, ("TRB", junction, None, None)))
    assert repr(junction) in caught.value.what


def test_uncovered_locus_is_refused(encoder: KmerEncoder) -> None:
    """A gamma chain is an input error, not a vector."""
    with pytest.raises(InputError, match="TRG"):
        encoder.embed_chains(chains(BETA, ("TRG", "CALWEVF", None, None)))


@pytest.mark.parametrize(
    ("junction", "longest", "expected"),
    [("CASSF", 5, "CASSF"), ("CASSLGF", 4, "CAGF"), ("CASSLGF", 5, "CASGF"), ("CASSLGF", 1, "C")],
)
def test_long_junctions_lose_their_middle(junction: str, longest: int, expected: str) -> None:
    """A junction above the maximum keeps both ends."""
    assert cut_middle(junction, longest) == expected


def test_encoder_reads_long_junctions_cut() -> None:
    """A junction above the encoder's maximum has the vector of the cut junction."""
    short = KmerEncoder(max_length=10)
    long_one = "CASSAAAAAAAAAAAYEQYF"
    whole, cut = short.embed_chains(
        chains(("TRB", long_one, None, None), ("TRB", cut_middle(long_one, 10), None, None))
    )
    np.testing.assert_array_equal(whole, cut)


def test_batches_hold_one_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is in one batch, with rows of its own length, shortest first."""
    monkeypatch.setattr(network, "BATCH_ROWS", 2)
    lengths = np.array([5, 3, 9, 3, 7, 3])
    found = [rows.tolist() for rows in batch_by_length(lengths)]
    assert found == [[1, 3], [5], [0], [4], [2]]
    assert list(batch_by_length(np.empty(0, np.intp))) == []


def test_vector_layout_is_the_released_one(encoder: KmerEncoder) -> None:
    """A known chain keeps its columns between releases: files of different versions can be joined."""
    vector = encoder.embed_chains(chains(BETA))[0]
    columns = np.flatnonzero(vector)
    assert encoder.dimension == 692
    assert columns[:8].tolist() == [19, 24, 44, 56, 63, 81, 83, 87]
    assert columns[-2:].tolist() == [633, 690]
    np.testing.assert_allclose(
        vector[[19, 56, 81, 633, 690]], [0.1142, -0.1142, 0.2284, 0.5477, 0.3162], atol=1e-4
    )


def test_gene_slots_are_the_functional_and_orf_genes() -> None:
    """Every slot is a functional or ORF gene of the packaged segments, and none of them is left out."""
    data = Path(str(files("tcellflow"))) / "data"
    slots = json.loads((data / "kmer_gene_slots.json").read_text())
    segments = pd.read_csv(data / "human_tr_segments.tsv", sep="\t", dtype=str)
    for name, genes in slots.items():
        of_segment = segments["gene"].str.startswith(name) & segments["functionality"].isin(["F", "ORF"])
        assert sorted(genes) == sorted(segments["gene"][of_segment])
    notes = {note["file"]: note for note in tomllib.loads((data / "PROVENANCE.toml").read_text())["table"]}
    digest = hashlib.sha256((data / "kmer_gene_slots.json").read_bytes()).hexdigest()
    assert notes["kmer_gene_slots.json"]["sha256"] == digest
