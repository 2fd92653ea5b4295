"""The report in a real browser: nothing loaded, no error, no breach of its policy, every interaction.

The distribution's Chromium is driven; TCELLFLOW_CHROMIUM names another one.
"""

from __future__ import annotations

import csv
import io

import pytest

from report_outputs import write_other_files
from report_pages import HOSTILE, open_page, write_cohort_page, write_page
from step_outputs import make_step_frames, write_step_files
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.page import render_page


def test_the_page_becomes_interactive(opened):
    """The script runs to its end within two seconds, under the policy."""
    opened.wait_for_selector("html.ready", timeout=2000)


def test_a_state_is_seen_everywhere(opened):
    """Choosing a state marks its rows, its legend entry and its cells; Escape takes it back."""
    opened.click("button.name[data-kind=state][data-value=Naive]")
    # of the states, of the weights, of the confidence and of the receptor genes
    assert opened.locator("tr.chosen[data-state=Naive]").count() == 4
    assert opened.locator("svg.ridges g.chosen[data-state=Naive]").count() > 1
    assert opened.locator("svg.heat g.chosen[data-state=Naive]").count() > 0
    assert opened.locator("article.chosen[data-state=Naive]").count() == 1
    assert opened.locator("#map-legend button[data-value=Naive]").get_attribute("aria-pressed") == "true"
    told = opened.locator("#chosen").inner_text()
    picked = opened.locator("path.picked").get_attribute("d").count("M")
    assert f"{picked} cells on the map" in told
    assert picked > 0
    opened.keyboard.press("Escape")
    assert opened.locator(".chosen, path.picked").count() == 0


def test_a_clone_is_chosen_by_keyboard(opened):
    """A clone's button answers to the keyboard and marks the clone's cells on the map."""
    button = opened.locator("button.name[data-kind=clone]").first
    button.focus()
    opened.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    row = opened.locator("tr.chosen[data-clone]")
    cells = int(row.locator("td").first.inner_text())
    assert opened.locator("path.picked").get_attribute("d").count("M") == cells


def test_a_barcode_is_found(opened):
    """A part of a barcode finds its cell; a name that is not there is told."""
    barcode = opened.evaluate("JSON.parse(document.getElementById('map-data').textContent).barcodes[7]")
    opened.fill("#find", barcode.lower())
    opened.keyboard.press("Enter")
    assert opened.locator("#chosen").inner_text().startswith(f"Cell {barcode}")
    opened.fill("#find", "no such cell")
    opened.keyboard.press("Enter")
    assert "Nothing on this page" in opened.locator("#chosen").inner_text()


def test_the_map_zooms_colours_and_tells(opened):
    """Buttons zoom, the list recolours, and pointing at a cell names it."""
    opened.locator("#map-plot").scroll_into_view_if_needed()
    opened.click("button[aria-label='Zoom in']")
    zoomed = "scale => document.querySelector('#map-plot g').getAttribute('transform').includes(scale)"
    opened.wait_for_function(zoomed, arg="scale(1.6")
    opened.click("text=Whole map")
    opened.wait_for_function(zoomed, arg="scale(1)")
    opened.select_option("#map-by", label="Confidence")
    assert opened.locator("#map-plot g path[class*=' v']").count() > 1
    data = opened.evaluate("JSON.parse(document.getElementById('map-data').textContent)")
    place = opened.evaluate(
        "([x, y]) => { const p = new DOMPoint(x, y).matrixTransform("
        "document.querySelector('#map-plot g').getScreenCTM()); return [p.x, p.y]; }",
        [data["layouts"][0][axis][3] for axis in "xy"],
    )
    opened.mouse.move(*place)
    assert data["barcodes"][3] in opened.locator("#map-tip").inner_text()


def test_tables_and_plots_are_downloaded(opened, tmp_path):
    """A table comes as CSV with all its rows, a plot as SVG and as PNG with something on it."""
    with opened.expect_download() as waiting:
        opened.click("button[aria-label*='T cells per state']")
    waiting.value.save_as(tmp_path / "t.csv")
    rows = list(csv.reader(io.StringIO((tmp_path / "t.csv").read_text(encoding="utf-8"))))
    assert len({len(row) for row in rows}) == 1
    assert [row[0] for row in rows].count("Naive") == 1
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with opened.expect_download() as waiting:
            opened.click(f"button[aria-label='Download the plot \"Map of the cells\" as {kind}']")
        waiting.value.save_as(tmp_path / "plot")
        content = (tmp_path / "plot").read_bytes()
        assert content.startswith(start)
        assert len(content) > 5_000


def test_without_scripts_the_page_reads(browser, page_file):
    """The map and its legend are drawn, and no control that would do nothing is shown."""
    for page in open_page(browser, page_file, java_script_enabled=False):
        assert page.locator("#map-plot path.dots").count() > 2
        assert page.locator("button:visible, input:visible").count() == 0


def test_hostile_names_run_nothing(browser, tmp_path):
    """Markup in barcodes, clones, genes, sample, donor and warnings stays text through every interaction."""
    for page in open_page(browser, write_page(tmp_path / "bad", 60, hostile=True)):
        page.wait_for_selector("html.ready")
        page.locator("button.name[data-kind=clone]").first.click()
        page.fill("#find", HOSTILE[:20])
        page.keyboard.press("Enter")
        assert page.locator("#chosen").inner_text().count("onerror") >= 1
        assert page.title() != "broken"
        assert page.locator("img").count() == 0


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("n_cells", [0, 1, 5])
def test_odd_samples_open(browser, tmp_path, n_cells, whole):
    """No cell, one and few give a page whose script finds its way, with and without fuse and describe."""
    for page in open_page(browser, write_page(tmp_path, n_cells, whole=whole)):
        page.wait_for_selector("html.ready")


def test_a_sample_without_t_cells_opens(browser, tmp_path):
    """Where the gate called no cell a T cell the page says so and its script finds its way."""
    frames = make_step_frames(40)
    frames.predictions["state"] = "Not_T"
    frames.predictions["abstain_reason"] = "not_t_cell"
    paths = write_step_files(tmp_path, frames)
    page_file = tmp_path / "none.html"
    page_file.write_text(
        render_page(compose_report(read_report_inputs(paths[2:3]), "none")), encoding="utf-8"
    )
    for page in open_page(browser, page_file):
        page.wait_for_selector("html.ready")
        assert "0 T cells" in page.locator(".verdict").inner_text()


@pytest.mark.parametrize(
    "left", ["chains", "receptors", "predictions", "clonotypes", "qc", "metrics", "fused", "descriptions"]
)
def test_each_file_alone_makes_a_page(browser, tmp_path, left):
    """A single file of a run is a report in itself: its section stands, and what is missing is named."""
    frames = make_step_frames(30)
    paths = [*write_step_files(tmp_path, frames), *write_other_files(tmp_path, frames)]
    [path] = [path for path in paths if path.name.split(".")[1] == left]
    page_file = tmp_path / "one.html"
    page_file.write_text(render_page(compose_report(read_report_inputs([path]), "one")), encoding="utf-8")
    for page in open_page(browser, page_file):
        page.wait_for_selector("html.ready")
        assert page.locator(".absent").count() == 1


def test_the_map_changes_its_layout(opened):
    """Fused places and those of the states network are both there; choosing the other moves the cells."""
    before = opened.locator("#map-plot g path.dots").first.get_attribute("d")
    opened.select_option("#map-layout", label="Fused view")
    assert opened.locator("#map-plot g path.dots").first.get_attribute("d") != before
    assert "expression and proteins" in opened.locator("#map-meaning").inner_text()
    opened.select_option("#map-by", label="Protein CD25")
    assert opened.locator("#map-plot g path[class*=' v']").count() > 1


def test_evidence_opens_on_demand(opened):
    """A description shows its type at once, and each sentence with its numbers when it is opened."""
    unit = opened.locator("article[data-state=Treg]")
    assert "CL:0000792" in unit.inner_text()
    assert not unit.locator("table").is_visible()
    unit.locator("summary").press("Enter")
    assert "seen in 90.0 %" in unit.locator("table").inner_text()
    opened.click("button.name[data-kind=state][data-value=Treg]")
    assert "chosen" in unit.get_attribute("class")


def test_a_cohort_opens(browser, tmp_path):
    """Five samples side by side, with markup for a donor's and for the cohort's name."""
    for page in open_page(browser, write_cohort_page(tmp_path)):
        page.wait_for_selector("html.ready")
        assert page.locator("img").count() == 0
        assert page.locator("tbody th[scope=row]").count() == 5


@pytest.mark.slow
def test_a_hundred_thousand_cells_can_be_used_at_once(browser, tmp_path):
    """The page stays below 2 MB, says how many cells the map shows, and answers within two seconds."""
    path = write_page(tmp_path / "many", 100_000, whole=False, seed=2)  # of seed 2 no two barcodes are alike
    assert path.stat().st_size < 2_000_000
    for page in open_page(browser, path):
        page.wait_for_selector("html.ready", timeout=2000)
        assert (
            "10,000 of 100,000 cells, taken at equal steps" in page.locator("section:has(#map)").inner_text()
        )
        page.click("button.name[data-kind=state][data-value=Naive]")
        assert page.locator("path.picked").get_attribute("d").count("M") > 100


@pytest.mark.slow
def test_two_hundred_samples_can_be_read(browser, tmp_path):
    """The page of a cohort of 200 has a row and a bar for each, and stays below 2 MB."""
    path = write_cohort_page(tmp_path, 200)
    assert path.stat().st_size < 2_000_000
    for page in open_page(browser, path):
        page.wait_for_selector("html.ready", timeout=2000)
        assert page.locator("table.dense tbody tr").count() == 200
