"""The end of the page: how each step was run, and what must not be read into the results.

Invariant: the options, digests and bundle shown are those the files carry, not those of this run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.listing import flatten
from tcellflow.report.roles import Role
from tcellflow.report.wording import NOTHING
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from tcellflow.contracts.entries import Note
    from tcellflow.contracts.metrics import BundleAccount, Metrics
    from tcellflow.report.inputs import ReportInputs
    from tcellflow.report.sections.clones import CloneSection
    from tcellflow.report.sections.states import CallSection

# JSON and table of one step carry the same note; the first one present speaks for both.
_STEP_ROLES: Final = (
    ("preprocess", (Role.QC, Role.CHAINS)),
    ("embed-tcr", (Role.EMBED, Role.RECEPTORS, Role.EMBEDDINGS, Role.NEIGHBOURS)),
    ("predict", (Role.METRICS, Role.PREDICTIONS, Role.CLONOTYPES)),
    ("fuse", (Role.FUSE, Role.FUSED)),
    ("describe", (Role.DESCRIPTIONS, Role.CLAIMS)),
)


@dataclass(frozen=True)
class Step:
    """How one step was run.

    Parameters
    ----------
    name, version
        The command and the version of tcellflow.
    options, inputs, bundle
        Names and values.
    """

    name: str
    version: str
    options: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    bundle: tuple[tuple[str, str], ...]


def find_note(inputs: ReportInputs, *roles: Role) -> Note | None:
    """Find the provenance that files share: the note of the first one present speaks for all."""
    notes = {file.role: file.note for file in inputs.files if file.note}
    return next((notes[role] for role in roles if role in notes), None)


def tell_steps(inputs: ReportInputs) -> tuple[Step, ...]:
    """Tell for the report's provenance how each step was run, in order; steps without a file are left out."""
    steps = []
    for name, roles in _STEP_ROLES:
        note = find_note(inputs, *roles)
        if note is not None:
            account = inputs.metrics.bundle if inputs.metrics and name == "predict" else None
            steps.append(
                Step(
                    name=name,
                    version=note.version or NOTHING,
                    options=tuple(flatten(note.options)),
                    inputs=tuple(flatten(dict(note.inputs))),
                    bundle=tuple(_tell_bundle(note, account)),
                )
            )
    return tuple(steps)


def tell_limits(
    calls: CallSection | None, clones: CloneSection | None, metrics: Metrics | None
) -> tuple[str, ...]:
    """Say, at the report's end beside provenance, what must not be read into the page.

    Parameters
    ----------
    calls, clones
        The sections present.
    metrics
        Its bundle may name its own limits.

    Returns
    -------
    tuple of str
        Sentences.
    """
    limits = []
    if calls:
        limits.append(
            "A state is a statistical call from one measurement of one cell. Confidence was calibrated on "
            "other donors or studies; on tissue, disease or technology unlike theirs it can be too high."
        )
        weak = [r.state for r in calls.states if r.evidence in {Evidence.TEACHER, Evidence.MARKER}]
        if weak:
            limits.append(
                f"{'All seven states' if len(weak) == len(calls.states) else ', '.join(weak)}: no labelled "
                "cells taught these classes (see the evidence beside each state). Confirm them with marker "
                "genes or proteins before building on them."
            )
        limits.append(
            "Shares of states describe the cells that were captured and passed the filters; sorting, "
            "enrichment and freezing change them."
        )
    if clones:
        limits.append(
            "Clones are defined within a donor. The same receptor in two donors is a public receptor, not "
            "one clone. Clone sizes are cells in this sample, and small clones say little about states."
        )
    return (*limits, *(metrics.bundle.limits if metrics else ()))


def _tell_bundle(note: Note, account: BundleAccount | None) -> list[tuple[str, str]]:
    """Name the bundle of a step, with licence and sources where metrics.json tells them."""
    rows = flatten(dict(note.bundle))
    if account is None:
        return rows
    texts = {
        "summary": account.summary,
        "intended use": account.intended_use,
        "licence": account.licence,
    }
    rows += [(name, text) for name, text in texts.items() if text]
    for source in account.training:
        parts = (source.name, source.licence, source.paper, source.source)
        rows.append(("learnt from", ", ".join(part for part in parts if part)))
    return rows
