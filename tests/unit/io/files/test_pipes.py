"""Pipes among the inputs become files for as long as a block lasts."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from tcellflow.io.files.pipes import without_pipes


@dataclass(frozen=True)
class Inner:
    """Options within options."""

    file: Path | None = None


@dataclass(frozen=True)
class Outer:
    """Options of a command."""

    many: tuple[Path, ...]
    inner: Inner
    output: Path = Path("absent")


def test_pipes_become_files_and_all_else_stays(tmp_path):
    """Pipes are read whole, at any depth; files, folders and absent paths are left as they are."""
    pipes = [tmp_path / "a", tmp_path / "b"]
    for pipe in pipes:
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_bytes, args=(pipe.name.encode() * 3,)).start()
    (tmp_path / "file").write_text("x")
    options = Outer((pipes[0], tmp_path / "file", tmp_path), Inner(pipes[1]))
    with without_pipes(options) as given:
        assert given.many[0].read_bytes() == b"aaa"
        assert given.inner.file.read_bytes() == b"bbb"
        assert given.many[1:] == options.many[1:]
        assert given.output == options.output
    assert not given.many[0].exists()
