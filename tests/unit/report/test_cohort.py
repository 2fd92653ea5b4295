"""The page of a cohort: every sample, outliers first, receptors that are shared, warnings, hostile names."""

from __future__ import annotations

import json
import re

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import InputError, OptionsError
from tcellflow.report.cohort.content import compose_cohort
from tcellflow.report.cohort.figures import draw_composition
from tcellflow.report.cohort.samples import read_cohort
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.steps.options import ReportOptions
from tcellflow.steps.report import report
from tcellflow.vocabulary import Programme, State

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


def test_each_sample_has_the_verdict_of_its_own_report(folders):
    """The verdict's words and reasons are those of the sample's page."""
    for sample in read_cohort(folders):
        paths = [path for path in (folders[0].parent / sample.name).iterdir() if path.is_file()]
        own = compose_report(read_report_inputs(paths), sample.name).verdict
        names = ("cell quality", "barcode overlap", "shift")
        told, shown = (
            {r.name: r.finding for r in v.reasons if r.name in names} for v in (sample.verdict, own)
        )
        assert told == shown
        assert sample.verdict.short.startswith(("care: ", "poor: "))
    assert "number of T cells" in sample.verdict.short


def test_other_options_are_warned_of(folders, tmp_path):
    """Samples called with another risk are told with both values."""

    def dare(frames):
        frames.metrics["tcellflow"]["options"] = {"target_risk": 0.3}

    def usual(frames):
        frames.metrics["tcellflow"]["options"] = {"target_risk": 0.1}

    mixed = [write_sample(tmp_path / "mixed", name, change) for name, change in (("g", dare), ("h", usual))]
    [warning] = [text for text in compose_cohort(read_cohort(mixed), "x").warnings if "options" in text]
    assert warning == "The states were called with different options: target risk (0.1, 0.3)."
    assert not [text for text in compose_cohort(read_cohort(folders), "x").warnings if "options" in text]


def test_shared_receptors_are_counted_by_donor(folders):
    """Samples with the same chains share each of them, across four donors, under its real name."""
    cohort = compose_cohort(read_cohort(folders), "x")
    samples = read_cohort(folders)
    assert cohort.n_shared == len(samples[0].receptors)
    assert cohort.shared[0].samples == ("a", "b", "c", "d")
    assert cohort.shared[0].n_donors == 4
    assert cohort.shared[0].junction_aa.startswith("C")


def test_samples_of_two_people_that_share_too_much_are_told(folders, tmp_path):
    """The same chains under two donors' names are a mix-up; under one donor's they are a second sample."""
    cohort = compose_cohort(read_cohort(folders[:2]), "x")
    [warning] = [text for text in cohort.warnings if "mixed up" in text]
    assert warning.startswith("a and b are of different donors but share")
    assert "100 % of the smaller" in warning
    same = [write_sample(tmp_path / "same", name, make_one_donor) for name in ("e", "f")]
    assert not [text for text in compose_cohort(read_cohort(same), "x").warnings if "mixed up" in text]


def make_one_donor(frames):
    for frame in (frames.chains, frames.receptors):
        frame["donor"] = "one"


def test_programmes_stand_side_by_side(folders):
    """Each sample's means come from its own metrics; what no cell can measure stays empty."""
    for number, folder in enumerate(folders[:2]):
        path = next(folder.glob("*.metrics.json"))
        content = json.loads(path.read_text())
        means = {str(name): 0.25 * number for name in Programme} | {"th2": None}
        content["programmes"] = {
            "all": means,
            "states": {str(state): means for state in State},
            "measured": {str(name): 1.0 for name in Programme},
        }
        path.write_text(json.dumps(content))
    heat = compose_cohort(read_cohort(folders), "x").programmes
    assert heat.columns == ("a", "b")
    assert "th2" not in heat.rows
    assert set(heat.strengths) == {(0.0, 0.25)}
    assert compose_cohort(read_cohort(folders[2:]), "x").programmes is None


def test_each_bar_adds_up(folders):
    """The bars of a sample reach from end to end, and it is named whatever its length."""
    drawn = draw_composition(read_cohort(folders[:1]))
    widths = [float(text) for text in re.findall(r'width="([\d.]+)" height="12"', drawn)]
    assert sum(widths) == pytest.approx(560, abs=1)


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
