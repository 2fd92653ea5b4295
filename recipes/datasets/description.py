"""What a label can say, and what there is to know about a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tcellflow.states.labels import Meaning, find_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcellflow.vocabulary import Evidence, Function, Lineage, State


class Foreign(StrEnum):
    """Cells that are no T cells, and must not look like any."""

    B = "B"
    MYELOID = "myeloid"
    NK = "NK"


@dataclass(frozen=True)
class Axes:
    """What one label says of its cells; an empty axis is not spoken about.

    Parameters
    ----------
    lineages
        The possible lineages, the commonest first.
    functions
        The possible functions.
    cycling
        Whether the cells cycle; None where the label does not say.
    nearly
        The state that nearly all of its cells have, where it allows another as well: for the figures.
    """

    lineages: tuple[Lineage, ...] = ()
    functions: tuple[Function, ...] = ()
    cycling: bool | None = None
    nearly: State | None = None

    @property
    def lineage(self) -> Lineage | None:
        """The lineage in the figures: the commonest possible one."""
        return self.lineages[0] if self.lineages else None

    @property
    def state(self) -> State | None:
        """The state, where all that the label allows is one (cells count as resting unless it says more)."""
        if self.nearly:
            return self.nearly
        return find_state(Meaning(self.lineages, self.functions).mark_joint(), self.cycling)


NOTHING = Axes()


@dataclass(frozen=True)
class SetDescription:
    """Where a data set lies and what its labels mean.

    Parameters
    ----------
    name
        Folder.
    file
        File in the folder: h5ad with expression, Parquet for receptors alone.
    kind
        How the labels were found, in words.
    evidence
        Kind of truth behind the labels; None for sets without labels.
    label_column
        Column of the labels; empty for sets without labels.
    truth
        Label to what it says.
    foreign
        Label to the kind of other cell.
    foreign_column
        Column of these labels where it is not `label_column`.
    donor_column
        Column of the donors; empty where all cells are one donor's.
    donor
        Name of the donor where two sets share one; empty otherwise.
    library_column
        Column with the true library size; empty if the matrix holds all genes.
    library_like
        Set of the same genes from which true library sizes can be estimated, where the set has none.
    t_column
        Column that marks T cells; empty where the T-cell gate decides.
    counts_kind
        ``umi`` or ``reads``.
    receptors
        AIRR table in the folder; empty without receptors.
    receptor_labels
        Whether the labels stand beside receptors without expression.
    caveat
        What a reader of the figures must know.
    """

    name: str
    file: str
    kind: str = "none"
    evidence: Evidence | None = None
    label_column: str = ""
    truth: Mapping[str, Axes] = field(default_factory=dict)
    foreign: Mapping[str, Foreign] = field(default_factory=dict)
    foreign_column: str = ""
    donor_column: str = ""
    donor: str = ""
    library_column: str = ""
    library_like: str = ""
    t_column: str = ""
    counts_kind: str = "umi"
    receptors: str = ""
    receptor_labels: bool = False
    caveat: str = ""
