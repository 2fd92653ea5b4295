"""HDF5 files that reach outside themselves or declare more than they hold."""

import os
import resource

import h5py
import numpy as np
import pytest

from command_line import run_command
from factories import ANTIBODIES, make_counts, write_10x_h5, write_h5ad
from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.h5ad.cells_reader import read_cells
from tcellflow.io.matrices.opening import open_matrix

SAMPLE = make_counts(30, 80, antibodies=ANTIBODIES)


def write_10x(path):
    return write_10x_h5(path, SAMPLE)


def write_anndata(path):
    return write_h5ad(path, SAMPLE)


def write_mudata(path):
    """Put an AnnData file's content under mod/gex, as MuData does."""
    inner = write_h5ad(path.with_suffix(".inner"), SAMPLE)
    with h5py.File(inner) as source, h5py.File(path, "w") as file:
        source.copy("/", file.create_group("mod"), name="gex")
    return path


KINDS = {
    "10x": (write_10x, "matrix/barcodes", "matrix/features/name"),
    "h5ad": (write_anndata, "obs/_index", "var/_index"),
    "h5mu": (write_mudata, "mod/gex/obs/_index", "mod/gex/var/_index"),
}


def externalise(file, place, folder):
    """Take names from the raw bytes of another file."""
    n = len(file[place])
    (folder / "secret").write_bytes(b"root:x:0" * n)
    del file[place]
    file.create_dataset(place, (n,), "S8", external=[("secret", 0, 8 * n)])


def virtualise(file, place, folder):
    """Take names from a dataset of another file."""
    n = len(file[place])
    with h5py.File(folder / "other.h5", "w") as other:
        other["names"] = np.full(n, b"secret", dtype="S8")
    del file[place]
    layout = h5py.VirtualLayout((n,), "S8")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "names", (n,), "S8")
    file.create_virtual_dataset(place, layout)


def link_out(file, place, folder):
    """Take names by a link to another file, which is a pipe that nobody writes to."""
    os.mkfifo(folder / "pipe")
    del file[place]
    file[place] = h5py.ExternalLink(folder / "pipe", "names")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "words"),
    [(externalise, "in other files"), (virtualise, "is virtual"), (link_out, "a link to another file")],
)
def test_names_from_another_file_are_refused_and_the_dataset_named(tmp_path, kind, change, words):
    """Whatever the layout, no reader follows an HDF5 file to another, and none waits for a pipe."""
    write, *places = KINDS[kind]
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write(folder / "a.h5")
        with h5py.File(path, "r+") as file:
            change(file, place, folder)
        for read in (open_matrix, read_cells, read_receptors):
            with pytest.raises(InputError) as caught:
                read(path)
            assert words in caught.value.what
            assert place in caught.value.what
    outcome = run_command("preprocess", "--gex", path, "-o", tmp_path / "out", "--prefix", "s")
    assert outcome.code == 66
    assert place in outcome.stderr


def test_a_link_that_no_reader_asks_for_is_refused_too(tmp_path):
    """anndata would follow a link among the user's own columns."""
    path = write_anndata(tmp_path / "a.h5ad")
    with h5py.File(path, "r+") as file:
        file["uns/mine"] = h5py.ExternalLink("/etc/hostname", "x")
    with pytest.raises(InputError, match="uns/mine"):
        open_matrix(path)


def test_links_within_the_file_are_followed(tmp_path):
    """A soft link names something of the same file, which was looked at itself."""
    path = write_anndata(tmp_path / "a.h5ad")
    with h5py.File(path, "r+") as file:
        file.move("X", "kept")
        file["X"] = h5py.SoftLink("/kept")
        file["loop"] = h5py.SoftLink("/loop")
        file["obsm/again"] = file["obsm"]
    assert len(open_matrix(path).barcodes) == 30


@pytest.mark.parametrize("place", ["matrix/barcodes", "matrix/indptr", "matrix/data", "matrix/features/id"])
@pytest.mark.parametrize("chunks", [None, (1 << 16,)])
def test_arrays_that_were_never_written_are_refused_before_they_are_read(tmp_path, place, chunks):
    """A terabyte declared by a file of a few kilobytes takes no memory."""
    path = write_10x(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        kind = file[place].dtype
        del file[place]
        file.create_dataset(place, (10**12,), kind if kind.kind in "iuf" else "S16", chunks=chunks)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as caught:
        open_matrix(path)
    assert place in caught.value.what
    assert "declares" in caught.value.what
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_chunk_that_unfolds_a_thousandfold_and_more_is_refused(tmp_path):
    """deflate cannot do it in one pass, two of them can."""
    path = write_10x(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file["matrix/barcodes"]
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((1 << 24,))
        creation.set_deflate(9)
        creation.set_deflate(9)
        space = h5py.h5s.create_simple((1 << 24,))
        made = h5py.h5d.create(
            file["matrix"].id, b"barcodes", h5py.h5t.py_create(np.dtype("S16")), space, creation
        )
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1 << 24, dtype="S16"))
    assert path.stat().st_size < 200_000
    with pytest.raises(InputError, match="declares"):
        open_matrix(path)


def test_small_arrays_that_were_never_written_are_zeros(tmp_path):
    """Files may well leave zeros out."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("zeros", (1000,), "f8", chunks=(10,))
    with open_hdf5(tmp_path / "a.h5") as file:
        assert file["zeros"][:].sum() == 0


def _no_shape(file):
    del file["matrix/shape"]
    file["matrix/shape"] = "unknown"


def _no_groups(file):
    del file["matrix/features"]
    file["matrix/features"] = np.arange(3)


def _genomes(file):
    del file["matrix/features/genome"]
    file.create_group("matrix/features/genome")


def _put(place, value):
    def change(file):
        del file[place]
        file[place] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _no_shape,
        _no_groups,
        _genomes,
        _put("matrix/shape", [1.5, 2.5]),
        _put("matrix/shape", np.zeros((2, 2), dtype=int)),
        _put("matrix/data", 3),
        _put("matrix/indices", np.zeros((3, 3), dtype=int)),
        _put("matrix/indptr", np.float64(1)),
        _put("matrix/barcodes", "one"),
        _put("matrix/barcodes", h5py.Empty("S8")),
        _put("matrix/features/name", np.zeros((2, 2), dtype=int)),
    ],
)
def test_parts_of_odd_kinds_are_input_errors(tmp_path, change):
    """Scalars, tables, groups and other types in the places of lists are told, not met as a bug."""
    path = write_10x(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError) as caught:
        for _ in open_matrix(path).blocks():
            pass
    assert caught.value.mend


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("X", "shape", "wide"),
        ("X", "shape", [1.5, 2]),
        ("X", "shape", 3),
        ("X", "encoding-type", [1, 2]),
        ("X", "encoding-type", h5py.Empty("f4")),
        ("obs", "_index", 5),
        ("obs", "_index", [1, 2, 3]),
        ("obs", "_index", "absent"),
        ("var", "_index", ""),
    ],
)
def test_odd_attributes_of_h5ad_are_input_errors(tmp_path, place, name, value):
    """Attributes of other kinds than anndata writes are told with their place."""
    path = write_anndata(tmp_path / "a.h5ad")
    with h5py.File(path, "r+") as file:
        file[place].attrs[name] = value
        if place == "obs" and name == "_index":
            del file["obs/_index"]
    with pytest.raises(InputError) as caught:
        for _ in open_matrix(path).blocks():
            pass
    assert place in caught.value.what


def test_a_signal_within_the_library_is_no_fault_of_the_file(tmp_path):
    """h5py tells an interruption in a function that HDF5 calls back as an error of its own."""

    def interrupt(_name, _info):
        raise KeyboardInterrupt

    path = write_10x(tmp_path / "a.h5")
    with open_hdf5(path) as file, pytest.raises(SystemError):
        file.id.links.visit(interrupt, info=True)  # what the library makes of it
    with pytest.raises(KeyboardInterrupt), open_hdf5(path) as file:
        file.id.links.visit(interrupt, info=True)


def test_our_own_errors_pass_unchanged(tmp_path):
    """An error that has nothing to do with the library is not blamed on the file."""
    with pytest.raises(ZeroDivisionError), open_hdf5(write_10x(tmp_path / "a.h5")):
        1 / 0  # noqa: B018 (raised on purpose)
