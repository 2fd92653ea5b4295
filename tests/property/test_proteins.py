"""What holds for every antibody panel."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tcellflow.proteins.names import clean_name
from tcellflow.proteins.normalise import clr
from tcellflow.proteins.panel import name_antibodies

with (files("tcellflow") / "data" / "antibodies.tsv").open() as handle:
    KNOWN = sorted(row["key"] for row in csv.DictReader(handle, delimiter="\t") if row["genes"])
DECORATIONS = [
    "{}",
    "{}_TotalSeqC",
    "{}-TotalSeqB",
    "{}_PROT",
    "adt_{}",
    "AB_{}",
    "anti-human {}",
    "A0034_{}",
]
names = st.one_of(st.sampled_from(KNOWN), st.text("ABCDIgGHTOabc0123-_. ()", min_size=1, max_size=12))
counts = hnp.arrays(
    np.int32, st.tuples(st.integers(0, 6), st.integers(1, 8)), elements=st.integers(0, 50_000)
)


@given(st.lists(names, unique=True, max_size=20))
def test_no_antibody_is_lost(panel: list[str]) -> None:
    """Every antibody keeps its place, its raw name, one kind, and a name of its own."""
    named = name_antibodies(panel)
    assert named.raw_names.tolist() == panel
    assert len(set(named.names)) == len(panel)
    assert (named.is_protein.astype(int) + named.is_isotype + named.is_hashtag == 1).all()
    assert not (named.genes[~named.is_protein] != "").any()


@given(st.sampled_from(KNOWN), st.sampled_from(DECORATIONS))
def test_decorations_do_not_change_the_gene(name: str, decoration: str) -> None:
    """A known antibody leads to the same genes however it is decorated."""
    plain, decorated = name_antibodies([name]), name_antibodies([decoration.format(name)])
    assert plain.genes.tolist() == decorated.genes.tolist()


@given(names)
def test_cleaning_twice_changes_nothing(name: str) -> None:
    """A cleaned name is clean."""
    assert clean_name(clean_name(name)) == clean_name(name)


@given(counts, st.data())
def test_clr_is_centred_and_keeps_order(values: np.ndarray, data: st.DataObject) -> None:
    """The proteins of a cell have mean 0, isotypes do not move them, and larger counts stay larger."""
    n = values.shape[1]
    is_isotype = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    is_isotype[0] = False
    ratios = clr(values, is_isotype)
    np.testing.assert_allclose(ratios[:, ~is_isotype].mean(axis=1), 0, atol=1e-5)
    changed = values.copy()
    changed[:, is_isotype] = 7
    np.testing.assert_array_equal(clr(changed, is_isotype)[:, ~is_isotype], ratios[:, ~is_isotype])
    for row, ratio in zip(values, ratios, strict=True):
        assert (np.diff(ratio[np.argsort(row, kind="stable")]) >= 0).all()


@given(counts)
@example(np.full((2, 8), 52, dtype=np.int32))
def test_cells_are_transformed_alone(values: np.ndarray) -> None:
    """Transforming cells one by one gives the same numbers, bit for bit."""
    whole = clr(values)
    for row in range(len(values)):
        np.testing.assert_array_equal(clr(values[row : row + 1])[0], whole[row])
