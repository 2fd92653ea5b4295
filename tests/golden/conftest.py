"""The option that writes expected results anew."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --regenerate-golden."""
    parser.addoption("--regenerate-golden", action="store_true", help="write the expected results anew")


@pytest.fixture
def regenerate(request: pytest.FixtureRequest) -> bool:
    """Whether to write expected results instead of comparing."""
    # the option is unknown where this folder is not named on the command line
    return bool(request.config.getoption("--regenerate-golden", default=False))
