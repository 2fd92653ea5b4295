"""The abstention threshold comes from the measured curve."""

from __future__ import annotations

import pytest

from tcellflow.errors import OptionsError
from tcellflow.inference.abstention import choose_threshold
from tcellflow.io.bundle_states import Abstention, CurvePoint

CURVE = (
    CurvePoint(0.0, 1.0, 0.4),
    CurvePoint(0.3, 0.8, 0.2),
    CurvePoint(0.5, 0.6, 0.25),
    CurvePoint(0.7, 0.4, 0.1),
    CurvePoint(0.9, 0.1, 0.05),
)
ABSTENTION = Abstention(target_risk=0.1, dataset="some", curve=CURVE)


@pytest.mark.parametrize(
    ("target", "threshold"), [(None, 0.7), (0.1, 0.7), (0.05, 0.9), (0.2, 0.7), (0.25, 0.3), (1.0, 0.0)]
)
def test_the_smallest_safe_threshold_is_taken(target, threshold):
    """From the threshold on the risk stays within the target, even where the curve is not monotone."""
    assert choose_threshold(ABSTENTION, target) == threshold


def test_an_unreachable_target_is_told():
    """A target below what the bundle ever reached names the reachable one."""
    with pytest.raises(OptionsError, match=r"0\.05"):
        choose_threshold(ABSTENTION, 0.01)


@pytest.mark.parametrize("target", [0.0, -1, 1.5, float("nan")])
def test_a_target_that_is_no_share_is_refused(target):
    """Targets outside 0 and 1 are refused."""
    with pytest.raises(OptionsError, match="no share"):
        choose_threshold(ABSTENTION, target)


def test_an_empty_curve_reaches_nothing():
    """Without a measured curve no target can be promised."""
    with pytest.raises(OptionsError, match="cannot reach"):
        choose_threshold(Abstention(0.1, "none", ()), 0.5)
