"""The predictions as a table: one row per cell.

Invariant: rows keep the order of the cells; what a bundle cannot know is null, never a constant; columns
that an option asks for stand beside the calls and change none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from tcellflow.contracts.layout import lay_out
from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.contracts.programmes import PROGRAMMES
from tcellflow.vocabulary import (
    PROGRAMME_PREFIX,
    REPORTED_STATES,
    Evidence,
    Function,
    Lineage,
    Programme,
    State,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.inference.states.sample import SampleCalls

# Columns of obs in the annotated file, and where they come from; those without any value stay out.
OBS_COLUMNS: Final = {
    "state": "state",
    "predicted_state": "predicted_state",
    "state_probability": "state_probability",
    "state_confidence": "confidence",
    "state_entropy": "entropy",
    "state_abstained": "abstained",
    "state_abstain_reason": "abstain_reason",
    "state_evidence": "state_evidence",
    "state_lineage": "lineage",
    "state_function": "function",
    "state_cycle": "cycle",
    "state_th": "th",
    "state_unconventional": "unconventional",
}
OPTIONAL_OBS_COLUMNS: Final = {
    "state_model_agreement": "model_agreement",
    "state_epistemic": "epistemic",
    "state_ood_score": "ood_score",
    "state_lineage_pooled": "lineage_pooled",
    "state_prediction_set": "prediction_set",
}
STATE_CATEGORIES: Final = {"state": REPORTED_STATES, "predicted_state": tuple(State)}
# Of earlier versions: an annotated file that is predicted again loses them.
FORMER_OBS_COLUMNS: Final = ("state_cluster", "state_voted", "state_vote_share")
# States that rest on programmes and marker genes, whatever a bundle's network learnt them from.
_BY_PROGRAMME: Final = (State.EXHAUSTED, State.TH_EFFECTOR)


def tabulate_predictions(sample: SampleCalls) -> pa.Table:
    """Lay out the predictions of a sample as the table by the contract `PREDICTIONS`.

    Returns
    -------
    pyarrow.Table
        One row per cell; floats rounded to six decimals. Columns that the bundle cannot fill (agreement,
        epistemic, out-of-distribution score) are null, those not asked for absent.
    """
    calls, verdicts = sample.calls, sample.verdicts
    kind = name_evidence(sample.predictor)
    columns: dict[str, Any] = {
        "barcode": sample.facts.cell_id,
        "predicted_state": calls.predicted_state,
        "confidence": calls.confidence,
        "model_agreement": calls.agreement,
        "state": verdicts.state,
        "state_probability": calls.probability,
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
        "th": calls.helper,
        "unconventional": calls.unconventional,
        **_name_columns("prob_", State, calls.state_probabilities),
        **_name_columns("p_lineage_", Lineage, calls.p_lineage),
        **_name_columns("p_function_", Function, calls.p_function),
    }
    return lay_out({**columns, **_list_optional(sample)}, PREDICTIONS)


def name_evidence(predictor: StatePredictor) -> dict[str, str]:
    """Name the kind of truth behind each state as it is called, for the prediction table."""
    kinds = {str(state): str(kind) for state, kind in predictor.bundle.states.evidence.items()}
    if predictor.reads_programmes:
        kinds |= dict.fromkeys(map(str, _BY_PROGRAMME), str(Evidence.MARKER))
    if predictor.effector_by == "programme":
        kinds[str(State.EFFECTOR)] = str(Evidence.MARKER)
    return kinds


def tabulate_programmes(sample: SampleCalls) -> pa.Table:
    """Lay out the programmes of a sample's cells as the table by the contract `PROGRAMMES`.

    Returns
    -------
    pyarrow.Table
        One row per cell; null where a programme is not measurable, or the cell is no T cell.
    """
    columns = _name_columns(PROGRAMME_PREFIX, Programme, sample.programmes)
    return lay_out({"cell_id": sample.facts.cell_id, **columns}, PROGRAMMES)


def _list_optional(sample: SampleCalls) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if sample.correction is not None:
        columns |= _name_columns("prob_raw_", State, sample.raw.state_probabilities)
    if sample.lineage_pooled is not None:
        columns["lineage_pooled"] = sample.lineage_pooled
    if sample.prediction_sets is not None:
        columns["prediction_set"] = sample.prediction_sets
    return columns


def name_obs_columns(predictions: pa.Table) -> pd.DataFrame:
    """Turn the prediction table into obs columns, indexed by cell; columns without any value stay out.

    States are ordered categories over all states there are, so that samples agree in plots.
    """
    column = {name: predictions.column(name) for name in predictions.column_names}
    filled = {
        name: source
        for name, source in OPTIONAL_OBS_COLUMNS.items()
        if source in column and column[source].null_count < len(column[source])
    }
    columns: dict[str, Any] = {
        name: column[source].to_numpy() for name, source in {**OBS_COLUMNS, **filled}.items()
    }
    for name, states in STATE_CATEGORIES.items():
        columns[name] = pd.Categorical(columns[name], categories=list(map(str, states)), ordered=True)
    return pd.DataFrame(columns, index=pd.Index(column["barcode"].to_numpy(), dtype=object))


def _name_columns(
    prefix: str, names: Iterable[str], values: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    return {f"{prefix}{name}": values[:, i] for i, name in enumerate(names)}
