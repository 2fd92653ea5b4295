"""The manifest of cohorts: which files hold cells, and what their labels mean.

Invariant: a manifest in hand names only files that exist; every fault of one is told at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, get_args

import yaml

from tcellflow.errors import InputError, OptionsError
from tcellflow.io.files.kinds import check_is_file
from tcellflow.states.labels import Meaning, parse_meaning
from tcellflow.training.options import NOT_STATED
from tcellflow.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

CountsKind = Literal["umi", "reads", "tpm"]
T_CELL: Final = "T"  # the kind of cells that are learnt; every other kind is no T cell
# Columns about the cells under the names they have unless the manifest says otherwise.
COLUMNS: Final = ("cell_id", "donor", "clone", "library_size", "kind")
_KEYS: Final = (
    "name", "counts", "counts_kind", "slot", "cells", "columns", "kinds", "receptors", "labels", "licence",
    "source",
)  # fmt: skip
_SHOWN: Final = 40
_MAX_VALUES: Final = 1_000_000


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=_Named)


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels and what they mean.

    Parameters
    ----------
    column
        Its name.
    evidence
        How the labels were found.
    meanings
        Label to what it says; other labels say nothing.
    """

    column: str
    evidence: Evidence
    meanings: Mapping[str, Meaning]


@dataclass(frozen=True)
class CohortEntry:
    """One cohort as the manifest describes it.

    Parameters
    ----------
    name
        Distinct name.
    counts
        Expression matrix; None for receptors without expression.
    counts_kind
        What its numbers are.
    slot
        Where the matrix lies in an .h5ad or .h5mu file; None = where counts are expected.
    cells
        Table about the cells; None = the columns of obs.
    columns
        Name of each of `COLUMNS` in that table.
    kinds
        What the values of the column of kinds stand for: ``T``, or the kind of other cell; empty where they
        stand for themselves.
    receptors
        Receptor file; None without.
    labels
        Columns of labels in the order of their worth.
    licence, source
        Words for the card.
    """

    name: str
    counts: Path | None
    counts_kind: CountsKind
    slot: str | None
    cells: Path | None
    columns: Mapping[str, str]
    receptors: Path | None
    labels: tuple[LabelColumn, ...]
    licence: str
    source: str
    kinds: Mapping[str, str] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """YAML of plain values: dates stay the text that they are, and little text stands for little.

    Notes
    -----
    A few lines of aliases of aliases make a document that no memory holds once it is written out.
    """

    def get_single_node(self) -> yaml.Node | None:
        """Compose the document; one that is too large or holds itself is refused."""
        node = super().get_single_node()
        if node is not None and _count_values(node, {}) > _MAX_VALUES:
            problem = f"it stands for more than {_MAX_VALUES:,} values"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return node


def _count_values(node: yaml.Node, counted: dict[int, int]) -> int:
    """Count the values of a document as if aliases were written out."""
    if id(node) not in counted:
        counted[id(node)] = _MAX_VALUES + 1  # what it counts as within itself
        parts = [node.value] if isinstance(node, yaml.ScalarNode) else node.value
        pairs = isinstance(node, yaml.MappingNode)
        inner = [part for pair in parts for part in pair] if pairs else parts
        total = sum(_count_values(part, counted) for part in inner if isinstance(part, yaml.Node))
        counted[id(node)] = 1 + total
    return counted[id(node)]


_Loader.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for sign, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_manifest(path: Path) -> tuple[CohortEntry, ...]:
    """Read the manifest of cohorts.

    Parameters
    ----------
    path
        YAML file; paths in it are relative to it.

    Returns
    -------
    tuple of CohortEntry
        The cohorts in its order.

    Raises
    ------
    InputError
        If it cannot be read, or anything in it is wrong; all faults are named.
    """
    return read_entries(path, "cohorts", _parse_entry)


def read_entries(path: Path, key: str, parse: Callable[[EntryReader], Entry]) -> tuple[Entry, ...]:
    """Read the entries of a manifest of any kind.

    Parameters
    ----------
    path
        YAML file; paths in it are relative to it.
    key
        Name of its list.
    parse
        Makes an entry with a name out of what was found and notes the faults.

    Returns
    -------
    tuple
        The entries in its order.

    Raises
    ------
    InputError
        If it cannot be read, or anything in it is wrong; all faults are named.
    """
    check_is_file(path)
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a safe loader, see below)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        # ValueError: text that is no UTF-8, numbers of thousands of digits
        raise InputError(
            f"the manifest cannot be read: {error}", where=path, mend="give a YAML file"
        ) from error
    items = document.get(key) if isinstance(document, dict) else None
    if not isinstance(items, list) or not items:
        one = key.removesuffix("s")
        raise InputError(
            f"the manifest has no list '{key}'", where=path, mend=f"write one entry per {one}, see the docs"
        )
    faults: list[str] = []
    entries = []
    for number, item in enumerate(items, 1):
        is_mapping = isinstance(item, dict)
        if not is_mapping:
            faults.append(f"{key.removesuffix('s')} {number} is no mapping")
        found = item if is_mapping else {}
        name = str(found.get("name") or f"{key.removesuffix('s')} {number}")
        entries.append(parse(EntryReader(found, name, path.parent, faults)))
    names = [entry.name for entry in entries]
    faults += [f"two {key} are called {name}" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        more = f"\n- and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise InputError(
            "the manifest has faults:\n- " + "\n- ".join(faults[:_SHOWN]) + more,
            where=path,
            mend="mend them all",
        )
    return tuple(entries)


def divide_entries(entries: Sequence[Entry], hold_out: frozenset[str]) -> tuple[list[Entry], list[Entry]]:
    """Divide the entries of a manifest into those that are learnt from and those that are held out.

    Raises
    ------
    OptionsError
        If one to be held out is not there, or nothing is left to learn from.
    """
    unknown = sorted(hold_out - {entry.name for entry in entries})
    if unknown:
        raise OptionsError(
            f"no set is called {', '.join(unknown)}",
            where="--hold-out",
            mend="name sets of the manifest: " + ", ".join(entry.name for entry in entries),
        )
    learn = [entry for entry in entries if entry.name not in hold_out]
    if not learn:
        raise OptionsError("all sets are held out", where="--hold-out", mend="leave one to learn from")
    return learn, [entry for entry in entries if entry.name in hold_out]


def _parse_entry(reader: EntryReader) -> CohortEntry:
    found, name = reader.found, reader.name
    reader.check_keys(_KEYS)
    counts, receptors = reader.take_path("counts"), reader.take_path("receptors")
    reader.check(bool(found.get("counts") or found.get("receptors")), "it has neither counts nor receptors")
    cells = reader.take_path("cells")
    reader.check(bool(found.get("counts") or found.get("cells")), "receptors alone need a table 'cells'")
    kind = found.get("counts_kind", "umi")
    reader.check(
        kind in get_args(CountsKind), f"counts_kind is {kind}; give {', '.join(get_args(CountsKind))}"
    )
    return CohortEntry(
        name=name,
        counts=counts,
        counts_kind=kind,
        slot=reader.take_text("slot"),
        cells=cells,
        columns=reader.take_columns(),
        kinds=reader.take_kinds(),
        receptors=receptors,
        labels=reader.take_labels(),
        licence=reader.take_text("licence") or NOT_STATED,
        source=reader.take_text("source") or NOT_STATED,
    )


@dataclass(frozen=True)
class EntryReader:
    """Takes the parts of one entry and notes what is wrong."""

    found: Mapping[str, Any]
    name: str
    folder: Path
    faults: list[str]

    def check(self, holds: bool, fault: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Note a fault unless a condition holds."""
        if not holds:
            self.faults.append(f"{self.name}: {fault}")

    def check_keys(self, known: Sequence[str]) -> None:
        """Note a missing name and keys that nobody reads."""
        self.check(bool(self.found.get("name")), "it has no name")
        unknown = [str(key) for key in self.found if key not in known]
        self.check(not unknown, f"unknown keys: {', '.join(unknown)}; known are {', '.join(known)}")

    def take_text(self, key: str) -> str | None:
        """Take a text, None where there is none."""
        value = self.found.get(key)
        self.check(value is None or isinstance(value, str), f"{key} is no text")
        return value if isinstance(value, str) else None

    def take_path(self, key: str) -> Path | None:
        """Take the path of a file that is there, None where none is named."""
        text = self.take_text(key)
        if text is None:
            return None
        path = self.folder / text
        self.check(path.exists(), f"{key}: there is no {path}")
        return path

    def take_columns(self, columns: Sequence[str] = COLUMNS) -> dict[str, str]:
        """Take the names of columns about the cells."""
        found = self.found.get("columns") or {}
        fits = isinstance(found, dict) and set(found) <= set(columns)
        self.check(fits, f"columns may rename {', '.join(columns)}")
        return {name: str(found.get(name, name)) if fits else name for name in columns}

    def take_kinds(self) -> dict[str, str]:
        """Take what the values of the column of kinds stand for."""
        found = self.found.get("kinds") or {}
        fits = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
        self.check(fits, f"kinds is no mapping of values to {T_CELL} or another kind of cell")
        return {str(name): value for name, value in found.items()} if fits else {}

    def take_labels(self) -> tuple[LabelColumn, ...]:
        """Take columns of labels and what they mean."""
        found = self.found.get("labels") or []
        if not isinstance(found, list):
            self.check(False, "labels is no list")
            return ()
        return tuple(self._parse_column(column) for column in found)

    def _parse_column(self, found: Any) -> LabelColumn:
        whole = isinstance(found, dict) and set(found) == {"column", "evidence", "map"}
        self.check(whole, "each entry of labels has column, evidence and map")
        found = found if isinstance(found, dict) else {}
        column, kind, meanings = str(found.get("column")), found.get("evidence"), found.get("map")
        self.check(kind in tuple(Evidence), f"{column}: evidence is {kind}; give {', '.join(Evidence)}")
        self.check(isinstance(meanings, dict), f"{column}: map is no mapping of labels")
        items = meanings.items() if isinstance(meanings, dict) else ()
        return LabelColumn(
            column,
            Evidence(kind) if kind in tuple(Evidence) else Evidence.AUTHOR,
            {str(k): parse_meaning(v, self.faults, f"{self.name}, {column}, '{k}'") for k, v in items},
        )
