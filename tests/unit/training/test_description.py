"""Cards of all kinds of bundles have one form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcellflow.io.bundles.description import plain_name
from tcellflow.training.description import name_bundle, write_card

DOCUMENT = {
    "name": "mine",
    "version": "2",
    "summary": "What it does",
    "intended_use": "Tests",
    "licence": "MIT",
    "limits": ["one", "two"],
}


def test_a_card_names_use_licence_and_limits_before_what_its_kind_tells():
    """Parts that are not given leave no trace, and results handed over come last."""
    text = "# mine 2\n\nWhat it does.\n\n**Use.** Tests.\n\n**Licence.** MIT.\n\n## Limits\n\n- one\n- two\n"
    assert write_card(DOCUMENT) == text
    whole = write_card(DOCUMENT, ["\n## Data"], about="How it works.", evaluation="\n## Results\n\nGood.\n\n")
    assert (
        whole
        == text.replace("it does.\n", "it does.\n\nHow it works.\n") + "\n## Data\n\n## Results\n\nGood.\n"
    )


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("o_ok", "o-ok"),
        ("My run", "my-run"),
        ("fusion.2", "fusion.2"),
        (".hidden", "hidden"),
        ("_", "bundle"),
    ],
)
def test_the_name_of_a_folder_is_made_plain(folder, name):
    """Any folder will do, and what is plain stays."""
    assert name_bundle(None, Path("/runs") / folder) == name
    assert plain_name(name) == name
    assert name_bundle("asked", Path(folder)) == "asked"
