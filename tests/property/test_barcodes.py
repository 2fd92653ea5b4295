"""Reconciliation of cell names holds for all names, not for examples only."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tcellflow.cells.barcodes import reconcile_barcodes
from tcellflow.errors import InputError

CORES = st.lists(st.text("ACGT", min_size=8, max_size=16), min_size=2, max_size=25, unique=True)
WORDS = st.text("abcXYZ012", min_size=1, max_size=6)
PREFIXES = st.one_of(st.just(""), st.builds(lambda word, sign: word + sign, WORDS, st.sampled_from("_:#")))
NUMBERS = st.one_of(st.just(""), st.integers(1, 99).map("-{}".format))
SUFFIXES = st.one_of(st.just(""), st.integers(0, 99).map("_{}".format))
ANY_NAMES = st.lists(st.text("AC-_:#12", min_size=1, max_size=8), max_size=12, unique=True)


@given(CORES, PREFIXES, PREFIXES, NUMBERS, NUMBERS, SUFFIXES, st.randoms())
@settings(deadline=None, max_examples=80)
def test_changed_prefixes_and_suffixes_are_recovered(
    cores: list[str],
    left_prefix: str,
    right_prefix: str,
    left_number: str,
    right_number: str,
    suffix: str,
    random,
) -> None:
    """Whatever prefix, number and merge suffix each library adds, every cell finds its twin."""
    assume(not suffix or left_number)
    left = {core: f"{left_prefix}{core}{left_number}{suffix}" for core in cores}
    right = {core: f"{right_prefix}{core}{right_number}" for core in cores}
    shuffled = random.sample(list(right.values()), len(right))
    found = reconcile_barcodes(list(left.values()), shuffled)
    assert found.names == {right[core]: left[core] for core in cores}
    assert found.overlap == 1.0


@given(ANY_NAMES, ANY_NAMES)
@settings(deadline=None, max_examples=80)
def test_the_map_is_injective_or_refused(left: list[str], right: list[str]) -> None:
    """No cell of either side is used twice, and all names are of their sides."""
    try:
        found = reconcile_barcodes(left, right, allow_low_overlap=True)
    except InputError:
        return
    assert set(found.names) <= set(right)
    assert set(found.names.values()) <= set(left)
    assert len(set(found.names.values())) == len(found.names)
    assert 0 <= found.overlap <= 1


@given(ANY_NAMES, ANY_NAMES, st.randoms())
@settings(deadline=None, max_examples=80)
def test_the_order_of_names_changes_nothing(left: list[str], right: list[str], random) -> None:
    """Shuffled libraries give the same map, or the same refusal."""

    def outcome(one: list[str], other: list[str]) -> tuple:
        try:
            found = reconcile_barcodes(one, other, allow_low_overlap=True)
        except InputError as error:
            return ("refused", "equally" in error.what)
        return (found.rule, dict(found.names))

    shuffled = (random.sample(left, len(left)), random.sample(right, len(right)))
    assert outcome(left, right) == outcome(*shuffled)


@given(ANY_NAMES)
@settings(deadline=None, max_examples=80)
def test_equal_names_stay_as_they_are(names: list[str]) -> None:
    """A library agrees with itself under identity."""
    found = reconcile_barcodes(names, names)
    assert found.rule == "identity,identity"
    assert found.names == {name: name for name in names}
