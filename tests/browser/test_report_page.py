"""The report in a real browser: nothing loaded, no error, no breach of its policy, every interaction.

The distribution's Chromium is driven; TCELLFLOW_CHROMIUM names another one.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from command_line import run_command
from step_outputs import make_step_frames, write_step_files
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.page import render_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Chromium without a network; absent, the tests are skipped, but fail where CI=true."""
    chromium = os.environ.get("TCELLFLOW_CHROMIUM") or shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError:
        chromium = None
    if chromium is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "needs playwright and Chromium: pip install playwright; apt-get install chromium"
        )
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


def write_page(folder: Path, n_cells: int, *, hostile: bool = False) -> Path:
    frames = make_step_frames(n_cells)
    if hostile:
        for frame, column in (
            (frames.predictions, "barcode"),
            (frames.chains, "cell_id"),
            (frames.receptors, "cell_id"),
            (frames.predictions, "clone_id"),
            (frames.receptors, "clone_id"),
            (frames.clonotypes, "clone_id"),
        ):
            frame[column] = HOSTILE + frame[column].astype(str)
        for frame in (frames.chains, frames.receptors):
            frame["sample_id"] = frame["donor"] = HOSTILE
        frames.chains["v_call"] = frames.chains["junction_aa"] = HOSTILE
        frames.qc.update({"sample_id": HOSTILE, "warnings": [HOSTILE]})
    barcodes = frames.predictions["barcode"].to_numpy(object)
    path = folder / "vectors.h5ad"
    folder.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        obs.attrs["_index"] = "_index"
        obs.create_dataset("_index", data=barcodes, dtype=h5py.string_dtype())
        vectors = np.random.default_rng(0).normal(size=(n_cells, 8)).astype(np.float32)
        file.create_group("obsm").create_dataset("X_state", data=vectors)
    inputs = read_report_inputs([*write_step_files(folder, frames), path])
    page = folder / "donor1.report.html"
    prefix = HOSTILE if hostile else "donor1"
    page.write_text(render_page(compose_report(inputs, prefix)), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("page"), 300)


@pytest.fixture
def opened(browser, page_file):
    yield from open_page(browser, page_file)


def open_page(browser, path, **options):
    """Open a page offline; at the end nothing may have been asked for or complained of."""
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900}, **options)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))"
    )
    page.goto(path.as_uri())
    yield page
    page.wait_for_timeout(50)
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [path.as_uri()]
    context.close()


def test_the_page_becomes_interactive(opened):
    """The script runs to its end within two seconds, under the policy."""
    opened.wait_for_selector("html.ready", timeout=2000)


def test_a_state_is_seen_everywhere(opened):
    """Choosing a state marks its rows, its legend entry and its cells; Escape takes it back."""
    opened.click("button.name[data-kind=state][data-value=Naive]")
    assert opened.locator("tr.chosen[data-state=Naive]").count() == 1
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
        [data["x"][3], data["y"][3]],
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser, page_file, scheme):
    """At 390 pixels the page is no wider than the screen."""
    for page in open_page(browser, page_file, color_scheme=scheme):
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


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


@pytest.mark.parametrize("n_cells", [0, 1])
def test_odd_samples_open(browser, tmp_path, n_cells):
    """No cell and one cell give a page whose script finds its way."""
    for page in open_page(browser, write_page(tmp_path, n_cells)):
        page.wait_for_selector("html.ready")


def test_the_page_of_a_real_run_becomes_interactive(browser, tmp_path):
    """What the steps write of a packaged sample, programmes included, runs to the script's end."""
    done = run_command("run", "--demo-sample", "trex_pt17_trimodal", "--no-describe", "-o", tmp_path)
    assert done.code == 0, done.stderr
    for page in open_page(browser, tmp_path / "trex_pt17_trimodal.report.html"):
        page.wait_for_selector("html.ready", timeout=2000)
        assert page.locator("svg.heat").count() == 1
