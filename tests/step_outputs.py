"""Makers of what the steps write for one sample, valid against the contracts, seeded and small.

Invariant: the files agree with each other (cells, clones, keys) as those of one real run do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.contracts.predictions import CLONOTYPES, PREDICTIONS
from tcellflow.contracts.tables import CHAINS, RECEPTORS
from tcellflow.io.tables.parquet import write_table
from tcellflow.provenance import StepNote, digest_file
from tcellflow.vocabulary import Function, Lineage, State

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.contracts.columns import Table

_EVIDENCE = {
    State.EFFECTOR: "gated",
    State.EXHAUSTED: "teacher",
    State.MEMORY: "gated",
    State.NAIVE: "gated",
    State.PROLIFERATING: "marker",
    State.TH_EFFECTOR: "teacher",
    State.TREG: "gated",
}
_FUNCTION = {
    State.EFFECTOR: Function.EFFECTOR,
    State.EXHAUSTED: Function.EXHAUSTED_TERMINAL,
    State.MEMORY: Function.CENTRAL_MEMORY,
    State.NAIVE: Function.NAIVE,
    State.PROLIFERATING: Function.EFFECTOR_MEMORY,
    State.TH_EFFECTOR: Function.TH_EFFECTOR,
    State.TREG: Function.REGULATORY,
}
_V = {"TRA": ("TRAV12-1", "TRAV38-2/DV8", "TRAV8-3"), "TRB": ("TRBV20-1", "TRBV5-1", "TRBV28", "TRBV7-2")}
_J = {"TRA": ("TRAJ33", "TRAJ42"), "TRB": ("TRBJ2-7", "TRBJ1-1", "TRBJ2-1")}
_NO_LEVELS = dict.fromkeys(
    ("allele", "gene", "family", "unknown", "contradicts_locus", "missing", "renamed", "not_functional"), 0
)
_BUNDLE = {"name": "states-small", "version": "1.2.0", "sha256": "ab" * 32}


@dataclass(frozen=True)
class StepFrames:
    """Content of one sample's files as data frames and JSON, to be changed by a test."""

    chains: pd.DataFrame
    receptors: pd.DataFrame
    predictions: pd.DataFrame
    clonotypes: pd.DataFrame
    qc: dict[str, Any]
    metrics: dict[str, Any]
    notes: dict[str, StepNote] = field(default_factory=dict)


def make_step_frames(n_cells: int = 60, *, sample: str = "donor1", seed: int = 0) -> StepFrames:
    """Make the files' content; every cell is kept, 5 in 6 carry a pair, 1 in 6 only a beta chain."""
    rng = np.random.default_rng(seed)
    barcodes = [f"{''.join(rng.choice(list('ACGT'), 16))}-1" for _ in range(n_cells)]
    clone_numbers = np.minimum(rng.zipf(1.7, n_cells), 25) if n_cells else np.zeros(0, int)
    clone_ids = [f"clone{n:04d}" for n in clone_numbers]
    chains = _make_chains(barcodes, clone_numbers, sample)
    receptors = _make_receptors(barcodes, clone_ids, chains, sample)
    predictions = _make_predictions(barcodes, clone_ids, rng)
    clonotypes = _make_clonotypes(predictions, sample)
    notes = {
        "preprocess": StepNote("preprocess", {"min_genes": 200, "max_pct_mt": 20.0}, {"gex": "11" * 32}),
        "embed-tcr": StepNote("embed-tcr", {"backend": "kmer"}),
        "predict": StepNote("predict", {"target_risk": 0.1}, {"cells": "22" * 32}, _BUNDLE),
    }
    qc = _make_qc(n_cells, receptors, sample, notes["preprocess"])
    metrics = _make_metrics(notes["predict"], predictions)
    return StepFrames(chains, receptors, predictions, clonotypes, qc, metrics, notes)


def write_step_files(folder: Path, frames: StepFrames, prefix: str = "donor1") -> list[Path]:
    """Write the files under the names the steps give them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    tables: tuple[tuple[Table, pd.DataFrame, str], ...] = (
        (CHAINS, frames.chains, "preprocess"),
        (RECEPTORS, frames.receptors, "embed-tcr"),
        (PREDICTIONS, frames.predictions, "predict"),
        (CLONOTYPES, frames.clonotypes, "predict"),
    )
    for contract, frame, step in tables:
        path = folder / f"{prefix}.{contract.name}.parquet"
        note = frames.notes[step]
        if contract is RECEPTORS:
            digest = digest_file(folder / f"{prefix}.chains.parquet")
            note = StepNote(note.step, note.options, {**note.inputs, "chains": digest}, note.bundle)
        write_table(
            path, pa.Table.from_pandas(frame, contract.schema(), preserve_index=False), contract, note
        )
        paths.append(path)
    for name, content in (("qc", frames.qc), ("metrics", frames.metrics)):
        path = folder / f"{prefix}.{name}.json"
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _make_chains(barcodes: list[str], clones: np.ndarray, sample: str) -> pd.DataFrame:
    rows = []
    for index, (barcode, clone) in enumerate(zip(barcodes, clones, strict=True)):
        for arm, locus in (("VJ", "TRA"), ("VDJ", "TRB")):
            if locus == "TRA" and index % 6 == 5:
                continue
            junction = "CAS" + "ACDEFGHIKLMNPQRSTVWY"[int(clone) % 20] * 3 + "GYEQYF"
            rows.append(
                {
                    "cell_id": barcode,
                    "sample_id": sample,
                    "donor": f"{sample}-donor",
                    "arm": arm,
                    "rank": 1,
                    "locus": locus,
                    "junction_aa": junction,
                    "junction": None,
                    "v_call": _V[locus][int(clone) % len(_V[locus])] if clone != 7 else None,
                    "d_call": None,
                    "j_call": _J[locus][int(clone) % len(_J[locus])],
                    "c_call": None,
                    "v_call_raw": None,
                    "j_call_raw": None,
                    "umi_count": 4.0,
                    "consensus_count": 40.0,
                    "productive": True,
                    "anchor_added": False,
                    "emb_id": f"{int(clone):018x}{arm[1].encode().hex()}",
                }
            )
    return pd.DataFrame(rows, columns=[c.name for c in CHAINS.columns])


def _make_receptors(
    barcodes: list[str], clone_ids: list[str], chains: pd.DataFrame, sample: str
) -> pd.DataFrame:
    has_alpha = set(chains.loc[chains["locus"] == "TRA", "cell_id"])
    sizes = pd.Series(clone_ids, dtype=object).value_counts()
    rows = [
        {
            "cell_id": barcode,
            "sample_id": sample,
            "donor": f"{sample}-donor",
            "has_tra": barcode in has_alpha,
            "has_trb": True,
            "chain_pairing": "single pair" if barcode in has_alpha else "orphan VDJ",
            "receptor_type": "TCR",
            "receptor_subtype": "TRA+TRB",
            "doublet_suspect": False,
            "clone_id": clone,
            "clone_size": int(sizes[clone]),
            "emb_tra": None,
            "emb_trb": None,
            "emb_pair": None,
        }
        for barcode, clone in zip(barcodes, clone_ids, strict=True)
    ]
    return pd.DataFrame(rows, columns=[c.name for c in RECEPTORS.columns if not c.optional])


def _make_predictions(barcodes: list[str], clone_ids: list[str], rng: np.random.Generator) -> pd.DataFrame:
    states = list(State)
    logits = rng.normal(size=(len(barcodes), 7)) * 2 + np.array([0.5, -1, 1.5, 2.0, -1.5, -1, 0])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = []
    for index, values in enumerate(probabilities):
        best = states[int(values.argmax())]
        top = float(values.max())
        is_t, sure = index % 15 != 14, top >= 0.5
        row: dict[str, Any] = {c.name: None for c in PREDICTIONS.columns}
        row |= {f"prob_{s}": float(v) for s, v in zip(states, values, strict=True)}
        row |= {
            "barcode": barcodes[index],
            "predicted_state": best,
            "confidence": top,
            "state": "Not_T" if not is_t else best if sure else "Unresolved",
            "state_probability": top,
            "state_evidence": _EVIDENCE[best],
            "abstained": not (is_t and sure),
            "abstain_reason": "not_t_cell" if not is_t else None if sure else "low_confidence",
            "is_t_cell": is_t,
            "entropy": float(-(values * np.log(values)).sum()),
            "lineage": Lineage.TREG if best == State.TREG else (Lineage.CD4, Lineage.CD8)[index % 2],
            "function": _FUNCTION[best],
            "cycle": "cycling" if best == State.PROLIFERATING else "resting",
            "p_cycling": float(values[4]),
            "inputs": "gex+tra+trb" if index % 6 != 5 else "gex+trb",
            "panel_coverage": 0.93,
            "clone_id": clone_ids[index],
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=[c.name for c in PREDICTIONS.columns])


def _make_clonotypes(predictions: pd.DataFrame, sample: str) -> pd.DataFrame:
    rows = []
    for clone, cells in predictions.groupby("clone_id", sort=True):
        mode = cells["predicted_state"].mode()[0]
        pooled = cells[[f"prob_{s}" for s in State]].mean().to_numpy(float)
        row: dict[str, Any] = {f"p_{s}": float(p) for s, p in zip(State, pooled, strict=True)}
        row |= {
            "clone_id": clone,
            "donor": f"{sample}-donor",
            "n_cells": len(cells),
            "lineage": "CD8",
            "state_mode": mode,
            "purity": float((cells["predicted_state"] == mode).mean()),
            "entropy": float(-(pooled * np.log(pooled)).sum()),
            "n_abstained": int(cells["abstained"].sum()),
        }
        rows.append(row)
    return pd.DataFrame(rows, columns=[c.name for c in CLONOTYPES.columns if not c.optional])


def _make_qc(n_cells: int, receptors: pd.DataFrame, sample: str, note: StepNote) -> dict[str, Any]:
    n_contigs = 4 * n_cells
    return {
        "sample_id": sample,
        "counts_kind": "counts",
        "matrix": {
            "format": "10x HDF5",
            "place": "matrix",
            "n_cells": n_cells + 20,
            "n_features": 36601,
            "other_features": {},
            "library_size": "sum of the counts",
        },
        "genes": {
            "n_input": 36601,
            "n_output": 36592,
            "n_prefixed": 0,
            "kept": {"count": 34742, "examples": ["CD3E"]},
            "renamed": {"count": 1850, "examples": ["MARCH1 -> MARCHF1"]},
            "merged": {"count": 9, "examples": ["TBCE (ENSG00000285053, ENSG00000284770)"]},
            **{
                key: {"count": 0, "examples": []}
                for key in ("target_present", "ambiguous", "no_symbol", "unknown")
            },
        },
        "cells": {
            "input": n_cells + 20,
            "kept": n_cells,
            "removed": {
                "too_few_genes": 14,
                "too_much_mitochondrial": 6,
                "too_few_counts": 0,
                "not_a_t_cell": 0,
            },
            "thresholds": {"min_genes": 200, "min_counts": 500, "max_pct_mt": 20.0, "notes": []},
        },
        "receptors": {
            "layout": "10x contig table",
            "contigs": {
                "read": n_contigs,
                "kept": 2 * n_cells,
                "dropped": {"not_productive": n_cells, "low_confidence": n_cells, "no_junction": 0},
            },
            "cells": {
                "chain_pairing": {k: int(v) for k, v in receptors["chain_pairing"].value_counts().items()},
                "receptor_subtype": {"TRA+TRB": n_cells},
            },
            "genes": {
                "v": {**_NO_LEVELS, "gene": max(2 * n_cells - 1, 0), "family": 1, "renamed": 5},
                "j": {**_NO_LEVELS, "gene": 2 * n_cells, "not_functional": 2},
            },
            "junctions": {
                "anchors_added": 3,
                "not_embeddable": {"anchors_missing": 1},
                "distinct_keys": n_cells,
            },
            "clones": {"nucleotides": n_cells, "amino_acids": 0, "mixed": 0},
            "barcodes": {
                "rule": "identity,identity",
                "n_left": n_cells + 20,
                "n_right": n_cells,
                "n_shared": n_cells,
                "fraction_left": 0.97,
                "fraction_right": 0.97,
                "overlap": 0.97,
            },
        },
        "gate": {
            "t_cells": n_cells - n_cells // 15,
            "evidence": {"both": n_cells - n_cells // 15, "against": n_cells // 15, "none": 0},
            "other_lineages": {"B": n_cells // 15},
            "doublet_signs": {"two_full_chains": 3, "t_with_b": 0},
            "doublet_suspects": 3,
            "markers_measured": 114,
        },
        "distributions": {
            "total_counts": _make_distribution(20_000, n_cells),
            "n_genes_by_counts": _make_distribution(5_000, n_cells),
            "pct_counts_mt": _make_distribution(100, n_cells),
        },
        "warnings": ["No donor column: the sample stands for the donor."],
        "tcellflow": note.as_dict(),
    }


def _make_distribution(highest: int, total: int) -> dict[str, list[float]]:
    weights = np.exp(-(((np.arange(20) - 5) / 3) ** 2))
    counts = np.floor(total * weights / weights.sum())
    return {"edges": [highest * i / 20 for i in range(21)], "counts": [int(c) for c in counts]}


def _make_metrics(note: StepNote, predictions: pd.DataFrame) -> dict[str, Any]:
    t_cells = predictions.loc[predictions["is_t_cell"].astype(bool)]
    counts = t_cells["predicted_state"].value_counts()
    return {
        "n_cells": len(predictions),
        "n_t_cells": len(t_cells),
        "n_clones": int(predictions["clone_id"].nunique()),
        "predicted_states": {str(state): int(counts.get(state, 0)) for state in State},
        "states": {str(k): int(v) for k, v in predictions["state"].value_counts().items()},
        "abstained": {str(k): int(v) for k, v in predictions["abstain_reason"].value_counts().items()},
        "inputs": {str(k): int(v) for k, v in predictions["inputs"].value_counts().items()},
        "mean_confidence": 0.5,
        "mean_state_probabilities": None,
        "panel": {"n_genes": 100, "n_measured": 93, "coverage": 0.93},
        "prior_correction": None,
        "unused_inputs": [],
        "abstention": {"threshold": 0.5, "target_risk": 0.1, "ood_threshold": None, "dataset": "pbmc"},
        "bundle": {
            **_BUNDLE,
            "summary": "A small model",
            "intended_use": "tests",
            "limits": ["Not for solid tissue."],
            "licence": "CC BY 4.0",
            "evidence": {str(state): kind for state, kind in _EVIDENCE.items()},
            "training": [
                {"name": "atlas", "licence": "MIT", "paper": "10.1/x", "source": "https://example.org/a"}
            ],
        },
        "latent_classes": {"CD4 Tn": 20, "MAIT": 4},
        "shift": {
            "score": 0.21,
            "ood": None,
            "confidence": 0.21,
            "states": 0.1,
            "parts": 0.2,
            "parts_by_state": dict.fromkeys(map(str, State), 0.2),
            "dataset": "pbmc",
        },
        "warnings": [],
        "tcellflow": note.as_dict(),
    }
