"""Draw docs/report.png: the head of a finished report, opened in the distribution's Chromium.

python docs/make_screenshot.py demo/trex_pt17_trimodal.report.html
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main(page_file: Path) -> None:
    """Open the page offline and keep its first screen."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 1100, "height": 1000}).new_page()
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("html.ready")
        page.screenshot(path=Path(__file__).with_name("report.png"))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
