"""The sections of fuse, describe and neighbours show what these steps wrote, and say what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from report_outputs import make_descriptions, write_other_files
from step_outputs import make_step_frames, write_step_files
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import ReportInputs, read_report_inputs
from tcellflow.report.page import render_page
from tcellflow.report.sections.descriptions import summarise_descriptions
from tcellflow.report.sections.fusion import summarise_fusion
from tcellflow.report.sections.neighbours import summarise_neighbours

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, n_cells: int = 300, **options: object) -> ReportInputs:
    frames = make_step_frames(n_cells)
    paths = write_step_files(folder, frames)
    return read_report_inputs([*paths, *write_other_files(folder, frames, **options)])


def test_the_protein_that_tells_states_apart_stands_first(tmp_path: Path) -> None:
    """The first protein is raised in Treg: it heads ridges, heat map and the map's list of colours."""
    inputs = read(tmp_path)
    section = summarise_fusion(inputs.fused, inputs.predictions, inputs.fuse)
    assert section.ridges[0].title == section.levels.rows[0] == "CD25"
    treg = section.levels.columns.index("Treg")
    assert section.levels.strengths[0][treg] == 1.0
    drawn = compose_report(inputs, "x").cell_map
    assert [shade.name for shade in drawn.shades][2:4] == ["Weight of expression", "Protein CD25"]
    assert [layout.name for layout in drawn.layouts] == ["Fused view"]
    assert not drawn.layouts[0].is_placed[-1]  # the last cell has no vector


def test_weights_are_those_of_cells_with_both(tmp_path: Path) -> None:
    """Every state's weight is the .25 that the file holds; without proteins no weight is told."""
    inputs = read(tmp_path / "both")
    section = summarise_fusion(inputs.fused, inputs.predictions, inputs.fuse)
    assert sum(row.n_cells for row in section.weights) == 299
    assert {row.quantiles[2] for row in section.weights} == {0.25}
    assert dict(section.unused)["target not known"] == "IL2RA"
    alone = read(tmp_path / "alone", measured=False)
    section = summarise_fusion(alone.fused, alone.predictions, alone.fuse)
    assert not section.weights
    assert not section.is_measured
    assert not section.agreement
    assert section.ridges[0].unit == "log1p counts told by expression"
    assert "a hint, not a measurement" in render_page(compose_report(alone, "x"))


def test_expression_agrees_where_levels_are_equal(tmp_path: Path) -> None:
    """Imputed and denoised levels are alike in these files, so every correlation is 1."""
    section = compose_report(read(tmp_path), "x").fusion
    assert [row.correlation for row in section.agreement] == pytest.approx([1, 1, 1])


def test_without_predictions_nothing_is_grouped(tmp_path: Path) -> None:
    """A fused table alone gives its own section and no map, for nobody called states."""
    inputs = replace(read(tmp_path), predictions=None)
    content = compose_report(inputs, "x")
    assert content.cell_map is None
    assert content.fusion.levels is None
    assert 'id="fusion"' in render_page(content)


def test_every_sentence_stands_with_its_evidence(tmp_path: Path) -> None:
    """The sentences of a unit together are its text, in order, each with numbers and the check."""
    texts, _ = make_descriptions(make_step_frames(300))
    groups = compose_report(read(tmp_path), "x").descriptions
    assert [group.level for group in groups] == ["sample", "state", "clonotype"]
    for unit in (unit for group in groups for unit in group.units):
        row = texts[(texts["unit_id"] == unit.unit) & (texts["unit_level"] == unit.level)].iloc[0]
        assert " ".join(sentence.text for sentence in unit.sentences) == row["text"]
        assert unit.sentences[1].numbers == (
            ("seen in", "90.0 %"),
            ("expected", "10.0 %"),
            ("log odds", "4.40"),
        )
        assert unit.key_genes == (("has", ("NKG7",)), ("against its type", ("CCL5-",)))


def test_without_claims_the_text_stays_whole(tmp_path: Path) -> None:
    """Descriptions without their claims are shown as one sentence without evidence."""
    inputs = read(tmp_path)
    [unit] = summarise_descriptions(inputs.descriptions, None)[0].units
    assert [sentence.text.count(".") for sentence in unit.sentences] == [4]
    assert summarise_descriptions(None, None) == ()


def test_nearest_chains_are_named_once(tmp_path: Path) -> None:
    """Pairs of chains come in the order of their distance, each once, with its cells."""
    inputs = read(tmp_path)
    section = summarise_neighbours(inputs)
    distances = [row.distance for row in section.nearest]
    assert distances == sorted(distances)
    assert section.nearest[0].one.junction_aa.startswith("CAS")
    assert section.distances[0].counted == "receptors"
    assert section.distances[0].total == inputs.chains.to_pandas().query("locus == 'TRB'")["emb_id"].nunique()
    assert summarise_neighbours(replace(inputs, neighbours=None)) is None
    assert summarise_neighbours(replace(inputs, chains=None)).nearest == ()


def test_lengths_count_each_cell_once(tmp_path: Path) -> None:
    """Alpha and beta histograms hold as many cells as have such a chain; V and J come as percents of them."""
    inputs = read(tmp_path)
    section = compose_report(inputs, "x").junctions
    loci = inputs.chains.to_pandas()["locus"].value_counts()
    assert [histogram.total for histogram in section.lengths] == [loci["TRA"], loci["TRB"]]
    beta = section.pairs[1]
    assert sum(float(text) for row in beta.texts for text in row if text) == pytest.approx(100, abs=1)
