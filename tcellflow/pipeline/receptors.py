"""Receptors that lie in the expression file itself: a run without receptor files uses them.

Invariant: what is used without having been named is told, with the way to leave it out.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tcellflow.io.contigs.scirpy import list_receptor_places
from tcellflow.io.files.hdf5 import open_hdf5
from tcellflow.io.files.kinds import is_hdf5
from tcellflow.vocabulary import STEPS

if TYPE_CHECKING:
    from tcellflow.pipeline.options import RunOptions

_LOG = logging.getLogger(__name__)


def take_receptors_of_gex(options: RunOptions) -> RunOptions:
    """Let the expression file stand for the receptor file too, where none is given and it holds receptors.

    Parameters
    ----------
    options
        Of the run, whose inputs exist.

    Raises
    ------
    InputError
        If the expression file is damaged.
    """
    given = options.preprocess
    is_wanted = options.receptors_of_gex and (options.steps is None or STEPS[0] in options.steps)
    if not is_wanted or given.tcr or given.gex is None or not given.gex.is_file() or not is_hdf5(given.gex):
        return options
    with open_hdf5(given.gex) as file:
        found = list_receptor_places(file)
    if not found:
        return options
    _LOG.info(
        "receptors: those of the expression file are used (%s); --no-gex-receptors leaves them out",
        ", ".join(found),
    )
    return replace(options, preprocess=replace(given, tcr=(given.gex,)))
