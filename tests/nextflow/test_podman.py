"""The pipeline with its tasks in containers, as the profiles podman and docker run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.harness.nextflow import PIPELINE, ROOT
from container_images import build_image
from tcellflow.vocabulary import OutputName, output_name

pytestmark = [pytest.mark.slow, pytest.mark.container, pytest.mark.xdist_group("images")]
TREX = ROOT / "tcellflow" / "data" / "samples" / "trex_pt17_trimodal"
GEX, TCR = TREX / "sample_filtered_feature_bc_matrix.h5", TREX / "filtered_contig_annotations.csv"


@pytest.fixture(scope="module")
def contained(nextflow, tmp_path_factory):
    """Two samples under the container profile; a tcellflow outside of the image would fail."""
    image = build_image("cpu")
    folder = tmp_path_factory.mktemp("contained")
    (folder / "sheet.csv").write_text(
        f"sample,gex,tcr,adt\ntrimodal,{GEX},{TCR},{GEX}\nreceptors_only,,{TCR},\n"
    )
    broken = folder / "broken"
    broken.mkdir()
    (broken / "tcellflow").write_text("#!/bin/sh\necho 'not in the image' >&2\nexit 70\n")
    (broken / "tcellflow").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in image.environment.items():
            patch.setenv(name, value)
        done = nextflow.run(
            PIPELINE,
            *("-profile", f"test,{image.engine}", "--container", image.name, "--skip_multiqc"),
            *("--input", folder / "sheet.csv", "--outdir", "out"),
            folder=folder,
            first_on_path=(broken,),
        )
    assert done.code == 0, done.output
    return done


def test_every_task_runs_in_the_image(contained):
    """All steps of both samples are done, with the image's tcellflow alone."""
    done = [name.rpartition(":")[2] for name in contained.tasks("COMPLETED")]
    both = ("receptors_only", "trimodal")
    expected = [f"TCELLFLOW_{step} ({s})" for step in ("PREPROCESS", "EMBEDTCR", "REPORT") for s in both]
    assert sorted(done) == sorted(
        [*expected, *(f"TCELLFLOW_{step} (trimodal)" for step in ("PREDICT", "DESCRIBE"))]
    )


def test_calls_are_the_same_inside_and_outside(contained, tmp_path):
    """The image and the environment of the tests hold the same versions, so they give the same bytes."""
    command = [Path(sys.executable).parent / "tcellflow", "run", "--gex", GEX, "--tcr", TCR, "--adt", GEX]
    subprocess.run([*command, "--prefix", "trimodal", "-o", tmp_path], check=True, capture_output=True)
    name = output_name("trimodal", OutputName.PREDICTIONS_CSV)
    inside = contained.folder / "out" / "trimodal" / name
    assert inside.read_bytes() == (tmp_path / name).read_bytes()


def test_outputs_belong_to_the_user(contained):
    """Whatever user the image names, the files are those of whoever started the run."""
    owners = {path.stat().st_uid for path in (contained.folder / "out").rglob("*") if path.is_file()}
    assert owners == {os.getuid()}
