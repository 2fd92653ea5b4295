"""The files that a step reads where none are named.

Invariant: nothing heavy is imported and no file is opened here; what is in a file is for its reader to
judge.
"""

from __future__ import annotations

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
    OutputName.NEIGHBOURS,
    OutputName.METRICS,
    OutputName.PREDICTIONS,
    OutputName.CLONOTYPES,
    OutputName.FUSE_QC,
    OutputName.FUSED,
    OutputName.DESCRIPTIONS,
    OutputName.CLAIMS,
    OutputName.ANNOTATED,
)


def find_default_files(folder: Path, prefix: str) -> tuple[Path, ...]:
    """Find a step's inputs where none are named: a sample's files under the names the steps gave them.

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
