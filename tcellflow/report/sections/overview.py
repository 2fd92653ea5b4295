"""The top of the page: header, cards and warnings.

Invariant: a card without its file says so; it never shows 0 for "not measured".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.roles import Role
from tcellflow.report.sections.confidence import HIGH_CONFIDENCE, LOW_CONFIDENCE
from tcellflow.report.sections.provenance import find_note
from tcellflow.report.wording import write_count, write_decimal, write_part, write_share

if TYPE_CHECKING:
    from tcellflow.report.inputs import ReportInputs, SourceFile
    from tcellflow.report.sections.clones import CloneSection
    from tcellflow.report.sections.quality import QualitySection
    from tcellflow.report.sections.receptors import ReceptorSection
    from tcellflow.report.sections.states import CallSection

_WARNINGS_SHOWN: Final = 40


@dataclass(frozen=True)
class Card:
    """One number of the overview.

    Parameters
    ----------
    label
        What it counts.
    value
        The number as text.
    note
        Its denominator or meaning; empty if it needs none.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Header:
    """What the page is about.

    Parameters
    ----------
    sample, donor
        Names; the donor is empty where none is known.
    bundle
        Name, version and digest of the bundle the states come from; empty without predictions.
    missing
        Sentences about what was not given.
    """

    sample: str
    donor: str
    bundle: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def tell_header(inputs: ReportInputs, prefix: str) -> Header:
    """Tell the header above the report's overview: name the sample, say what is absent.

    Parameters
    ----------
    inputs
        What is known.
    prefix
        Name to fall back on.

    Returns
    -------
    Header
        For the top of the page.
    """
    samples, donors = _read_names(inputs)
    note = find_note(inputs, Role.METRICS, Role.PREDICTIONS, Role.CLONOTYPES)
    bundle = note.bundle if note else {}
    shown = [(key, bundle.get(key, "")) for key in ("name", "version", "sha256")]
    missing = []
    if inputs.qc is None:
        missing.append("quality control (no qc.json)")
    if inputs.chains is None and inputs.receptors is None:
        missing.append("receptors (no chains or receptors table)")
    elif inputs.receptors is None:
        missing.append("pairing and clones per cell (no receptors table)")
    elif inputs.chains is None:
        missing.append("gene usage and CDR3 sequences (no chains table)")
    if inputs.predictions is None:
        missing.append("T-cell states (no predictions table)")
    if inputs.clonotypes is None:
        missing.append("states per clone (no clonotypes table)")
    if inputs.latent is None:
        missing.append("the map of the cells (no annotated.h5ad, or --no-map)")
    return Header(
        sample=", ".join(samples) or prefix,
        donor=", ".join(donors),
        bundle=tuple((key, value) for key, value in shown if value),
        missing=tuple(missing),
    )


def _read_names(inputs: ReportInputs) -> tuple[list[str], list[str]]:
    samples = [inputs.qc.sample_id] if inputs.qc else _read_column(inputs, "sample_id")
    return samples, _read_column(inputs, "donor")


def _read_column(inputs: ReportInputs, name: str) -> list[str]:
    """Give the values of a column of the first table that has any."""
    for table in (inputs.chains, inputs.receptors, inputs.clonotypes):
        if table is not None and table.num_rows and name in table.column_names:
            return sorted(table.column(name).unique().to_pylist())
    return []


def make_cards(
    quality: QualitySection | None,
    receptors: ReceptorSection | None,
    clones: CloneSection | None,
    calls: CallSection | None,
) -> tuple[Card, ...]:
    """Choose the numbers on the cards of the report's overview.

    Parameters
    ----------
    quality, receptors, clones, calls
        The sections; None where nothing is known.

    Returns
    -------
    tuple of Card
        In reading order; numbers without a source are left out.
    """
    cards: list[Card] = []
    n_kept = calls.n_cells if calls else None
    if quality:
        n_kept = quality.n_kept if quality.n_kept is not None else n_kept
        cards.append(Card("Cells in", write_count(quality.n_input), "barcodes in the input matrix"))
    if n_kept is not None:
        n_input = quality.n_input if quality else None
        cards.append(Card("Cells kept", write_count(n_kept), write_part(n_kept, n_input, "cells")))
    n_t_cells = calls.n_t_cells if calls else quality.n_t_cells if quality else None
    if n_t_cells is not None:
        cards.append(Card("T cells", write_count(n_t_cells), write_part(n_t_cells, n_kept, "cells")))
    if receptors and receptors.n_paired is not None:
        note = write_part(receptors.n_paired, receptors.n_cells, "cells")
        cards.append(Card("Alpha-beta pairs", write_count(receptors.n_paired), note))
    if clones:
        cards.append(
            Card("Clones", write_count(clones.n_clones), f"{clones.n_expanded:,} with two or more cells")
        )
    return (*cards, *(_make_call_cards(calls) if calls else ()))


def _make_call_cards(calls: CallSection) -> tuple[Card, ...]:
    confidence = calls.confidence
    scored = confidence.n_cells
    called = sum(1 for row in calls.states if row.n_cells)
    return (
        Card("States found", f"{called} of {len(calls.states)}", "with at least one reported cell"),
        Card("State reported", write_count(calls.n_reported), _of_t_cells(calls.n_reported, calls)),
        Card("Left unresolved", write_count(calls.n_unresolved), _of_t_cells(calls.n_unresolved, calls)),
        Card(
            "Mean confidence",
            write_decimal(confidence.mean),
            f"over {scored:,} T cells, unresolved ones too",
        ),
        Card(
            f"Confidence above {HIGH_CONFIDENCE}",
            write_share(confidence.n_high, scored),
            f"{confidence.n_high:,} of {scored:,} T cells",
        ),
        Card(
            f"Confidence below {LOW_CONFIDENCE}",
            write_share(confidence.n_low, scored),
            f"{confidence.n_low:,} of {scored:,} T cells",
        ),
    )


def _of_t_cells(part: int, calls: CallSection) -> str:
    return write_part(part, calls.n_t_cells, "T cells")


def collect_warnings(inputs: ReportInputs, quality: QualitySection | None) -> tuple[str, ...]:
    """Collect for the overview what the steps warned of, and what does not fit together.

    Parameters
    ----------
    inputs
        What is known.
    quality
        The quality section.

    Returns
    -------
    tuple of str
        Sentences, without repeats, at most about 40.
    """
    found: list[str] = []
    for document in (inputs.qc, inputs.embed, inputs.metrics):
        found += document.warnings if document else ()
    n_kept = quality.n_kept if quality else None
    if n_kept is not None and inputs.predictions is not None and inputs.predictions.num_rows != n_kept:
        found.append(
            f"The predictions hold {inputs.predictions.num_rows:,} cells, but quality control kept "
            f"{n_kept:,}: the files may come from different runs."
        )
    versions = sorted({f.note.version for f in inputs.files if f.note} - {""})
    if len(versions) > 1:
        found.append(f"The files were written by different versions of tcellflow: {', '.join(versions)}.")
    found += _find_stale(inputs.files)
    unique = list(dict.fromkeys(found))
    rest = len(unique) - _WARNINGS_SHOWN
    return (*unique[:_WARNINGS_SHOWN], *([f"And {rest:,} more warnings."] if rest > 0 else []))


def _find_stale(files: tuple[SourceFile, ...]) -> list[str]:
    """Compare the digests that steps noted of their inputs with the files at hand."""
    digests = {file.role: file.sha256 for file in files}
    return [
        f"The {file.role} file was made from another {role} file than the one shown here: "
        "re-run the later steps."
        for file in files
        for role in (Role.CHAINS, Role.RECEPTORS, Role.EMBEDDINGS)
        if role in digests and (noted := _noted_digests(file, role)) and digests[role] not in noted
    ]


def _noted_digests(file: SourceFile, role: Role) -> set[str]:
    # A step that took several files of a kind notes them as chains, chains_2, chains_3 ...
    inputs = file.note.inputs if file.note else {}
    return {digest for name, digest in inputs.items() if name == role or name.startswith(f"{role}_")}
