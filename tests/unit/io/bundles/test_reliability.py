"""What a states bundle states of its reliability is parsed, and every fault of it is told."""

from __future__ import annotations

import pytest

from state_bundles import RECEPTORS_ENTRY, REFERENCE_ENTRY, write_states_bundle
from tcellflow.errors import BundleError
from tcellflow.vocabulary import State


def test_all_entries_are_optional(tmp_path):
    """A bundle that states nothing has nothing, not defaults."""
    found = write_states_bundle(tmp_path / "b").states.reliability
    assert found.reference is found.ood_threshold is found.receptor_input is None
    assert found.conformal == ()


def test_entries_are_read(tmp_path):
    """Shares, quantiles, threshold, prediction sets and receptor input come back as written."""
    levels = [{"coverage": 0.9, "least_probability": 0.05}, {"coverage": 0.8, "least_probability": 0.1}]
    bundle = write_states_bundle(tmp_path / "b", with_receptors=True, with_ood=True, conformal=levels)
    found = bundle.states.reliability
    assert [level.coverage for level in found.conformal] == [0.8, 0.9]
    assert found.ood_threshold == 0.9
    assert found.reference.ood_quantiles == (0, 10, 20)
    assert set(found.reference.state_shares) == set(State)
    assert (found.receptor_input.dimension, found.receptor_input.encoder) == (3, "kmer")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reference": {**REFERENCE_ENTRY, "state_shares": {"Naive": 1.0}}}, "seven shares"),
        (
            {"reference": {**REFERENCE_ENTRY, "state_shares": {str(s): 0.1 for s in State}}},
            "that sum to 1",
        ),
        ({"reference": {**REFERENCE_ENTRY, "ood_quantiles": [3, 2]}}, "'ood_quantiles'"),
        ({"reference": {**REFERENCE_ENTRY, "confidence_quantiles": [0.5]}}, "'confidence_quantiles'"),
        ({"reference": "citeseq"}, "'reference' is a str"),
        ({"ood": {"threshold": 1.5}}, "ood: 'threshold' is 1.5"),
        ({"ood": {"threshold": 0.9}}, "no ood_quantiles to measure"),
        ({"conformal": [{"coverage": 0.9}]}, r"conformal\[0\]: 'least_probability' is missing"),
        ({"receptors": {**RECEPTORS_ENTRY, "dimension": 0}}, "receptors: 'dimension' is 0"),
        ({"receptors": {**RECEPTORS_ENTRY, "encoder": ""}}, "receptors: 'encoder' is ''"),
        (
            {"receptors": {**RECEPTORS_ENTRY, "encoder_sha256": "abc"}},
            "receptors: 'encoder_sha256' is no sha256 digest",
        ),
    ],
    ids=str,
)
def test_wrong_entries_are_refused(tmp_path, changes, fault):
    """Each entry that cannot be right is told by name."""
    with pytest.raises(BundleError, match=fault):
        write_states_bundle(tmp_path / "b", **changes)
