"""The page about the bundle states shows the figures of the bundle that ships."""

from __future__ import annotations

from pathlib import Path

from tcellflow.io.bundles.folders import PACKAGED_FOLDER

PAGE = Path(__file__).resolve().parents[2] / "docs" / "states.md"


def test_the_page_shows_data_and_figures_of_the_card():
    """Each row about a data set on the bundle's card stands on the page, so that no figure can go stale."""
    page = PAGE.read_text(encoding="utf-8").splitlines()
    card = (PACKAGED_FOLDER / "states" / "CARD.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in card if line.startswith("|") and line.count("|") > 3]
    assert len(rows) > 20
    assert [row for row in rows if row not in page] == []
