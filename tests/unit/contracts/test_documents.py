"""Documents of the steps are refused with all their faults, each with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract_archive import archived_path
from tcellflow.contracts.documents import DOCUMENTS, check_document
from tcellflow.contracts.entries import Document, Entries
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.qc import Qc
from tcellflow.errors import ContractError


def archived(contract: type[Document]) -> dict[str, Any]:
    return json.loads(archived_path(contract.contract, contract.version).read_text(encoding="utf-8"))


def test_all_faults_are_told_together():
    """A missing, a wrong and an unknown entry come in one error, each with its place."""
    content = archived(Qc)
    del content["cells"]["kept"]
    content["gate"]["t_cells"] = "many"
    content["gate"]["hunch"] = 3
    with pytest.raises(ContractError) as caught:
        check_document(content, Qc, where="s.qc.json")
    assert "3 faults against the contract qc/1" in caught.value.what
    for fault in (
        "cells: 'kept' is missing",
        "gate: 't_cells' is a str instead of a whole number",
        "gate: 'hunch' is unknown to this version",
    ):
        assert fault in caught.value.what
    assert "re-run the step" in caught.value.what
    assert caught.value.where == "s.qc.json"


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (("cells", "input"), -1, "'input' is -1, but should be greater than or equal to 0"),
        (("cells", "input"), 2.0, "'input' is a float instead of a whole number"),
        (("cells", "thresholds", "max_pct_mt"), 101, "should be less than or equal to 100"),
        (
            ("receptors", "cells", "chain_pairing"),
            {"pair": 1},
            "'pair' is 'pair', but should be 'single pair'",
        ),
        (("warnings",), "one", "'warnings' is a str instead of a list"),
        (("tcellflow", "step"), None, "'step' is null instead of a text"),
    ],
    ids=str,
)
def test_each_wrong_entry_is_refused(place, value, fault):
    """Counts, shares, lists, words and histograms are what the contract says."""
    content = archived(Qc)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(ContractError, match=fault):
        check_document(content, Qc, where="x")


@pytest.mark.parametrize(
    ("edges", "counts"),
    [
        ([], []),
        ([0.0, 1.0], []),
        ([0.0, 1.0, 1.0], [1, 2]),
        ([0.0, float("nan")], [1]),
        ([0.0, 1.0], [1, 2]),
    ],
)
def test_bins_that_cannot_be_drawn_are_refused(edges, counts):
    """Edges must be finite, rising and one more than the counts."""
    content = archived(Qc)
    content["distributions"]["total_counts"] = {"edges": edges, "counts": counts}
    with pytest.raises(ContractError, match=r"total_counts: the edges do not rise|but should be a finite"):
        check_document(content, Qc, where="x")


@pytest.mark.parametrize("contract", DOCUMENTS, ids=lambda c: c.stamp())
def test_the_check_changes_nothing(contract):
    """A document dumped again is the document that was read."""
    content = archived(contract)
    document = check_document(content, contract, where="x")
    assert document.model_dump(mode="json", by_alias=True, exclude_unset=True) == content


def test_what_only_options_fill_may_be_absent():
    """Without vote, genes and finest classes their entries are absent and read as None."""
    content = archived(Metrics)
    for key in ("voted_states", "n_clusters", "frequent_genes", "latent_classes"):
        content.pop(key, None)
    document = check_document(content, Metrics, where="x")
    assert document.voted_states is document.frequent_genes is document.latent_classes is None


def _parts(contract: type[Entries]) -> set[type[Entries]]:
    found = {contract}
    for field in contract.model_fields.values():
        for kind in _models_in(field.annotation):
            found |= _parts(kind)
    return found


def _models_in(kind: Any) -> set[type[Entries]]:
    if isinstance(kind, type) and issubclass(kind, Entries):
        return {kind}
    return {model for part in getattr(kind, "__args__", ()) for model in _models_in(part)}


@pytest.mark.parametrize("contract", DOCUMENTS, ids=lambda c: c.stamp())
def test_every_entry_has_a_meaning(contract):
    """Each entry of each part says what it holds, for the reference page."""
    silent = {
        f"{part.__name__}.{name}"
        for part in _parts(contract)
        for name, field in part.model_fields.items()
        if not field.description
    }
    assert silent == set()
