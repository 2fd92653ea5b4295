"""One writer for each sample: who is told to wait, and whose lock counts no longer."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from tcellflow.errors import OptionsError, OutputError
from tcellflow.io.outputs.lock import Owner, hold_outputs

_HOLD = (
    "import sys, time; from pathlib import Path; from tcellflow.io.outputs.lock import hold_outputs\n"
    "with hold_outputs(Path(sys.argv[1]), 's'):\n"
    "    print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def without_locks(monkeypatch):
    """Be on a file system without locks."""

    def refuse(_descriptor, _operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def holder(tmp_path):
    """Let another process hold the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def write_lock(folder, owner, *, age_seconds=0.0):
    """Leave a lock as its owner would."""
    path = folder / ".s.lock"
    path.write_text("" if owner is None else json.dumps({**asdict(owner), "intended": {}}))
    then = time.time() - age_seconds
    os.utime(path, (then, then))


def hold(folder, prefix="s"):
    """Take the lock and give it back."""
    with hold_outputs(folder, prefix):
        pass


def test_a_lock_is_gone_with_its_end(tmp_path):
    """Neither lock nor folder stays behind, and a failure is no exception."""
    folder = tmp_path / "a" / "b"
    with hold_outputs(folder, "s"):
        assert [path.name for path in folder.iterdir()] == [".s.lock"]
    with pytest.raises(ValueError, match="x"), hold_outputs(folder, "s"):
        raise ValueError("x")
    assert list(tmp_path.iterdir()) == []


def test_a_thread_that_holds_it_may_ask_again(tmp_path):
    """A run and its steps share a lock; other prefixes have their own, other threads must wait."""
    told = []

    def ask():
        try:
            hold(tmp_path)
        except OutputError as error:
            told.append(error.what)

    with hold_outputs(tmp_path, "s") as outer:
        with hold_outputs(tmp_path, "s") as inner:
            assert inner is outer
        hold(tmp_path, "other")
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(told) == 1
    assert f"process {os.getpid()}" in told[0]


def test_another_process_is_named_and_ends_with_its_lock(tmp_path, holder):
    """The error names process and host; once the process was killed, the lock is free."""
    with pytest.raises(OutputError, match=rf"process {holder.pid} on "):
        hold(tmp_path)
    holder.kill()
    holder.wait()
    assert (tmp_path / ".s.lock").exists()
    hold(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_locks")
def test_without_kernel_locks_the_name_is_the_lock(tmp_path, holder):
    """Where there are no locks a living owner is respected and a dead one is not."""
    with pytest.raises(OutputError, match=rf"process {holder.pid} on "):
        hold(tmp_path)
    holder.kill()
    holder.wait()
    hold(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with hold_outputs(tmp_path, "s"), pytest.raises(OutputError, match="process"):
        threading_hold(tmp_path)


def threading_hold(folder):
    """Ask from another thread, and raise here what was raised there."""
    raised = []

    def ask():
        try:
            hold(folder)
        except OutputError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    raise raised[0]


@pytest.mark.usefixtures("without_locks")
def test_an_owner_elsewhere_may_live(tmp_path):
    """Of another host nothing can be known, and the error says what to do."""
    write_lock(tmp_path, replace(Owner.ourselves(has_kernel_lock=False), host="node7", namespace="node7"))
    with pytest.raises(OutputError, match="on node7") as caught:
        hold(tmp_path)
    assert "remove this file" in caught.value.mend
    assert caught.value.where == str(tmp_path / ".s.lock")


@pytest.mark.usefixtures("without_locks")
def test_a_number_that_was_given_to_another_process_is_no_owner(tmp_path):
    """A process of the same number that started at another time holds nothing."""
    write_lock(tmp_path, replace(Owner.ourselves(has_kernel_lock=False), started="1"))
    hold(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_locks")
def test_a_lock_without_a_name_counts_for_a_moment(tmp_path):
    """An owner writes its name at once, so an old nameless lock is of one that was killed."""
    write_lock(tmp_path, None)
    with pytest.raises(OutputError, match="another run"):
        hold(tmp_path)
    write_lock(tmp_path, None, age_seconds=60)
    hold(tmp_path)


def test_a_lock_by_name_counts_where_there_are_locks(tmp_path):
    """An owner on a machine without locks is respected by one with them, while it lives."""
    write_lock(tmp_path, Owner.ourselves(has_kernel_lock=False))
    with pytest.raises(OutputError, match=f"process {os.getpid()}"):
        hold(tmp_path)
    write_lock(tmp_path, replace(Owner.ourselves(has_kernel_lock=False), process=2**22 + 1))
    hold(tmp_path)
    write_lock(tmp_path, replace(Owner.ourselves(has_kernel_lock=True), namespace="node7"))
    hold(tmp_path)  # the kernel gave it to us, so the owner is dead
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_that_is_no_sample_name_is_refused(tmp_path):
    """Nothing is made for a prefix that is none."""
    with pytest.raises(OptionsError, match="no sample name"):
        hold(tmp_path / "o", "")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_lock_are_not_hidden(tmp_path, monkeypatch):
    """What is neither a lock nor the lack of locks is raised as it is."""

    def fail(_descriptor, _operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output"):
        hold(tmp_path)
