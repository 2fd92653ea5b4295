"""Pipes as inputs: read once into a scratch file, for readers look at a file more than once.

Invariant: scratch files are gone when the block ends.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

Options = TypeVar("Options")


@contextmanager
def without_pipes(options: Options) -> Iterator[Options]:
    """Put scratch files in the place of the pipes that an options object names, its own parts included.

    Whatever is neither a regular file nor a folder counts as a pipe: FIFOs, ``<(...)`` of a shell,
    ``/dev/stdin``.
    """
    with tempfile.TemporaryDirectory(prefix="tcellflow-", ignore_cleanup_errors=True) as name:
        yield cast("Options", _replace(options, Path(name)))


def _replace(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        is_pipe = value.exists() and not value.is_file() and not value.is_dir()
        return _read_pipe(value, folder) if is_pipe else value
    if isinstance(value, tuple):
        return tuple(_replace(part, folder) for part in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        old = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        new = {name: _replace(part, folder) for name, part in old.items()}
        return dataclasses.replace(value, **{n: new[n] for n in new if new[n] is not old[n]})
    return value


def _read_pipe(pipe: Path, folder: Path) -> Path:
    scratch = folder / f"{len(list(folder.iterdir()))}-{pipe.name}"
    with pipe.open("rb") as source, scratch.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return scratch
