"""What a run of one sample does: the options of its steps beside its own.

Invariant: nothing heavy is imported here, as in `tcellflow.steps.options`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tcellflow.errors import OptionsError
from tcellflow.steps.options import EmbedTcrOptions, FuseOptions, PredictOptions, PreprocessOptions
from tcellflow.vocabulary import STEPS, FuseWhen, output_name

_EMBED_TCR: Final = EmbedTcrOptions(chains=(), output=Path(), prefix="")
_PREDICT: Final = PredictOptions(cells=Path(), output=Path(), prefix="")
_FUSE: Final = FuseOptions(cells=Path(), output=Path(), prefix="")


@dataclass(frozen=True)
class RunOptions:
    """Options of a run.

    Parameters
    ----------
    preprocess
        Inputs, output folder, prefix and all else that preprocess takes; its `force` is not used.
    embed_tcr, predict
        What those steps do; the run puts in their inputs, outputs and threads.
    fuse
        What fuse does; on the device of predict.
    fusing
        When fuse runs: ``auto`` = where the sample has antibodies, ``always`` or ``never``; it runs where
        `steps` name it.
    describe
        Whether groups of cells are described.
    receptors_of_gex
        Whether receptors in the expression file are used where no receptor file is given.
    steps
        Steps to run; None = all that there is input for. Their order is fixed.
    threads
        CPU threads of every step; None = those this process may use.
    keep_cells
        Whether the cells file stays when a run of all steps has its whole content in the annotated one.
    force
        Whether every step runs again, and files that no earlier run recorded may be replaced.
    """

    preprocess: PreprocessOptions
    embed_tcr: EmbedTcrOptions = _EMBED_TCR
    predict: PredictOptions = _PREDICT
    fuse: FuseOptions = _FUSE
    fusing: FuseWhen = "auto"
    describe: bool = True
    receptors_of_gex: bool = True
    steps: tuple[str, ...] | None = None
    threads: int | None = None
    keep_cells: bool = False
    force: bool = False

    @property
    def output(self) -> Path:
        """Output folder."""
        return self.preprocess.output

    @property
    def prefix(self) -> str:
        """Sample name in front of the file names."""
        return self.preprocess.prefix

    def check(self) -> None:
        """Refuse what can be told to fail before any library is loaded.

        Raises
        ------
        OptionsError
            If a step is unknown, or as `PredictOptions.check_mudata`.
        InputError
            If a file given does not exist or cannot be read.
        """
        self.predict.check_mudata()
        unknown = sorted(set(self.steps or ()) - set(STEPS))
        if unknown:
            raise OptionsError(
                f"there is no step {unknown[0]!r}", where="--steps", mend="choose from: " + ", ".join(STEPS)
            )
        self.preprocess.check_inputs()

    def path(self, suffix: str) -> Path:
        """Give the path of an output."""
        return self.output / output_name(self.prefix, suffix)
