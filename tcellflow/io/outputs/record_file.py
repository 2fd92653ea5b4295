"""The file ``run.json``: what it says of each step of a sample.

Invariant: no name in it leads out of its folder or to another sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.io.tables.documents import read_json
from tcellflow.vocabulary import OutputName, output_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tcellflow.provenance import JsonValue

_CONTRACT: Final = "run/1"


@dataclass(frozen=True)
class StepRecord:
    """What is known of one step.

    Parameters
    ----------
    fingerprint
        Version, options, digests of inputs and bundle: equal fingerprints give equal outputs.
    outputs
        File name to digest; None while the step runs, or if it was killed.
    previous
        The same of the run before, while the step runs: those files are ours, too.
    contained
        Of `outputs`, each file that was removed, and the later file that holds its whole content.
    """

    fingerprint: Mapping[str, JsonValue]
    outputs: Mapping[str, str | None] = field(default_factory=dict)
    previous: Mapping[str, str] = field(default_factory=dict)
    contained: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether the step ran to its end."""
        return bool(self.outputs) and None not in self.outputs.values()

    @property
    def digests(self) -> dict[str, str]:
        """Name and digest of each file that this step is known to have written, then or before."""
        done = {name: digest for name, digest in self.outputs.items() if digest is not None}
        return {**self.previous, **done}


def write_steps(steps: Mapping[str, StepRecord]) -> dict[str, JsonValue]:
    """Give the content of the record file ``run.json``."""
    return {
        "contract": _CONTRACT,
        "steps": {
            name: {
                "fingerprint": dict(step.fingerprint),
                "outputs": dict(step.outputs),
                **({} if step.is_finished else {"previous": dict(step.previous)}),
                **({"contained": dict(step.contained)} if step.contained else {}),
            }
            for name, step in steps.items()
        },
    }


def read_steps(folder: Path, prefix: str) -> dict[str, StepRecord]:
    """Read the record file ``run.json``: what is known of each step; nothing where there is no file.

    Raises
    ------
    InputError
        If tcellflow did not write the file.
    """
    path = folder / output_name(prefix, OutputName.RUN)
    if not path.exists():
        return {}
    content = read_json(path)
    steps = content.get("steps")
    if content.get("contract") != _CONTRACT or not isinstance(steps, dict):
        raise InputError(
            f"the file carries the contract {content.get('contract')!r} instead of {_CONTRACT!r}",
            where=path,
            mend="remove it, or choose another -o or --prefix",
        )
    return {name: _read_step(step, path, prefix) for name, step in steps.items()}


def _read_step(step: JsonValue, path: Path, prefix: str) -> StepRecord:
    if isinstance(step, dict):
        fingerprint, outputs = step.get("fingerprint"), step.get("outputs")
        previous, contained = step.get("previous", {}), step.get("contained", {})
        if (
            isinstance(fingerprint, dict)
            and isinstance(outputs, dict)
            and isinstance(previous, dict)
            and isinstance(contained, dict)
        ):
            for name in (*outputs, *previous, *contained, *map(str, contained.values())):
                _check_name(name, path, prefix)
            return StepRecord(
                fingerprint,
                {name: None if digest is None else str(digest) for name, digest in outputs.items()},
                {name: str(digest) for name, digest in previous.items()},
                {name: str(holder) for name, holder in contained.items()},
            )
    raise InputError("the record of a step is damaged", where=path, mend="remove the file and run again")


def _check_name(name: str, path: Path, prefix: str) -> None:
    # what a record names may be removed: a record from elsewhere must not reach other files
    if "/" in name or "\\" in name or "\0" in name or not name.startswith((f"{prefix}.", f"{prefix}_")):
        raise InputError(
            f"the record names {name!r}, which is no file of this sample",
            where=path,
            mend="remove the record; tcellflow did not write it",
        )
