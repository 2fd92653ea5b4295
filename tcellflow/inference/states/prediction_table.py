"""The predictions as a table: one row per cell.

Invariant: rows keep the order of the cells; what a bundle cannot know is null, never a constant; columns
that an option asks for stand beside the calls and change none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.contracts.layout import lay_out
from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.vocabulary import Function, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tcellflow.inference.states.sample import SampleCalls

# Columns of obs in the annotated file, and where they come from; those without any value stay out.
OBS_COLUMNS: Final = {
    "state": "state",
    "predicted_state": "predicted_state",
    "state_probability": "state_probability",
    "state_entropy": "entropy",
    "state_abstained": "abstained",
    "state_abstain_reason": "abstain_reason",
    "state_evidence": "state_evidence",
    "state_lineage": "lineage",
    "state_function": "function",
    "state_cycle": "cycle",
}
OPTIONAL_OBS_COLUMNS: Final = {
    "state_model_agreement": "model_agreement",
    "state_epistemic": "epistemic",
    "state_ood_score": "ood_score",
    "state_lineage_pooled": "lineage_pooled",
    "state_cluster": "cluster",
    "state_voted": "state_voted",
    "state_vote_share": "vote_share",
    "state_prediction_set": "prediction_set",
}


def tabulate_predictions(sample: SampleCalls) -> pa.Table:
    """Lay out the predictions of a sample as the table by the contract `PREDICTIONS`.

    Returns
    -------
    pyarrow.Table
        One row per cell; floats rounded to six decimals. Columns that the bundle cannot fill (agreement,
        epistemic, out-of-distribution score) are null, those not asked for absent.
    """
    calls, verdicts = sample.calls, sample.verdicts
    kind = {str(s): str(value) for s, value in sample.predictor.bundle.states.evidence.items()}
    columns: dict[str, Any] = {
        "barcode": sample.facts.cell_id,
        "predicted_state": calls.predicted_state,
        "confidence": calls.confidence,
        "model_agreement": calls.agreement,
        "state": verdicts.state,
        "state_probability": calls.confidence,
        "state_evidence": np.array([kind[state] for state in calls.predicted_state], dtype=object),
        "abstained": verdicts.is_abstained,
        "abstain_reason": verdicts.reason,
        "is_t_cell": sample.facts.is_t_cell,
        "ood_score": calls.ood_score,
        "entropy": calls.entropy,
        "epistemic": calls.epistemic,
        "lineage": calls.lineage,
        "function": calls.function,
        "cycle": calls.cycle,
        "p_cycling": calls.p_cycling,
        "inputs": sample.inputs,
        "panel_coverage": np.full(len(calls), sample.panel.coverage, np.float32),
        "clone_id": sample.facts.clone_id,
        **_name_columns("prob_", State, calls.state_probabilities),
        **_name_columns("p_lineage_", Lineage, calls.p_lineage),
        **_name_columns("p_function_", Function, calls.p_function),
    }
    return lay_out({**columns, **_list_optional(sample)}, PREDICTIONS)


def _list_optional(sample: SampleCalls) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if sample.correction is not None:
        columns |= _name_columns("prob_raw_", State, sample.raw.state_probabilities)
    if sample.lineage_pooled is not None:
        columns["lineage_pooled"] = sample.lineage_pooled
    if sample.vote is not None:
        columns["cluster"] = pa.array(sample.vote.cluster, mask=sample.vote.cluster < 0)
        columns |= {"state_voted": sample.vote.state, "vote_share": sample.vote.share}
    if sample.prediction_sets is not None:
        columns["prediction_set"] = sample.prediction_sets
    return columns


def name_obs_columns(predictions: pa.Table) -> pd.DataFrame:
    """Turn the prediction table into obs columns, indexed by cell; columns without any value stay out."""
    column = {name: predictions.column(name) for name in predictions.column_names}
    filled = {
        name: source
        for name, source in OPTIONAL_OBS_COLUMNS.items()
        if source in column and column[source].null_count < len(column[source])
    }
    return pd.DataFrame(
        {name: column[source].to_numpy() for name, source in {**OBS_COLUMNS, **filled}.items()},
        index=pd.Index(column["barcode"].to_numpy(), dtype=object),
    )


def _name_columns(
    prefix: str, names: Iterable[str], values: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    return {f"{prefix}{name}": values[:, i] for i, name in enumerate(names)}
