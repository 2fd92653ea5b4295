"""Cell names of two libraries are brought together by one fixed list of rules, never by guessing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tcellflow.cells.barcodes import BarcodeMap, reconcile_barcodes
from tcellflow.errors import InputError, OptionsError


def cores(n: int, seed: int = 0) -> list[str]:
    """Distinct 16-base barcodes."""
    letters = np.random.default_rng(seed).choice(list("ACGT"), (n * 2, 16))
    return list(dict.fromkeys("".join(row) for row in letters))[:n]


def names(form: str, some: list[str]) -> list[str]:
    return [form.format(core) for core in some]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("{}-1", "{}-1"),
        ("{}-1", "{}"),
        ("{}", "{}-1"),
        ("{}-1", "{}-3"),
        ("P17B_{}-1", "{}-1"),
        ("{}-1", "P17B_{}-1"),
        ("P17B_{}", "{}-1"),
        ("S1#{}-1", "{}-1"),
        ("run:lane:{}-1", "{}-1"),
        ("{}-1_4", "{}-1"),
        ("S1_{}-1_4", "donor#{}"),
        ("S1_{}-1", "D1_{}-1"),
    ],
)
def test_every_rule_of_the_list_finds_all_cells(left: str, right: str) -> None:
    """Library number, sample prefix and merge suffix on either side are seen through."""
    some = cores(60)
    found = reconcile_barcodes(names(left, some[:50]), names(right, some[10:]))
    assert found.names == {right.format(core): left.format(core) for core in some[10:50]}
    assert found.overlap == pytest.approx(0.8)


def test_the_chosen_rule_can_be_given_back() -> None:
    """The rule written to the quality file is accepted as --barcode-rule and gives the same map."""
    some = cores(40)
    left, right = names("{}-2", some), names("A_B_{}", some)
    auto = reconcile_barcodes(left, right)
    assert auto.rule == "drop-number,drop-prefix-underscore"
    assert reconcile_barcodes(left, right, rule=auto.rule) == auto


def test_aggregated_libraries_are_matched_by_their_number() -> None:
    """One library's cells (all -1) are found in an aggregate under the right number, not a random one."""
    first, second = cores(80, 1), cores(80, 2)
    left = names("{}-1", first) + names("{}-2", second)
    # two barcodes of the second library also occur in the first, as happens by chance
    left = [*left[:-2], *names("{}-2", first[:2])]
    right = names("{}-1", [*second[:-2], *first[:2]])
    found = reconcile_barcodes(left, right)
    assert found.rule == "identity,set-number-2"
    assert set(found.names.values()) == set(left[80:])


def test_identity_wins_ties() -> None:
    """Names that agree as they are stay as they are, whatever other rules would do."""
    some = names("S1_{}-1", cores(30))
    assert reconcile_barcodes(some, some).rule == "identity,identity"


def test_identical_mappings_are_no_tie_and_the_simplest_rule_is_named() -> None:
    """Several rules with the same result need no decision."""
    some = cores(30)
    assert reconcile_barcodes(names("{}-1", some), some).rule == "drop-number,identity"


def test_a_tie_between_different_results_needs_a_rule() -> None:
    """Two rules that pair different cells equally often are refused until one is named."""
    some = cores(20)
    left = names("{}-1", some[:10]) + names("{}-2", some[:10])
    right = names("x_{}", some[:10])
    with pytest.raises(InputError, match="equally well") as caught:
        reconcile_barcodes(left, right)
    assert "--barcode-rule" in caught.value.mend
    chosen = reconcile_barcodes(left, right, rule="identity,drop-prefix-underscore+set-number-2")
    assert list(chosen.names.values()) == left[10:]


def test_cells_that_fall_together_are_refused_with_examples() -> None:
    """A rule that merges two cells is an error that names them."""
    some = cores(50)
    left = names("A_{}-1", some) + names("B_{}-1", some)
    with pytest.raises(InputError, match="fall together") as caught:
        reconcile_barcodes(left, names("{}-1", some))
    assert f"A_{some[0]}-1 and B_{some[0]}-1" in caught.value.what
    with pytest.raises(InputError, match="fall together"):
        reconcile_barcodes(left, names("{}-1", some), rule="drop-prefix-underscore,identity")


def test_cells_that_fall_together_outside_the_overlap_do_no_harm() -> None:
    """Only cells that both libraries share must stay apart."""
    some = cores(50)
    left = [*names("A_{}-1", some), "A_TTTT-1", "B_TTTT-1"]
    assert reconcile_barcodes(left, names("{}-1", some)).n_shared == 50


def test_either_side_may_be_a_small_part_of_the_other() -> None:
    """The overlap is the larger of the two shares."""
    some = names("{}-1", cores(500))
    found = reconcile_barcodes(some[:20], some)
    assert (found.overlap, found.fraction_right, found.warnings) == (1.0, 0.04, ())


def test_two_samples_are_refused_unless_asked_for() -> None:
    """Below a tenth of shared cells the libraries are of two samples."""
    left, right = names("{}-1", cores(100, 1)), names("{}-1", cores(100, 2))
    right[:5] = left[:5]
    with pytest.raises(InputError, match="only 5 of 100 cells") as caught:
        reconcile_barcodes(left, right)
    assert "--allow-low-overlap" in caught.value.mend
    found = reconcile_barcodes(left, right, allow_low_overlap=True)
    assert found.n_shared == 5
    assert len(found.warnings) == 1


def test_a_doubtful_overlap_is_told() -> None:
    """Between a tenth and three fifths the map carries a warning."""
    some = names("{}-1", cores(150))
    assert len(reconcile_barcodes(some[:100], some[50:]).warnings) == 1
    assert not reconcile_barcodes(some[:100], some[30:130]).warnings


def test_nothing_shared_is_allowed_on_request() -> None:
    """Without any shared cell the map is empty, under the identity rule."""
    found = reconcile_barcodes(names("{}-1", cores(9, 1)), names("{}-1", cores(9, 2)), allow_low_overlap=True)
    assert (found.rule, dict(found.names)) == ("identity,identity", {})


@pytest.mark.parametrize(("left", "right"), [([], ["A-1"]), (["A-1"], []), ([], [])])
def test_empty_libraries_are_valid(left: list[str], right: list[str]) -> None:
    """A library without cells has nothing to disagree about."""
    found = reconcile_barcodes(left, right)
    assert (found.n_shared, found.overlap) == (0, 0.0)


@pytest.mark.parametrize("side", [0, 1])
def test_repeated_barcodes_are_refused(side: int) -> None:
    """Names must be distinct on both sides."""
    libraries = [["A-1", "B-1"], ["A-1", "B-1"]]
    libraries[side] = ["A-1", "A-1"]
    with pytest.raises(InputError, match=r"more than once \(first: A-1\)"):
        reconcile_barcodes(*libraries)


@pytest.mark.parametrize("rule", ["", "identity", "identity,nothing", "set-number-,identity", "a,b,c"])
def test_unknown_rules_are_refused(rule: str) -> None:
    """A rule that is not understood is an error of options that lists the steps."""
    with pytest.raises(OptionsError, match="not understood") as caught:
        reconcile_barcodes(["A-1"], ["A-1"], rule=rule)
    assert "drop-prefix-underscore" in caught.value.mend


def test_the_account_is_ready_for_json() -> None:
    """Rule and overlaps go into the quality file as they are."""
    found = BarcodeMap("identity", "drop-number", 3, 2, {"A": "A-1"})
    assert json.loads(json.dumps(found.as_dict())) == {
        "rule": "identity,drop-number",
        "n_left": 3,
        "n_right": 2,
        "n_shared": 1,
        "fraction_left": 0.3333,
        "fraction_right": 0.5,
        "overlap": 0.5,
    }


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("{}-1_S1", "{}-1"),
        ("{}-1-donorA", "{}-1"),
        ("{}.1", "{}-1"),
        ("donor.7.{}.1", "{}-1"),
        ("{}-1", "run/lane|{}-1 (T)"),
        ("{}-1_S1", "pool1-{}"),
    ],
)
def test_bare_barcodes_decide_where_the_rules_fail(left: str, right: str) -> None:
    """Any prefix, suffix and separator is seen through, and a line says so."""
    some = cores(60)
    found = reconcile_barcodes(names(left, some[:50]), names(right, some[10:]))
    assert found.names == {right.format(core): left.format(core) for core in some[10:50]}
    assert found.rule == "bare,bare"
    assert "matched by the barcode inside their names" in found.warnings[0]
    again = reconcile_barcodes(names(left, some[:50]), names(right, some[10:]), rule=found.rule)
    assert (again.names, again.warnings) == (found.names, ())


def test_a_number_per_cell_behind_the_barcode_is_seen_through() -> None:
    """Endings that differ from cell to cell belong to no library."""
    some = cores(200)
    left = [f"{core}.cell{number}" for number, core in enumerate(some)]
    assert len(reconcile_barcodes(left, names("{}-1", some)).names) == 200


def test_libraries_with_barcodes_in_common_are_kept_apart_by_their_names() -> None:
    """Two samples on both sides, told apart by other words, keep their own cells."""
    first, second = cores(60, 1), cores(60, 2)
    second[:3] = first[:3]
    left = names("{}-1_A", first) + names("{}-1_B", second)
    right = names("one:{}", first) + names("two:{}", second)
    found = reconcile_barcodes(left, right)
    assert found.names == dict(zip(right, left, strict=True))


def test_chance_matches_with_another_library_are_left_out() -> None:
    """Receptors of one sample do not go to cells of another that happen to have the same barcode."""
    first, second = cores(60, 1), cores(60, 2)
    right = [*first, *second[:3]]
    found = reconcile_barcodes(names("{}-1_A", first) + names("{}-1_B", second), names("{}-1", right))
    assert set(found.names.values()) == set(names("{}-1_A", first))


@pytest.mark.parametrize("swapped", [False, True])
def test_bare_barcodes_that_several_cells_share_are_refused_by_name(swapped: bool) -> None:
    """Where two cells of a side have one barcode and nothing tells which is meant, both are named."""
    some = cores(60)
    both, one = names("{}-1_A", some) + names("{}-1_B", some), names("{}-1", some)
    with pytest.raises(InputError, match="bare barcodes belong to several cells") as caught:
        reconcile_barcodes(*((one, both) if swapped else (both, one)))
    assert f"{some[0]} of {some[0]}-1_A and {some[0]}-1_B" in caught.value.what
    with pytest.raises(InputError, match="several cells"):
        reconcile_barcodes(*((one, both) if swapped else (both, one)), rule="bare,bare")


def test_a_clash_of_some_cells_is_named_too() -> None:
    """Where nothing else matches, cells that share a barcode are named although most others are foreign."""
    some, foreign = cores(20, 1), cores(60, 2)
    both = names("{}-1_A", some) + names("{}-1_B", some)
    with pytest.raises(InputError, match="20 bare barcodes belong to several cells"):
        reconcile_barcodes(both, names("{}-1", [*some, *foreign]))
    with pytest.raises(InputError, match="only 0 of"):
        reconcile_barcodes(both, names("{}-1", [*some[:3], *foreign]))


def test_names_without_barcodes_are_not_matched_by_chance() -> None:
    """Words and numbers are no barcodes."""
    with pytest.raises(InputError, match="only 0 of"):
        reconcile_barcodes(["cell_a", "cell_b"], ["a.1", "b.1"])
