"""The page: self-contained, harmless, readable for everyone, bounded and the same every time."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from step_outputs import StepFrames, make_step_frames, write_step_files
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.maps.scatter import colour_class
from tcellflow.report.page import render_page
from tcellflow.vocabulary import REPORTED_STATES, STATE_COLORS

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "path", "rect", "line", "img", "input", "link", "hr"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&{{7*7}}"


class Outline(HTMLParser):
    """Tags, attributes and text of a page; fails on unbalanced tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _render(folder: Path, frames: StepFrames, prefix: str = "donor1") -> str:
    return render_page(compose_report(read_report_inputs(write_step_files(folder, frames)), prefix))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _render(tmp_path_factory.mktemp("page"), make_step_frames(300))


def test_nothing_is_loaded_from_outside(page: str) -> None:
    """No link, image, font or import: the only addresses are anchors and the CSV beside."""
    assert "https://example.org/a" in page  # as text: a bundle names its sources
    assert not re.search(r"""(?:src|href|action|data|poster|srcset)\s*=\s*["']?\s*(?:https?:)?//""", page)
    assert not re.search(r"@import|@font-face|<link|<iframe|<object|<embed|<img", page, re.IGNORECASE)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert set(re.findall(r"url\(([^)]*)\)", style[1])) == {f"#hatch{number}" for number in range(9)}
    addresses = {a for tag, attrs in Outline(page).tags for k, a in attrs.items() if k in {"href", "src"}}
    assert {a for a in addresses if not a.startswith("#")} == {"./donor1.predictions.csv"}


def test_the_policy_allows_only_what_the_page_brings(page: str) -> None:
    """The digests are those of the page's own style and scripts; markup that slipped through runs nothing."""
    policies = [a["content"] for t, a in Outline(page).tags if "http-equiv" in a and t == "meta"]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policies[0]
    for kind, allowed in (("script", rules["script-src"]), ("style", rules["style-src"])):
        own = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own]
        assert allowed.split() == [f"'sha256-{digest}'" for digest in digests]
    assert not re.search(r"<[^>]* style=", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Markup in sample, donor, gene, barcode, clone, option, reason and warning changes no tag."""
    calm, bad = make_step_frames(40), make_step_frames(40)
    for frame, columns in (
        (bad.chains, ("sample_id", "donor", "v_call", "junction_aa")),
        (bad.receptors, ("sample_id", "donor")),
        (bad.clonotypes, ("donor",)),
    ):
        for column in columns:
            frame[column] = HOSTILE
    names = {b: f"{HOSTILE}{b}" for b in bad.predictions["barcode"]}
    for frame, column in (
        (bad.predictions, "barcode"),
        (bad.chains, "cell_id"),
        (bad.receptors, "cell_id"),
    ):
        frame[column] = frame[column].map(names)
    for frame in (bad.clonotypes, bad.predictions, bad.receptors):
        frame["clone_id"] = HOSTILE + frame["clone_id"]
    bad.qc.update({"sample_id": HOSTILE, "warnings": [HOSTILE]})
    bad.qc["cells"]["removed"] = {HOSTILE: 14, "x": 6}
    bad.qc["receptors"]["layout"] = HOSTILE
    bad.qc["matrix"] |= {"format": HOSTILE, "place": HOSTILE, "library_size": HOSTILE}
    bad.qc["gate"]["other_lineages"] = {HOSTILE: 3}
    bad.qc["tcellflow"]["options"][HOSTILE] = HOSTILE
    drawn = _render(tmp_path / "bad", bad, prefix=HOSTILE)
    outline, reference = Outline(drawn), Outline(_render(tmp_path / "calm", calm))
    kinds = Counter(tag for tag, _ in outline.tags)
    assert "img" not in kinds
    assert kinds["script"] == 2  # the library and the page's own
    assert set(kinds) == set(Counter(tag for tag, _ in reference.tags))
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert "".join(outline.text).count(HOSTILE) > 10
    assert "&{{7*7}}" in "".join(outline.text)


def test_ids_are_unique_and_links_lead_somewhere(page: str) -> None:
    """Each anchor and each label points to exactly one element."""
    tags = Outline(page).tags
    ids = Counter(attrs["id"] for _, attrs in tags if "id" in attrs)
    assert max(ids.values()) == 1
    wanted = {a["href"][1:] for _, a in tags if a.get("href", "").startswith("#")}
    wanted |= {name for _, a in tags for name in a.get("aria-labelledby", "").split()}
    assert wanted <= set(ids)


def test_figures_and_tables_speak_to_screen_readers(page: str) -> None:
    """Every figure is a titled image or hidden beside its number; header cells say what they head."""
    tags = Outline(page).tags
    for tag, attrs in tags:
        if tag == "svg":
            assert attrs.get("role") == "img" or attrs.get("aria-hidden") == "true"
        if tag == "th":
            assert attrs.get("scope") in {"row", "col"}
        if attrs.get("class") == "scroll":
            assert attrs["tabindex"] == "0"
            assert attrs["aria-label"]
    assert dict(tags)["html"] == {"lang": "en"}
    assert [t for t, _ in tags if t == "h1"] == ["h1"]


def test_evidence_is_told_in_words_and_pattern(page: str) -> None:
    """A class learnt from a teacher says so in words and is hatched, not only coloured."""
    row = re.search(r'<tr data-state="Exhausted">.*?</tr>', page, re.DOTALL)
    assert row is not None
    assert "learnt from another model&#39;s labels: silver" in row[0]
    assert 'class="hatched ' in row[0]
    gated = re.search(r'<tr data-state="Naive">.*?</tr>', page, re.DOTALL)
    assert gated is not None
    assert 'class="hatched ' not in gated[0]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, page: str) -> None:
    """Files written anew give the same page, byte for byte, free of date and place."""
    assert _render(tmp_path, make_step_frames(300)) == page
    assert str(tmp_path) not in page


def test_the_page_stays_small(tmp_path: Path) -> None:
    """Many cells, clones, genes and warnings do not push the page near 2 MB."""
    frames = make_step_frames(3000)
    frames.chains["v_call"] = [f"TRBV{i}" for i in range(len(frames.chains))]
    frames.qc["warnings"] = ["a long warning " * 20 + str(i) for i in range(500)]
    assert len(_render(tmp_path, frames).encode()) < 300_000


def test_a_sample_without_cells_says_so(tmp_path: Path) -> None:
    """Zero cells and chains give a whole page that names what is empty."""
    text = " ".join("".join(Outline(_render(tmp_path, make_step_frames(0))).text).split())
    assert "No cell passed quality control." in text
    assert "There are no cells, so there is no state to report." in text
    assert "No cell belongs to a clone" in text
    assert "The receptor file holds no contig." in text


def test_a_sample_without_t_cells_says_so(tmp_path: Path) -> None:
    """Cells that all fail the gate give no states, and the page says why."""
    frames = make_step_frames(5)
    frames.predictions["state"] = "Not_T"
    frames.predictions["is_t_cell"] = False
    frames.predictions["abstain_reason"] = "not_t_cell"
    text = " ".join("".join(Outline(_render(tmp_path, frames)).text).split())
    assert "None of the 5 cells passed the T-cell gate" in text


@pytest.mark.parametrize("kept", range(6))
def test_any_single_file_makes_a_page(tmp_path: Path, kept: int) -> None:
    """One file of any kind is enough, and the page names what is missing."""
    paths = write_step_files(tmp_path, make_step_frames(30))
    page = render_page(compose_report(read_report_inputs([paths[kept]]), "donor1"))
    assert "Not in this report, because the files were not given" in "".join(Outline(page).text)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("text", "page", 7.0),
        ("text", "panel", 7.0),
        ("quiet", "page", 4.5),
        ("quiet", "panel", 4.5),
        ("accent", "page", 4.5),
        ("warn", "page", 4.5),
        ("warn", "warn-panel", 4.5),
        ("text", "warn-panel", 7.0),
        ("bar", "page", 3.0),
        ("bar", "track", 3.0),
    ],
)
def test_colours_have_contrast(scheme: int, ink: str, ground: str, least: float) -> None:
    """Text and bars meet WCAG contrast in light and dark (4.5 for text, 3 for figures)."""
    style = resources.files("tcellflow.report").joinpath("templates", "style.css").read_text()
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    assert _contrast(colours[ink], colours[ground]) >= least


def test_states_have_the_colours_that_files_name() -> None:
    """The style sheet's colours are those of uns/state_colors in the annotated file."""
    style = (resources.files("tcellflow") / "report/templates/style.css").read_text(encoding="utf-8")
    for state in REPORTED_STATES:
        name = colour_class(state)
        assert f"--{name}: {STATE_COLORS[state]};" in style.split("@media")[0], state
