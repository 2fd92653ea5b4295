"""Columns become a table in the order and types of its contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tcellflow.contracts.layout import lay_out
from tcellflow.contracts.predictions import GENE_EVIDENCE
from tcellflow.contracts.table_faults import find_table_faults


def test_columns_are_put_in_order_and_rounded():
    """Any order of the arrays gives the contract's; floats are rounded, NaN is null."""
    columns = {
        "effect": np.array([0.12345678, np.nan]),
        "barcode": np.array(["a", "b"], dtype=object),
        "predicted_state": np.array(["Naive", "Treg"], dtype=object),
        "side": np.array(["for", "against"], dtype=object),
        "rank": np.array([1, 1], np.int32),
        "gene": np.array(["CCR7", "FOXP3"], dtype=object),
        "expression": np.array([1.5, 0.0], np.float32),
    }
    table = lay_out(columns, GENE_EVIDENCE)
    assert table.schema.names == GENE_EVIDENCE.schema().names
    assert table["effect"].to_pylist() == [np.float32(0.123457), None]
    assert find_table_faults(lay_out({**columns, "effect": np.ones(2)}, GENE_EVIDENCE), GENE_EVIDENCE) == []


def test_a_share_that_passes_one_by_its_last_bit_is_one():
    """Sums of float32 probabilities may round to a little more than 1; larger numbers stay as they are."""
    names = GENE_EVIDENCE.schema().names
    columns = {name: np.array(["x"] * 2, dtype=object) for name in names}
    columns |= {"rank": np.array([1, 2], np.int32), "expression": np.array([1.000002, 1.5])}
    columns["effect"] = np.zeros(2)
    found = lay_out(columns, GENE_EVIDENCE)["expression"]
    assert found.to_pylist() == [1.0, 1.5]
    assert found.type == pa.float32()
