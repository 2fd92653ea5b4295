"""Vectors reach their cells by key, and only those of the encoder a bundle learnt from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tcellflow.contracts.tables import EMBEDDINGS
from tcellflow.errors import ContractError, InputError
from tcellflow.io.bundles.reliability import ReceptorInput
from tcellflow.io.tables.parquet import write_table
from tcellflow.io.tables.receptor_vectors import open_receptor_vectors
from tcellflow.provenance import StepNote

WIDTH = 3
KEYS = [f"{i:020x}" for i in range(5)]
KMER = ReceptorInput(WIDTH, "kmer", None)
DIGEST = "ab" * 32
BUNDLE = ReceptorInput(WIDTH, "receptors", DIGEST)


def write_vectors(path, *, backend="kmer", bundle="null", sha256="null", width=WIDTH):
    values = np.arange(5 * width, dtype=np.float32)
    table = pa.table(
        {
            "emb_id": KEYS,
            "kind": ["tra", "tra", "trb", "trb", "pair"],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(values), width),
        },
        schema=EMBEDDINGS.schema(vector_width=width),
    )
    about = {
        "backend": backend,
        "bundle_name": bundle,
        "bundle_sha256": sha256,
        "dimension": str(width),
    }
    write_table(path, table, EMBEDDINGS, StepNote("embed-tcr"), about)
    return path


def as_keys(*places):
    return np.array([None if place is None else KEYS[place] for place in places], dtype=object)


def test_each_cell_gets_its_vectors(tmp_path):
    """Keys may repeat, be missing and come in any order; a missing chain is a row of NaN."""
    path = write_vectors(tmp_path / "e")
    tra, trb = as_keys(1, None, 0, 1), as_keys(None, 3, 3, 2)
    with open_receptor_vectors(path, KMER, tra, trb, folder=tmp_path) as vectors:
        first, rest = vectors.take(0, 3), vectors.take(3, 1)
    np.testing.assert_array_equal(first[0], [[3, 4, 5], [np.nan] * 3, [0, 1, 2]])
    np.testing.assert_array_equal(first[1], [[np.nan] * 3, [9, 10, 11], [9, 10, 11]])
    np.testing.assert_array_equal(np.concatenate(rest), [[3, 4, 5], [6, 7, 8]])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e"]


def test_a_bundle_is_known_by_name_and_digest(tmp_path):
    """Vectors of a trained encoder are taken where name and digest are the ones the bundle states."""
    path = write_vectors(tmp_path / "e", backend="native", bundle="receptors", sha256=DIGEST)
    with open_receptor_vectors(path, BUNDLE, as_keys(0), as_keys(2), folder=tmp_path) as vectors:
        assert np.isfinite(vectors.take(0, 1)).all()


@pytest.mark.parametrize(
    ("about", "wanted"),
    [
        ({"backend": "tcr-bert"}, KMER),
        ({"width": 4}, KMER),
        ({"backend": "native", "bundle": "receptors", "sha256": "cd" * 32}, BUNDLE),
        ({"backend": "native", "bundle": "receptors", "sha256": DIGEST}, KMER),
        ({}, BUNDLE),
    ],
    ids=["another backend", "another width", "another version", "a bundle for none", "none for a bundle"],
)
def test_vectors_of_another_encoder_are_refused(tmp_path, about, wanted):
    """Vectors that mean something else are refused, and the message names both encoders."""
    path = write_vectors(tmp_path / "e", **about)
    with (
        pytest.raises(InputError, match=f"another encoder .* than the bundle learnt from .{wanted.encoder}"),
        open_receptor_vectors(path, wanted, as_keys(0), as_keys(2), folder=tmp_path),
    ):
        pass


def test_a_key_that_the_table_lacks_is_an_error(tmp_path):
    """A cell whose vector is not there belongs to another run; a pair's key is no chain's."""
    path = write_vectors(tmp_path / "e")
    absent = np.array(["f" * 20, KEYS[0]], dtype=object)
    with (
        pytest.raises(InputError, match=r"1 cells name a vector that is not .*f{20}"),
        open_receptor_vectors(path, KMER, absent, as_keys(2, 2), folder=tmp_path),
    ):
        pass
    with (
        pytest.raises(InputError, match="1 cells name a vector"),
        open_receptor_vectors(path, KMER, as_keys(4), as_keys(2), folder=tmp_path),
    ):
        pass


def test_another_table_is_refused(tmp_path):
    """A table without the contract of embeddings is refused."""
    with (
        pytest.raises(InputError, match="not a Parquet file"),
        open_receptor_vectors(_text(tmp_path / "e"), KMER, as_keys(0), as_keys(2), folder=tmp_path),
    ):
        pass
    bare = tmp_path / "bare"
    pq.write_table(pa.table({"emb_id": KEYS}), bare)
    with (
        pytest.raises(ContractError, match="no tcellflow contract"),
        open_receptor_vectors(bare, KMER, as_keys(0), as_keys(2), folder=tmp_path),
    ):
        pass


def _text(path):
    path.write_text("emb_id\n")
    return path
