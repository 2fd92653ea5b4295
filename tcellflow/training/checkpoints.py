"""Checkpoints: the whole state of a training run in one file.

Invariant: a checkpoint under its name is whole, holds tensors and plain values alone, and is only
continued by the run that made it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

import torch

from tcellflow.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CHECKPOINT_FILE: Final = "checkpoint.pt"
METRICS_FILE: Final = "metrics.jsonl"


def refuse_earlier_run(folder: Path, *, resume: bool, force: bool) -> None:
    """Refuse a folder with a checkpoint that the user may want to keep.

    Parameters
    ----------
    folder
        Where checkpoint and metrics file will go.
    resume, force
        Whether to go on with an earlier run, or to replace it.

    Raises
    ------
    OutputError
        If there is one and neither was asked for.
    """
    if (folder / CHECKPOINT_FILE).exists() and not (resume or force):
        raise OutputError(
            "an earlier run is in the folder",
            where=folder,
            mend="add --resume to go on with it, --force to replace it, or choose another folder",
        )


def write_checkpoint(
    folder: Path,
    state: Mapping[str, Any],
    fingerprint: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> None:
    """Write checkpoint and metrics file, each all at once.

    Parameters
    ----------
    folder
        Where they go; made if absent.
    state
        Tensors and plain values.
    fingerprint
        What the run is, as JSON values.
    history
        Lines of the metrics file.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    content = {
        "state": dict(state),
        "fingerprint": json.dumps(fingerprint, sort_keys=True),
        "history": json.dumps(list(history)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{CHECKPOINT_FILE}.part"
        torch.save(content, part)
        _replace(part, folder / CHECKPOINT_FILE)
        part = folder / f"{METRICS_FILE}.part"
        part.write_text("".join(json.dumps(line) + "\n" for line in history), encoding="utf-8")
        _replace(part, folder / METRICS_FILE)
    except (OSError, RuntimeError) as error:  # torch tells a full disk by a RuntimeError
        raise OutputError(
            f"the checkpoint cannot be written: {error}",
            where=folder,
            mend="free space, or choose another folder and copy the checkpoint there",
        ) from error


def read_checkpoint(
    folder: Path, fingerprint: Mapping[str, Any], device: torch.device
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a checkpoint of the same training run.

    Parameters
    ----------
    folder
        Where it lies.
    fingerprint
        What the run is, as JSON values.
    device
        Where its tensors go.

    Returns
    -------
    tuple
        State and history as written.

    Raises
    ------
    InputError
        If it is damaged, or of a run with other options or data.
    """
    path = folder / CHECKPOINT_FILE
    try:
        # tensors and plain values only: nothing of the file is executed
        content = torch.load(path, map_location=device, weights_only=True)
        made_by, history = json.loads(content["fingerprint"]), json.loads(content["history"])
        state = dict(content["state"])
    except Exception as error:
        raise InputError("the checkpoint is damaged", where=path, mend="remove it and start again") from error
    differing = _differences(made_by, json.loads(json.dumps(fingerprint)))
    if differing:
        raise InputError(
            f"the checkpoint is of another run: {', '.join(differing)} differ",
            where=path,
            mend="give the options and data it was made with, or another output folder",
        )
    return state, history


def _replace(part: Path, final: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(final)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*old, *new}):
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += _differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(prefix + key)
    return found
