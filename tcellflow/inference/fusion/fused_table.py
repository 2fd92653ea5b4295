"""A fused sample as its table by contract, and as the figures of fuse.json.

Invariant: rows keep the order of the cells; a label is one of the bundle's, and a set may be empty.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from tcellflow.contracts.fused import FUSED
from tcellflow.contracts.layout import lay_out
from tcellflow.inference.fusion.familiarity import name_modalities
from tcellflow.inference.fusion.graph import N_NEIGHBOURS, SEED
from tcellflow.vocabulary import FusedInputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.fusion.graph import CellGraph
    from tcellflow.inference.fusion.sample import FusedSample
    from tcellflow.provenance import JsonValue

_COVERAGE: Final = 0.9
_UNLIKE: Final = 0.99  # of ood_score
_SEPARATOR: Final = "|"
_WITH_RNA: Final = (FusedInputs.BOTH, FusedInputs.RNA)
_WITH_ADT: Final = (FusedInputs.BOTH, FusedInputs.ADT)


@dataclass(frozen=True)
class Labels:
    """Labels of B cells; None and NaN where the bundle has none or nothing was measured.

    Parameters
    ----------
    label, label_set
        Shape (B,), str or None.
    probability, entropy
        Shape (B,), float32.
    is_abstained
        Shape (B,), bool or None, object.
    """

    label: NDArray[np.object_]
    label_set: NDArray[np.object_]
    probability: NDArray[np.float32]
    entropy: NDArray[np.float32]
    is_abstained: NDArray[np.object_]


def name_inputs(fused: FusedSample) -> NDArray[np.object_]:
    """Name what each vector was made from, (B,): what the bundle was shown, and axes of the sample's own."""
    by_bundle = fused.cells.weights > 0
    has_rna = by_bundle[:, 0] | (fused.has_rna & (fused.space.rna is not None))
    has_adt = by_bundle[:, 1] | (fused.has_adt & (fused.space.adt is not None))
    return name_modalities(has_rna, has_adt)


def weigh_modalities(fused: FusedSample) -> NDArray[np.float32]:
    """Give the weights of expression and proteins, (B, 2); where the bundle was shown nothing, even ones."""
    inputs = name_inputs(fused)
    has = np.stack([np.isin(inputs, _WITH_RNA), np.isin(inputs, _WITH_ADT)], axis=1).astype(np.float32)
    even = has / np.maximum(has.sum(axis=1, keepdims=True), 1)
    even[~has.any(axis=1)] = np.nan
    return np.where(np.isfinite(fused.cells.weights), fused.cells.weights, even)


def choose_labels(fused: FusedSample) -> Labels:
    """Choose the labels of cells and the sets that cannot be ruled out."""
    details, chances = fused.fuser.details, fused.cells.class_probabilities.astype(np.float64)
    n = len(chances)
    nothing = np.full(n, None, dtype=object)
    if not details.classes:
        empty = np.full(n, np.nan, np.float32)
        return Labels(nothing, nothing, empty, empty, nothing)
    names = np.array(details.classes, dtype=object)
    is_known = np.asarray(np.isfinite(chances).all(axis=1))
    safe = np.where(is_known[:, None], chances, 0)
    label = np.array(names[safe.argmax(axis=1)], dtype=object)
    label[~is_known] = None
    entropy = np.where(is_known, -(safe * np.log(np.maximum(safe, 1e-12))).sum(axis=1), np.nan)
    probability = np.where(is_known, safe.max(axis=1), np.nan).astype(np.float32)
    level = next((one for one in details.conformal if abs(one.coverage - _COVERAGE) < 1e-9), None)
    if level is None:
        return Labels(label, nothing, probability, entropy.astype(np.float32), nothing)
    inside: NDArray[np.bool_] = safe >= level.least_probability
    sets = [
        _SEPARATOR.join(names[row]) if known else None for row, known in zip(inside, is_known, strict=True)
    ]
    single = np.array(inside.sum(axis=1) != 1, dtype=object)
    single[~is_known] = None
    return Labels(label, np.array(sets, dtype=object), probability, entropy.astype(np.float32), single)


def tabulate_fused(
    fused: FusedSample,
    cell_ids: NDArray[np.object_],
    sample_ids: Sequence[str],
    labels: Labels,
    graph: CellGraph,
) -> pa.Table:
    """Lay out a fused sample as the table by the contract `FUSED`; floats are rounded to six decimals."""
    n, coverage = len(cell_ids), fused.sample.coverage
    inputs, weights = name_inputs(fused), weigh_modalities(fused)
    places = np.full((n, 2), np.nan) if graph.places is None else graph.places
    columns: dict[str, Any] = {
        "cell_id": cell_ids,
        "sample_id": np.array(sample_ids, dtype=object),
        "inputs": inputs,
        "x_fused": _as_vectors(fused.vectors),
        "w_rna": weights[:, 0],
        "w_adt": weights[:, 1],
        "label": labels.label,
        "label_probability": labels.probability,
        "label_entropy": labels.entropy,
        "label_abstained": labels.is_abstained,
        "label_set": labels.label_set,
        "cluster": _as_groups(graph, n),
        "umap_1": places[:, 0],
        "umap_2": places[:, 1],
        "ood_score": fused.cells.ood_score,
        "panel_coverage_rna": np.full(n, coverage[0], np.float32),
        "panel_coverage_adt": np.full(n, coverage[1], np.float32),
        **{
            f"{kind}_{name}": values
            for kind, table in list_proteins(fused).items()
            for name, values in table.items()
        },
    }
    return lay_out(columns, FUSED, vector_width=fused.vectors.shape[1])


def list_proteins(fused: FusedSample) -> dict[str, dict[str, NDArray[np.float32]]]:
    """List what is said of proteins, kind by kind: of all that the bundle can tell, or of those measured."""
    known = fused.fuser.proteins
    told = np.flatnonzero(known.cells >= fused.fuser.LEAST_CELLS)
    names_of = {str(target): str(name) for target, name in zip(known.targets, known.names, strict=True)}
    found = {
        "imputed": {str(known.names[i]): fused.cells.imputed[:, i] for i in told},
        "imputed_sd": {str(known.names[i]): fused.cells.imputed_sd[:, i] for i in told},
    }
    if fused.told is not None:  # by maps of the sample, which know its proteins better
        for i, target in enumerate(map(str, fused.told.targets)):
            name = names_of.get(target, target)
            levels = fused.told.levels[:, i]
            found["imputed"][name] = levels
            found["imputed_sd"][name] = np.where(np.isfinite(levels), fused.told.sd[i], np.float32(np.nan))
    if fused.signal is not None and fused.proteins is not None:
        names = [str(name) for name in fused.proteins.targets]
        for kind in ("denoised", "denoised_sd", "foreground"):
            values = getattr(fused.signal, kind)
            found[kind] = {name: values[:, i] for i, name in enumerate(names)}
    return found


def summarise_fused(
    fused: FusedSample, labels: Labels, graph: CellGraph, warnings: Sequence[str]
) -> dict[str, JsonValue]:
    """Account for a fused sample: the content of fuse.json."""
    weights = weigh_modalities(fused)
    inputs = name_inputs(fused)
    both = np.array([one == FusedInputs.BOTH for one in inputs], dtype=bool)
    proteins, known = fused.proteins, set(map(str, fused.fuser.proteins.targets))
    targets = [] if proteins is None or not fused.has_adt.any() else [str(name) for name in proteins.targets]
    counted = Counter(map(str, inputs))
    abstained = np.array([value is not None and bool(value) for value in labels.is_abstained], dtype=bool)
    return {
        "n_cells": len(inputs),
        "inputs": {str(kind): counted[str(kind)] for kind in FusedInputs},
        "is_own_rna": bool(fused.sample.is_own[0]),
        "is_own_adt": bool(fused.sample.is_own[1]),
        "axes": dict(fused.space.widths),
        "mean_weight_rna": round(float(weights[both, 0].mean(dtype=np.float64)), 6) if both.any() else None,
        "panel": {
            "coverage_rna": round(fused.sample.coverage[0], 6),
            "coverage_adt": round(fused.sample.coverage[1], 6),
            "used": [name for name in targets if name in known],
            "not_learnt": [name for name in targets if name not in known],
            "unknown": [] if proteins is None else list(proteins.panel.unknown),
            "isotypes": []
            if proteins is None
            else [str(n) for n in proteins.panel.raw_names[proteins.panel.is_isotype]],
            "hashtags": []
            if proteins is None
            else [str(n) for n in proteins.panel.raw_names[proteins.panel.is_hashtag]],
            "constant": [] if proteins is None else list(proteins.constant),
        },
        "labels": dict(sorted(Counter(str(x) for x in labels.label[~abstained] if x is not None).items())),
        "n_abstained": int(abstained.sum()),
        "graph": _summarise_graph(graph),
        "adt_norm": "clr" if fused.noise is None else fused.noise.kind,
        "refit": _summarise_refit(fused),
        "ood_share": _share_unlike(fused.cells.ood_score),
        "warnings": list(warnings),
    }


def _summarise_refit(fused: FusedSample) -> dict[str, JsonValue] | None:
    if fused.refit is None:
        return None
    return {
        "n_cells": fused.refit.n_cells,
        "correlation": {
            str(name): round(float(value), 4)
            for name, value in zip(fused.refit.targets, fused.refit.correlation, strict=True)
        },
    }


def _summarise_graph(graph: CellGraph) -> dict[str, JsonValue] | None:
    if graph.cluster is None and graph.places is None:
        return None
    return {
        "n_neighbours": N_NEIGHBOURS,
        "resolution": graph.resolution,
        "seed": SEED,
        "n_landmarks": graph.n_landmarks,
        "clusters": list(graph.sizes),
        "has_umap": graph.places is not None,
    }


def _share_unlike(scores: NDArray[np.float32]) -> float | None:
    known = scores[np.isfinite(scores)]
    return round(float((known > _UNLIKE).mean()), 6) if known.size else None


def _as_groups(graph: CellGraph, n_cells: int) -> pa.Array:
    if graph.cluster is None:
        return pa.nulls(n_cells, pa.int32())
    return pa.array(graph.cluster, pa.int32(), mask=graph.cluster < 0)


def _as_vectors(vectors: NDArray[np.float32]) -> pa.Array:
    is_known = np.asarray(np.isfinite(vectors).all(axis=1))
    flat = pa.array(np.where(is_known[:, None], vectors, 0).ravel(), pa.float32())
    kind = pa.list_(pa.float32(), vectors.shape[1])
    return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=pa.array(~is_known))
