"""Chromium and the page that most tests open."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from report_pages import open_page, write_cohort_page, write_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("page"), 300)


@pytest.fixture(scope="session")
def cohort_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort_page(tmp_path_factory.mktemp("cohort"))


@pytest.fixture
def opened(browser, page_file):
    yield from open_page(browser, page_file)
