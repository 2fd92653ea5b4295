"""Runs of the real samples that come with the package."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tcellflow.errors import OptionsError

if TYPE_CHECKING:
    from tcellflow.pipeline.options import RunOptions

_SAMPLES: Final = "data/samples"
DEMO_SAMPLE: Final = "tenx_healthy_T_1k"
_DEMO_GEX: Final = "sample_filtered_feature_bc_matrix.h5"
_DEMO_TCR: Final = "filtered_contig_annotations.csv"


def use_demo(options: RunOptions, sample: str = DEMO_SAMPLE) -> RunOptions:
    """Put a packaged demo sample in the place of the user's files.

    Parameters
    ----------
    options
        Options without inputs.
    sample
        Name of a packaged sample; also its donor where none is given.

    Returns
    -------
    RunOptions
        The same options with the sample's files.

    Raises
    ------
    OptionsError
        If inputs are given as well, or there is no such sample.
    """
    given = options.preprocess
    if given.gex is not None or given.tcr or given.adt is not None:
        raise OptionsError(
            "a packaged sample and files of your own cannot go together",
            where="--demo",
            mend="leave out --demo, or --gex, --tcr and --adt",
        )
    samples = Path(str(package_files("tcellflow"))) / _SAMPLES
    names = sorted(path.name for path in samples.iterdir() if path.is_dir())
    if sample not in names:
        raise OptionsError(
            f"there is no packaged sample {sample!r}",
            where="--demo-sample",
            mend="choose one of: " + ", ".join(names),
        )
    folder = samples / sample
    own = replace(given, donor=given.donor or sample, gex=folder / _DEMO_GEX, tcr=(folder / _DEMO_TCR,))
    return replace(options, preprocess=own)
