"""Texts that would take all memory: refused, or read in parts."""

import gzip
import resource
import subprocess
import sys

import pytest

from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.files.text import open_text, read_lines
from tcellflow.io.files.text_tables import open_text_table
from tcellflow.io.matrices.antibody_tables import read_antibody_table

_HEADER = b"barcode,is_cell,high_confidence,chain,v_gene,j_gene,productive,cdr3,contig_id,umis\n"
_ROW = b"AAACCTGAGAAACCAT-1,True,True,TRB,TRBV20-1,TRBJ2-7,True,CASSF,AAACCTGAGAAACCAT-1_contig_1,3\n"


def pack_row(path, n_bytes):
    """Write a gzip table of one row over and over."""
    block = _ROW * 10_000
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(_HEADER)
        for _ in range(n_bytes // len(block) + 1):
            file.write(block)
    return path


def peak_kib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_gzip_file_that_unfolds_a_hundredfold_is_refused(tmp_path):
    """Ten gigabytes of equal rows are refused after 128 MB, whichever reader is asked."""
    path = pack_row(tmp_path / "a.csv.gz", 200 << 20)
    before = peak_kib()
    for read in (
        lambda: open_text_table(path).read(["barcode"]),
        lambda: read_lines(path),
        lambda: read_antibody_table(path, ["AAACCTGAGAAACCAT-1"]),
    ):
        with pytest.raises(InputError, match="more than 100 times its size"):
            read()
    assert peak_kib() - before < 600_000


def test_a_gzip_file_of_different_rows_is_read(tmp_path):
    """Real tables pack 5 to 20 to 1."""
    rows = b"".join(b"%d,%d\n" % (number, number * 7919 % 1_000_003) for number in range(1_000_000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n" + rows * 11, 1))
    with open_text(tmp_path / "a.csv.gz") as handle:
        assert sum(len(block) for block in iter(lambda: handle.read(1 << 20), b"")) == 4 + 11 * len(rows)


@pytest.mark.parametrize("start", [b"", _HEADER])
def test_a_line_without_an_end_is_refused(tmp_path, start):
    """Where line ends were lost the text is no table, however long it goes on."""
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.write(start)
        for _ in range(60):
            file.write(b"A" * (1 << 20))
    before = peak_kib()
    with pytest.raises(InputError):
        read_receptors(path)
    with pytest.raises(InputError, match="no end within"):
        read_lines(path)
    assert peak_kib() - before < 300_000


# VmHWM, for ru_maxrss of a child starts with what its parent held
_READ = """
import re, sys
from pathlib import Path
from tcellflow.io.files.text import open_text
with open_text(Path(sys.argv[1])) as handle:
    n = sum(block.count(b"\\n") for block in iter(lambda: handle.read(1 << 20), b""))
print(n, *re.findall(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text()))
"""


@pytest.mark.parametrize("encoding", ["utf-16", "cr"])
def test_recoded_texts_are_streamed(tmp_path, encoding):
    """UTF-16 and the line ends of the old Macintosh take as much memory in a large file as in a small one."""
    found = []
    for name, times in (("small", 1), ("large", 60)):
        text = ("AAACCTGAGAAACCAT-1,TRBV20-1\u00e9\n" * 40_000 * times).encode()
        text = text.replace(b"\n", b"\r") if encoding == "cr" else text.decode().encode("utf-16")
        path = tmp_path / name
        path.write_bytes(text)
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True
        )
        n_lines, peak = map(int, done.stdout.split())
        assert n_lines == 40_000 * times
        found.append(peak)
    assert found[1] - found[0] < 20_000  # KiB


def test_utf16_cut_within_a_character_is_read_as_before(tmp_path):
    """Half of a character at the end becomes the sign for what is unknown."""
    (tmp_path / "a").write_bytes("a,b\n1,2\n".encode("utf-16") + b"\x00")
    with open_text(tmp_path / "a") as handle:
        assert handle.read() == "a,b\n1,2\n\ufffd".encode()


def test_a_lone_carriage_return_in_a_header_is_told(tmp_path):
    """A header that cannot be split ends with a sentence."""
    (tmp_path / "a.csv").write_bytes(b"x\n" * 100 + _HEADER)
    (tmp_path / "b.csv").write_bytes(_HEADER.replace(b",is", b",\ris") + _ROW)
    with pytest.raises(InputError, match="cannot be split into fields"):
        open_text_table(tmp_path / "b.csv")
