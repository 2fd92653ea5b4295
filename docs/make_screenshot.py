"""Draw the pictures of the documentation: parts of finished reports, opened in the distribution's Chromium.

python docs/make_screenshot.py demo    # the folder that make demo fills
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

# Picture, page, section it begins with (none = the head of the page), height in pixels.
PICTURES = (
    ("report.png", "trex_pt17_trimodal.report.html", None, 1000),
    ("report-map.png", "trex_pt17_trimodal.report.html", "map", 1180),
    ("report-cohort.png", "both.report.html", None, 900),
)
WIDTH = 1100


def main(folder: Path) -> None:
    """Open each page offline and keep the part of it."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for picture, name, section, height in PICTURES:
            view = {"width": WIDTH, "height": height}
            page = browser.new_context(offline=True, viewport=view).new_page()
            page.goto((folder / name).resolve().as_uri())
            page.wait_for_selector("html.ready")
            top = 0
            if section is not None:
                top = page.evaluate(
                    "id => Math.round(document.getElementById(id).getBoundingClientRect().top + scrollY)",
                    section,
                )
            page.screenshot(
                path=Path(__file__).with_name(picture),
                full_page=True,
                clip={"x": 0, "y": top, "width": WIDTH, "height": height},
            )
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
