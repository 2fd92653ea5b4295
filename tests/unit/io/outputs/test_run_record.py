"""The record of a run: what counts as done, what may be replaced, what is removed."""

from __future__ import annotations

import json

import pytest

from tcellflow.errors import InputError, OutputError
from tcellflow.io.outputs.run_record import DigestCache, RunRecord

FINGERPRINT = {"version": "1", "options": {}, "inputs": {"gex": "ab"}, "bundle": {}}


@pytest.fixture
def folder(tmp_path):
    """Make an output folder with two finished files of the step 'predict'."""
    for name in ("s.a", "s.b"):
        (tmp_path / name).write_text(name)
    open_record(tmp_path).finish("predict", FINGERPRINT, [tmp_path / "s.a", tmp_path / "s.b"])
    return tmp_path


def open_record(folder):
    """Read the record as a later run does."""
    return RunRecord(folder, "s", DigestCache())


def test_a_finished_step_is_current(folder):
    """Equal fingerprint and untouched outputs mean that nothing has to be done."""
    record = open_record(folder)
    assert record.is_current("predict", FINGERPRINT)
    assert record.list_outputs("predict") == [folder / "s.a", folder / "s.b"]
    assert not record.is_current("report", FINGERPRINT)
    assert record.list_outputs("report") == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"options": {"min_genes": 3}},
        {"inputs": {"gex": "cd"}},
        {"bundle": {"sha256": "0"}},
    ],
)
def test_any_change_of_the_fingerprint_counts(folder, change):
    """Another version, option, input or bundle means that the step must run again."""
    assert not open_record(folder).is_current("predict", {**FINGERPRINT, **change})


def test_a_changed_or_missing_output_counts(folder):
    """An output that was edited or removed means that the step must run again."""
    (folder / "s.a").write_text("edited")
    assert not open_record(folder).is_current("predict", FINGERPRINT)
    (folder / "s.a").unlink()
    assert not open_record(folder).is_current("predict", FINGERPRINT)


def test_a_change_between_two_questions_is_seen(folder):
    """Digests are remembered only as long as the file stays the same."""
    record = open_record(folder)
    assert record.is_current("predict", FINGERPRINT)
    (folder / "s.b").write_text("s.c")  # as long as before
    assert not record.is_current("predict", FINGERPRINT)


def test_a_step_that_was_killed_is_not_current_and_may_be_replaced(folder):
    """What a step was about to write is known, but does not count as done."""
    open_record(folder).begin("report", FINGERPRINT, ["s.html"])
    (folder / "s.html").write_text("finished, but the record does not say so")
    later = open_record(folder)
    assert not later.is_current("report", FINGERPRINT)
    later.check_replaceable("report", ["s.html"])
    assert later.is_current("predict", FINGERPRINT)


def test_files_of_others_may_not_be_replaced(folder):
    """A file that the record does not name stops the run before it is touched."""
    (folder / "s.html").write_text("mine")
    with pytest.raises(OutputError, match="no earlier run of this sample recorded it"):
        open_record(folder).check_replaceable("report", ["s.html"])
    open_record(folder).check_replaceable("predict", ["s.a", "s.b", "s.new"])


def test_a_failed_step_leaves_the_record_as_it_was(folder):
    """After a failure the older outputs still count as done."""
    record = open_record(folder)
    before = (folder / "s.run.json").read_bytes()
    record.begin("predict", {**FINGERPRINT, "version": "2"}, ["s.a"])
    record.abandon()
    assert (folder / "s.run.json").read_bytes() == before


def test_a_failed_first_step_leaves_no_record(tmp_path):
    """A run that fails at once leaves no record."""
    record = open_record(tmp_path)
    record.begin("predict", FINGERPRINT, ["s.a"])
    assert (tmp_path / "s.run.json").exists()
    record.abandon()
    assert list(tmp_path.iterdir()) == []


def add_report(folder):
    """Add a finished report to the record."""
    (folder / "s.html").write_text("report")
    open_record(folder).finish("report", FINGERPRINT, [folder / "s.html"])


def test_what_was_made_from_a_step_is_set_aside_before_it_runs_again(folder):
    """While predict runs again, and after it gave other bytes, no report stands beside its files."""
    add_report(folder)
    record = open_record(folder)
    record.begin("predict", {**FINGERPRINT, "version": "2"}, ["s.a", "s.b"])
    assert not (folder / "s.html").exists()
    (folder / "s.a").write_text("other")
    record.finish("predict", {**FINGERPRINT, "version": "2"}, [folder / "s.a", folder / "s.b"])
    assert not (folder / "s.html").exists()
    assert record.list_superseded() == ["s.html.superseded"]
    (folder / "s.html").write_text("new report")
    record.finish("report", FINGERPRINT, [folder / "s.html"])
    assert record.list_superseded() == []
    assert (folder / "s.html").read_text() == "new report"
    assert not (folder / "s.html.superseded").exists()


def test_what_was_set_aside_returns_if_nothing_changed(folder):
    """Failure, equal bytes, and an equal fingerprint each give the report its name back."""
    add_report(folder)
    record = open_record(folder)
    record.begin("predict", FINGERPRINT, ["s.a", "s.b"])
    record.abandon()
    assert (folder / "s.html").exists()
    record.begin("predict", FINGERPRINT, ["s.a", "s.b"])
    record.finish("predict", FINGERPRINT, [folder / "s.a", folder / "s.b"])
    assert (folder / "s.html").exists()
    open_record(folder).begin("predict", FINGERPRINT, ["s.a", "s.b"])  # and is killed
    later = open_record(folder)
    assert not (folder / "s.html").exists()
    assert later.is_current("report", FINGERPRINT)
    assert (folder / "s.html").read_text() == "report"


def test_a_failed_step_gives_no_names_back_that_an_earlier_one_took(folder):
    """If predict gave other bytes and the report then fails, the old report stays aside."""
    add_report(folder)
    record = open_record(folder)
    record.begin("predict", FINGERPRINT, ["s.a", "s.b"])
    (folder / "s.a").write_text("other")
    record.finish("predict", FINGERPRINT, [folder / "s.a", folder / "s.b"])
    record.begin("report", FINGERPRINT, ["s.html"])
    record.abandon()
    assert not (folder / "s.html").exists()
    assert record.list_superseded() == ["s.html.superseded"]


def test_files_of_a_run_that_was_killed_twice_are_still_ours(folder):
    """What an earlier run finished is removed even if the run in between was killed."""
    open_record(folder).begin("predict", {**FINGERPRINT, "version": "2"}, ["s.a", "s.b"])
    open_record(folder).begin("predict", {**FINGERPRINT, "version": "3"}, ["s.a", "s.b"])
    open_record(folder).finish("predict", {**FINGERPRINT, "version": "4"}, [folder / "s.a"])
    assert not (folder / "s.b").exists()


def test_other_inputs_are_refused(folder):
    """The files of one sample are not replaced by those of another."""
    record = open_record(folder)
    record.check_same_inputs("predict", {"gex": "ab", "tcr": []})
    record.check_same_inputs("report", {"gex": "cd"})  # nothing is known of it
    for inputs, named in (({"gex": "cd"}, "gex"), ({"gex": "ab", "tcr": ["x"]}, "tcr"), ({}, "gex")):
        with pytest.raises(OutputError, match=rf"from other inputs \({named}\)"):
            record.check_same_inputs("predict", inputs)


@pytest.mark.parametrize("name", ["../victim", "/tmp/victim", "s.x/../../victim", "other.h5ad", "s2.qc.json"])
@pytest.mark.parametrize("place", ["outputs", "previous", "contained"])
def test_a_record_that_names_foreign_files_is_refused(tmp_path, name, place):
    """A record cannot make a run remove what is not of its sample."""
    step = {"fingerprint": {}, "outputs": {"s.a": None}, place: {name: "ab"}}
    (tmp_path / "s.run.json").write_text(json.dumps({"contract": "run/1", "steps": {"predict": step}}))
    with pytest.raises(InputError, match="no file of this sample"):
        open_record(tmp_path)


def test_a_record_that_says_foreign_files_hold_ours_is_refused(tmp_path):
    """The file that is said to hold the content of another one is of the sample, too."""
    step = {"fingerprint": {}, "outputs": {"s.a": "ab"}, "contained": {"s.a": "../victim"}}
    (tmp_path / "s.run.json").write_text(json.dumps({"contract": "run/1", "steps": {"predict": step}}))
    with pytest.raises(InputError, match="no file of this sample"):
        open_record(tmp_path)


def test_outputs_that_a_step_no_longer_writes_are_removed(folder):
    """A table of an earlier run is not left beside those of a run that did not make it."""
    open_record(folder).finish("predict", {**FINGERPRINT, "version": "2"}, [folder / "s.a"])
    assert not (folder / "s.b").exists()
    assert (folder / "s.a").exists()


def test_outputs_of_a_step_left_out_are_removed_unless_edited(folder):
    """Files of an earlier run go with their step, but never one that somebody changed."""
    (folder / "s.b").write_text("edited by hand")
    assert open_record(folder).forget("predict") == ["s.a"]
    assert (folder / "s.b").read_text() == "edited by hand"
    assert open_record(folder).list_outputs("predict") == []
    assert open_record(folder).forget("predict") == []


def test_the_record_has_sorted_names_and_no_paths(folder):
    """The record is the same wherever and whenever the run took place."""
    text = (folder / "s.run.json").read_text()
    assert str(folder) not in text
    assert json.loads(text)["contract"] == "run/1"
    assert list(json.loads(text)["steps"]["predict"]["outputs"]) == ["s.a", "s.b"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[]", "not an object"),
        ('{"contract": "run/9", "steps": {}}', "run/9"),
        ('{"contract": "run/1"}', "contract"),
        ('{"contract": "run/1", "steps": {"predict": []}}', "damaged"),
        ('{"contract": "run/1", "steps": {"predict": {"fingerprint": {}, "outputs": 1}}}', "damaged"),
    ],
)
def test_a_foreign_or_damaged_record_is_refused(tmp_path, content, fault):
    """A run.json of something else is named, not overwritten."""
    (tmp_path / "s.run.json").write_text(content)
    with pytest.raises(InputError, match=fault):
        open_record(tmp_path)


def test_folders_are_digested_by_content(tmp_path):
    """A folder's digest follows its files."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "a").write_text("1")
    cache = DigestCache()
    before = cache.digest(tmp_path / "m")
    (tmp_path / "m" / "a").write_text("2")
    assert cache.digest(tmp_path / "m") != before
