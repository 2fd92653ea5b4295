"""The page for every reader: accessible by axe-core's rules, valid HTML, on paper, on a phone, by keyboard.

axe-core lies beside with its licence; it is run in the browser and is no part of what ships.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from report_pages import open_page, write_page

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
VOID = frozenset({"meta", "br", "input", "hr", "img", "link"})
# Of an HTML5 tree, as elements open one inside the other.
WALK = """source => {
  const tree = [];
  const walk = (node, depth) => {
    tree.push([depth, node.localName]);
    for (const child of node.children) walk(child, depth + 1);
  };
  walk(new DOMParser().parseFromString(source, "text/html").documentElement, 0);
  return tree;
}"""


class Outline(HTMLParser):
    """Elements as the source opens and closes them; anything left open or closed twice is a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.tree: list[list[object]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tree.append([len(self.open), tag])
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"an attribute of <{tag}> twice: {names}")
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self.references += (given.get(name) or "").split()
        if (given.get("href") or "").startswith("#"):
            self.references.append(given["href"][1:])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> inside {self.open[-3:]}")
        else:
            self.open.pop()


def check_axe(page) -> list[str]:
    """Run axe-core's rules of WCAG 2.2 A and AA and its best practices; give what they find."""
    page.evaluate(AXE.read_text(encoding="utf-8") + "; null")
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['html'][:200]} {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_no_barrier(browser, page_file, scheme, width):
    """Names, roles, order of headings, contrast: no rule is broken, with everything unfolded."""
    for page in open_page(browser, page_file, color_scheme=scheme, viewport={"width": width, "height": 900}):
        page.wait_for_selector("html.ready")
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        page.locator("button.name[data-kind=state]").first.click()
        assert check_axe(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_no_barrier_to_a_cohort(browser, cohort_file, scheme, width):
    """The page of a cohort, tinted tables included, breaks no rule and is no wider than the screen."""
    viewport = {"width": width, "height": 900}
    for page in open_page(browser, cohort_file, color_scheme=scheme, viewport=viewport):
        page.wait_for_selector("html.ready")
        assert check_axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_markup_is_valid(page_file, cohort_file, opened, tmp_path):
    """Every element is closed where it was opened, and a browser builds the very tree that is written."""
    for file in (page_file, cohort_file, write_page(tmp_path / "none", 0, whole=False)):
        source = file.read_text(encoding="utf-8")
        outline = Outline()
        outline.feed(source)
        assert outline.faults == []
        assert outline.open == []
        assert len(outline.ids) == len(set(outline.ids))
        assert set(outline.references) <= set(outline.ids)
        assert opened.evaluate(WALK, source) == outline.tree


def test_all_is_reached_by_keyboard(opened):
    """Tab goes through every control without a trap, and each shows that it has the focus."""
    opened.wait_for_selector("html.ready")
    seen = set()
    for _ in range(25):
        opened.keyboard.press("Tab")
        told = opened.evaluate(
            "() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return [e.outerHTML.slice(0, 120), s.outlineStyle, e.matches(':focus-visible')]; }"
        )
        assert told[2]
        assert told[1] != "none", told[0]
        seen.add(told[0])
    assert len(seen) == 25


def test_paper_shows_what_is_folded(browser, page_file):
    """In print nothing that only a screen can do is shown, whole texts are, and no table is cut off."""
    for page in open_page(browser, page_file, viewport={"width": 720, "height": 1000}):
        page.wait_for_selector("html.ready")
        page.emulate_media(media="print")
        assert page.locator("nav, #tools, .gets, button.get").filter(visible=True).count() == 0
        assert page.locator("article .whole").first.is_visible()
        assert page.locator("section:has(#receptors) details dl").first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 720
        assert len(page.pdf(format="A4")) > 50_000


def test_a_cohort_fits_on_paper(browser, cohort_file):
    """On A4 across, which the page asks for, no column of the table of samples is cut off."""
    for page in open_page(browser, cohort_file, viewport={"width": 1060, "height": 740}):
        page.wait_for_selector("html.ready")
        page.emulate_media(media="print")
        assert page.evaluate("document.querySelector('table.dense').scrollWidth") <= 1060
        assert page.evaluate("getComputedStyle(document.body).page") == "wide"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(browser, page_file, scheme):
    """At 390 pixels the page is no wider than the screen."""
    for page in open_page(browser, page_file, color_scheme=scheme, viewport={"width": 390, "height": 800}):
        page.wait_for_selector("html.ready")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
