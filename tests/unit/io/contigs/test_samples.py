"""Tables of several samples are refused, or cut to the one that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contig_files import as_10x, as_airr, make_contigs, write_table
from tcellflow.errors import InputError, OptionsError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.contigs import DropReason

if TYPE_CHECKING:
    from pathlib import Path

CONTIGS = make_contigs(20, seed=3)


def write(path: Path, column: str, form: object = as_airr) -> Path:
    """Write contigs of which every third is of sample B."""
    table = form(CONTIGS)  # type: ignore[operator]
    table[column] = ["B" if row % 3 == 0 else "A" for row in range(len(table))]
    return write_table(path, table)


@pytest.mark.parametrize("form", [as_airr, as_10x])
@pytest.mark.parametrize("column", ["sample_id", "subject_id", "repertoire_id"])
def test_several_samples_are_refused_by_name(tmp_path: Path, column: str, form: object) -> None:
    """Chains of two people never meet in one cell: the names are told, and the way out."""
    path = write(tmp_path / "a.tsv", column, form)
    with pytest.raises(InputError, match=f"2 samples \\({column}: B, A\\)") as caught:
        read_receptors(path)
    assert "--tcr-sample B" in caught.value.mend


def test_one_sample_is_picked_and_the_rest_counted(tmp_path: Path) -> None:
    """Rows of other samples are dropped under a reason of their own, and all rows stay accounted for."""
    raw = read_receptors(write(tmp_path / "a.tsv", "subject_id"), sample="B")
    n_others = sum(row % 3 != 0 for row in range(len(CONTIGS)))
    assert raw.dropped[DropReason.OTHER_SAMPLE] == n_others
    assert raw.rows_read == len(CONTIGS) == len(raw.rows) + sum(raw.dropped.values())


def test_all_samples_are_read_on_request(tmp_path: Path) -> None:
    """An expression file may hold them all."""
    raw = read_receptors(write(tmp_path / "a.tsv", "sample_id"), sample="all")
    assert DropReason.OTHER_SAMPLE not in raw.dropped
    assert raw.rows_read == len(CONTIGS)


def test_one_sample_needs_no_choice(tmp_path: Path) -> None:
    """A column that says the same throughout is no matter."""
    table = as_airr(CONTIGS).assign(sample_id="A", subject_id="")
    assert read_receptors(write_table(tmp_path / "a.tsv", table)).rows_read == len(CONTIGS)


def test_an_absent_sample_is_refused_with_those_there_are(tmp_path: Path) -> None:
    """A misspelt name lists the names."""
    with pytest.raises(OptionsError, match=r"no sample C .* sample_id: B, A"):
        read_receptors(write(tmp_path / "a.tsv", "sample_id"), sample="C")


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (
            ["clonotype_id", "consensus_id", "chain", "v_gene", "j_gene", "cdr3", "umis"],
            "consensus sequences",
        ),
        (["clonotype_id", "frequency", "proportion", "cdr3s_aa"], "clonotypes"),
        (["sequence_id", "v_call", "j_call", "junction_aa", "productive"], "bulk library"),
        (["cloneId", "cloneCount", "aaSeqCDR3"], "MiXCR"),
        (["count", "freq", "cdr3nt", "cdr3aa", "v", "d", "j"], "VDJtools"),
    ],
)
def test_tables_without_cells_are_told_as_such(tmp_path: Path, columns: list[str], what: str) -> None:
    """Tables of clones and bulk libraries name no cells, and the file that does is named."""
    path = tmp_path / "a.csv"
    path.write_text(",".join(columns) + "\n" + ",".join("x" for _ in columns) + "\n")
    with pytest.raises(InputError, match=f"{what}.*names no cells"):
        read_receptors(path)
