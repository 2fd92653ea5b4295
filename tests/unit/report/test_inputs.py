"""Files are recognised by what they carry, and samples never mix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from report_outputs import write_other_files
from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import ContractError, InputError
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.roles import Role, recognise_file


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_step_files(tmp_path / "run", make_step_frames(12))


@pytest.fixture
def all_files(files: list[Path]) -> list[Path]:
    return [*files, *write_other_files(files[0].parent, make_step_frames(12))]


def test_names_do_not_matter(all_files: list[Path], tmp_path: Path) -> None:
    """Renamed files are still recognised, by contract or note."""
    roles = set()
    for number, path in enumerate(all_files):
        renamed = tmp_path / f"{number}.bin"
        shutil.copy(path, renamed)
        roles.add(recognise_file(renamed))
    assert roles == set(Role) - {Role.EMBED, Role.EMBEDDINGS, Role.ANNOTATED}


def test_of_neighbours_the_nearest_are_read(files: list[Path]) -> None:
    """A table of neighbours among the files is recognised, and its first ranks are read."""
    path = Path(__file__).parents[2] / "contracts" / "archive" / "neighbours-1.parquet"
    assert recognise_file(path) == Role.NEIGHBOURS
    inputs = read_report_inputs([*files, path])
    [found] = [file for file in inputs.files if file.role == Role.NEIGHBOURS]
    assert found.note.step == "embed-tcr"
    assert set(inputs.neighbours.column("rank").to_pylist()) == {1}
    assert found.rows > inputs.neighbours.num_rows


def test_what_a_glob_names_besides_is_passed_over(all_files: list[Path], caplog) -> None:
    """FOLDER/* may name other tables, texts and an earlier page; the log tells which."""
    archive = Path(__file__).parents[2] / "contracts" / "archive"
    others = [archive / "programmes-1.parquet", archive / "cells-1.h5ad"]
    for name in ("predictions.csv", "descriptions.md", "descriptions.jsonl", "report.html", "run.json"):
        others.append(all_files[0].with_name(f"donor1.{name}"))
        others[-1].write_text("{}", encoding="utf-8")
    with caplog.at_level("INFO"):
        assert read_report_inputs([*others, *all_files]).files == read_report_inputs(all_files).files
    assert "a report has no use for: cells-1.h5ad, donor1.descriptions.jsonl" in caplog.text
    with pytest.raises(InputError, match="no use for any of these files"):
        read_report_inputs(others)


def test_fused_cells_of_another_sample_are_refused(files: list[Path], tmp_path: Path) -> None:
    """A fused table names its sample as the others do."""
    frames = make_step_frames(5, sample="donor9")
    write_step_files(tmp_path / "other", frames, "donor9")
    other = write_other_files(tmp_path / "other", frames, prefix="donor9")
    with pytest.raises(InputError, match="the fused file is of the sample"):
        read_report_inputs([*files, other[0]])


def test_order_does_not_matter(files: list[Path]) -> None:
    """The same files in any order give the same inputs, in step order, with digest and note."""
    forth, back = read_report_inputs(files), read_report_inputs(files[::-1])
    assert forth.files == back.files
    assert [file.role for file in forth.files] == [
        Role.QC,
        Role.CHAINS,
        Role.RECEPTORS,
        Role.METRICS,
        Role.PREDICTIONS,
        Role.CLONOTYPES,
    ]
    assert forth.files[1].note.step == "preprocess"
    assert forth.embed is None


def test_two_files_of_one_kind_are_refused(files: list[Path], tmp_path: Path) -> None:
    """Two predictions in one report would mix samples or runs."""
    again = tmp_path / "again.parquet"
    shutil.copy(files[2], again)
    with pytest.raises(InputError, match="two predictions files"):
        read_report_inputs([*files, again])


def test_two_samples_are_refused(files: list[Path], tmp_path: Path) -> None:
    """Receptors of another sample than the quality file's are refused, naming both."""
    other = write_step_files(tmp_path / "other", make_step_frames(5, sample="donor9"), "donor9")
    with pytest.raises(InputError, match=r'"donor9", the qc file of "donor1"'):
        read_report_inputs([files[4], other[1]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"barcode,label\n", "neither Parquet nor JSON"),
        (b"", "neither Parquet nor JSON"),
        (b'{"id": "x"}', "carries no tcellflow note"),
        (b'{"tcellflow": {"step": "sing"}}', "comes from the step 'sing'"),
        (b'{"broken', "not JSON"),
        (b"PAR1PAR1", "damaged|not a Parquet"),
    ],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """What is no file of a step is named as such, with the files that would do."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        recognise_file(path)


def test_absent_file_and_folder_are_refused(tmp_path: Path) -> None:
    """A missing path or a folder is an input error, not a crash."""
    with pytest.raises(InputError, match="does not exist"):
        recognise_file(tmp_path / "no.json")
    with pytest.raises(InputError, match="folder"):
        recognise_file(tmp_path)


def test_broken_tables_are_refused(files: list[Path], tmp_path: Path) -> None:
    """A table that breaks its contract is refused with its fault."""
    table = pq.read_table(files[2])
    broken = tmp_path / "broken.parquet"
    pq.write_table(table.drop_columns(["state"]), broken)
    with pytest.raises(ContractError, match="column 'state'"):
        read_report_inputs([broken])


def test_broken_documents_are_refused(files: list[Path], tmp_path: Path) -> None:
    """A qc.json that breaks its contract is refused with all its faults, each with its place."""
    qc = json.loads(files[4].read_text())
    del qc["cells"]["kept"]
    qc["gate"]["t_cells"] = -1
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(qc))
    with pytest.raises(ContractError, match="2 faults against the contract qc/1") as caught:
        read_report_inputs([broken])
    assert "cells: 'kept' is missing" in caught.value.what
    assert "gate: 't_cells' is -1" in caught.value.what


def test_unknown_contract_is_refused(tmp_path: Path) -> None:
    """A Parquet file without our stamp is refused."""
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="not written by tcellflow"):
        recognise_file(path)


def test_metrics_and_embed_are_recognised_by_step(tmp_path: Path) -> None:
    """The JSON of embed-tcr and predict is told apart by the step in its note."""
    for step, role in (("embed-tcr", Role.EMBED), ("predict", Role.METRICS)):
        path = tmp_path / f"{step}.x"
        path.write_text(json.dumps({"tcellflow": {"step": step}}))
        assert recognise_file(path) is role
