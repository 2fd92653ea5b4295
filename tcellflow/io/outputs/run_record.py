"""``run.json``: which steps of a sample are done, from what, and what they wrote.

Invariant: a file of a step is named here before the step writes it, so that a killed run can go on
and files of others are never replaced; what was made from outputs that are being replaced does not keep
its name; a file is removed only where the record says which other one holds its content; the record holds
no times and no paths.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tcellflow.errors import OutputError
from tcellflow.io.outputs.digests import DigestCache
from tcellflow.io.outputs.record_file import StepRecord, read_steps, write_steps
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.documents import write_json
from tcellflow.vocabulary import STEPS, OutputName, output_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tcellflow.provenance import JsonValue

__all__ = ["DigestCache", "RunRecord", "StepRecord"]

# What an earlier run made from outputs that are being made anew gets this behind its name.
SUPERSEDED: Final = ".superseded"


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
        self.digests = digests
        self._path = folder / output_name(prefix, OutputName.RUN)
        self._moved: list[str] = []
        self._steps = read_steps(folder, prefix)

    def is_current(self, step: str, fingerprint: Mapping[str, JsonValue]) -> bool:
        """Tell whether a step's outputs are there, whole and unchanged, from the same inputs.

        Those that were set aside meanwhile, because an earlier step ran again, get their names back.
        """
        known = self._steps.get(step)
        if known is None or not known.is_finished or known.fingerprint != fingerprint:
            return False
        places = {
            name: self._find_unchanged(name, digest) or self._find_holder(known, name)
            for name, digest in known.outputs.items()
        }
        if None in places.values():
            return False
        self._restore(known.outputs)
        return True

    def check_same_inputs(self, step: str, inputs: Mapping[str, JsonValue]) -> None:
        """Refuse to go on with the files of another sample.

        Parameters
        ----------
        step
            The step that reads the sample's own files.
        inputs
            Their digests by role; None = not given.

        Raises
        ------
        OutputError
            If an earlier run of this folder and prefix had others.
        """
        if step not in self._steps:
            return
        known = self._steps[step].fingerprint.get("inputs")
        known = known if isinstance(known, dict) else {}
        roles = sorted({*known, *inputs})
        other = [role for role in roles if (known.get(role) or None) != (inputs.get(role) or None)]
        if other:
            raise OutputError(
                f"an earlier run wrote files of this name from other inputs ({', '.join(other)})",
                where=self._path,
                mend="choose another --prefix or -o for another sample; "
                "to make this sample anew from these inputs, add --force",
            )

    def list_outputs(self, step: str) -> list[Path]:
        """List the files that a step is known to have written, by name; none for an unknown step."""
        known = self._steps.get(step, StepRecord({}))
        paths = (self._folder / name for name in sorted(known.outputs))
        return [path for path in paths if path.name not in known.contained or path.exists()]

    def give_up(self, step: str, name: str, holder: str) -> None:
        """Remove a file of a step, if unchanged, whose whole content another step's file holds."""
        known = self._steps[step]
        if name in known.contained and not (self._folder / name).exists():
            return
        if self._is_unchanged(self._folder / name, known.outputs[name]):
            contained = {**known.contained, name: holder}
            self._steps = {**self._steps, step: replace(known, contained=contained)}
            self._write(self._steps)
            (self._folder / name).unlink()

    def locate(self, path: Path) -> Path | None:
        """Find a file of this sample: itself or the file that holds its content; None without either."""
        if path.exists():
            return path
        known = self._find_container(path)
        return None if known is None else self._find_holder(known, path.name)

    def digest(self, path: Path) -> str:
        """Give the digest of a file, or the recorded one of a file whose content another one holds."""
        known = None if path.exists() else self._find_container(path)
        digest = None if known is None else known.outputs.get(path.name)
        return self.digests.digest(path) if digest is None else digest

    def check_replaceable(self, step: str, names: Iterable[str]) -> None:
        """Refuse to let a step replace files that this record does not know.

        Raises
        ------
        OutputError
            If one exists and an earlier run has not recorded it.
        """
        known = {**self._steps[step].outputs, **self._steps[step].previous} if step in self._steps else {}
        for name in names:
            if name not in known and (self._folder / name).exists():
                raise OutputError(
                    "the output exists, and no earlier run of this sample recorded it",
                    where=self._folder / name,
                    mend="add --force to replace it, or choose another -o or --prefix",
                )

    def begin(self, step: str, fingerprint: Mapping[str, JsonValue], names: Iterable[str]) -> None:
        """Record that a step, run with this fingerprint, is about to write files of these names.

        What later steps made from its earlier outputs is set aside, before anything new is written.
        """
        known = self._steps.get(step, StepRecord({}))
        outputs = {**known.outputs, **dict.fromkeys(names)}
        self._write({**self._steps, step: StepRecord(fingerprint, outputs, known.digests)})
        self._moved = []
        for name in self._list_later(step):
            path = self._folder / name
            if path.is_file():
                self._moved.append(name)
                path.replace(_aside(path))

    def abandon(self) -> None:
        """Take back what `begin` recorded, for the step failed and wrote nothing."""
        self._restore(self._moved)
        if self._steps:
            self._write(self._steps)
            return
        self._path.unlink(missing_ok=True)

    def finish(self, step: str, fingerprint: Mapping[str, JsonValue], outputs: Iterable[Path]) -> None:
        """Record what a step has written, and remove its older files that it no longer writes."""
        written: dict[str, str | None] = {path.name: self.digests.digest(path) for path in outputs}
        known = self._steps.get(step, StepRecord({})).digests
        self._remove(step, keep=written)
        self._steps = {**self._steps, step: StepRecord(fingerprint, written)}
        self._write(self._steps)
        if written == known:  # nothing that was made from them has become wrong
            self._restore(self._moved)

    def forget(self, step: str) -> list[str]:
        """Remove the outputs of a step that this run leaves out for want of input, and give their names."""
        if step not in self._steps:
            return []
        removed = self._remove(step, keep={})
        self._steps = {name: known for name, known in self._steps.items() if name != step}
        self._write(self._steps)
        return removed

    def list_superseded(self) -> list[str]:
        """List the files that are set aside."""
        names = [name for known in self._steps.values() for name in known.digests]
        return sorted(aside.name for name in names if (aside := _aside(self._folder / name)).exists())

    def _list_later(self, step: str) -> list[str]:
        """List the names of files of the steps behind this one."""
        later = [self._steps[name] for name in STEPS[STEPS.index(step) + 1 :] if name in self._steps]
        return [name for known in later for name in {**known.outputs, **known.previous}]

    def _restore(self, names: Iterable[str]) -> None:
        """Give files that were set aside their names back, where nothing new has them."""
        for name in names:
            path = self._folder / name
            if _aside(path).exists() and not path.exists():
                _aside(path).replace(path)

    def _remove(self, step: str, *, keep: Mapping[str, object]) -> list[str]:
        known = self._steps[step].digests if step in self._steps else {}
        removed = []
        for name, digest in known.items():
            path = self._folder / name
            # a file that somebody changed since is no longer ours to remove
            if name not in keep and self._is_unchanged(path, digest):
                path.unlink()
                removed.append(name)
            if self._is_unchanged(_aside(path), digest):
                _aside(path).unlink()
        return removed

    def _find_unchanged(self, name: str, digest: str | None) -> Path | None:
        path = self._folder / name
        return next((place for place in (path, _aside(path)) if self._is_unchanged(place, digest)), None)

    def _find_container(self, path: Path) -> StepRecord | None:
        """Find the step that gave up a file of this sample."""
        steps = self._steps.values() if path.parent == self._folder else ()
        return next((step for step in steps if path.name in step.contained), None)

    def _find_holder(self, step: StepRecord, name: str) -> Path | None:
        """Find the unchanged file that holds the content of a removed one, perhaps set aside."""
        holder = step.contained.get(name)
        if holder is None:
            return None
        digest = next(
            (known.digests[holder] for known in self._steps.values() if holder in known.digests), None
        )
        return self._find_unchanged(holder, digest)

    def _is_unchanged(self, path: Path, digest: str | None) -> bool:
        return path.is_file() and self.digests.digest(path) == digest

    def _write(self, steps: Mapping[str, StepRecord]) -> None:
        with stage_outputs(self._folder, self._prefix, force=True) as outputs:
            write_json(outputs.path(OutputName.RUN), write_steps(steps))


def _aside(path: Path) -> Path:
    return path.with_name(path.name + SUPERSEDED)
