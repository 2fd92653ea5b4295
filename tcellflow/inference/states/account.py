"""The figures of one sample's predictions, for the report and for scripts.

Invariant: every class is listed, also where it has no cell; what is counted over T cells alone says so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, AbstainReason, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tcellflow.inference.states.calls import StateCalls
    from tcellflow.inference.states.sample import SampleCalls
    from tcellflow.io.bundles.folders import Bundle
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
        "shift": sample.shift,
        "prior_correction": None if sample.correction is None else sample.correction.as_dict(),
        "bundle": _describe_bundle(bundle),
        "unused_inputs": list(unused_inputs),
        "warnings": list(sample.warnings),
    }
    if frequent_genes is not None:
        result["frequent_genes"] = frequent_genes
    if sample.vote is not None:
        voted = sample.vote.state[sample.vote.cluster >= 0]
        result["voted_states"] = _count(voted, State)
        result["n_clusters"] = int(sample.vote.cluster.max(initial=-1)) + 1
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
        "dataset": sample.predictor.bundle.states.abstention.dataset,
    }


def _describe_bundle(bundle: Bundle) -> JsonValue:
    document = bundle.description.document
    return {
        **bundle.note(),
        "summary": bundle.description.summary,
        "limits": list(document["limits"]),
        "intended_use": document["intended_use"],
        "licence": document["licence"],
        "evidence": {str(state): str(kind) for state, kind in bundle.states.evidence.items()},
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


def _count(values: Iterable[str], names: Iterable[str]) -> JsonValue:
    found = Counter(values)
    return {str(name): found[name] for name in names}
