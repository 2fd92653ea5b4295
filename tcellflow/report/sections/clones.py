"""The clonotypes section: how large clones are and which states their cells take.

Invariant: a clone's states are shown as a distribution over its cells; nothing here is written
back onto single cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd
import pyarrow.compute as pc

from tcellflow.report.wording import LINEAGE_WORDS, NOTHING
from tcellflow.vocabulary import Arm, Lineage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcellflow.report.inputs import ReportInputs

_CLONES_SHOWN: Final = 20
# Lower bounds of the size classes; the last one is open.
_SIZE_STEPS: Final = (1, 2, 3, 6, 11, 51)


@dataclass(frozen=True)
class SizeClass:
    """Clones of similar size.

    Parameters
    ----------
    label
        E.g. "3-5 cells".
    n_clones, n_cells
        Clones in the class, and the cells in them.
    """

    label: str
    n_clones: int
    n_cells: int


@dataclass(frozen=True)
class CloneChain:
    """The receptor chain that stands for a clone.

    Parameters
    ----------
    junction_aa
        CDR3 with its anchors.
    v_call, j_call
        Genes, or "V unknown" and "J unknown".
    """

    junction_aa: str
    v_call: str
    j_call: str


@dataclass(frozen=True)
class CloneRow:
    """One of the largest clones.

    Parameters
    ----------
    clone_id
        Its id within the donor.
    n_cells
        Its cells.
    vj, vdj
        Its most frequent strongest alpha (or gamma) and beta (or delta) chain; None without one.
    lineage, state_mode
        Pooled lineage and most frequent state; a dash where not known.
    purity, entropy
        Share of cells in that state; entropy of the pooled probabilities in nats; None if unknown.
    n_abstained
        Cells without a reported state; None if unknown.
    """

    clone_id: str
    n_cells: int
    vj: CloneChain | None
    vdj: CloneChain | None
    lineage: str = NOTHING
    state_mode: str = NOTHING
    purity: float | None = None
    entropy: float | None = None
    n_abstained: int | None = None


@dataclass(frozen=True)
class ClusterSummary:
    """Clones with similar receptors.

    Parameters
    ----------
    n_clusters, n_clones, n_cells
        Clusters that hold two or more clones, those clones, and their cells.
    largest_clones
        Clones in the cluster with the most.
    """

    n_clusters: int
    n_clones: int
    n_cells: int
    largest_clones: int


@dataclass(frozen=True)
class CloneSection:
    """Everything the clonotypes section shows.

    Parameters
    ----------
    n_clones, n_cells
        Clones, and the cells in them.
    n_expanded
        Clones of at least two cells.
    has_states
        Whether the clones carry predictions.
    sizes
        Size classes, smallest first.
    largest
        The largest clones of two or more cells, at most 20.
    clusters
        Clones with similar receptors; None where clusters were not asked for.
    """

    n_clones: int
    n_cells: int
    n_expanded: int
    has_states: bool
    sizes: tuple[SizeClass, ...]
    largest: tuple[CloneRow, ...]
    clusters: ClusterSummary | None = None


def summarise_clones(inputs: ReportInputs) -> CloneSection | None:
    """Summarise the clonotypes of one sample for the clones section of the report.

    Parameters
    ----------
    inputs
        What is known; clone sizes come from the clonotypes, else from the receptors.

    Returns
    -------
    CloneSection or None
        None where no file names clones.
    """
    if inputs.clonotypes is not None:
        clones = inputs.clonotypes.to_pandas()
    elif inputs.receptors is not None:
        ids = inputs.receptors.column("clone_id").to_pandas().dropna()
        counts = ids.value_counts()
        clones = pd.DataFrame({"clone_id": counts.index.to_numpy(object), "n_cells": counts.to_numpy()})
    else:
        return None
    # Ties by id, so that the page does not depend on row order.
    clones = clones.sort_values(["n_cells", "clone_id"], ascending=[False, True], kind="stable")
    # Among clones of one cell none is larger than another: a list of them would be arbitrary.
    top = clones.loc[clones["n_cells"] > 1].head(_CLONES_SHOWN)
    chains = _name_chains(inputs, list(top["clone_id"]))
    sizes = clones["n_cells"]
    return CloneSection(
        n_clones=len(clones),
        n_cells=int(sizes.sum()),
        n_expanded=int((sizes > 1).sum()),
        has_states=inputs.clonotypes is not None,
        sizes=_class_sizes(sizes),
        largest=tuple(_tell_clone(row, chains) for row in top.to_dict("records")),
        clusters=_summarise_clusters(clones),
    )


def _summarise_clusters(clones: pd.DataFrame) -> ClusterSummary | None:
    if "receptor_cluster" not in clones:
        return None
    clusters = clones.groupby("receptor_cluster")["n_cells"].agg(["size", "sum"])
    shared = clusters[clusters["size"] > 1]
    largest = 0 if shared.empty else int(shared["size"].max())
    return ClusterSummary(len(shared), int(shared["size"].sum()), int(shared["sum"].sum()), largest)


def _class_sizes(sizes: pd.Series) -> tuple[SizeClass, ...]:
    classes = []
    for low, following in zip(_SIZE_STEPS, (*_SIZE_STEPS[1:], None), strict=True):
        inside = sizes[(sizes >= low) & (sizes < following)] if following else sizes[sizes >= low]
        if following is None:
            label = f"more than {low - 1} cells"
        elif following == low + 1:
            label = f"{low} cell" if low == 1 else f"{low} cells"
        else:
            label = f"{low} to {following - 1} cells"
        classes.append(SizeClass(label, len(inside), int(inside.sum())))
    while classes and not classes[-1].n_clones:
        classes.pop()
    return tuple(classes)


def _tell_clone(row: Mapping[str, object], chains: Mapping[tuple[str, str], CloneChain]) -> CloneRow:
    clone_id = str(row["clone_id"])
    vj, vdj = (chains.get((clone_id, arm)) for arm in (Arm.VJ, Arm.VDJ))
    n_cells = int(str(row["n_cells"]))
    if "state_mode" not in row:
        return CloneRow(clone_id, n_cells, vj, vdj)
    lineage, state = row["lineage"], row["state_mode"]
    return CloneRow(
        clone_id=clone_id,
        n_cells=n_cells,
        vj=vj,
        vdj=vdj,
        lineage=LINEAGE_WORDS[Lineage(lineage)] if isinstance(lineage, str) else NOTHING,
        state_mode=state if isinstance(state, str) else NOTHING,
        purity=_as_number(row["purity"]),
        entropy=_as_number(row["entropy"]),
        n_abstained=int(str(row["n_abstained"])),
    )


def _as_number(value: object) -> float | None:
    return float(value) if isinstance(value, float) and value == value else None  # noqa: PLR0124 - NaN


def _name_chains(inputs: ReportInputs, clone_ids: list[str]) -> dict[tuple[str, str], CloneChain]:
    """Give the most frequent strongest chain per clone and arm."""
    if inputs.chains is None or not clone_ids:
        return {}
    cells = _cells_of_clones(inputs, clone_ids)
    first = inputs.chains.filter(pc.equal(inputs.chains.column("rank"), 1))
    first = first.select(["cell_id", "arm", "junction_aa", "v_call", "j_call"]).to_pandas()
    joined = cells.merge(first, on="cell_id", how="inner")
    if joined.empty:
        return {}
    joined = joined.fillna({"v_call": "V unknown", "j_call": "J unknown"})
    names = ["junction_aa", "v_call", "j_call"]
    counts = joined.groupby(["clone_id", "arm", *names], observed=True).size().reset_index(name="n")
    counts = counts.sort_values(["n", *names], ascending=[False, True, True, True], kind="stable")
    best = counts.drop_duplicates(["clone_id", "arm"])
    return {
        (str(row["clone_id"]), str(row["arm"])): CloneChain(*(str(row[name]) for name in names))
        for row in best.to_dict("records")
    }


def _cells_of_clones(inputs: ReportInputs, clone_ids: list[str]) -> pd.DataFrame:
    if inputs.receptors is not None:
        cells = inputs.receptors.select(["cell_id", "clone_id"]).to_pandas()
    elif inputs.predictions is not None:
        cells = inputs.predictions.select(["barcode", "clone_id"]).to_pandas()
        cells = cells.rename(columns={"barcode": "cell_id"})
    else:
        return pd.DataFrame({"cell_id": [], "clone_id": []}, dtype=object)
    chosen: pd.DataFrame = cells.loc[cells["clone_id"].isin(clone_ids)]
    return chosen
