"""Tables of several samples are refused, or cut to the one that is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from contig_files import as_10x, as_airr, make_contigs, write_json, write_table
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


def test_words_of_demultiplexing_are_no_second_sample(tmp_path: Path) -> None:
    """Doublets and unassigned cells beside one sample need no choice, but two samples do."""
    table = as_airr(CONTIGS).assign(sample_id="A")
    table.loc[:4, "sample_id"] = ["Doublet", "unassigned", "Negative", "", "Multiplet"]
    assert read_receptors(write_table(tmp_path / "a.tsv", table)).rows_read == len(CONTIGS)
    table.loc[5, "sample_id"] = "B"
    with pytest.raises(InputError, match=r"2 samples \(sample_id: B, A\)"):
        read_receptors(write_table(tmp_path / "b.tsv", table))


def test_one_sample_of_a_json_file_is_picked(tmp_path: Path) -> None:
    """Cell Ranger's own JSON is cut like a table."""
    path = write_json(tmp_path / "all_contig_annotations.json", CONTIGS)
    records = json.loads(path.read_text())
    path.write_text(
        json.dumps([{**record, "sample_id": "AB"[row % 3 == 0]} for row, record in enumerate(records)])
    )
    with pytest.raises(InputError, match="2 samples"):
        read_receptors(path)
    raw = read_receptors(path, sample="B")
    assert raw.dropped[DropReason.OTHER_SAMPLE] == sum(row % 3 != 0 for row in range(len(CONTIGS)))


def test_one_sample_of_an_h5ad_file_is_picked(tmp_path: Path) -> None:
    """Cells of other samples are left out by the names in obs; without a choice none is."""
    obs = pd.DataFrame(
        {"IR_VDJ_1_locus": "TRB", "IR_VDJ_1_v_call": "TRBV9", "IR_VDJ_1_j_call": "TRBJ1-1"},
        index=["c1", "c2", "c3"],
    ).assign(IR_VDJ_1_junction_aa="CASSLGTEAFF", IR_VDJ_1_umi_count="3", sample_id=["A", "B", "A"])
    ad.AnnData(np.zeros((3, 1), np.float32), obs=obs).write_h5ad(tmp_path / "a.h5ad")
    assert read_receptors(tmp_path / "a.h5ad").rows["cell_id"].tolist() == ["c1", "c2", "c3"]
    raw = read_receptors(tmp_path / "a.h5ad", sample="A")
    assert raw.rows["cell_id"].tolist() == ["c1", "c3"]
    assert raw.dropped[DropReason.OTHER_SAMPLE] == 1


@pytest.mark.parametrize(("n_known", "n_told"), [(0, 1), (1, 0)])
def test_a_file_without_any_count_is_told(tmp_path: Path, n_known: int, n_told: int) -> None:
    """One known count already ranks chains; without any they go by their sequences, which is told."""
    table = as_airr(CONTIGS).astype({"umi_count": object})
    table.loc[n_known:, "umi_count"] = ""
    table = table.drop(columns=[name for name in ("consensus_count", "duplicate_count") if name in table])
    raw = read_receptors(write_table(tmp_path / "a.tsv", table))
    assert sum("holds no counts" in text for text in raw.warnings) == n_told


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
