"""What can be told to fail before anything is read is told by the options alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcellflow.errors import InputError, OptionsError
from tcellflow.pipeline import RunOptions
from tcellflow.steps.options import EmbedTcrOptions, PredictOptions, PreprocessOptions, ReportOptions

ABSENT = Path("absent")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").touch()
    return tmp_path / "here"


@pytest.mark.parametrize("name", ["gex", "tcr", "adt"])
def test_preprocess_wants_all_its_inputs(here: Path, name: str) -> None:
    """Expression, receptors and antibodies each must exist where they are named."""
    inputs = {"gex": here, "tcr": (here,), "adt": here}
    PreprocessOptions(here.parent, "s", **inputs).check()
    inputs[name] = (ABSENT,) if name == "tcr" else ABSENT
    options = PreprocessOptions(here.parent, "s", **inputs)
    for check in (options.check, options.check_inputs):
        with pytest.raises(InputError, match="does not exist"):
            check()


def test_contradictions_are_told_before_missing_files(here: Path) -> None:
    """Options that contradict each other are told first."""
    with pytest.raises(OptionsError, match="--adt needs an expression file"):
        PreprocessOptions(here.parent, "s", tcr=(ABSENT,), adt=ABSENT).check()


@pytest.mark.parametrize("name", ["chains", "gex"])
def test_embed_tcr_wants_all_its_inputs(here: Path, name: str) -> None:
    """Every chains file and the cells file must exist, and be a file."""
    for wrong in (ABSENT, here.parent):
        inputs = {"chains": (here, here), "gex": here}
        EmbedTcrOptions(output=here.parent, prefix="s", **inputs).check()
        inputs[name] = (here, wrong) if name == "chains" else wrong
        with pytest.raises(InputError):
            EmbedTcrOptions(output=here.parent, prefix="s", **inputs).check()


@pytest.mark.parametrize("name", ["cells", "receptors", "embeddings"])
def test_predict_wants_all_its_inputs(here: Path, name: str) -> None:
    """Cells, receptors and embeddings must exist where they are named, and be files."""
    for wrong in (ABSENT, here.parent):
        inputs = dict.fromkeys(("cells", "receptors", "embeddings"), here)
        PredictOptions(output=here.parent, prefix="s", **inputs).check()
        with pytest.raises(InputError):
            PredictOptions(output=here.parent, prefix="s", **{**inputs, name: wrong}).check()


def test_report_wants_all_its_inputs(here: Path) -> None:
    """Files that are named must exist, and without any there must be some of the sample."""
    ReportOptions(here.parent, "s", (here,), here).check()
    for files, labels in (((here, ABSENT), None), ((here,), ABSENT)):
        with pytest.raises(InputError, match="does not exist"):
            ReportOptions(here.parent, "s", files, labels).check()
    with pytest.raises(InputError, match="no file of the sample 's'"):
        ReportOptions(here.parent, "s").check()


def test_a_run_wants_known_steps_and_all_its_inputs(here: Path) -> None:
    """An unknown step is told before a missing file; the files are those of preprocess."""
    given = PreprocessOptions(here.parent, "s", gex=ABSENT)
    with pytest.raises(OptionsError, match="no step 'x'"):
        RunOptions(given, steps=("x",)).check()
    with pytest.raises(InputError, match="does not exist"):
        RunOptions(given).check()
    RunOptions(PreprocessOptions(here.parent, "s", gex=here)).check()
