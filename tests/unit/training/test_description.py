"""Cards of all kinds of bundles have one form."""

from __future__ import annotations

from tcellflow.training.description import write_card

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
