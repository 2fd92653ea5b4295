"""Staged outputs appear whole or not at all, and every way of failing is named."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.vocabulary import OutputName

FIRST, SECOND = OutputName.QC, OutputName.EMBED_QC


def names(folder: Path) -> list[str]:
    """Give the names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def write_both(folder, text="new", *, force=False, then=lambda: None):
    """Write two outputs as a step does, then do something more before they are finished."""
    with stage_outputs(folder, "s", force=force) as outputs:
        outputs.path(FIRST).write_text(text)
        outputs.path(SECOND).write_text(text)
        then()


def commit_both(folder, *, then):
    """Write two outputs as a step does that asks for the list of finished files."""
    with stage_outputs(folder, "s", force=False) as outputs:
        outputs.path(FIRST).write_text("one")
        then()
        return outputs.commit()


def raiser(error):
    """Make a function that raises the error."""

    def fail():
        raise error

    return fail


def run_python(script: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_outputs_take_their_names_when_the_step_ends(tmp_path):
    """While the step runs only .part files exist; afterwards only finished ones."""
    folder = tmp_path / "a" / "b"
    with stage_outputs(folder, "s", force=False) as outputs:
        outputs.path(FIRST).write_text("one")
        outputs.path(SECOND).write_text("two")
        plain = [re.sub(r"\.[0-9a-f]{8}\.part$", ".part", name) for name in names(folder)]
        assert plain == [".s.lock", "s.embed.json.part", "s.qc.json.part"]
    assert names(folder) == ["s.embed.json", "s.qc.json"]
    assert (folder / "s.qc.json").read_text() == "one"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_any_exception_removes_everything(tmp_path, error):
    """An exception of any kind removes what was staged and the folders made for it."""
    folder = tmp_path / "a" / "b"
    with pytest.raises(error):
        write_both(folder, then=raiser(error))
    assert names(tmp_path) == []


def test_a_failed_step_leaves_the_users_files_alone(tmp_path):
    """A failure removes neither other files nor the folder that was there."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="x"):
        write_both(tmp_path, then=raiser(ValueError("x")))
    assert names(tmp_path) == ["notes.txt"]


def test_existing_outputs_are_refused_without_force(tmp_path):
    """Without --force an existing output is an error before anything is computed, and stays as it is."""
    write_both(tmp_path, "old")
    with pytest.raises(OutputError, match="exists") as caught:
        write_both(tmp_path)
    assert caught.value.where.endswith("s.qc.json")
    assert (tmp_path / "s.qc.json").read_text() == "old"
    assert names(tmp_path) == ["s.embed.json", "s.qc.json"]


def test_force_replaces_outputs_only_on_success(tmp_path):
    """With --force a failed step leaves the old output, a whole one replaces it."""
    write_both(tmp_path, "old")
    with pytest.raises(ValueError, match="x"):
        write_both(tmp_path, "half", force=True, then=raiser(ValueError("x")))
    assert (tmp_path / "s.qc.json").read_text() == "old"
    write_both(tmp_path, "new", force=True)
    assert (tmp_path / "s.qc.json").read_text() == "new"


def test_a_folder_in_the_way_is_refused_even_with_force(tmp_path):
    """A folder that has an output's name is never removed, and the error names it."""
    (tmp_path / "s.qc.json").mkdir()
    with pytest.raises(OutputError, match="taken by a folder") as caught:
        write_both(tmp_path, force=True)
    assert caught.value.where.endswith("s.qc.json")
    assert names(tmp_path) == ["s.qc.json"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    """An output folder that is a file is an output error, and no folder is left behind."""
    (tmp_path / "out").write_text("a file")
    for folder in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(OutputError, match="a file stands where the output folder belongs") as caught:
            write_both(folder)
        assert caught.value.where == str(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a file"


def test_left_overs_of_a_killed_run_are_removed(tmp_path):
    """What a killed run staged goes with the next one, other outputs too; nothing else goes."""
    others = ["s.qc.json.part.txt", "s2.qc.json.0123abcd.part", "mine.part"]
    for name in ("s.qc.json.part", "s.cells.h5ad.0123abcd.part", *others):
        (tmp_path / name).write_text("half")
    (tmp_path / "s.metrics.json.part").mkdir()
    write_both(tmp_path, "new")
    assert names(tmp_path) == sorted(["s.embed.json", "s.qc.json", "s.metrics.json.part", *others])


def test_a_staged_file_that_another_process_replaced_is_not_committed(tmp_path):
    """A staged name that no longer leads to the file that was written stops the whole set."""

    def replace_or_remove(*, replace):
        with stage_outputs(tmp_path, "s", force=False) as outputs:
            outputs.path(FIRST).write_text("ours")
            part = outputs.path(SECOND)
            part.unlink()
            if replace:
                (tmp_path / "x").write_text("theirs")
                (tmp_path / "x").rename(part)

    for replace in (True, False):
        with pytest.raises(OutputError, match="removed or replaced by another process"):
            replace_or_remove(replace=replace)
        assert names(tmp_path) == []


def test_a_staged_file_that_lost_its_end_is_not_committed(tmp_path):
    """An HDF5 or Parquet file shorter than it declares is told before it gets its name."""

    def write_short(write):
        with stage_outputs(tmp_path, "s", force=False) as outputs:
            part = outputs.path(FIRST)
            write(part)
            os.truncate(part, part.stat().st_size - 100)

    def write_hdf5(path):
        with h5py.File(path, "w", libver=("earliest", "v110")) as file:
            file["x"] = range(1000)

    def write_parquet(path):
        pq.write_table(pa.table({"x": range(1000)}), path)

    for write in (write_hdf5, write_parquet):
        with pytest.raises(OutputError, match="shorter than what was written"):
            write_short(write)
        assert names(tmp_path) == []


def test_a_kill_between_two_renames_is_undone(tmp_path):
    """A set of which one file got its name is removed by the next run, which then makes it whole."""
    script = """
    import os, sys
    from pathlib import Path
    from tcellflow.io.outputs.staging import stage_outputs
    rename = Path.replace
    def rename_and_die(self, target):
        rename(self, target)
        os._exit(9)
    Path.replace = rename_and_die
    with stage_outputs(Path(sys.argv[1]), "s", force=False) as outputs:
        outputs.path("qc.json").write_text("half a set")
        outputs.path("embed.json").write_text("half a set")
    """
    assert run_python(script, tmp_path).returncode == 9
    assert "s.qc.json" in names(tmp_path)
    write_both(tmp_path, "new")
    assert (tmp_path / "s.qc.json").read_text() == "new"
    assert names(tmp_path) == ["s.embed.json", "s.qc.json"]


def test_a_broken_link_is_replaced(tmp_path):
    """A dangling link with an output's name does not swallow the output."""
    (tmp_path / "s.qc.json").symlink_to(tmp_path / "nowhere")
    write_both(tmp_path, "new")
    assert (tmp_path / "s.qc.json").read_text() == "new"
    assert not (tmp_path / "s.qc.json").is_symlink()


_WRITERS = {
    "text": "outputs.path('qc.json').write_text('a' * 5_000_000)",
    "parquet": "import pyarrow.parquet as pq; pq.write_table(pa.table({'x': x}), outputs.path('qc.json'))",
    "hdf5": "f = h5py.File(outputs.path('qc.json'), 'w'); f['x'] = x; f.close()",
    "hdf5 bookkeeping": (
        "f = h5py.File(outputs.path('qc.json'), 'w')\n"
        "        for i in range(3000): f[f'x{i}'] = x[:30]; f[f'x{i}'].attrs['note'] = 'a' * 200\n"
        "        f.close()"
    ),
    "hdf5 unheard": (
        "f = h5py.File(outputs.path('qc.json'), 'w')\n"
        "        for i in range(3000): f[f'x{i}'] = x[:30]; f[f'x{i}'].attrs['note'] = 'a' * 200\n"
        "        del f"
    ),
}


@pytest.mark.parametrize("kind", _WRITERS)
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, kind):
    """Whichever library hits the limit, the error is 'the disk is full' and no file stays."""
    script = f"""
    import os, sys, resource
    import h5py, numpy as np, pyarrow as pa
    from pathlib import Path
    from tcellflow.errors import InputError, OptionsError, OutputError
    from tcellflow.io.outputs.staging import stage_outputs
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    x = np.random.default_rng(0).random(1_000_000)
    def write():
      with stage_outputs(Path(sys.argv[1]), "s", force=False) as outputs:
        {_WRITERS[kind]}
    try:
        write()
    except OutputError as error:
        print(error.what, os.listdir(sys.argv[1]), flush=True)
        os._exit(0)
    """
    done = run_python(script, tmp_path)
    assert done.stdout == "the disk is full []\n", done.stderr[-2000:]
    assert "Exception ignored" not in done.stderr


def test_an_unwritable_folder_is_named(tmp_path):
    """A folder without write permission is an output error that says so."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    tmp_path.chmod(0o755)
    script = """
    import os
    from pathlib import Path
    from tcellflow.errors import InputError, OptionsError, OutputError
    from tcellflow.io.outputs.staging import stage_outputs
    if os.getuid() == 0:  # the superuser may write everywhere
        os.setegid(65534)
        os.seteuid(65534)
    for folder in (Path("closed"), Path("closed/below")):
        try:
            with stage_outputs(folder, "s", force=False) as outputs:
                outputs.path("qc.json").write_text("x")
        except OutputError as error:
            print(error.what)
    """
    done = run_python(script, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "the output cannot be written: Permission denied",
        "the output folder cannot be made: Permission denied",
    ], done.stderr


def test_errors_that_are_no_output_errors_pass_unchanged(tmp_path):
    """An OSError about another file, such as an input, is not called an output error."""
    with pytest.raises(FileNotFoundError, match="absent"):
        write_both(tmp_path, then=(tmp_path / "absent").read_text)


def test_a_step_may_ask_for_the_finished_files(tmp_path):
    """The commit gives the final paths in the order they were staged."""
    assert commit_both(tmp_path, then=lambda: None) == [tmp_path / "s.qc.json"]


@pytest.mark.parametrize("step", [write_both, commit_both])
def test_an_error_in_a_destructor_stops_the_commit(tmp_path, step):
    """A write error that Python can only print still keeps the step from committing."""

    class Handle:
        def __del__(self):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="disk is full"):
        step(tmp_path, then=Handle)
    assert names(tmp_path) == []


def test_an_interruption_in_a_destructor_stops_the_commit(tmp_path):
    """A signal that arrives inside a destructor, where Python drops it, still ends the step."""

    class Handle:
        def __del__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_both(tmp_path, then=Handle)
    assert names(tmp_path) == []


def test_what_fails_after_an_interruption_in_a_destructor_is_interrupted(tmp_path):
    """A library whose work a signal broke off may fail for it: what ended the step is the signal."""

    class Handle:
        def __del__(self):
            raise KeyboardInterrupt

    def fail():
        Handle()
        raise InputError("the file cannot be read", where="a.h5", mend="export it anew")

    with pytest.raises(KeyboardInterrupt) as caught:
        write_both(tmp_path, then=fail)
    assert isinstance(caught.value.__cause__, InputError)
    assert names(tmp_path) == []


def test_hooks_are_put_back(tmp_path):
    """After a step the interpreter's hooks and signal handlers are those from before."""
    before = (sys.unraisablehook, sys.excepthook, signal.getsignal(signal.SIGINT))
    write_both(tmp_path)
    assert (sys.unraisablehook, sys.excepthook, signal.getsignal(signal.SIGINT)) == before


def test_a_signal_during_the_renames_waits_for_the_last_one(tmp_path, monkeypatch):
    """A signal between two renames is answered only when the set is whole."""
    rename = Path.replace

    def rename_and_signal(self: Path, target: Path) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", rename_and_signal)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_both(tmp_path)
    finally:
        signal.signal(signal.SIGINT, usual)
    assert names(tmp_path) == ["s.embed.json", "s.qc.json"]


@pytest.mark.parametrize("prefix", ["", "a/b", "../a", ".hidden", "-x", "a b", "<b>", "a" * 201])
def test_a_prefix_that_is_no_sample_name_is_refused(tmp_path, prefix):
    """A name that could leave the folder or break a pipeline is refused before anything is made."""
    with (
        pytest.raises(OptionsError, match=r"no sample name|too many"),
        stage_outputs(tmp_path / "o", prefix, force=False),
    ):
        pass
    assert not (tmp_path / "o").exists()
