"""Makers of what fuse, describe and embed-tcr --neighbours write beside the files of `step_outputs`.

Invariant: cells, states, clones and keys are those of the frames given; every protein but the first is
measured evenly, so that the first tells the states apart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from tcellflow.contracts.descriptions import CLAIMS, DESCRIPTIONS
from tcellflow.contracts.fused import FUSED
from tcellflow.contracts.similarity import NEIGHBOURS
from tcellflow.io.tables.parquet import write_table
from tcellflow.provenance import StepNote

if TYPE_CHECKING:
    from pathlib import Path

    from step_outputs import StepFrames

PROTEINS = ("IL2RA", "PTPRC:RA", "CD4")
GENES = ("NKG7", "CCL5")
WIDTH = 6


def make_fused(
    frames: StepFrames, *, measured: bool = True, proteins: tuple[str, ...] = PROTEINS
) -> pa.Table:
    """Make the fused table: one vector per cell, the last cell without any."""
    rng = np.random.default_rng(1)
    predictions = frames.predictions
    n_cells = len(predictions)
    is_there = np.arange(n_cells) < max(n_cells - 1, 1)
    vectors = rng.normal(size=(n_cells, WIDTH)).astype(np.float32)
    columns: dict[str, object] = {
        "cell_id": predictions["barcode"].to_numpy(object),
        "sample_id": [frames.qc["sample_id"]] * n_cells,
        "inputs": np.where(is_there, "rna+adt" if measured else "rna", "none"),
        "x_fused": pa.array(
            [row.tolist() if there else None for row, there in zip(vectors, is_there, strict=True)],
            pa.list_(pa.field("element", pa.float32()), WIDTH),
        ),
        "w_rna": _shares(np.where(is_there, 0.25 if measured else 1.0, np.nan)),
        "w_adt": _shares(np.where(is_there, 0.75 if measured else 0.0, np.nan)),
        "label": [f"type {i % 3}" if there else None for i, there in enumerate(is_there)],
        "label_probability": _shares(np.where(is_there, 0.9, np.nan)),
        "label_entropy": _shares(np.where(is_there, 0.2, np.nan)),
        "label_abstained": [i % 5 == 0 if there else None for i, there in enumerate(is_there)],
        "label_set": ["a" if there else None for there in is_there],
        "panel_coverage_rna": _shares(np.full(n_cells, 0.9)),
        "panel_coverage_adt": _shares(np.full(n_cells, 0.5 if measured else 0.0)),
    }
    levels = np.abs(rng.normal(1, 0.3, (n_cells, len(proteins))))
    levels[:, 0] += 3 * (predictions["state"] == "Treg").to_numpy()
    for family in (
        "imputed_",
        "imputed_sd_",
        *(("denoised_", "denoised_sd_", "foreground_") if measured else ()),
    ):
        for number, protein in enumerate(proteins):
            values = levels[:, number] if "sd" not in family else np.full(n_cells, 0.1)
            columns[family + protein] = _shares(
                np.clip(values / 5, 0, 1) if family == "foreground_" else values
            )
    schema = FUSED.schema(vector_width=WIDTH, optional=list(columns))
    missing = {name: [None] * n_cells for name in schema.names if name not in columns}
    return pa.table({**columns, **missing}).select(schema.names).cast(schema)


def _shares(values: np.ndarray) -> pa.Array:
    return pa.array(values.astype(np.float32), pa.float32(), from_pandas=True)


def make_descriptions(
    frames: StepFrames, genes: tuple[str, ...] = GENES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make texts of states, of the two largest clones and of the sample, each of three sentences."""
    predictions = frames.predictions
    units = [("sample", "sample", len(predictions))]
    units += [("state", name, n) for name, n in predictions["state"].value_counts().sort_index().items()]
    units += [
        ("clonotype", name, n) for name, n in predictions["clone_id"].value_counts().head(2).items() if n > 1
    ]
    texts, claims = [], []
    for level, unit, n_cells in units:
        said = [
            ("size", "cells", "+", f"The group holds {n_cells} cells."),
            ("marker_present", genes[0], "+", f"{genes[0]} is detected in 90.0 % of them."),
            ("contradiction", genes[1], "-", f"Against the type, {genes[1]} is absent."),
        ]
        start = 0
        for number, (kind, subject, polarity, sentence) in enumerate(said, 1):
            claims.append(
                {
                    "unit_id": unit, "unit_level": level, "claim_id": number, "type": kind,
                    "subject": subject,
                    "subject_id": None, "polarity": polarity, "value": 90.0, "value_text": None,
                    "pct_detected": 90.0, "expected_pct": 10.0, "log_odds": 4.4, "source": "panel",
                    "confidence": None, "sentence_id": number, "span_start": start,
                    "span_end": start + len(sentence), "verdict": "supported",
                }
            )  # fmt: skip
            start += len(sentence) + 1
        texts.append(
            {
                "unit_id": unit, "unit_level": level, "n_cells": n_cells, "status": "resolved",
                "cl_id": "CL:0000792", "label": f"{genes[0]} cell", "cl_path": "CL:0000000|CL:0000792",
                "alternatives": "", "probability": 0.8, "margin": 0.5, "state": None, "state_share": None,
                "text": " ".join(sentence for *_, sentence in said), "register": "full",
                "realiser": "template", "n_sentences": 3, "n_claims": 3, "n_dropped": 0,
                "grounding_precision": 1.0, "evidence_coverage": 1.0,
            }
        )  # fmt: skip
    return pd.DataFrame(texts), pd.DataFrame(claims)


def make_neighbours(frames: StepFrames) -> pd.DataFrame:
    """Make each beta chain's two nearest others; the distance rises with the place in the list of keys."""
    keys = sorted(frames.chains.loc[frames.chains["locus"] == "TRB", "emb_id"].unique())
    rows = [
        {"kind": "trb", "emb_id": key, "rank": rank, "neighbour_id": keys[(i + rank) % len(keys)],
         "distance": 0.01 * (i + rank)}
        for i, key in enumerate(keys)
        for rank in (1, 2)
        if len(keys) > 2
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=[column.name for column in NEIGHBOURS.columns])


def write_other_files(
    folder: Path,
    frames: StepFrames,
    *,
    prefix: str = "donor1",
    measured: bool = True,
    proteins: tuple[str, ...] = PROTEINS,
    genes: tuple[str, ...] = GENES,
) -> list[Path]:
    """Write fused, fuse.json, descriptions, claims and neighbours under the names the steps give them."""
    fused = make_fused(frames, measured=measured, proteins=proteins)
    texts, claims = make_descriptions(frames, genes)
    notes = {
        "fuse": StepNote("fuse", {"inputs": "auto"}),
        "describe": StepNote("describe", {"register": "full"}),
    }
    tables = [(FUSED, fused, notes["fuse"])]
    for contract, frame, note in (
        (DESCRIPTIONS, texts, notes["describe"]),
        (CLAIMS, claims, notes["describe"]),
        (NEIGHBOURS, make_neighbours(frames), StepNote("embed-tcr", {"neighbours": 2})),
    ):
        tables.append((contract, pa.Table.from_pandas(frame, contract.schema(), preserve_index=False), note))
    paths = []
    for contract, table, note in tables:
        path = folder / f"{prefix}.{contract.name}.parquet"
        write_table(path, table, contract, note)
        paths.append(path)
    document = {
        "tcellflow": json.loads(notes["fuse"].as_json()),
        "n_cells": fused.num_rows, "inputs": {"rna+adt": fused.num_rows}, "is_own_rna": True,
        "is_own_adt": True, "axes": {"latent": WIDTH, "rna": 0, "adt": 0}, "mean_weight_rna": 0.25,
        "panel": {"coverage_rna": 0.9, "coverage_adt": 0.5, "used": list(proteins),
                  "not_learnt": [], "unknown": [proteins[0]], "isotypes": [], "constant": []},
        "labels": {}, "n_abstained": 0, "warnings": [],
    }  # fmt: skip
    path = folder / f"{prefix}.fuse.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return [*paths, path]
