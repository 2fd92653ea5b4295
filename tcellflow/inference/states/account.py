"""The figures of one sample's predictions, for the report and for scripts.

Invariant: every class is listed, also where it has no cell; what is counted over T cells alone says so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.inference.states.prediction_table import name_evidence
from tcellflow.vocabulary import (
    STATE_NOT_T,
    STATE_UNRESOLVED,
    AbstainReason,
    Helper,
    Programme,
    State,
    Unconventional,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.inference.states.predictor import StatePredictor
    from tcellflow.inference.states.sample import SampleCalls
    from tcellflow.provenance import JsonValue


def summarise_predictions(
    sample: SampleCalls,
    *,
    frequent_genes: dict[str, JsonValue] | None = None,
    unused_inputs: Iterable[str] = (),
) -> dict[str, JsonValue]:
    """Account for the predictions of a sample: its figures as metrics.json holds them.

    Parameters
    ----------
    sample
        The calls of B cells.
    frequent_genes
        As `list_frequent_genes` gives them; None where no genes were asked for.
    unused_inputs
        Inputs given that the bundle does not take.

    Returns
    -------
    dict
        JSON-ready counts and means; means are null without T cells.
    """
    calls, verdicts = sample.calls, sample.verdicts
    t_cells = sample.facts.is_t_cell
    confidence = calls.confidence[t_cells].astype(np.float64)
    bundle = sample.predictor.bundle
    result: dict[str, JsonValue] = {
        "n_cells": len(calls),
        "n_t_cells": int(t_cells.sum()),
        "n_clones": len(sample.clones),
        "predicted_states": _count(calls.predicted_state[t_cells], State),
        "states": _count(verdicts.state, (*State, STATE_UNRESOLVED, STATE_NOT_T)),
        "abstained": _count(verdicts.reason[verdicts.is_abstained], AbstainReason),
        "inputs": dict(sorted(Counter(sample.inputs).items())),
        "mean_confidence": round(float(confidence.mean()), 6) if confidence.size else None,
        "mean_state_probabilities": _mean_probabilities(calls, t_cells),
        "panel": {
            "n_genes": int(sample.panel.present.size),
            "n_measured": int(sample.panel.present.sum()),
            "coverage": round(sample.panel.coverage, 6),
        },
        "abstention": _describe_rules(sample),
        "effector_by": sample.predictor.effector_by,
        "helpers": _count_known(calls.helper[t_cells], Helper),
        "unconventional": _count_known(calls.unconventional[t_cells], Unconventional),
        "programmes": _average_programmes(sample),
        "shift": sample.shift,
        "prior_correction": None if sample.correction is None else sample.correction.as_dict(),
        "bundle": _describe_bundle(sample.predictor),
        "unused_inputs": list(unused_inputs),
        "warnings": list(sample.warnings),
    }
    if frequent_genes is not None:
        result["frequent_genes"] = frequent_genes
    # The finest classes show first when a sample is unlike the teacher's (stress classes, for example).
    latent = bundle.states.labels.get("latent", ())
    if len(latent) == calls.latent.shape[1]:
        best = calls.latent[t_cells].argmax(axis=1)
        result["latent_classes"] = dict(Counter(latent[i] for i in best).most_common())
    return result


def _describe_rules(sample: SampleCalls) -> JsonValue:
    return {
        "target_risk": sample.rules.target_risk,
        "threshold": sample.rules.threshold,
        "ood_threshold": sample.rules.ood_threshold,
        "dataset": sample.rules.measured_on,
    }


def _describe_bundle(predictor: StatePredictor) -> JsonValue:
    bundle = predictor.bundle
    document = bundle.description.document
    return {
        **bundle.note(),
        "summary": bundle.description.summary,
        "limits": list(document["limits"]),
        "intended_use": document["intended_use"],
        "licence": document["licence"],
        "evidence": dict(name_evidence(predictor)),
        "training": [
            {key: source[key] for key in ("name", "licence", "paper", "source") if key in source}
            for source in document["training"]
            if isinstance(source, dict)
        ],
    }


def _mean_probabilities(calls: StateCalls, t_cells: NDArray[np.bool_]) -> JsonValue:
    if not t_cells.any():
        return None
    means = calls.state_probabilities[t_cells].mean(axis=0, dtype=np.float64)
    return {str(state): round(float(mean), 6) for state, mean in zip(State, means, strict=True)}


def _average_programmes(sample: SampleCalls) -> JsonValue:
    """Average each programme over T cells: all, and those called each state."""
    t_cells = sample.facts.is_t_cell
    values, called = sample.programmes[t_cells], sample.calls.predicted_state[t_cells]
    shares = np.isfinite(values).mean(axis=0) if len(values) else np.zeros(values.shape[1])
    states: dict[str, JsonValue] = {str(s): _name_means(values[called == s]) for s in State}
    return {
        "all": _name_means(values),
        "states": states,
        "measured": {str(name): round(float(x), 6) for name, x in zip(Programme, shares, strict=True)},
    }


def _name_means(values: NDArray[np.float32]) -> dict[str, JsonValue]:
    known = np.isfinite(values)
    sums, n = np.where(known, values, 0).sum(axis=0, dtype=np.float64), known.sum(axis=0)
    return {
        str(name): round(float(s / k), 6) if k else None
        for name, s, k in zip(Programme, sums, n, strict=True)
    }


def _count_known(values: NDArray[np.object_], names: Iterable[str]) -> JsonValue:
    return _count((value for value in values if value is not None), names)


def _count(values: Iterable[str], names: Iterable[str]) -> JsonValue:
    found = Counter(values)
    return {str(name): found[name] for name in names}
