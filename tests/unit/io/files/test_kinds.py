"""What a file is, told from its content, without waiting for a numerical library."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tcellflow.errors import InputError
from tcellflow.io.files.kinds import (
    check_is_file,
    check_is_there,
    describe_content,
    is_hdf5,
    is_matrix_market,
    is_parquet,
    is_pickle,
    may_be_text,
)

BANNER = "%%MatrixMarket matrix coordinate integer general\n"
_SAY_MISSING = """
import sys
from pathlib import Path
from tcellflow.errors import InputError
from tcellflow.io.files.kinds import check_is_file
import tcellflow.io.files.text, tcellflow.io.tables.documents
try:
    check_is_file(Path("absent"))
except InputError as error:
    print(error.what)
heavy = {"numpy", "scipy", "pandas", "pyarrow", "h5py", "anndata", "onnxruntime"} & set(sys.modules)
print(sorted(heavy))
"""


def test_files_and_folders_may_be_inputs(tmp_path):
    """A file passes, a folder where one may stand, and what is absent never."""
    (tmp_path / "x").touch()
    check_is_file(tmp_path / "x")
    for there in (tmp_path / "x", tmp_path):
        check_is_there(there)
    with pytest.raises(InputError, match="a folder stands where a file belongs"):
        check_is_file(tmp_path)
    for check in (check_is_file, check_is_there):
        with pytest.raises(InputError, match="does not exist"):
            check(tmp_path / "y")


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    """A file without permission to read is told before it is opened."""
    (tmp_path / "x").touch()
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    for check in (check_is_file, check_is_there):
        with pytest.raises(InputError, match="cannot be read"):
            check(tmp_path / "x")


def test_a_missing_file_is_told_without_numerical_libraries():
    """Who mistypes a path does not wait for pandas and its like."""
    done = subprocess.run([sys.executable, "-c", _SAY_MISSING], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["the file does not exist", "[]"], done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"a,b\n1,2\n", "a text file"),
        ("Zürich".encode(), "a text file"),
        (b"PAR1....", "a Parquet file"),
        (b"PK\x03\x04...", "a zip archive (xlsx, npz or zip)"),
        (gzip.compress(b"a"), "a gzip-compressed file"),
        (b"\x89HDF\r\n\x1a\n", ""),
        (b"\x00\x01\x02", ""),
    ],
)
def test_content_is_put_into_words(tmp_path, content, words):
    """First bytes name the kind; unknown binary content has no name."""
    (tmp_path / "f").write_bytes(content)
    assert describe_content(tmp_path / "f") == words
    assert is_parquet(tmp_path / "f") == content.startswith(b"PAR1")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", True),
        (b"a,b\n", True),
        ("a,b\n".encode("utf-16"), True),
        (gzip.compress(b"a"), True),
        (b"PAR1....", False),
        (b"\x00\x01\x02", False),
    ],
)
def test_what_may_be_text_is_not_refused_early(tmp_path, content, expected):
    """Compressed and UTF-16 text may be text, other binary content is not."""
    (tmp_path / "f").write_bytes(content)
    assert may_be_text(tmp_path / "f") is expected


@pytest.mark.parametrize("user_block", [0, 512, 2048])
def test_hdf5_is_recognised_as_by_its_library(tmp_path, user_block):
    """HDF5 is recognised with a user block and when cut off, text never."""
    path = tmp_path / "f"
    with h5py.File(path, "w", userblock_size=user_block) as file:
        file["x"] = np.arange(5000)
    assert is_hdf5(path)
    path.write_bytes(path.read_bytes()[: user_block + 300])
    assert is_hdf5(path)
    assert h5py.is_hdf5(path)
    path.write_text("text" * 5000)
    assert not is_hdf5(path)


@pytest.mark.parametrize("protocol", [0, *range(2, pickle.HIGHEST_PROTOCOL + 1)])
def test_pickles_are_recognised(tmp_path, protocol):
    """Pickles of today's protocols, and of the oldest, are known by their first bytes."""
    (tmp_path / "f").write_bytes(pickle.dumps({"cell": ["TRA"]}, protocol))
    assert is_pickle(tmp_path / "f")


def test_banner_is_recognised_through_gzip(tmp_path):
    """Matrix Market text is recognised by content, plain or gzip, cut or whole."""
    path = tmp_path / "anything"
    path.write_bytes(gzip.compress((BANNER + "\n" * 100).encode()))
    assert is_matrix_market(path)
    path.write_bytes(gzip.compress(BANNER.encode())[:40])
    assert is_matrix_market(path)
    path.write_bytes(b"\x1f\x8bnonsense")
    assert not is_matrix_market(path)
    path.write_text("ATOM 1 2 3")
    assert not is_matrix_market(path)
