"""The report step: two files together, or none."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from step_outputs import make_step_frames, write_step_files
from tcellflow.errors import InputError, OptionsError, OutputError
from tcellflow.steps.embed_tcr import EmbedTcrOptions, embed_tcr
from tcellflow.steps.predict import PredictOptions, predict
from tcellflow.steps.preprocess import PreprocessOptions, preprocess
from tcellflow.steps.report import ReportOptions, report

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = "tenx_healthy_T_1k"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_step_files(tmp_path / "run", make_step_frames(40))
    return tmp_path / "run"


def test_files_of_the_folder_make_page_and_section(run: Path) -> None:
    """With only folder and prefix, the sample's own files are used and both outputs appear."""
    seen: list[tuple[int, int]] = []
    finished = report(ReportOptions(run, "donor1"), progress=lambda *done: seen.append(done))
    sections = ["donor1_mqc.json", "donor1.general_mqc.json", "donor1.states_mqc.json"]
    assert [path.name for path in finished] == ["donor1.report.html", *sections]
    assert finished[0].read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n")
    for path in finished[1:]:
        assert list(json.loads(path.read_text())["data"]) == ["donor1"]
    assert seen[-1] == (3, 3)


def test_named_files_go_elsewhere(run: Path, tmp_path: Path) -> None:
    """Files are taken from anywhere; the same files give the same bytes in any order."""
    files = sorted(p for p in run.iterdir())
    first = report(ReportOptions(tmp_path / "a", "x", tuple(files)))
    second = report(ReportOptions(tmp_path / "b", "x", tuple(files[::-1])))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_finished_reports_are_kept_without_force(run: Path) -> None:
    """A second run refuses to overwrite, and does so with force, giving the same bytes."""
    first = [p.read_bytes() for p in report(ReportOptions(run, "donor1"))]
    with pytest.raises(OutputError, match="exists"):
        report(ReportOptions(run, "donor1"))
    assert [p.read_bytes() for p in report(ReportOptions(run, "donor1", force=True))] == first


def test_no_files_leave_nothing_behind(tmp_path: Path) -> None:
    """An empty folder is an input error, and no half output stays."""
    with pytest.raises(InputError, match="no file of the sample"):
        report(ReportOptions(tmp_path / "out", "donor1"))
    assert not (tmp_path / "out").exists()


def test_broken_tables_are_refused(run: Path) -> None:
    """A damaged table stops the report with its fault."""
    path = run / "donor1.predictions.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        report(ReportOptions(run, "donor1"))
    assert not (run / "donor1.report.html").exists()


def test_labels_add_a_comparison(run: Path, tmp_path: Path) -> None:
    """Labels of the user give a confusion matrix and list what is none of the states."""
    frame = make_step_frames(40).predictions
    labels = tmp_path / "labels.csv"
    rows = [f"{b},{s}" for b, s in zip(frame["barcode"], frame["predicted_state"], strict=True)]
    labels.write_text("barcode,label\n" + "\n".join(rows) + "\nZZZ-1,MAIT <b>\n")
    page = report(ReportOptions(run, "donor1", true_labels=labels))[0].read_text(encoding="utf-8")
    assert "Confusion matrix" in page
    assert "MAIT &lt;b&gt; (1)" in page


def test_labels_need_predictions(run: Path, tmp_path: Path) -> None:
    """Labels without predictions contradict each other and say how to mend it."""
    labels = tmp_path / "labels.csv"
    labels.write_text("barcode,label\nA-1,Naive\n")
    files = (run / "donor1.qc.json",)
    with pytest.raises(OptionsError, match="no predictions"):
        report(ReportOptions(tmp_path / "out", "donor1", files, true_labels=labels))


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged sample after preprocess, embed-tcr and predict."""
    folder = tmp_path_factory.mktemp("real")
    files = resources.files("tcellflow").joinpath("data", "samples", SAMPLE)
    with resources.as_file(files) as sample:
        gex, tcr = sample / "sample_filtered_feature_bc_matrix.h5", sample / "filtered_contig_annotations.csv"
        preprocess(PreprocessOptions(output=folder, prefix=SAMPLE, gex=gex, tcr=(tcr,)))
    cells, chains = folder / f"{SAMPLE}.cells.h5ad", folder / f"{SAMPLE}.chains.parquet"
    embed_tcr(EmbedTcrOptions((chains,), folder, SAMPLE, gex=cells, h5ad=False))
    predict(PredictOptions(cells, folder, SAMPLE, receptors=folder / f"{SAMPLE}.receptors.parquet"))
    return folder


def test_a_real_run_fills_every_section(real_run: Path) -> None:
    """The files of the real steps are understood: all sections, no missing part, account adds up."""
    page = report(ReportOptions(real_run, SAMPLE))[0].read_text(encoding="utf-8")
    for section in (
        "verdict",
        "states",
        "clonotypes",
        "map",
        "receptors",
        "calls",
        "unsure",
        "quality",
        "made",
        "limits",
    ):
        assert f'<h2 id="{section}">' in page
    assert "Not in this report" not in page
    assert "not accounted for" not in page
    assert "made from another" not in page
    assert "states 1" in page
    assert page.count('class="histogram"') == 6
    assert len(page.encode()) < 500_000
    places = [
        page.index(f'<h2 id="{name}"') for name in ("verdict", "states", "clonotypes", "map", "quality")
    ]
    assert places == sorted(places)


def test_the_map_can_be_left_out(real_run: Path, tmp_path: Path) -> None:
    """Without the map the page holds no place of a cell, and says that there is none."""
    files = ReportOptions(real_run, SAMPLE).find_files()
    page = report(ReportOptions(tmp_path, SAMPLE, files, map_cells=False))[0].read_text(encoding="utf-8")
    assert 'id="map-plot"' not in page
    assert "the map of the cells" in page


def test_a_real_runs_numbers_reach_multiqc(real_run: Path) -> None:
    """The MultiQC row carries the counts of qc.json and metrics.json."""
    section = json.loads(report(ReportOptions(real_run, SAMPLE, force=True))[1].read_text())
    row = section["data"][SAMPLE]
    qc = json.loads((real_run / f"{SAMPLE}.qc.json").read_text())
    metrics = json.loads((real_run / f"{SAMPLE}.metrics.json").read_text())
    assert (row["cells_in"], row["cells"]) == (qc["cells"]["input"], qc["cells"]["kept"])
    assert (row["t_cells"], row["clones"]) == (metrics["n_t_cells"], metrics["n_clones"])
    assert row["mean_confidence"] == pytest.approx(metrics["mean_confidence"], abs=1e-4)
    naive = 100 * metrics["states"]["Naive"] / metrics["n_t_cells"]
    assert row["pct_Naive"] == pytest.approx(naive, abs=1e-3)
