"""The figures of one sample's predictions, for the report and for scripts.

Invariant: every class is listed, also where it has no cell; what is counted over T cells alone says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tcellflow.vocabulary import STATE_NOT_T, STATE_UNRESOLVED, AbstainReason, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tcellflow.genes.panel import PanelAlignment
    from tcellflow.inference.state_calls import StateCalls
    from tcellflow.inference.verdicts import CellEvidence, Verdicts
    from tcellflow.io.bundles import Bundle
    from tcellflow.provenance import JsonValue


@dataclass(frozen=True)
class CallSettings:
    """How a sample's calls were made.

    Parameters
    ----------
    bundle
        The bundle.
    panel
        Its panel within the sample.
    target_risk
        Accepted share of wrong calls, 0-1.
    threshold
        Confidence below which a call abstains, 0-1.
    unused_inputs
        Inputs given that the bundle does not take.
    warnings
        What the user was warned of.
    """

    bundle: Bundle
    panel: PanelAlignment
    target_risk: float
    threshold: float
    unused_inputs: tuple[str, ...]
    warnings: tuple[str, ...]


def summarise_predictions(
    calls: StateCalls,
    verdicts: Verdicts,
    evidence: CellEvidence,
    settings: CallSettings,
    *,
    n_clones: int,
) -> dict[str, JsonValue]:
    """Summarise the predictions of a sample.

    Parameters
    ----------
    calls
        Calls of B cells.
    verdicts
        What is reported.
    evidence
        What else is known of the cells.
    settings
        How the calls were made.
    n_clones
        Clones with at least one cell.

    Returns
    -------
    dict
        JSON-ready counts and means; means are null without T cells.
    """
    t_cells = evidence.is_t_cell
    confidence = calls.confidence[t_cells].astype(np.float64)
    description = settings.bundle.description
    result: dict[str, JsonValue] = {
        "n_cells": len(calls.predicted_state),
        "n_t_cells": int(t_cells.sum()),
        "n_clones": n_clones,
        "predicted_states": _count(calls.predicted_state[t_cells], State),
        "states": _count(verdicts.state, (*State, STATE_UNRESOLVED, STATE_NOT_T)),
        "abstained": _count(verdicts.reason[verdicts.is_abstained], AbstainReason),
        "mean_confidence": round(float(confidence.mean()), 6) if confidence.size else None,
        "mean_state_probabilities": _mean_probabilities(calls, t_cells),
        "panel": {
            "n_genes": int(settings.panel.present.size),
            "n_measured": int(settings.panel.present.sum()),
            "coverage": round(settings.panel.coverage, 6),
        },
        "abstention": {
            "target_risk": settings.target_risk,
            "threshold": settings.threshold,
            "dataset": settings.bundle.states.abstention.dataset,
        },
        "bundle": {
            **settings.bundle.note(),
            "summary": description.summary,
            "limits": list(description.document["limits"]),
            "intended_use": description.document["intended_use"],
            "licence": description.document["licence"],
            "evidence": {str(state): str(kind) for state, kind in settings.bundle.states.evidence.items()},
            "training": [
                {key: source[key] for key in ("name", "licence", "paper", "source") if key in source}
                for source in description.document["training"]
                if isinstance(source, dict)
            ],
        },
        "unused_inputs": list(settings.unused_inputs),
        "warnings": list(settings.warnings),
    }
    # The finest classes show first when a sample is unlike the teacher's (stress classes, for example).
    latent = settings.bundle.states.labels.get("latent", ())
    if len(latent) == calls.latent.shape[1]:
        best = calls.latent[t_cells].argmax(axis=1)
        result["latent_classes"] = dict(Counter(latent[i] for i in best).most_common())
    return result


def _mean_probabilities(calls: StateCalls, t_cells: NDArray[np.bool_]) -> JsonValue:
    if not t_cells.any():
        return None
    means = calls.state_probabilities[t_cells].mean(axis=0, dtype=np.float64)
    return {str(state): round(float(mean), 6) for state, mean in zip(State, means, strict=True)}


def _count(values: Iterable[str], names: Iterable[str]) -> JsonValue:
    found = Counter(values)
    return {str(name): found[name] for name in names}
