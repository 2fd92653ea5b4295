"""The manifest of CITE-seq sets: which files hold cells, and which labels mean what.

Invariant: a manifest in hand names only files that exist; every fault of one is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tcellflow.training.cohorts.manifest import CohortEntry, EntryReader, LabelColumn, read_entries
from tcellflow.training.options import NOT_STATED
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_COLUMNS: Final = ("cell_id", "donor", "library_size")
_KEYS: Final = ("name", "counts", "slot", "adt", "cells", "columns", "label", "classes", "split", "licence", "source")  # fmt: skip  # noqa: E501 - one row of names
_LEFT_OUT: Final = ("clone", "kind")  # of a cohort; nothing here asks for them


@dataclass(frozen=True)
class FusionEntry:
    """One set as the manifest describes it.

    Parameters
    ----------
    cohort
        Its name, counts and table of cells.
    adt
        Antibody counts beside the counts; None = those inside them, if any.
    label
        Column of labels; None without.
    classes
        Label to the classes it allows, of which the cell is one; None = a label is a class.
    split
        Column that says what each cell is for (`tcellflow.training.fusion.sets.Role`); None without.
    """

    cohort: CohortEntry
    adt: Path | None
    label: str | None
    classes: Mapping[str, tuple[str, ...]] | None
    split: str | None

    @property
    def name(self) -> str:
        """Distinct name."""
        return self.cohort.name


def read_fusion_manifest(path: Path) -> tuple[FusionEntry, ...]:
    """Read a manifest of CITE-seq sets.

    Parameters
    ----------
    path
        YAML file with a list ``sets``; paths in it are relative to it.

    Returns
    -------
    tuple of FusionEntry
        The sets in its order.

    Raises
    ------
    InputError
        If it cannot be read, or anything in it is wrong; all faults are named.
    """
    return read_entries(path, "sets", _parse_entry)


def _parse_entry(reader: EntryReader) -> FusionEntry:
    reader.check_keys(_KEYS)
    counts, adt = reader.take_path("counts"), reader.take_path("adt")
    reader.check(bool(reader.found.get("counts")), "it has no counts")
    label, split = reader.take_text("label"), reader.take_text("split")
    columns = reader.take_columns(_COLUMNS)
    asked = tuple(LabelColumn(name, Evidence.AUTHOR, {}) for name in (label, split) if name)
    return FusionEntry(
        cohort=CohortEntry(
            name=reader.name,
            counts=counts,
            counts_kind="umi",
            slot=reader.take_text("slot"),
            cells=reader.take_path("cells"),
            columns={**columns, **{name: name for name in _LEFT_OUT}},
            receptors=None,
            labels=asked,
            licence=reader.take_text("licence") or NOT_STATED,
            source=reader.take_text("source") or NOT_STATED,
        ),
        adt=adt,
        label=label,
        classes=_take_classes(reader, label),
        split=split,
    )


def _take_classes(reader: EntryReader, label: str | None) -> dict[str, tuple[str, ...]] | None:
    found: Any = reader.found.get("classes")
    if found is None:
        return None
    reader.check(label is not None, "classes need a column 'label'")
    reader.check(isinstance(found, dict), "classes is no mapping of labels")
    classes = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        names = value if isinstance(value, list) else [value]
        fits = bool(names) and all(isinstance(one, str) and one for one in names)
        reader.check(fits, f"classes, '{name}': give a class or a list of them")
        classes[str(name)] = tuple(map(str, names))
    return classes
