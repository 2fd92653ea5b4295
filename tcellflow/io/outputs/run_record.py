"""``run.json``: which steps of a sample are done, from what, and what they wrote.

Invariant: a file of a step is named here before the step writes it, so that a killed run can go on
and files of others are never replaced; the record holds no times and no paths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError, OutputError
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.documents import read_json, write_json
from tcellflow.provenance import digest_file
from tcellflow.vocabulary import OutputName, output_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tcellflow.provenance import JsonValue

_CONTRACT: Final = "run/1"


class DigestCache:
    """Digests of files, computed again only when a file has changed on disk."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int, int], str] = {}

    def digest(self, path: Path) -> str:
        """Give the sha256 of an existing file or folder in hexadecimal."""
        if path.is_dir():
            return digest_file(path)
        status = path.stat()
        key = (path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            self._known[key] = digest_file(path)
        return self._known[key]


@dataclass(frozen=True)
class StepRecord:
    """What is known of one step.

    Parameters
    ----------
    fingerprint
        Version, options, digests of inputs and bundle: equal fingerprints give equal outputs.
    outputs
        File name to digest; None while the step runs, or if it was killed.
    """

    fingerprint: Mapping[str, JsonValue]
    outputs: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """Whether the step ran to its end."""
        return bool(self.outputs) and None not in self.outputs.values()


class RunRecord:
    """The record of one sample's run.

    Parameters
    ----------
    folder
        Output folder.
    prefix
        Sample name in front of the file names.
    digests
        Digests known so far.

    Raises
    ------
    InputError
        If there is a ``run.json`` that tcellflow did not write.
    """

    def __init__(self, folder: Path, prefix: str, digests: DigestCache) -> None:
        self._folder = folder
        self._prefix = prefix
        self._digests = digests
        self._folder_was_there = folder.is_dir()
        self._path = folder / output_name(prefix, OutputName.RUN)
        self._steps = _read_steps(self._path) if self._path.exists() else {}

    def is_current(self, step: str, fingerprint: Mapping[str, JsonValue]) -> bool:
        """Tell whether a step's outputs are there, whole and unchanged, from the same inputs."""
        known = self._steps.get(step)
        return (
            known is not None
            and known.is_finished
            and known.fingerprint == fingerprint
            and all(self._is_unchanged(name, digest) for name, digest in known.outputs.items())
        )

    def list_outputs(self, step: str) -> list[Path]:
        """List the files that a step is known to have written, by name; none for an unknown step."""
        known = self._steps.get(step)
        return [] if known is None else [self._folder / name for name in sorted(known.outputs)]

    def check_replaceable(self, step: str, names: Iterable[str]) -> None:
        """Refuse to let a step replace files that this record does not know.

        Raises
        ------
        OutputError
            If one exists and an earlier run has not recorded it.
        """
        known = self._steps[step].outputs if step in self._steps else {}
        for name in names:
            if name not in known and (self._folder / name).exists():
                raise OutputError(
                    "the output exists, and no earlier run of this sample recorded it",
                    where=self._folder / name,
                    mend="add --force to replace it, or choose another -o or --prefix",
                )

    def begin(self, step: str, fingerprint: Mapping[str, JsonValue], names: Iterable[str]) -> None:
        """Record that a step, run with this fingerprint, is about to write files of these names."""
        known = self._steps[step].outputs if step in self._steps else {}
        unfinished = StepRecord(fingerprint, {**known, **dict.fromkeys(names)})
        self._write({**self._steps, step: unfinished})

    def abandon(self) -> None:
        """Take back what `begin` recorded, for the step failed and wrote nothing."""
        if self._steps:
            self._write(self._steps)
            return
        self._path.unlink(missing_ok=True)
        if not self._folder_was_there and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def finish(self, step: str, fingerprint: Mapping[str, JsonValue], outputs: Iterable[Path]) -> None:
        """Record what a step has written, and remove its older files that it no longer writes."""
        written: dict[str, str | None] = {path.name: self._digests.digest(path) for path in outputs}
        self._remove(step, keep=written)
        self._steps = {**self._steps, step: StepRecord(fingerprint, written)}
        self._write(self._steps)

    def forget(self, step: str) -> list[str]:
        """Remove the outputs of a step that this run leaves out for want of input, and give their names."""
        if step not in self._steps:
            return []
        removed = self._remove(step, keep={})
        self._steps = {name: known for name, known in self._steps.items() if name != step}
        self._write(self._steps)
        return removed

    def _remove(self, step: str, *, keep: Mapping[str, object]) -> list[str]:
        known = self._steps[step].outputs if step in self._steps else {}
        removed = []
        for name, digest in known.items():
            # a file that somebody changed since is no longer ours to remove
            if name not in keep and digest is not None and self._is_unchanged(name, digest):
                (self._folder / name).unlink()
                removed.append(name)
        return removed

    def _is_unchanged(self, name: str, digest: str | None) -> bool:
        path = self._folder / name
        return path.is_file() and self._digests.digest(path) == digest

    def _write(self, steps: Mapping[str, StepRecord]) -> None:
        content: dict[str, JsonValue] = {
            "contract": _CONTRACT,
            "steps": {
                name: {"fingerprint": dict(step.fingerprint), "outputs": dict(step.outputs)}
                for name, step in steps.items()
            },
        }
        with stage_outputs(self._folder, self._prefix, force=True) as outputs:
            write_json(outputs.path(OutputName.RUN), content)


def _read_steps(path: Path) -> dict[str, StepRecord]:
    content = read_json(path)
    steps = content.get("steps")
    if content.get("contract") != _CONTRACT or not isinstance(steps, dict):
        raise InputError(
            f"the file carries the contract {content.get('contract')!r} instead of {_CONTRACT!r}",
            where=path,
            mend="remove it, or choose another -o or --prefix",
        )
    return {name: _read_step(step, path) for name, step in steps.items()}


def _read_step(step: JsonValue, path: Path) -> StepRecord:
    if isinstance(step, dict):
        fingerprint, outputs = step.get("fingerprint"), step.get("outputs")
        if isinstance(fingerprint, dict) and isinstance(outputs, dict):
            digests = {name: None if digest is None else str(digest) for name, digest in outputs.items()}
            return StepRecord(fingerprint, digests)
    raise InputError("the record of a step is damaged", where=path, mend="remove the file and run again")
