"""The options about messages: before a command or after it, for every command alike."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from command_line import run_command

CONTIGS = files("tcellflow") / "data/samples/tenx_healthy_T_1k/filtered_contig_annotations.csv"
LISTED = ("bundle", "list")
ABSENT = ("predict", "absent.h5ad")


@pytest.mark.parametrize("place", ["before", "after"])
def test_quiet_stands_before_a_command_or_after_it(tmp_path, place):
    """A step says what it wrote, unless it is asked to be quiet."""
    command = ("preprocess", "--tcr", CONTIGS, "-o", tmp_path)
    told = run_command(*command)
    assert (told.code, told.stdout) == (0, "")
    assert told.stderr.endswith(f"wrote {tmp_path}/sample.*: chains.parquet, qc.json\n")
    words = ("-q", *command) if place == "before" else (*command, "--quiet")
    assert "wrote" not in run_command(*words, "--force").stderr


@pytest.mark.parametrize("words", [("--debug", *ABSENT), (*ABSENT, "--debug")])
def test_debug_shows_where_an_error_comes_from(words):
    """The traceback comes before the message."""
    done = run_command(*words)
    assert done.code == 66
    assert done.stderr.startswith("Traceback")


def test_lines_begin_with_time_and_memory_where_asked_for(tmp_path):
    """--verbose marks lines on stderr, and the log file has all lines, those of errors too."""
    log = tmp_path / "run.log"
    assert run_command(*ABSENT, "--log", log, "-q").code == 66
    lines = log.read_text().splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d,]+ MB  error: the file does not exist", lines[0]
    )
    assert lines[-1].startswith("  mend:")


def test_a_log_that_cannot_be_written_is_told_before_any_work(tmp_path):
    """The place of the log is checked when the command line is read."""
    done = run_command(*LISTED, "--log", tmp_path / "absent" / "run.log")
    assert (done.code, done.stdout) == (73, "")
    assert "the log cannot be written" in done.stderr
