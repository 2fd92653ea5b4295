"""The samplesheet: every fault is told at once, and schema_input.json gives the same verdicts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from benchmarks.harness.nextflow import PIPELINE

HERE = Path(__file__).parent
SCHEMA = json.loads((PIPELINE / "assets" / "schema_input.json").read_text())
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nextflow-samplesheet")]

HEAD = "sample,gex,tcr,adt\n"
GOOD = {
    "all": HEAD + "donor1,a.h5,a.csv,a.h5\n",
    "absolute": HEAD + "donor1,{folder}/a.h5,,\n",
    "adt_table": HEAD + "donor1,a.h5,,adt/a.csv\n",
    "any_order": "adt,tcr,sample,gex\n,a.csv,donor1,a.h5\n",
    "blank_lines": HEAD + "\ndonor1,a.h5,,\n,,,\n\ndonor2,,a.csv,\n",
    "bom_crlf": "\ufeff" + (HEAD + "donor1,a.h5,,\n").replace("\n", "\r\n"),
    "folder": HEAD + "donor1,matrix,,\n",
    "folder_with_dot": HEAD + "donor1,matrix.v3,,\n",
    "no_newline": HEAD + "donor1,a.h5,,",
    "notes": "sample,gex,tcr,adt,batch,expected_state\ndonor1,a.h5,,,b 1,Naive\n",
    "packed": HEAD + "donor1,,a.tsv.gz,\n",
    "quoted": '"sample","gex","tcr","adt"\n"donor1"," a.h5 ","with, comma.csv",""\n',
    "remote": HEAD + "donor1,https://example.org/x.h5,https://example.org/x.csv,\n",
    "remote_folder": HEAD + "donor1,https://example.org/matrix,,\n",
    "several_tcr": HEAD + "donor1,,a.csv; a.tsv.gz,\n",
    "spaces": " sample , gex , tcr , adt \n donor1 , with space.h5 , , \n",
    "upper_name": HEAD + "Donor_1.a-b,a.h5,,\n",
}
BAD = {
    "adt_alone": (HEAD + "donor1,,a.csv,a.h5\n", ["line 2, adt"]),
    "adt_ending": (HEAD + "donor1,a.h5,,a.xlsx\n", ["line 2, adt: 'a.xlsx' has an unknown ending"]),
    "braces": (
        HEAD + "donor1,a.h5,,\ndonor2,{{ab}}.h5,,\n",
        ["line 3, gex: '{ab}.h5' holds braces"],
    ),
    "braces_quoted": (HEAD + 'donor1,"x{{a,b}}.h5",,\n', ["line 2, gex: 'x{a,b}.h5' holds braces"]),
    "braces_remote": (
        HEAD + "donor1,,https://example.org/{{a}}.csv,\n",
        ["line 2, tcr: 'https://example.org/{a}.csv' holds braces"],
    ),
    "empty_file": (HEAD + "donor1,empty.h5,,\n", ["line 2, gex: 'empty.h5' is empty"]),
    "empty_folder": (HEAD + "donor1,hollow,,\n", ["line 2, gex: 'hollow' is an empty folder"]),
    "gex_ending": (HEAD + "donor1,a.rds,,\n", ["line 2, gex: 'a.rds' has an unknown ending"]),
    "header_only": (HEAD, ["there is no sample"]),
    "leading_dot": (HEAD + ".donor,a.h5,,\n", ["line 2, sample: '.donor'"]),
    "many": (
        HEAD + "a b,no.h5,,\nx,,,\nx,a.h5,no.csv;a.rds,\n",
        [
            "line 2, sample: 'a b'",
            "line 2, gex: 'no.h5' does not exist",
            "line 3: neither gex nor tcr",
            "line 4, sample: 'x' is the name of line 3",
            "line 4, tcr: 'no.csv' does not exist",
            "line 4, tcr: 'a.rds' has an unknown ending",
        ],
    ),
    "missing_column": ("sample,gex,tcr\ndonor1,a.h5,\n", ["line 1: the column 'adt' is missing"]),
    "missing_file": (HEAD + "donor1,no.h5,,\n", ["line 2, gex: 'no.h5' does not exist"]),
    "name_empty": (HEAD + ",a.h5,,\n", ["line 2, sample: ''"]),
    "name_path": (HEAD + "../x,a.h5,,\n", ["line 2, sample: '../x'"]),
    "neither": (HEAD + "donor1,,,\n", ["line 2: neither gex nor tcr"]),
    "nothing": ("", ["the column 'sample' is missing"]),
    "remote_ending": (
        HEAD + "donor1,,s3://bucket/x.rds,\n",
        ["line 2, tcr: 's3://bucket/x.rds' has an unknown ending"],
    ),
    "repeated": (
        HEAD + "donor1,a.h5,,\n\ndonor1,a.h5,,\n",
        ["line 4, sample: 'donor1' is the name of line 2"],
    ),
    "second_tcr": (HEAD + "donor1,,a.csv;no.csv,\n", ["line 2, tcr: 'no.csv' does not exist"]),
    "semicolon": (HEAD + "donor1,a.h5;b.h5,,\n", ["line 2, gex"]),
    "tcr_folder": (HEAD + "donor1,,matrix,\n", ["line 2, tcr: 'matrix' is a folder"]),
    "too_many": (HEAD + "donor1,a.h5,,,\n", ["line 2: 5 values under 4 columns"]),
    "too_few": (HEAD + "donor1,a.h5\n", ["line 2: 2 values under 4 columns"]),
    "unknown_column": (
        "sample,gex,tcr,adt,colour\na b,a.h5,,,red\n",
        ["line 1: the column 'colour' is not known", "line 2, sample: 'a b'"],
    ),
    "upper_ending": (HEAD + "donor1,A.H5,,\n", ["line 2, gex: 'A.H5' has an unknown ending"]),
}
SHEETS = GOOD | {name: text for name, (text, _) in BAD.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of samplesheets and the files they name."""
    folder = tmp_path_factory.mktemp("sheets")
    for name in (
        "a.h5",
        "A.H5",
        "a.csv",
        "a.tsv.gz",
        "a.rds",
        "a.xlsx",
        "with, comma.csv",
        "with space.h5",
        "{ab}.h5",
        "x{a,b}.h5",
    ):
        (folder / name).write_text("x")
    (folder / "empty.h5").touch()
    for name in ("matrix", "matrix.v3", "hollow", "adt"):
        (folder / name).mkdir()
    for name in ("matrix/matrix.mtx", "matrix.v3/matrix.mtx", "adt/a.csv"):
        (folder / name).write_text("x")
    for name, text in SHEETS.items():
        (folder / f"{name}.csv").write_text(text.format(folder=folder), newline="")
    (folder / "a.csv").write_text("x")
    return folder


@pytest.fixture(scope="module")
def verdicts(nextflow, folder, tmp_path_factory):
    """What the pipeline says of each of them."""
    found = folder / "verdicts.json"
    arguments = ("--sheets", folder, "--verdicts", found)
    done = nextflow("run", HERE / "sheets.nf", *arguments, folder=tmp_path_factory.mktemp("elsewhere"))
    assert done.code == 0, done.output
    return json.loads(found.read_text())


@pytest.mark.parametrize("name", GOOD)
def test_a_good_samplesheet_is_read(verdicts, name):
    """No fault is found, and there is a row for each sample."""
    assert verdicts[f"{name}.csv"]["faults"] == []
    assert verdicts[f"{name}.csv"]["rows"][0]["meta"]["id"] in {"donor1", "Donor_1.a-b"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_samplesheet_is_refused_with_all_its_faults(verdicts, name):
    """Each fault is told with its place, and no row is handed on."""
    faults = verdicts[f"{name}.csv"]["faults"]
    for expected in BAD[name][1]:
        assert any(expected in fault for fault in faults), (expected, faults)
    assert len(faults) >= len(BAD[name][1])
    assert all("; " in fault for fault in faults)  # what to do about it
    assert verdicts[f"{name}.csv"]["rows"] == []


def test_paths_start_at_the_samplesheet(verdicts, folder):
    """Relative paths lead to files beside the samplesheet, URIs stay what they are."""
    row = verdicts["several_tcr.csv"]["rows"][0]
    assert row["tcr"] == f"[{folder}/a.csv, {folder}/a.tsv.gz]"
    assert row["gex"] == "[]"
    assert verdicts["quoted.csv"]["rows"][0]["tcr"] == f"[{folder}/with, comma.csv]"
    assert verdicts["notes.csv"]["rows"][0]["expected_state"] == "Naive"


def _is_remote(name):
    return "://" in name


def _checker(folder):
    checker = jsonschema.FormatChecker(formats=())
    checker.checks("file-path")(
        lambda name: _is_remote(name) or ((folder / name).is_file() and (folder / name).stat().st_size > 0)
    )
    checker.checks("directory-path")(
        lambda name: _is_remote(name) or ((folder / name).is_dir() and any((folder / name).iterdir()))
    )
    checker.checks("file-path-list")(
        lambda names: all(
            checker.conforms(name.strip(), "file-path") for name in names.split(";") if name.strip()
        )
    )
    return checker


def _follows_schema(text, folder):
    """The verdict of a validator that knows nothing but the schema."""
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), skipinitialspace=True))
    lines = [[value.strip() for value in line] for line in lines if any(value.strip() for value in line)]
    if (
        not lines
        or set(SCHEMA["requiredColumns"]) - set(lines[0])
        or any(len(r) != len(lines[0]) for r in lines)
    ):
        return False
    rows = [{k: v for k, v in zip(lines[0], line, strict=True) if v} for line in lines[1:]]
    validator = jsonschema.Draft202012Validator(SCHEMA, format_checker=_checker(folder))
    unique = all(len({row.get(key) for row in rows}) == len(rows) for key in SCHEMA["uniqueEntries"])
    return validator.is_valid(rows) and unique


@pytest.mark.parametrize("name", SHEETS)
def test_the_schema_gives_the_same_verdict(verdicts, folder, name):
    """Whoever checks a sheet against schema_input.json accepts what the pipeline accepts."""
    text = SHEETS[name].format(folder=folder)
    assert _follows_schema(text, folder) == (verdicts[f"{name}.csv"]["faults"] == [])
