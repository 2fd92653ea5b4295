"""Whether the files that a step is to read are there.

Invariant: nothing heavy is imported and no file is opened here; what is in a file is for its reader to
judge.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.vocabulary import OutputName, output_name

if TYPE_CHECKING:
    from pathlib import Path

_OF_REPORT: Final = (
    OutputName.QC,
    OutputName.CHAINS,
    OutputName.EMBED_QC,
    OutputName.RECEPTORS,
    OutputName.METRICS,
    OutputName.PREDICTIONS,
    OutputName.CLONOTYPES,
)


def check_is_there(path: Path) -> None:
    """Refuse a path that is neither a readable file nor a folder.

    Raises
    ------
    InputError
        If it does not exist or cannot be read.
    """
    if not path.is_dir():
        check_is_file(path)


def check_is_file(path: Path) -> None:
    """Refuse a path that is no readable file.

    Raises
    ------
    InputError
        If it is absent, a folder or unreadable.
    """
    if path.is_dir():
        raise InputError("a folder stands where a file belongs", where=path, mend="name the file itself")
    if not path.exists():
        raise InputError("the file does not exist", where=path, mend="check the path")
    if not os.access(path, os.R_OK):
        raise InputError("the file cannot be read", where=path, mend="check its permissions")


def find_default_files(folder: Path, prefix: str) -> tuple[Path, ...]:
    """Find a sample's files under the names the steps gave them.

    Returns
    -------
    tuple of pathlib.Path
        The files that a report can be made from and that exist, in step order.

    Raises
    ------
    InputError
        If there is none.
    """
    wanted = [folder / output_name(prefix, suffix) for suffix in _OF_REPORT]
    found = tuple(path for path in wanted if path.is_file())
    if not found:
        raise InputError(
            f"the folder holds no file of the sample '{prefix}' that a report can be made from",
            where=folder,
            mend="run tcellflow preprocess first, correct -o or --prefix, or name the files",
        )
    return found
