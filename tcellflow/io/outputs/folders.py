"""Where a sample's outputs go: what its prefix may be, and folders that are not left behind empty."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcellflow.errors import OptionsError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The sample names of the pipeline's samplesheet.
_SAMPLE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MOST_LETTERS: Final = 200  # file names end at 255 bytes, and ours add an ending
_NO_SPACE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SPACE_TEXTS: Final = ("No space left on device", "Disk quota exceeded", "File too large")
_REFUSED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that is no sample name, before it names files in the output folder.

    Raises
    ------
    OptionsError
        If it is empty, too long, or has other characters than a sample of the pipeline may have.
    """
    # a slash would write elsewhere, a dot in front hides the files, and shells and workflow
    # managers trip over spaces, brackets and a leading hyphen
    if not _SAMPLE_NAME.fullmatch(prefix):
        raise OptionsError(
            f"the prefix {prefix!r} is no sample name",
            where="--prefix",
            mend="use letters, digits, '_', '-' and '.', a letter or digit first; folders go to -o",
        )
    if len(prefix) > _MOST_LETTERS:
        raise OptionsError(
            f"the prefix has {len(prefix)} characters, too many for a file name",
            where="--prefix",
            mend=f"use at most {_MOST_LETTERS}",
        )


def make_folder(folder: Path) -> list[Path]:
    """Make the output folder; gives the folders that were missing, innermost first.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    taken = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None)
    if taken is not None:
        raise OutputError(
            "a file stands where the output folder belongs",
            where=taken,
            mend="choose another folder with -o",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remove_empty(missing)
        raise OutputError(
            f"the output folder cannot be made: {error.strerror}",
            where=folder,
            mend="choose a writable folder with -o",
        ) from error
    return missing


def remove_empty(folders: list[Path]) -> None:
    """Remove those output folders, innermost first, that are empty."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def as_output_error(folder: Path) -> Iterator[None]:
    """Tell a full disk and an output folder that may not be written as what they are.

    Raises
    ------
    OutputError
        In the place of the error of whichever library met it; other errors pass.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # h5py raises RuntimeError, or OSError without errno; the C library's text tells the cause
        number = getattr(error, "errno", None)
        if number in _NO_SPACE or any(text in str(error) for text in _NO_SPACE_TEXTS):
            raise OutputError(
                "the disk is full", where=folder, mend="free space or choose another -o"
            ) from error
        where = getattr(error, "filename", None) or folder
        inside = Path(os.fsdecode(where)).absolute().is_relative_to(folder.absolute())
        if inside and number in _REFUSED:
            raise OutputError(
                f"the output cannot be written: {os.strerror(number)}",
                where=where,
                mend="choose a writable folder with -o",
            ) from error
        raise
