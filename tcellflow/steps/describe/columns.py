"""Columns of obs that say what describe found: the type of each cell, and the text of its group.

Invariant: columns that the user's file had keep their names and values; ours begin with ``describe_``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from tcellflow.steps.describe.inputs import DescribedSample
    from tcellflow.steps.describe.texts import Description

TEXT = "describe_text"
CELL_TYPE = "describe_cell_type"
CELL_TYPE_ID = "describe_cell_type_ontology_term_id"
PROBABILITY = "describe_probability"


def list_group_columns(sample: DescribedSample, found: Sequence[Description]) -> pd.DataFrame:
    """Give each cell text and type of its group of the first level, or of the sample where there is none.

    Parameters
    ----------
    sample
        The cells.
    found
        Descriptions of their groups.
    """
    level = sample.levels[0] if sample.levels else "sample"
    own: dict[object, Description] = {i.unit.name: i for i in found if i.unit.level == level}
    names = sample.table[level].tolist() if sample.levels else [next(iter(own), None)] * len(sample.table)
    items = [own.get(name) for name in names]
    columns = _lay_out(
        [item and item.identity.label for item in items],
        [item and item.identity.cl_id for item in items],
        [item and item.identity.probability for item in items],
    )
    return columns.assign(**{TEXT: pd.Categorical([item and item.text for item in items])})


def list_type_columns(annotations: pa.Table) -> pd.DataFrame:
    """Give each cell its annotated type."""
    label, cl_id, probability = (annotations[name].to_pylist() for name in ("label", "cl_id", "probability"))
    return _lay_out(label, cl_id, probability)


def _lay_out(labels: list[Any], ids: list[Any], probabilities: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            CELL_TYPE: pd.Categorical(labels),
            CELL_TYPE_ID: pd.Categorical(ids),
            PROBABILITY: np.array(probabilities, dtype=np.float32),
        }
    )
