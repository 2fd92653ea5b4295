"""The page of a cohort: every sample, outliers first, receptors that are shared, warnings, hostile names."""

from __future__ import annotations

import json

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import InputError, OptionsError
from tcellflow.report.cohort.content import compose_cohort
from tcellflow.report.cohort.samples import read_cohort
from tcellflow.steps.options import ReportOptions
from tcellflow.steps.report import report

HOSTILE = "<script>alert(1)</script>"


def write_sample(folder, name, change=lambda _: None, n_cells=60):
    frames = make_step_frames(n_cells)
    for frame in (frames.chains, frames.receptors):
        frame["donor"] = name
    change(frames)
    for path in write_step_files(folder / name, frames):
        path.rename(path.with_name(path.name.replace("donor1", name)))
    return folder / name


@pytest.fixture
def folders(tmp_path):
    def turn(frames):
        counts = frames.metrics["states"]
        frames.metrics["states"] = dict.fromkeys(counts, 0) | {"Treg": 56}

    names = ("a", "b", "c", "d")
    return [write_sample(tmp_path, name, turn if name == "c" else lambda _: None) for name in names]


def test_the_farthest_sample_stands_first(folders):
    """A sample of another composition leads the table, with intervals around its shares."""
    cohort = compose_cohort(read_cohort(folders), "x")
    assert [row.sample.name for row in cohort.rows] == ["c", "a", "b", "d"]
    assert cohort.rows[0].distance > 0.5
    assert cohort.rows[1].distance == 0
    assert all(low <= high for row in cohort.rows for low, high in row.intervals)


def test_shared_receptors_are_counted_by_donor(folders):
    """Samples with the same chains share each of them, across four donors, under its real name."""
    cohort = compose_cohort(read_cohort(folders), "x")
    samples = read_cohort(folders)
    assert cohort.n_shared == len(samples[0].receptors)
    assert cohort.shared[0].samples == ("a", "b", "c", "d")
    assert cohort.shared[0].n_donors == 4
    assert cohort.shared[0].junction_aa.startswith("C")


def test_samples_of_one_folder_and_of_several_give_the_same_bytes(folders, tmp_path):
    """The page depends on the samples, not on the order or number of their folders."""
    first = report(ReportOptions(tmp_path / "o", "cohort", tuple(folders)))
    together = tmp_path / "all"
    together.mkdir()
    for folder in folders:
        for path in folder.iterdir():
            (together / path.name).write_bytes(path.read_bytes())
    second = report(ReportOptions(tmp_path / "p", "cohort", (together,)))
    assert [path.name for path in first] == ["cohort.report.html"]
    assert first[0].read_bytes() == second[0].read_bytes()


def test_other_bundles_are_warned_of(folders):
    """States of different bundles are told to be incomparable."""
    path = folders[1] / "b.metrics.json"
    content = json.loads(path.read_text())
    content["bundle"]["sha256"] = "cd" * 32
    path.write_text(json.dumps(content))
    assert "different bundles" in compose_cohort(read_cohort(folders), "x").warnings[0]


def test_hostile_names_stay_text(tmp_path):
    """Markup in donors and genes is escaped."""

    def spoil(frames):
        frames.chains["donor"] = frames.chains["v_call"] = HOSTILE

    folders = [write_sample(tmp_path, name, spoil) for name in ("a", "b")]
    page = report(ReportOptions(tmp_path / "o", "cohort", tuple(folders)))[0].read_text()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page


def test_bad_folders_are_refused(folders, tmp_path):
    """A folder without a sample, a name twice, and labels are refused."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no sample with predictions"):
        read_cohort([tmp_path / "empty"])
    with pytest.raises(InputError, match="two samples are called 'a'"):
        read_cohort([folders[0], folders[0]])
    with pytest.raises(OptionsError, match="labels belong to one sample"):
        ReportOptions(tmp_path, "x", tuple(folders), true_labels=tmp_path / "l.csv").check()
